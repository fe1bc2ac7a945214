"""The compiled loops of the event-driven kernels against the same loops uncompiled, and one by one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import torch
from helpers import kernel_cases
from helpers.kernel_cases import Case, counts_of, random_events

from spikebench.compiled import compiled
from spikebench.kernels import operators
from spikebench.kernels.cpu import (
    compiling,
    events,
    feed_forward,
    neurons,
    readouts,
    recurrent_delays,
    scans,
    simd,
    spike_gradients,
    tiles,
    vectors,
)
from spikebench.kernels.cpu import launch as cpu
from spikebench.kernels.cpu.vectors import spread_row, sum_rows
from spikebench.kernels.neuron import LEAKY, RESETS, SURROGATES, Neuron, Settings
from spikebench.kernels.scan import REDUCTIONS

COMPILED = [
    (module, name)
    for module in (
        recurrent_delays,
        events,
        feed_forward,
        neurons,
        readouts,
        scans,
        spike_gradients,
        tiles,
    )
    for name, loop in vars(module).items()
    if hasattr(loop, "py_func")
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("reset", RESETS)
def test_compiled_loops_do_what_the_same_loops_do_uncompiled(
    dtype: torch.dtype, reset: str, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    batch = random_events(rng, 3, 6, 4, "binary")
    numbers = {
        "weight": rng.normal(0.5, 2, (2, 4, 5)),
        "recurrent": rng.normal(0, 0.5, (2, 5, 5)),
        "decay_syn": rng.uniform(0.2, 0.9, 5),
        "decay_mem": rng.uniform(0.2, 0.9, 5),
        "rho": rng.uniform(0.2, 0.9, 5),
        "a": rng.uniform(0, 1, 5),
        "b": rng.uniform(0, 1, 5),
    }
    out = torch.from_numpy(rng.normal(size=(5, 3))).to(dtype)
    neuron = Neuron(reset=reset, reset_in_graph=True)

    def everything() -> list[torch.Tensor]:
        leaves = {
            name: torch.from_numpy(array).to(dtype).requires_grad_()
            for name, array in numbers.items()
        }
        case = Case(batch, neuron, leaves)
        spikes = case.scan(operators).spikes
        again = operators.event_linear(spikes, torch.ones(5, 2, dtype=dtype).cumsum(0))
        decay = torch.tensor(0.5, dtype=dtype)
        traces = [
            operators.leaky_readout(spikes, out.requires_grad_(), decay, reduction)
            for reduction in REDUCTIONS
        ]
        loss = sum(trace.square().sum() for trace in (again, *traces))
        scan = case.scan(operators, from_currents=True)
        assert scan.membranes is not None
        loss = loss + scan.membranes.square().sum()
        grads = torch.autograd.grad(loss, [*leaves.values(), out])
        return [scan.membranes, scan.state, scan.spikes.bins, scan.spikes.units, *traces, *grads]

    compiled = everything()
    for module, name in COMPILED:
        monkeypatch.setattr(module, name, getattr(module, name).py_func)
    assert {"scan_forward", "scan_backward", "run_back"} < {name for _, name in COMPILED}
    for found, expected in zip(everything(), compiled, strict=True):
        assert torch.equal(found, expected)


@compiled
def _surrogates(
    neuron: neurons.Neuron, mem: np.ndarray, spare: np.ndarray, out: np.ndarray
) -> None:
    rules, zero, n = neurons.rules_of(neuron), np.uint64(0), np.uint64(mem.size)
    for tile in range(np.uint64(tiles.tiles(mem.size))):
        values = tiles.load_units(mem, zero, n, tile, spare)
        found = neurons.surrogate(neuron, rules, values, spare)
        tiles.store_units(out, zero, n, tile, found, spare)


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_surrogate_loops_do_what_the_docstring_says(
    name: str, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    neuron = Neuron(surrogate=name, slope=3.0, threshold=1.5)
    mem = np.concatenate([np.linspace(-4, 6, 101), [1.5, 1e4, -1e4]]).astype(dtype)
    found, decay = np.empty_like(mem), np.zeros((1, mem.size), dtype)
    settings = Settings(LEAKY, 1.5, 3.0, RESETS["zero"], False, SURROGATES[name])
    args = (neurons.layer(decay[0], decay, decay[:0], settings), mem, np.empty(simd.LANES, dtype))
    _surrogates(*args, found)
    expected = kernel_cases.surrogate(mem.astype(float) - 1.5, neuron)
    tolerance = 1e-12 if dtype is np.float64 else 2e-6
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    assert found[-3] == pytest.approx(1.0, rel=tolerance)
    plain = np.empty_like(mem)
    for module, loop in COMPILED:
        monkeypatch.setattr(module, loop, getattr(module, loop).py_func)
    _surrogates.py_func(*args, plain)
    np.testing.assert_allclose(plain, found, rtol=tolerance, atol=tolerance)


def test_counting_cells_of_a_binary_batch_leaves_the_first(rng: np.random.Generator) -> None:
    batch = random_events(rng, 5, 4, 3)
    cells = cpu.first_in_cell(batch.offsets, batch.bins, batch.units, 3)
    assert cells[1].numel() < batch.bins.numel()
    left = replace(batch, offsets=cells[0], bins=cells[1], units=cells[2])
    assert np.array_equal(counts_of(left), np.minimum(counts_of(batch), 1))


@compiled
def _sum(table: np.ndarray, which: np.ndarray, begin: int, end: int, out: np.ndarray) -> None:
    sum_rows(table, which, begin, end, out)


@compiled
def _spread(table: np.ndarray, which: np.ndarray, begin: int, end: int, row: np.ndarray) -> None:
    spread_row(table, which, begin, end, row)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 127, 128, 129, 145, 300])
def test_rows_are_added_alike_with_vectors_of_every_width(
    n: int, dtype: type, rng: np.random.Generator
) -> None:
    table = rng.standard_normal((9, n)).astype(dtype)
    row = rng.standard_normal(n).astype(dtype)
    which = rng.integers(0, 9, 20).astype(np.int32)
    for begin, end in ((0, 20), (3, 4), (5, 5)):
        found, expected = row.copy(), row.copy()
        _sum(table, which, begin, end, found)
        sum_rows(table, which, begin, end, expected)
        assert np.array_equal(found, expected)
        spread, plain = table.copy(), table.copy()
        _spread(spread, which, begin, end, row)
        spread_row(plain, which, begin, end, row)
        assert np.array_equal(spread, plain)
        assert np.array_equal(spread, table) == (begin == end)


def test_plain_rows_take_over_where_vectors_do_not_compile(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    # No loop has tables of this order, so nothing is compiled for them yet, nor used after.
    table = np.asfortranarray(rng.standard_normal((9, 37)).astype(np.float32))
    which = rng.integers(0, 9, 20).astype(np.int32)
    found, expected = table[0].copy(), table[0].copy()
    spread, plain = table.copy("F"), table.copy("F")
    kinds = tuple(numba.typeof(part) for part in (table, which, 3, 20, found))
    chosen = [vectors._compiled_sum(*kinds), vectors._compiled_spread(*kinds)]
    assert chosen == [vectors._sum_with_vectors, vectors._spread_with_vectors]

    def refuse(*_: object) -> None:
        raise AttributeError("pointee")

    monkeypatch.setattr(vectors, "_load", refuse)
    numba.njit(_sum.py_func)(table, which, 3, 20, found)
    numba.njit(_spread.py_func)(spread, which, 3, 20, found)
    sum_rows(table, which, 3, 20, expected)
    spread_row(plain, which, 3, 20, expected)
    assert np.array_equal(found, expected)
    assert np.array_equal(spread, plain)


_TWO_LOOPS = """
import sys
import numpy as np
from spikebench.compiled import compiled
from spikebench.kernels.cpu.vectors import spread_row, sum_rows

@compiled
def sum_into(table, which, begin, end, row):
    sum_rows(table, which, begin, end, row)

@compiled
def spread(table, which, begin, end, row):
    spread_row(table, which, begin, end, row)

table, which, row = np.zeros((3, 4)), np.zeros(1, np.int32), np.ones(4)
for name in sys.argv[1:]:
    globals()[name](table, which, 0, 1, row)
assert table[0].sum() == 4 * ("spread" in sys.argv), table
assert row.sum() == 4, row
"""


@pytest.mark.slow
def test_loops_compiled_by_different_processes_keep_their_vectors_apart(tmp_path: Path) -> None:
    (tmp_path / "loops.py").write_text(_TWO_LOOPS)
    cached = dict(os.environ, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    for names in (["sum_into"], ["spread"], ["sum_into", "spread"]):
        command = [sys.executable, str(tmp_path / "loops.py"), *names]
        done = subprocess.run(command, env=cached, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def _next(number: int) -> int:
    return number + 1


def test_loops_are_compiled_again_when_another_file_of_theirs_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hits() -> int:
        loop: Any = compiling.compiled(_next)
        assert loop(1) == 2
        return sum(loop.stats.cache_hits.values())

    hits()
    assert hits() == 1
    monkeypatch.setattr(compiling, "_STAMP", b"another version")
    assert hits() == 0


@pytest.mark.parametrize("n_block", [1, 2, 5])
def test_weights_get_the_same_gradients_block_of_steps_after_block(
    n_block: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, n_steps, n_samples = 18, 12, 20  # 12 steps are not a multiple of 5
    batch = random_events(rng, n_samples, n_steps, 4)
    numbers = [rng.normal(0.5, 1, (3, 4, n)), rng.normal(0, 0.4, (2, n, n))]

    def gradients() -> list[torch.Tensor]:
        weight, recurrent = (torch.from_numpy(array).requires_grad_() for array in numbers)
        decay = torch.tensor(0.6, dtype=torch.float64)
        scan = operators.recurrent_lif_scan(
            batch, recurrent, decay, decay, Neuron(), keep_membranes=True, weight=weight
        )
        assert scan.spikes.bins.numel() > 100
        assert scan.membranes is not None
        scan.membranes.square().sum().backward()
        assert weight.grad is not None
        assert recurrent.grad is not None
        return [weight.grad, recurrent.grad]

    whole = gradients()
    monkeypatch.setattr(cpu, "_BLOCK_BYTES", n_block * 16 * n * 8)
    for found, expected in zip(gradients(), whole, strict=True):
        assert float(expected.abs().max()) > 0
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@compiled
def _vectors(row: np.ndarray, other: np.ndarray, out: np.ndarray, bits: np.ndarray) -> None:
    width = np.uint64(simd.LANES)
    a, b = simd.load(row, np.uint64(3)), simd.load(other, np.uint64(0))
    found = (a + b, a - b, a * b, a / b, simd.magnitude(a), simd.at_least(a, b), simd.larger(a, b))
    for k in range(np.uint64(len(found))):
        simd.store(out, k * width, found[k])
    simd.store(out, np.uint64(len(found)) * width, simd.fill(0.3, row))
    four = simd.totals(a, b, a - b, b * b)
    for k in range(4):
        out[9 * width + np.uint64(k)] = four[k]
    bits[0] = simd.bits(a)
    bits[1] = simd.lowest(simd.bits(simd.at_least(a, b)))


def test_a_compiled_part_with_vectors_refuses_to_be_called_alone() -> None:
    with pytest.raises(TypeError, match="compiled loops only"):
        tiles.load_units(np.zeros(64), np.uint64(0), np.uint64(64), np.uint64(0), np.zeros(32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vectors_compute_the_same_compiled_and_interpreted(
    dtype: type, rng: np.random.Generator
) -> None:
    row, other = rng.normal(size=(2, simd.LANES + 5)).astype(dtype)
    row[3:7], other[:4] = [np.nan, np.inf, -0.0, 1.5], [1.0, np.inf, 0.0, 1.5]
    results = []
    for run in (_vectors, _vectors.py_func):
        out, bits = np.zeros(10 * simd.LANES, dtype), np.zeros(2, np.uint64)
        with np.errstate(invalid="ignore"):
            run(row, other, out, bits)
        results.append((out, bits))
    np.testing.assert_array_equal(*(out for out, _ in results))
    np.testing.assert_array_equal(*(bits for _, bits in results))
    sums, at_least = results[0][0][: simd.LANES], results[0][0][5 * simd.LANES : 6 * simd.LANES]
    np.testing.assert_array_equal(sums, row[3 : 3 + simd.LANES] + other[: simd.LANES])
    assert at_least[:4].tolist() == [0, 1, 1, 1]
    assert 0 < at_least.sum() < simd.LANES


@pytest.mark.parametrize("surrogate", ["triangle", "boxcar", "arctan"])
@pytest.mark.parametrize("is_recurrent", [False, True])
def test_spikes_know_the_units_near_their_threshold(
    surrogate: str, is_recurrent: bool, rng: np.random.Generator
) -> None:
    n = 37  # two tiles, one of them not full
    current = torch.from_numpy(rng.normal(1, 1, (3, 7, n))).requires_grad_()
    decay = torch.full((n,), 0.5, dtype=torch.float64)
    recurrent = torch.from_numpy(rng.normal(0, 0.1, (int(is_recurrent), n, n)))
    neuron = Neuron(surrogate=surrogate, slope=2.0, threshold=0.7)
    scan = operators.recurrent_lif_scan(
        current, recurrent, decay, decay, neuron, keep_membranes=True
    )
    if surrogate == "arctan":
        assert scan.spikes.near is None
        return
    assert scan.spikes.near is not None
    assert scan.membranes is not None
    bits = np.unpackbits(scan.spikes.near.numpy().view(np.uint8), axis=2, bitorder="little")
    expected = (2 * (scan.membranes - 0.7).abs() <= 1).numpy()
    np.testing.assert_array_equal(bits[..., :n], expected)
    assert not bits[..., n:].any()
    assert 0 < expected.mean() < 1


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("n_taps", [1, 3, 9])
def test_gradients_of_spikes_are_exact_near_the_threshold(
    share: float, n_taps: int, rng: np.random.Generator
) -> None:
    batch, n_steps, n_units = 3, 7, 37
    grad = torch.from_numpy(rng.normal(size=(batch, n_steps, 5)))
    weight = torch.from_numpy(rng.normal(size=(n_taps, n_units, 5)))
    inside = np.zeros((batch, n_steps, 64), bool)
    inside[..., :n_units] = rng.random((batch, n_steps, n_units)) < share
    near = torch.from_numpy(np.packbits(inside, axis=2, bitorder="little").view(np.int32))
    found = cpu.spikes_gradient(grad, weight, near).numpy()
    everywhere = cpu.spikes_gradient(grad, weight, None).numpy()
    few = share < spike_gradients.SPARSE_STEPS
    expected = everywhere * inside[..., :n_units] if few else everywhere
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
