"""Delays of recurrent spikes: arrivals by hand, derivatives where spikes do not move, chunks, loops, refusals.

The property tests of ``test_kernels.py`` and ``test_kernel_gradients.py`` include them.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch
from helpers.kernel_cases import KERNELS, Case, random_events

from spikebench.kernels import operators
from spikebench.kernels.cpu import neurons, recurrent_delays, scans, tiles
from spikebench.kernels.cpu.events import Events
from spikebench.kernels.neuron import SURROGATES, Neuron
from spikebench.kernels.recurrent_delays import MOST_STEPS, RecurrentDelays, arrivals
from spikebench.kernels.scan import STATE_ROWS

both = pytest.mark.parametrize("kernels", KERNELS.values(), ids=KERNELS)
ZERO, HALF = torch.tensor(0.0), torch.tensor(0.5)


@both
@pytest.mark.parametrize(
    ("delay", "arrived"),
    [
        (0.0, [4, 0, 0, 0, 0]),
        (1.0, [0, 4, 0, 0, 0]),
        (1.25, [0, 3, 1, 0, 0]),
        (3.0, [0, 0, 0, 4, 0]),  # the longest
        (7.5, [0, 0, 0, 4, 0]),  # clamped
        (-2.0, [4, 0, 0, 0, 0]),
    ],
)
def test_a_spike_arrives_one_step_and_its_delay_later(
    kernels: ModuleType, delay: float, arrived: list[float]
) -> None:
    """Neuron 0 fires at step 1 and sends 4 to neuron 1, whose membrane shows half of its current."""
    current = torch.zeros(1, 7, 2)
    current[0, 1, 0] = 9
    recurrent = torch.tensor([[0.0, 4.0], [0.0, 0.0]])
    delays = RecurrentDelays(torch.tensor([delay, 2.0]), 3)
    neuron = Neuron(threshold=4.0)  # which neuron 1 does not reach
    for split in (7, 1, 3):  # in one scan, or continued from its state
        parts, state = [], None
        for part in current.split(split, 1):
            scan = kernels.recurrent_lif_scan(
                *(part, recurrent, ZERO, HALF / 2**30, neuron, None, state, True),
                recurrent_delays=delays,
            )
            parts.append(scan.membranes[0, :, 1])
            state = scan.state
            assert state.shape == (1, STATE_ROWS + 4, 2)
        torch.testing.assert_close(torch.cat(parts), torch.tensor([0.0, 0.0, *arrived]))


@both
@pytest.mark.parametrize("surrogate", ["triangle", "arctan"])
def test_delays_have_the_gradients_of_finite_differences(
    kernels: ModuleType, surrogate: str, rng: np.random.Generator
) -> None:
    """Spikes of the state arrive at membranes that stay far below the threshold, so all is smooth in the delays."""
    state = torch.zeros(2, STATE_ROWS + 5, 3, dtype=torch.float64)
    state[:, STATE_ROWS:] = torch.from_numpy((rng.random((2, 5, 3)) < 0.5) * 1.0)
    neuron = Neuron(threshold=1e9, surrogate=surrogate)
    numbers = [
        torch.from_numpy(array).requires_grad_()
        for array in (rng.normal(size=(3, 3)), np.array([0.4, 1.7, 3.6]), rng.uniform(0.2, 0.9, 3))
    ]
    current = torch.from_numpy(rng.normal(size=(2, 6, 3)))

    def membranes(
        recurrent: torch.Tensor, delay: torch.Tensor, decay: torch.Tensor
    ) -> torch.Tensor:
        delays = RecurrentDelays(delay, 4)
        given = (current, recurrent, decay, decay, neuron, None, state, True)
        return kernels.recurrent_lif_scan(*given, recurrent_delays=delays).membranes

    assert torch.autograd.gradcheck(membranes, numbers, rtol=1e-6, atol=1e-8)
    (to_delay,) = torch.autograd.grad(membranes(*numbers).sum(), numbers[1])
    assert (to_delay != 0).all()


@both
def test_delays_out_of_range_get_no_gradient(kernels: ModuleType) -> None:
    delay = torch.tensor([-0.1, 0.5, 2.1], requires_grad=True)
    current = torch.full((1, 8, 3), 3.0)
    scan = kernels.recurrent_lif_scan(
        *(current, torch.full((3, 3), 0.1), HALF, HALF, Neuron(), None, None, True),
        recurrent_delays=RecurrentDelays(delay, 2),
    )
    (scan.membranes * torch.arange(8)[:, None] ** 2).sum().backward()
    assert delay.grad is not None
    assert [bool(g) for g in delay.grad] == [False, True, False]


@pytest.mark.parametrize("surrogate", ["boxcar", "logistic"])
def test_compiled_loops_do_what_the_same_loops_do_uncompiled(
    surrogate: str, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    assert surrogate in SURROGATES
    tensors = {
        "weight": torch.from_numpy(rng.normal(0.5, 2, (1, 4, 5))),
        "recurrent": torch.from_numpy(rng.normal(0, 0.5, (1, 5, 5))),
        "decay_syn": torch.tensor(0.5, dtype=torch.float64),
        "decay_mem": torch.tensor(0.5, dtype=torch.float64),
        "delay": torch.from_numpy(rng.uniform(0, 3, 5)),
    }
    leaves = {name: tensor.requires_grad_() for name, tensor in tensors.items()}
    neuron = Neuron(surrogate=surrogate, slope=0.5)
    case = Case(random_events(rng, 3, 7, 4), neuron, leaves, longest=3)

    def everything() -> tuple[torch.Tensor, ...]:
        scan = case.scan(operators)
        loss = scan.membranes.square().sum() + (scan.spikes.dense().cumsum(1) ** 2).sum()
        return (scan.membranes, *torch.autograd.grad(loss, list(leaves.values())))

    compiled = everything()
    for module in (neurons, recurrent_delays, scans, tiles):
        for name, loop in list(vars(module).items()):
            if hasattr(loop, "py_func"):
                monkeypatch.setattr(module, name, loop.py_func)
    for found, expected in zip(everything(), compiled, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_the_lists_of_arrivals_are_equal(rng: np.random.Generator) -> None:
    """The loop of the CPU kernels, the sort of the others, and every spike by itself."""
    n_steps, late = 6, torch.tensor([0, 3, 1])
    fired = torch.from_numpy(rng.random((4, n_steps, 3)) < 0.4)
    past = torch.from_numpy((rng.random((4, 5, 3)) < 0.4) * 1.0)
    rows, bins, units = fired.nonzero(as_tuple=True)
    offsets = torch.nn.functional.pad(torch.bincount(rows, minlength=4).cumsum(0), (1, 0))
    cells = (offsets, bins.int(), units.int())
    expected: list[list[tuple[int, int]]] = [[] for _ in range(4)]
    spikes = [(k, t, u) for k, t, u in fired.nonzero().tolist()]
    spikes += [(k, -1 - s, u) for k, s, u in past.nonzero().tolist()]
    for k, t, u in spikes:
        for tap in (0, 1):
            at = t + 1 + int(late[u]) + tap
            if 0 <= at < n_steps:
                expected[k].append((at, u + 3 * tap))
    loop = recurrent_delays.list_arrivals(
        Events(*(c.numpy() for c in cells)), late.numpy(), past.numpy(), n_steps
    )
    for found in (loop, arrivals(cells, late, past, n_steps)):
        starts, at, rows_of = (np.asarray(array) for array in found)
        for k in range(4):
            own = slice(starts[k], starts[k + 1])
            assert np.all(np.diff(at[own]) >= 0)
            assert sorted(zip(at[own], rows_of[own], strict=True)) == sorted(expected[k])
    assert len(loop.bins) > 20


@pytest.mark.parametrize("longest", [0, -1, MOST_STEPS + 1])
def test_longest_delays_out_of_range_are_refused(longest: int) -> None:
    with pytest.raises(ValueError, match=f"must be 1 … 10000 steps, got {longest}"):
        RecurrentDelays(torch.zeros(3), longest)


def test_delays_that_are_no_number_stay_within_memory() -> None:
    delay = torch.tensor([torch.nan, torch.inf, 0.5], requires_grad=True)
    current = torch.full((2, 5, 3), 4.0)
    scan = operators.recurrent_lif_scan(
        *(current, torch.ones(3, 3), HALF, HALF, Neuron()),
        recurrent_delays=RecurrentDelays(delay, 2),
    )
    scan.spikes.dense().sum().backward()
    assert scan.spikes.dense()[:, 0].all()
