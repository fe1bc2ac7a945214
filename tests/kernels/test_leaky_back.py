"""The way back through leaky neurons from the units near their threshold only, against the reference kernels."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch
from helpers.kernel_cases import random_events

from spikebench.compiled import compiled
from spikebench.kernels import operators, reference
from spikebench.kernels.cpu import (
    events,
    leaky_back,
    neurons,
    readouts,
    scans,
    simd,
    spike_gradients,
    tiles,
)
from spikebench.kernels.cpu import launch as cpu
from spikebench.kernels.cpu.vectors import spread_row_at, sum_rows_at
from spikebench.kernels.neuron import RESETS, Neuron
from spikebench.kernels.scan import STATE_ROWS, Scan

Answer = tuple[Scan, list[torch.Tensor]]
N_SAMPLES, N_STEPS, N_INPUTS = 20, 12, 8  # two groups of samples, the second not full


def run(
    kernels: ModuleType,
    n: int,
    n_taps: int,
    neuron: Neuron,
    from_currents: bool = False,
    losses: tuple[str, ...] = ("counts", "spikes", "layer", "max", "mean", "trace"),
    dtype: torch.dtype = torch.float64,
) -> Answer:
    """Run a layer with fixed decays from a random state, and differentiate a loss of all that uses its spikes."""
    rng = np.random.default_rng(n)

    def draw(mean: float, deviation: float, *shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.normal(mean, deviation, shape)).to(dtype)

    batch = random_events(rng, N_SAMPLES, N_STEPS, N_INPUTS, "counts")
    current, weight = draw(0.5, 1, N_SAMPLES, N_STEPS, n), draw(0.5, 1, 2, N_INPUTS, n)
    recurrent, layer, out = draw(0, 0.3, n_taps, n, n), draw(0, 0.5, 2, n, 5), draw(0, 0.5, n, 3)
    state = draw(0, 1, N_SAMPLES, STATE_ROWS + max(n_taps, 1), n)
    state[:, 2] = 0
    state[:, STATE_ROWS:] = (state[:, STATE_ROWS:] > 0.5).to(dtype)
    cells, decay_mem = draw(0, 1, N_SAMPLES, N_STEPS, n), draw(0, 1, n).abs().exp().reciprocal()
    decay = torch.tensor(0.6, dtype=dtype)
    leaves = [current if from_currents else weight, recurrent, layer, out]
    for leaf in leaves:
        leaf.requires_grad_()
    scan = kernels.recurrent_lif_scan(
        *(current if from_currents else batch, recurrent, decay, decay_mem, neuron),
        state=state,
        weight=None if from_currents else weight,
    )
    spikes = scan.spikes
    terms = {
        "counts": lambda: spikes.counts().square().sum() / 100,
        "spikes": lambda: (spikes.dense() * cells).sum(),
        "layer": lambda: kernels.event_linear(spikes, layer).square().sum() / 10,
        **{
            name: lambda name=name: kernels.leaky_readout(spikes, out, decay, name).square().sum()
            for name in ("max", "mean", "trace")
        },
    }
    loss = sum(terms[name]() for name in losses)
    found = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    return scan, [loss.detach(), scan.state, spikes.units, *found]


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("surrogate", ["triangle", "boxcar"])
@pytest.mark.parametrize("slope", [30.0, 0.3])  # few and many units near their threshold
@pytest.mark.parametrize(
    ("n", "n_taps", "from_currents"), [(1, 1, False), (37, 2, True), (70, 1, False), (64, 0, False)]
)
def test_fixed_decays_have_the_gradients_of_the_reference(
    n: int, n_taps: int, from_currents: bool, slope: float, surrogate: str, reset: str
) -> None:
    neuron = Neuron(surrogate=surrogate, slope=slope, reset=reset, threshold=0.8)
    scan, found = run(operators, n, n_taps, neuron, from_currents)
    assert scan.membranes is None
    assert scan.spikes.near_handle is not None
    share = scan.spikes.near_handle.numel() / (N_SAMPLES * N_STEPS * n)
    assert share < 0.15 if slope == 30 else share > 0.4
    _, expected = run(reference, n, n_taps, neuron, from_currents)
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("what", ["counts", "spikes", "layer", "max"])
def test_every_use_of_spikes_has_the_gradients_of_the_reference(what: str) -> None:
    neuron = Neuron(surrogate="triangle", slope=3.0)
    for learns in (False, True):  # a learned reset needs the membranes as well
        chosen = Neuron(surrogate="triangle", slope=3.0, reset_in_graph=True) if learns else neuron
        _, found = run(operators, 33, 1, chosen, losses=(what,))
        _, expected = run(reference, 33, 1, chosen, losses=(what,))
        assert float(found[3].abs().max()) > 0
        for one, two in zip(found, expected, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("slope", [10.0, 0.3])
def test_compiled_loops_do_what_the_same_loops_do_uncompiled(
    slope: float, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    neuron = Neuron(surrogate="triangle", slope=slope, reset="restart")
    given = (operators, 5, 2, neuron, False, ("counts", "spikes", "max", "trace"), dtype)
    _, expected = run(*given)
    for module in (events, leaky_back, neurons, readouts, scans, spike_gradients, tiles):
        for name, loop in list(vars(module).items()):
            if hasattr(loop, "py_func"):
                monkeypatch.setattr(module, name, loop.py_func)
    assert not hasattr(leaky_back.scan_back_leaky, "py_func")
    _, found = run(*given)
    for one, two in zip(found, expected, strict=True):
        assert torch.equal(one, two)


def test_threads_and_sizes_of_blocks_change_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    neuron = Neuron(surrogate="triangle", slope=10.0)
    answers = []
    for threads, n_block in (("1", 5), ("3", 5), ("1", 12)):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        monkeypatch.setattr(cpu, "_BLOCK_BYTES", n_block * 16 * 18 * 8)
        answers.append(run(operators, 18, 2, neuron)[1])
    for one, two, three in zip(*answers, strict=True):
        assert torch.equal(one, two)
        torch.testing.assert_close(one, three, rtol=1e-12, atol=1e-12)


@compiled
def _sum_at(
    table: np.ndarray, start: int, which: np.ndarray, rows: np.ndarray, at: int, n: int
) -> None:
    sum_rows_at(table, start, which, 1, which.size, rows, at, n)


@compiled
def _spread_at(table: np.ndarray, which: np.ndarray, rows: np.ndarray, at: int, n: int) -> None:
    spread_row_at(table, which, 1, which.size, rows, at, n)


@pytest.mark.parametrize("n", [1, 20, 145])
def test_rows_of_flat_arrays_are_added_where_they_are(n: int, rng: np.random.Generator) -> None:
    table, rows = rng.normal(size=2 + 9 * n), rng.normal(size=3 + n)
    which = rng.integers(0, 9, 7).astype(np.int32)
    expected = rows.copy()
    for unit in which[1:]:
        expected[3:] += table[2 + unit * n :][:n]
    found, plain = rows.copy(), rows.copy()
    _sum_at(table, 2, which, found, 3, n)
    _sum_at.py_func(table, 2, which, plain, 3, n)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(plain, expected)
    expected = table.copy()
    for unit in which[1:]:
        expected[unit * n :][:n] += rows[3:]
    found, plain = table.copy(), table.copy()
    _spread_at(found, which, rows, 3, n)
    _spread_at.py_func(plain, which, rows, 3, n)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(plain, expected)


@compiled
def _spread_and_total(row: np.ndarray, mask: np.uint64, out: np.ndarray) -> None:
    simd.store(out, np.uint64(0), simd.spread(mask, row))
    out[simd.LANES] = simd.total(simd.load(row, np.uint64(0)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_and_sums_of_vectors(dtype: type, rng: np.random.Generator) -> None:
    row, mask = rng.normal(size=simd.LANES).astype(dtype), np.uint64(0x80000105)
    found, plain = np.zeros((2, simd.LANES + 1), dtype)
    _spread_and_total(row, mask, found)
    _spread_and_total.py_func(row, mask, plain)
    np.testing.assert_array_equal(found, plain)
    assert np.flatnonzero(found[:-1]).tolist() == [0, 2, 8, 31]
    assert found[-1] == pytest.approx(row.astype(float).sum(), rel=1e-5)


@compiled
def _write_chosen(row: np.ndarray, values: np.ndarray, mask: np.uint64) -> np.uint64:
    return simd.write_chosen(row, np.uint64(3), simd.load(values, np.uint64(0)), mask)


@compiled
def _read_chosen(row: np.ndarray, mask: np.uint64, out: np.ndarray) -> None:
    simd.store(out, np.uint64(0), simd.read_chosen(row, np.uint64(3), mask))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_chosen_numbers_are_written_and_read(dtype: type, rng: np.random.Generator) -> None:
    masks = [0, 1, 0x80000105, 0xFFFF, 0xFFFF0000, 2**32 - 1, *rng.integers(0, 2**32, 20).tolist()]
    for mask in masks:
        flags = np.array([bool(mask >> h & 1) for h in range(simd.LANES)])
        values = rng.integers(1, 1000, simd.LANES).astype(dtype)
        for write, read in (
            (_write_chosen, _read_chosen),
            (_write_chosen.py_func, _read_chosen.py_func),
        ):
            row, back = np.full(40, -1, dtype), np.zeros(simd.LANES, dtype)
            count = int(write(row, values, np.uint64(mask)))
            assert count == flags.sum()
            expected = np.full(40, -1, dtype)
            expected[3 : 3 + count] = values[flags]
            np.testing.assert_array_equal(row, expected)
            if dtype is not np.int32:
                read(row, np.uint64(mask), back)
                np.testing.assert_array_equal(back, np.where(flags, values, 0))


@compiled
def _append(mask: np.uint64, found: np.ndarray, n_found: int) -> int:
    return spike_gradients.append_units(mask, np.uint64(2), found, n_found)


def test_units_of_a_tile_are_appended() -> None:
    for append in (_append, _append.py_func):
        found = np.full(9, -1, np.int32)
        assert append(np.uint64(0x80000105), found, 3) == 7
        assert found.tolist() == [-1, -1, -1, 64, 66, 72, 95, -1, -1]
