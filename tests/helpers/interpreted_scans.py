"""The kernels of networks in Triton's interpreter against those of the CPU and the reference: fails by itself.

TRITON_INTERPRET=1 python tests/helpers/interpreted_scans.py functions|networks|sample
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import cycle, product
from typing import Any, get_args

import torch
from torch.testing import assert_close

from spikebench.events.batches import EventBatch
from spikebench.kernels import operators, reference
from spikebench.kernels.cpu import launch as cpu
from spikebench.kernels.neuron import (
    ADAPTIVE,
    EQUATIONS,
    LEAKY,
    RESETS,
    ROTATING,
    Neuron,
    Parameters,
    Reset,
    Settings,
    Surrogate,
)
from spikebench.kernels.scan import (
    REDUCTIONS,
    STATE_ROWS,
    Adaptation,
    Layer,
    Reduction,
    Rotation,
)

N_INPUTS, N_STEPS = 5, 5
Cells = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Functions = Any  # those of spikebench.kernels.cpu.launch, in a module or an object


def events_of(batch: int, n_steps: int, n_units: int, n_events: int, seed: int) -> Cells:
    """Up to ``n_events`` events in each sample, none in the second."""
    random = torch.Generator().manual_seed(seed)
    sizes = torch.randint(0, n_events + 1, (batch,), generator=random)
    sizes[1] = 0
    bins = [torch.randint(0, n_steps, (n,), generator=random).sort().values for n in sizes.tolist()]
    units = torch.randint(0, n_units, (int(sizes.sum()),), generator=random)
    offsets = torch.nn.functional.pad(sizes.cumsum(0), (1, 0))
    return offsets, torch.cat(bins).int(), units.int()


def state_of(batch: int, n_taps: int, n: int, dtype: torch.dtype) -> torch.Tensor:
    """A state to go on from, with some neurons that fired."""
    random = torch.Generator().manual_seed(n_taps)
    state = torch.rand(batch, STATE_ROWS + max(n_taps, 1), n, dtype=dtype, generator=random)
    state[:, STATE_ROWS:] = state[:, STATE_ROWS:].round()
    return state


def settings(half: bool = False) -> Iterator[tuple[Neuron, int, int, int, Reduction]]:
    """Every reset, in the graph or not, with each of the equations; the others take turns.

    Half of them has every pair of these choices, and all of those of the newest equations.

    Yields neuron, recurrent taps, number of the equations, taps of the input, reduction.
    """
    turns = zip(
        cycle(get_args(Surrogate)),
        cycle((0, 1, 3, 1, 3, 1, 0)),
        cycle((1, 3, 1)),
        cycle(get_args(Reduction)),
        strict=False,
    )
    resets = get_args(Reset)
    for reset, in_graph, equations in product(resets, (False, True), EQUATIONS.values()):
        is_newest = equations == max(EQUATIONS.values())
        if half and not is_newest and (resets.index(reset) + in_graph + equations) % 2:
            continue
        surrogate, n_recurrent, n_taps, reduction = next(turns)
        neuron = Neuron(0.3, reset, in_graph, surrogate, 2.0)
        yield neuron, n_recurrent, equations, n_taps, reduction


def compare_gradients(
    neuron: Neuron,
    n_recurrent: int,
    equations: int,
    n_taps: int,
    reduction: Reduction,
    device: str = "cpu",
    shape: tuple[int, int, int, int] = (3, N_STEPS, 5, 4),
) -> int:
    """Two layers and a read-out by the operators and by the reference, in float64; how many spikes there were."""
    batch, n_steps, n, n_classes = shape
    random = torch.Generator().manual_seed(n_recurrent + 4 * n_taps + batch)

    def learned(*size: int) -> torch.Tensor:
        values = torch.randn(size, generator=random, dtype=torch.float64)
        return values.to(device).requires_grad_()

    def decay(*size: int) -> torch.Tensor:
        values = torch.rand(size, generator=random, dtype=torch.float64)
        return values.to(device).requires_grad_()

    cells = events_of(batch, n_steps, N_INPUTS, 3 * n_steps, 1)
    whole = torch.full((batch,), n_steps)
    mode = "binary" if n_taps > 1 else "counts"
    events = EventBatch(*cells, whole, -whole, n_steps, N_INPUTS, 0.01, mode).to(device)
    weight, second, out = learned(n_taps, N_INPUTS, n), learned(2, n, 6), learned(6, n_classes)
    recurrent, leak = learned(n_recurrent, n, n), decay(n_classes)
    decays, others = (decay(n), decay()), (decay(), decay(6))
    adaptation: Parameters | None = None
    if equations == ADAPTIVE:
        adaptation = Adaptation(decay(n), learned(n), learned())
    elif equations == ROTATING:
        adaptation = Rotation(decay(n), learned())
    else:
        assert equations == LEAKY, "has no parameters here"
    leaves = [weight, second, out, recurrent, leak, *decays, *others]
    if adaptation is not None:
        leaves += vars(adaptation).values()
    lengths = 1 + torch.arange(batch, device=device) % n_steps
    start = torch.linspace(-1, 1, batch * n_classes, dtype=torch.float64, device=device)
    state = state_of(batch, n_recurrent, n, torch.float64).to(device)
    answers = []
    for kernels in (reference, operators):
        for leaf in leaves:
            leaf.grad = None
        given = (recurrent, *decays, neuron, adaptation, state, True)
        if n_taps > 1:
            scan = kernels.recurrent_lif_scan(kernels.event_linear(events, weight), *given)
        else:
            scan = kernels.recurrent_lif_scan(events, *given, weight)
        deeper = kernels.lif_scan(kernels.event_linear(scan.spikes, second), *others, neuron)
        begin = start.view(batch, n_classes) if equations else None
        scores = kernels.leaky_readout(deeper.spikes, out, leak, reduction, lengths, begin)
        assert scan.membranes is not None
        loss = (scores * torch.linspace(-1, 1, scores.numel(), device=device).view_as(scores)).sum()
        loss = loss + (scan.membranes**2).sum() / 10 + (scan.spikes.counts() ** 2).sum() / 50
        loss = loss + (deeper.spikes.dense().cumsum(1) ** 2).sum() / 100
        loss.backward()
        lists = [(s.offsets, s.bins, s.units) for s in (scan.spikes, deeper.spikes)]
        floats = [loss, scores, scan.membranes, scan.state, deeper.state]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in leaves]
        answers.append((lists, floats, gradients))
    (lists, *expected), (found_lists, *found) = answers
    assert_close(found_lists, lists, rtol=0, atol=0)
    assert_close(found, expected, rtol=1e-9, atol=1e-10)
    return lists[0][2].numel() + lists[1][2].numel()


def compare_events(kernels: Functions) -> None:
    """Checks, first events of cells, currents and gradients of their weights."""
    _, bins, units = cells = events_of(5, N_STEPS, N_INPUTS, 20, 2)
    assert_close(
        kernels.first_in_cell(*cells, N_INPUTS), cpu.first_in_cell(*cells, N_INPUTS), rtol=0, atol=0
    )
    once = cpu.first_in_cell(*cells, N_INPUTS)
    assert once[1].numel() < bins.numel()
    assert_close(kernels.first_in_cell(*once, N_INPUTS), once, rtol=0, atol=0)
    for n_taps, n, dtype in (
        (1, 18, torch.float32),
        (3, 5, torch.float64),
        (9, 1, torch.float32),  # more taps than steps
    ):
        bounds = {"rtol": 1e-5 if dtype == torch.float32 else 1e-13, "atol": 1e-5}
        weight = torch.randn(n_taps, N_INPUTS, n, dtype=dtype)
        given = (*cells, weight, N_STEPS)
        current = cpu.event_linear(*given)
        assert_close(kernels.event_linear(*given), current, **bounds)
        for shift in (0, 1):
            counts = (n_taps, N_INPUTS, shift)
            expected = cpu.event_linear_backward(*cells, current, *counts)
            found = kernels.event_linear_backward(*cells, current, *counts)
            assert_close(found, expected, **bounds)
        back = cpu.spikes_gradient(current, weight, None)
        assert_close(kernels.spikes_gradient(current, weight, None), back, **bounds)

    compare_delays(kernels, cells)
    nothing = (torch.zeros(4, dtype=torch.int64), bins[:0], units[:0])
    assert not kernels.event_linear(*nothing, weight, N_STEPS).any()
    assert not kernels.event_linear_backward(*nothing, current[:3], 2, N_INPUTS, 0).any()
    assert_close(kernels.first_in_cell(*nothing, N_INPUTS), nothing, rtol=0, atol=0)
    compare_checks(kernels, cells, nothing)


def compare_delays(
    kernels: Functions,
    cells: Cells,
    sizes: tuple[tuple[int, int], ...] = ((1, 3), (4, 18), (3 * N_STEPS, 5)),
) -> None:
    """Currents of connections with delays, and the gradients of weights, delays and spikes."""
    for n_taps, n in sizes:
        weight = torch.randn(N_INPUTS, n, dtype=torch.float64)
        delay = (n_taps - 1) * torch.rand(N_INPUTS, n, dtype=torch.float64)
        delay[0, :2] = torch.tensor([0, n_taps - 1])
        given = (*cells, weight, delay, n_taps)
        current = cpu.delayed_linear(*given, N_STEPS)
        assert_close(kernels.delayed_linear(*given, N_STEPS), current, rtol=1e-12, atol=1e-12)
        for wanted in ((True, True), (False, True), (True, False)):
            expected = cpu.delayed_linear_backward(*given, current, wanted)
            found = kernels.delayed_linear_backward(*given, current, wanted)
            assert_close(found, expected, rtol=1e-12, atol=1e-12)


def compare_checks(kernels: Functions, cells: Cells, nothing: Cells) -> None:
    """What would lead out of memory."""
    offsets, bins, units = cells

    def changed(tensor: torch.Tensor, at: int, value: int) -> torch.Tensor:
        other = tensor.clone()
        other[at] = value
        return other

    last = int(offsets[1]) - 1
    assert bins[last] > 0
    for expected, batch in (
        (0, cells),
        (0, nothing),
        (1, (changed(offsets, 0, 1), bins, units)),
        (1, (changed(offsets, -1, 1), bins, units)),
        (1, (changed(offsets, 3, 10**9), bins, units)),
        (1, (changed(offsets, 3, -(10**9)), bins, units)),
        (1, (offsets, bins, units[1:])),
        (2, (offsets, changed(bins, 3, -1), units)),
        (2, (offsets, changed(bins, -1, N_STEPS), changed(units, -1, -1))),
        (3, (offsets, bins, changed(units, 0, -1))),
        (3, (offsets, bins, changed(units, 5, N_INPUTS))),
        (4, (offsets, changed(bins, last, 0), changed(units, -1, -1))),
    ):
        assert cpu.check_events(*batch, N_STEPS, N_INPUTS) == expected
        assert kernels.check_events(*batch, N_STEPS, N_INPUTS) == expected


def compare_scans(
    kernels: Functions, n: int, n_taps: int, dtype: torch.dtype, longest: int = 0
) -> int:
    """A scan with everything and one with little, and the ways back; how many spikes there were.

    With a longest recurrent delay above 0, the taps are 2.
    """
    bounds = {"rtol": 1e-4 if dtype == torch.float32 else 1e-12, "atol": 1e-5}
    batch, found_spikes = 3, 0
    events = events_of(batch, N_STEPS, N_INPUTS, 40, 3)
    weight = torch.randn(2, N_INPUTS, n, dtype=dtype)
    recurrent = torch.randn(n_taps, n, n, dtype=dtype)
    decay_syn = torch.rand(n, dtype=dtype)
    late = torch.randint(0, longest, (n,)) if longest else None
    state = state_of(batch, longest + 1 if longest else n_taps, n, dtype)
    none = recurrent.new_empty(0, 0, 0)
    for full in (True, False):
        parameters = torch.rand(4 if full else 1, n, dtype=dtype)
        layer = Layer(weight, decay_syn, parameters, recurrent, late)
        settings = Settings(
            equations=ADAPTIVE if full else LEAKY,
            threshold=0.7,
            slope=2.0,
            reset=RESETS["subtract" if full else "zero"],
            reset_in_graph=full,
            surrogate=4,
        )
        keep = (True, full, full)
        expected = cpu.scan(none, events, layer, state, N_STEPS, settings, keep)
        found = kernels.scan(none, events, layer, state, N_STEPS, settings, keep)
        assert_close(found[:3], expected[:3], rtol=0, atol=0)
        assert_close(found[3:], expected[3:], **bounds)
        found_spikes += expected[1].numel()
        grads = torch.randn(2, batch, N_STEPS, n, dtype=dtype)
        asked = (grads[0], grads[1] if full else none)
        given = (asked, expected[3:6], expected[:3], events, layer, state, settings)
        for wanted in (
            ((True, True, True), (False, False, False)) if full else ((True, False, True),)
        ):
            assert_close(
                kernels.scan_backward(*given, wanted),
                cpu.scan_backward(*given, wanted),
                **bounds,
            )
    return found_spikes


def compare_readouts(kernels: Functions) -> None:
    """All reductions, with a trace and without."""
    cells = events_of(3, N_STEPS, N_INPUTS, 20, 4)
    weight, decay = torch.randn(N_INPUTS, 10).double(), torch.rand(10).double()
    lengths = torch.tensor([3, 1, N_STEPS])
    given = (*cells, weight, decay, lengths, torch.randn(3, 10).double())
    for reduction, n_trace in product(REDUCTIONS.values(), (0, N_STEPS)):
        if reduction == REDUCTIONS["trace"] and not n_trace:
            continue  # it is the trace that is asked for
        expected = cpu.readout(*given, reduction, n_trace)
        found = kernels.readout(*given, reduction, n_trace)
        assert_close(found, expected, rtol=1e-12, atol=1e-12)
        _, trace, peaks = expected
        grad = torch.randn_like(trace if reduction == REDUCTIONS["trace"] else expected[0])
        back = (*given, reduction, grad, trace, peaks, N_STEPS)
        wanted = cpu.readout_backward(*back)
        assert_close(kernels.readout_backward(*back), wanted, rtol=1e-12, atol=1e-12)


def functions() -> None:
    """Compare every function."""
    from spikebench.kernels.triton import launch as kernels

    torch.manual_seed(0)
    kernels._PROGRAMS = 1
    n_spikes = compare_scans(kernels, 5, 1, torch.float64)  # programs as large as on a device
    shrink()
    for n, n_taps, dtype in ((17, 3, torch.float32), (9, 1, torch.float64), (1, 0, torch.float64)):
        n_spikes += compare_scans(kernels, n, n_taps, dtype)
    for n, longest in ((17, 1), (1, 2), (5, 9)):  # the last one beyond the end
        n_spikes += compare_scans(kernels, n, 2, torch.float64, longest)
    assert n_spikes > 100
    compare_readouts(kernels)
    kernels._PROGRAMS = 50  # gradients in parts
    compare_events(kernels)


def sample() -> None:
    """Compare one scan with everything, events, and one network."""
    from spikebench.kernels.triton import launch as kernels

    torch.manual_seed(0)
    shrink()
    kernels._PROGRAMS = 1
    assert compare_scans(kernels, 9, 3, torch.float32) > 20
    compare_delays(kernels, events_of(2, N_STEPS, N_INPUTS, 9, 2), sizes=((4, 9),))
    operators._device = lambda tensor: kernels  # type: ignore[assignment]
    assert compare_gradients(*list(settings(half=True))[1]) > 20


def shrink() -> None:
    """Make programs so small that layers have several blocks of columns, rows and events."""
    from spikebench.kernels.triton import launch as kernels

    kernels._LANES, kernels._EVENTS, kernels._CHAINS = 8, 4, 32
    kernels._NEURONS = 8
    kernels._FORWARD_BYTES, kernels._BACKWARD_BYTES = 1024, 2048


def networks() -> None:
    """Compare whole networks."""
    from spikebench.kernels.triton import launch as kernels

    shrink()
    kernels._PROGRAMS, kernels._EVENTS = 1, 8
    operators._device = lambda tensor: kernels  # type: ignore[assignment]
    n_spikes = sum(compare_gradients(*setting) for setting in settings(half=True))
    assert n_spikes > 300
    neuron = Neuron(0.3, reset_in_graph=True)
    assert compare_gradients(neuron, 2, False, 1, "max", shape=(5, 5, 19, 3)) > 20


if __name__ == "__main__":
    {"functions": functions, "networks": networks, "sample": sample}[sys.argv[1]]()
    print("equal")
