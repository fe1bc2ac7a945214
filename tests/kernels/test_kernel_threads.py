"""Threads that share a batch: errors, nesting, several callers; and spikes from elsewhere stay inside memory."""

from __future__ import annotations

import threading

import pytest
import torch
from threadpoolctl import threadpool_info

from spikebench.kernels import operators
from spikebench.kernels.cpu import threads
from spikebench.kernels.spikes import Spikes


@pytest.mark.parametrize(("word", "count"), [("3", 3), ("0", 0), ("abc", 0), ("²", 0), ("-1", 0)])
def test_how_many_threads(word: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", word)
    assert threads.n_threads() == count or count == 0
    assert threads.n_threads() >= 1


def test_answers_are_in_order_and_nested_shares_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")

    def inner(first: int, last: int) -> int:
        return sum(threads.run_in_threads(lambda a, b: b - a, threads.pieces(last - first, 1)))

    parts = threads.pieces(40, 5)
    assert threads.run_in_threads(inner, parts) == [5] * 8
    found: list[list[int]] = []
    callers = [
        threading.Thread(target=lambda: found.append(threads.run_in_threads(inner, parts)))
        for _ in range(6)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=60)
    assert found == [[5] * 8] * 6


def test_an_error_in_a_piece_is_raised_and_blas_gets_its_threads_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    before = [library["num_threads"] for library in threadpool_info()]

    def fail(first: int, last: int) -> None:
        if first == 3:
            raise ArithmeticError("piece 3")

    for _ in range(3):
        with pytest.raises(ArithmeticError, match="piece 3"):
            threads.run_in_threads(fail, threads.pieces(9, 1))
    assert [library["num_threads"] for library in threadpool_info()] == before


@pytest.mark.parametrize(
    ("bins", "units"), [([0], [9]), ([7], [0]), ([-1], [0]), ([0], [2**31 - 1])]
)
def test_spikes_put_together_by_hand_stay_inside(bins: list[int], units: list[int]) -> None:
    given = [torch.tensor(values, dtype=torch.int32) for values in (bins, units)]
    spikes = Spikes(torch.tensor([0, 1]), *given, torch.zeros(1, 4, 3))
    with pytest.raises(ValueError, match="lies outside"):
        operators.leaky_readout(spikes, torch.ones(3, 2), torch.tensor(0.5))
    with pytest.raises(ValueError, match="lies outside"):
        operators.event_linear(spikes, torch.ones(3, 2))


def test_types_of_events_are_told() -> None:
    spikes = Spikes(
        torch.tensor([0, 1]), torch.tensor([0.0]), torch.tensor([0]), torch.zeros(1, 4, 3)
    )
    with pytest.raises(ValueError, match="must be int64, int32, int32"):
        operators.event_linear(spikes, torch.ones(3, 2))
