"""Layers of events with normalised currents in one operator: the reference, two operators in turn, plain loops."""

from __future__ import annotations

import itertools
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from helpers.kernel_cases import random_events

from spikebench.events.batches import EventBatch
from spikebench.kernels import operators, reference
from spikebench.kernels.cpu import (
    by_tile,
    events,
    feed_forward,
    neurons,
    readouts,
    simd,
    spike_gradients,
    spike_lists,
    tiles,
)
from spikebench.kernels.neuron import RESETS, Adaptation, Neuron, Parameters, Rotation
from spikebench.kernels.normalisation import Normalisation
from spikebench.kernels.scan import Scan

N_STEPS = 70  # more than the steps of a block
SIZES = (6, 135, 70)  # inputs and two layers: four tiles side by side, and tiles that are not full
SUBTRACT = Neuron(reset="subtract", reset_in_graph=True, surrogate="boxcar", slope=3.0)
Leaves = dict[str, torch.Tensor]


def leaves_of(rng: np.random.Generator, sizes: tuple[int, ...], dtype: torch.dtype) -> Leaves:
    arrays = {}
    for k, (n_in, n) in enumerate(itertools.pairwise(sizes)):
        arrays |= {
            f"weight{k}": rng.normal(0, 1, (n_in, n)),
            f"gamma{k}": rng.normal(1, 0.3, n),
            f"beta{k}": rng.normal(0.2, 0.3, n),
            f"decay{k}": rng.uniform(0.3, 0.9, n),
            f"turn{k}": rng.uniform(0.1, 0.4, n),
            f"gain{k}": rng.uniform(0.4, 0.9, n),
        }
    return {
        name: torch.from_numpy(array).to(dtype).requires_grad_() for name, array in arrays.items()
    }


def network(
    kernels: ModuleType,
    batch: EventBatch,
    leaves: Leaves,
    neuron: Neuron,
    of_batch: bool = True,
    kind: type[Parameters] | None = Rotation,
    in_turn: bool = False,
) -> tuple[list[Scan], list[torch.Tensor]]:
    """Run two layers; return their scans, and running averages."""
    scans: list[Scan] = []
    averages = []
    source: Any = batch
    for k in range(2):
        decay, turn, gain = (leaves[f"{name}{k}"] for name in ("decay", "turn", "gain"))
        made = {None: None, Rotation: (turn, gain), Adaptation: (decay, turn, gain)}[kind]
        norm = Normalisation(
            *(leaves[f"gamma{k}"], leaves[f"beta{k}"], decay.detach() + 0, decay.detach() + 0),
            *(torch.tensor(0), of_batch, 0.3, 1e-5),
        )
        weight: torch.Tensor | None = leaves[f"weight{k}"]
        if in_turn:
            source, weight = kernels.event_linear(source, weight), None
        scans.append(
            kernels.lif_scan(
                *(source, torch.zeros_like(decay), decay, neuron),
                kind(*made) if kind and made else None,
                keep_membranes=True,
                weight=weight,
                normalisation=norm,
            )
        )
        source = scans[-1].spikes
        averages += [norm.running_mean, norm.running_var, norm.n_batches]
    return scans, averages


def outcome(*args: Any, **kwargs: Any) -> list[torch.Tensor]:  # noqa: ANN401
    """Return what a network computes, and all gradients."""
    leaves: Leaves = args[2]
    scans, averages = network(*args, **kwargs)
    factors = np.random.default_rng(1)
    loss = torch.zeros((), dtype=leaves["gain0"].dtype)
    for scan in scans:
        assert scan.membranes is not None
        shape = scan.membranes.shape
        one, other = (torch.from_numpy(factors.normal(size=shape)).to(loss) for _ in range(2))
        loss = loss + (one * scan.spikes.dense()).sum() + (other * scan.membranes).sum()
        loss = loss + (one[:, 0] * scan.spikes.counts()).sum()  # a list of gradients as well
    grads = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    found = [tensor for scan in scans for tensor in (scan.spikes.units, scan.membranes, scan.state)]
    return [*found, *averages, *(grad for grad in grads if grad is not None)]


@pytest.mark.parametrize("surrogate", ["boxcar", "arctan"])  # few gradients of spikes, and all
@pytest.mark.parametrize("of_batch", [True, False])
@pytest.mark.parametrize("mode", ["counts", "binary"])
def test_layers_do_what_the_reference_does(
    surrogate: str, of_batch: bool, mode: str, rng: np.random.Generator
) -> None:
    batch = random_events(rng, 5, N_STEPS, SIZES[0], mode)
    leaves = leaves_of(rng, SIZES, torch.float64)
    neuron = Neuron(reset="subtract", reset_in_graph=True, surrogate=surrogate, slope=3.0)
    found = outcome(operators, batch, leaves, neuron, of_batch)
    expected = outcome(reference, batch, leaves, neuron, of_batch)
    assert 1000 < len(found[0]) < 5 * N_STEPS * SIZES[1] // 2
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", [None, Adaptation, Rotation])
@pytest.mark.parametrize("reset", RESETS)
def test_one_operator_does_what_two_do_in_turn(
    kind: type[Parameters] | None, reset: str, rng: np.random.Generator
) -> None:
    batch = random_events(rng, 20, 9, 6)
    leaves = leaves_of(rng, (6, 33, 5), torch.float64)
    neuron = Neuron(reset=reset, reset_in_graph=True, surrogate="boxcar", slope=1.0)
    found = outcome(operators, batch, leaves, neuron, True, kind)
    expected = outcome(operators, batch, leaves, neuron, True, kind, in_turn=True)
    assert len(found[0]) > 50
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("surrogate", ["boxcar", "arctan"])  # with bits of near units, and without
def test_compiled_loops_do_what_the_same_loops_do_uncompiled(
    surrogate: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    batch = random_events(rng, 3, 7, 4)
    leaves = leaves_of(rng, (4, 37, 5), dtype)
    neuron = Neuron(reset="subtract", reset_in_graph=True, surrogate=surrogate, slope=3.0)
    compiled = outcome(operators, batch, leaves, neuron)
    for module in (
        by_tile,
        events,
        feed_forward,
        neurons,
        readouts,
        spike_gradients,
        spike_lists,
        tiles,
    ):
        for name, loop in list(vars(module).items()):
            if hasattr(loop, "py_func"):
                monkeypatch.setattr(module, name, loop.py_func)
    plain = outcome(operators, batch, leaves, neuron)
    assert len(compiled[0]) > 10
    for found, expected in zip(plain, compiled, strict=True):
        assert torch.equal(found, expected)


def test_neurons_without_terms_have_the_bits_of_those_with_them(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    batch = random_events(rng, 3, 40, 6)
    leaves = leaves_of(rng, (6, 40, 9), torch.float32)
    short = outcome(operators, batch, leaves, SUBTRACT)
    monkeypatch.setattr(neurons, "without_zeros", lambda neuron: neuron)
    whole = outcome(operators, batch, leaves, SUBTRACT)
    assert all(torch.equal(a, b) for a, b in zip(short, whole, strict=True))


def read(kernels: ModuleType, reduction: Any, *args: Any) -> list[torch.Tensor]:  # noqa: ANN401
    """Return the scores of a network that is read out, and all gradients; no gradients of single spikes are asked."""
    leaves: Leaves = args[1]
    scans, _ = network(kernels, *args)
    factors = np.random.default_rng(2)
    n = leaves["gamma1"].numel()
    weight, decay = (
        torch.from_numpy(factors.uniform(0.1, 0.9, size)).to(leaves["gamma1"]).requires_grad_()
        for size in ((n, 7), 7)
    )
    scores = kernels.leaky_readout(scans[-1].spikes, weight, decay, reduction)
    loss = (torch.from_numpy(factors.normal(size=scores.shape)).to(scores) * scores).sum()
    used = [
        leaf for name, leaf in leaves.items() if leaf.requires_grad and not name.startswith("decay")
    ]
    return [scores.detach(), *torch.autograd.grad(loss, [weight, decay, *used])]


@pytest.mark.parametrize("reduction", ["max", "mean", "trace"])
@pytest.mark.parametrize("slope", [3.0, 0.4])  # few cells near the threshold, and most
def test_lists_of_gradients_go_from_the_read_out_to_the_input(
    reduction: str, slope: float, rng: np.random.Generator
) -> None:
    batch = random_events(rng, 5, N_STEPS, SIZES[0])
    neuron = Neuron(reset="subtract", reset_in_graph=True, surrogate="boxcar", slope=slope)
    leaves = leaves_of(rng, SIZES, torch.float64)
    found = read(operators, reduction, batch, leaves, neuron)
    expected = read(reference, reduction, batch, leaves, neuron)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
    scans, _ = network(operators, batch, leaves, neuron)
    for scan in scans:
        assert scan.spikes.near_handle is not None
        share = scan.spikes.near_handle.numel() / scan.spikes.handle.numel()
        assert 0.05 < share < 0.25 if slope > 1 else share > 0.3


@pytest.mark.parametrize("learns", ["weight0", "weight1", "gamma0", "turn1", "beta1 gain0", ""])
def test_gradients_are_right_where_only_some_tensors_learn(
    learns: str, rng: np.random.Generator
) -> None:
    batch = random_events(rng, 5, N_STEPS, SIZES[0])
    leaves = leaves_of(rng, SIZES, torch.float64)
    for name, leaf in leaves.items():
        leaf.requires_grad_(name in learns.split())
    found = read(operators, "trace", batch, leaves, SUBTRACT)
    expected = read(reference, "trace", batch, leaves, SUBTRACT)
    assert len(found) == 3 + len(learns.split())
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


def in_tiles(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Arrange (row, …, unit) as (row, tile, …, 32), padded with zeros."""
    n = -(-values.shape[-1] // simd.LANES) * simd.LANES
    padded = np.zeros((*values.shape[:-1], n), values.dtype)
    padded[..., : values.shape[-1]] = values
    return np.ascontiguousarray(
        np.moveaxis(padded.reshape(*values.shape[:-1], -1, simd.LANES), -2, -3)
    )


@pytest.mark.parametrize("n", [5, 128, 300])
@pytest.mark.parametrize("mode", ["counts", "binary"])
def test_sums_by_tile_are_those_event_by_event(n: int, mode: str, rng: np.random.Generator) -> None:
    cells = operators._cells(random_events(rng, 4, 150, 9, mode))
    lists = [tensor.contiguous().numpy() for tensor in cells]
    weight = rng.integers(-8, 9, (1, 9, n)).astype(np.float32)  # their sums are exact in any order
    expected = np.zeros((4, 150, n), np.float32)
    events.add_currents(*lists, weight, expected, 0, 4)
    table = in_tiles(weight[0])
    found = np.full((4, len(table), 150, simd.LANES), np.nan, np.float32)
    moments = np.zeros((2, len(table), simd.LANES))
    by_tile.add_currents(*lists, table, found, moments, 0, 4)
    np.testing.assert_array_equal(found, in_tiles(expected))
    np.testing.assert_array_equal(moments[0], in_tiles(expected.sum((0, 1))[None])[:, 0])
    np.testing.assert_array_equal(moments[1], in_tiles((expected**2).sum((0, 1))[None])[:, 0])

    gradient = rng.integers(-8, 9, (4, 150, n)).astype(np.float32)
    expected = np.zeros((1, 9, n), np.float32)
    events.add_weight_gradients(*lists, gradient, 0, expected, 0, 4)
    assert np.abs(expected).max() > 20
    same = np.zeros((len(table), 5, simd.LANES), np.float32)
    same[:, 2] = 1  # gradients that are not changed by the normalisation
    sums, one = np.zeros_like(table), np.zeros((1, 150, simd.LANES), np.float32)
    bits = np.empty((0, 0, 0), np.uint32)
    few, many = np.empty((0, 0), np.float32), np.empty((0, 0, 0), np.float32)
    inputs = by_tile.Inputs(few, bits, np.zeros(5, np.int64), many, few.ravel())
    by_tile.propagate_back(
        *(in_tiles(gradient), found, same, False, *lists, sums, one, inputs, 0, 4)
    )
    np.testing.assert_array_equal(sums, in_tiles(expected[0]))


def test_spikes_are_weighted_by_a_scan_without_normalisation_too(rng: np.random.Generator) -> None:
    batch = random_events(rng, 3, 12, 4)
    first, second = (torch.from_numpy(rng.normal(0.5, 1, size)) for size in ((4, 6), (6, 5)))
    decay = torch.tensor(0.5, dtype=torch.float64)
    found = []
    for kernels in (operators, reference):
        spikes = kernels.lif_scan(batch, decay, decay, Neuron(), weight=2 * first).spikes
        scan = kernels.lif_scan(spikes, decay, decay, Neuron(), None, None, True, 3 * second)
        found.append([spikes.units, scan.spikes.units, scan.membranes])
    assert len(found[0][1]) > 5
    torch.testing.assert_close(found[0], found[1])
