"""The event-driven kernels forward: by hand, against the equations, against the reference, at the edges."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from helpers import kernel_cases
from helpers.kernel_cases import KERNELS, Case, Dual, cases, event_batch, random_events
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spikebench.kernels import operators, reference
from spikebench.kernels.neuron import Neuron
from spikebench.kernels.scan import REDUCTIONS, STATE_ROWS, Adaptation, Rotation, Scan
from spikebench.kernels.spikes import Spikes

both = pytest.mark.parametrize("kernels", KERNELS.values(), ids=KERNELS)
HALF, ZERO = torch.tensor(0.5), torch.tensor(0.0)


def pulse(size: float = 4.0, n_steps: int = 4) -> torch.Tensor:
    """One unit of one sample, driven in the first step."""
    current = torch.zeros(1, n_steps, 1)
    current[0, 0] = size
    return current


def assert_same_scan(found: Scan, expected: Scan, tolerance: float) -> None:
    assert torch.equal(found.spikes.offsets, expected.spikes.offsets)
    assert torch.equal(found.spikes.bins, expected.spikes.bins)
    assert torch.equal(found.spikes.units, expected.spikes.units)
    assert found.spikes.bins.dtype == found.spikes.units.dtype == torch.int32
    assert found.membranes is not None
    close = {"rtol": tolerance, "atol": tolerance}
    torch.testing.assert_close(found.membranes, expected.membranes, **close)
    torch.testing.assert_close(found.state, expected.state, **close)
    assert torch.equal(found.spikes.dense(), expected.spikes.dense())
    assert torch.equal(found.spikes.counts(), expected.spikes.counts())
    assert found.spikes.mean_count() == expected.spikes.mean_count()


def away_from_threshold(scan: Scan, threshold: float, distance: float) -> bool:
    assert scan.membranes is not None
    return bool(((scan.membranes - threshold).abs() > distance).all())


# By hand: α = β = 1/2, ϑ = 1, one pulse of 4, so I = 4, 2, 1, 1/2.
@both
@pytest.mark.parametrize(
    ("settings_", "membranes", "spikes"),
    [
        ({"reset": "zero"}, [2, 0, 0.5, 0.5], [1, 0, 0, 0]),
        ({"reset": "restart"}, [2, 1, 0.5, 0.5], [1, 1, 0, 0]),
        ({"reset": "subtract"}, [2, 1.5, 0.75, 0.625], [1, 1, 0, 0]),
        ({"threshold": 2.0}, [2, 0, 0.5, 0.5], [1, 0, 0, 0]),
        ({"threshold": 2.125}, [2, 2, 1.5, 1], [0, 0, 0, 0]),
    ],
)
def test_a_neuron_does_what_was_worked_out_by_hand(
    kernels: ModuleType, settings_: dict, membranes: list[float], spikes: list[float]
) -> None:
    scan = kernels.lif_scan(pulse(), HALF, HALF, Neuron(**settings_), keep_membranes=True)
    assert scan.membranes.flatten().tolist() == membranes
    assert scan.spikes.dense().flatten().tolist() == spikes
    assert scan.state.shape == (1, 4, 1)
    assert scan.state[0, :, 0].tolist() == [0.5, membranes[-1], 0, spikes[-1]]


@both
@pytest.mark.parametrize(
    ("reset", "membranes", "adapted"),
    [
        # A = 1, 1/2, 3/8, 9/32
        ("zero", [2, 0, 0.25, 0.1875], 0.28125),
        # R = 0, 1/2, 3/8, 9/32; A = 1, 3/4, 9/16, 23/64 with U = 2, 1/2, 3/8, 5/32
        ("restart", [2, 0.5, 0.375, 0.15625], 0.359375),
        # R = 1; A = 3/2, U = 1/2 + 1/4 = 3/4, A = 9/8, U = 3/8 − 1/16 = 5/16, A = 23/32, U = 5/32 − 7/64 = 3/64
        ("subtract", [2, 0.75, 0.3125, 0.046875], 0.3828125),
    ],
)
def test_an_adapting_neuron_does_what_was_worked_out_by_hand(
    kernels: ModuleType, reset: str, membranes: list[float], adapted: float
) -> None:
    adaptation = Adaptation(HALF, torch.tensor(1.0), torch.tensor(2.0))
    neuron = Neuron(reset=reset)
    scan = kernels.lif_scan(pulse(), HALF, HALF, neuron, adaptation, keep_membranes=True)
    assert scan.membranes.flatten().tolist() == membranes
    assert scan.spikes.dense().flatten().tolist() == [1, 0, 0, 0]
    assert scan.state[0, 2].tolist() == [adapted]


@both
@pytest.mark.parametrize(
    ("reset", "membranes", "turned"),
    [
        # U[0] = 2, then β·R = 1 and A = 1, R = 0, 1/2, 1/2
        ("zero", [2, 0, -0.5, -0.5], 0.0),
        ("restart", [2, 0, 0, 0], 0.0),
        # R = 1; U = A = 1/2; U = 1/4 − 1/4, A = 1/4 + 1/4; U = −1/4, A = 1/4
        ("subtract", [2, 0.5, 0, -0.25], 0.25),
    ],
)
def test_a_rotating_neuron_does_what_was_worked_out_by_hand(
    kernels: ModuleType, reset: str, membranes: list[float], turned: float
) -> None:
    rotation = Rotation(turn=HALF, gain=HALF)
    scan = kernels.lif_scan(pulse(), ZERO, HALF, Neuron(reset=reset), rotation, keep_membranes=True)
    assert scan.membranes.flatten().tolist() == membranes
    assert scan.spikes.dense().flatten().tolist() == [1, 0, 0, 0]
    assert scan.state[0, 2].tolist() == [turned]


@both
def test_a_rotating_neuron_is_a_complex_number(kernels: ModuleType) -> None:
    """u[t] = λ·(u[t−1] − ϑ·S[t−1]) + g·I[t] with λ = exp((−0.1 + 0.7i)·dt), real part U."""
    lam = np.exp(-0.1 + 0.7j)
    rotation = Rotation(torch.tensor(lam.imag), torch.tensor(0.8, dtype=torch.float64))
    current = torch.from_numpy(np.random.default_rng(0).normal(0.5, 1, (1, 50, 1)))
    scan = kernels.lif_scan(
        *(current, ZERO.double(), torch.tensor(lam.real), Neuron(reset="subtract"), rotation),
        keep_membranes=True,
    )
    u, fired, expected = 0j, 0.0, []
    for step in current.flatten().tolist():
        u = lam * (u - fired) + 0.8 * step
        fired = float(u.real >= 1)
        expected.append(u.real)
    assert 5 < scan.spikes.bins.numel() < 40
    np.testing.assert_allclose(scan.membranes.flatten(), expected, rtol=1e-12)
    assert float(scan.state[0, 2, 0]) == pytest.approx(u.imag, rel=1e-12)


@both
def test_recurrent_taps_arrive_one_step_later_each(kernels: ModuleType) -> None:
    taps = torch.tensor([[[-2.0]], [[4.0]]])  # I = 4, −2, 4, −2 with α = 0
    neuron = Neuron(reset="restart")
    scan = kernels.recurrent_lif_scan(pulse(), taps, ZERO, HALF, neuron, keep_membranes=True)
    assert scan.membranes.flatten().tolist() == [2, -1, 1.5, -1]
    assert scan.spikes.bins.tolist() == [0, 2]
    assert scan.state[0, :, 0].tolist() == [-2, -1, 0, 0, 1]
    one_way = torch.tensor([[0.0, 8.0], [0.0, 0.0]])  # from unit 0 to unit 1
    current = torch.cat([pulse(), torch.zeros(1, 4, 1)], 2)
    scan = kernels.recurrent_lif_scan(current, one_way, ZERO, HALF, neuron)
    assert (scan.spikes.bins.tolist(), scan.spikes.units.tolist()) == ([0, 1], [0, 1])


@both
@pytest.mark.parametrize("mode", ["counts", "binary"])
def test_events_are_weighed_as_worked_out_by_hand(kernels: ModuleType, mode: str) -> None:
    events = event_batch([[(0, 0), (0, 0), (1, 1)], [], [(2, 0)]], 3, 2, mode)
    taps = torch.tensor([[[1.0], [10.0]], [[100.0], [1000.0]]])
    twice = 2.0 if mode == "counts" else 1.0
    expected = [[twice, 10 + 100 * twice, 1000], [0, 0, 0], [0, 0, 1]]
    assert kernels.event_linear(events, taps)[..., 0].tolist() == expected
    assert kernels.event_linear(events, taps[0])[0, :, 0].tolist() == [twice, 10, 0]


@both
@pytest.mark.parametrize(
    ("reduction", "whole", "first_two"),
    [
        ("max", 1.25, 1.0),
        ("mean", 0.84375, 0.75),
        ("sum", 3.375, 1.5),
        ("last", 0.625, 0.5),
        ("trace", [1.0, 0.5, 1.25, 0.625], [1.0, 0.5, 1.25, 0.625]),
    ],
)
def test_a_readout_is_as_worked_out_by_hand(
    kernels: ModuleType, reduction: str, whole: object, first_two: object
) -> None:
    spikes = Spikes.from_dense(torch.tensor([[1.0, 0, 1, 0]] * 2)[..., None])
    lengths = torch.tensor([4, 2])
    answer = kernels.leaky_readout(spikes, torch.tensor([[2.0]]), HALF, reduction, lengths)
    assert answer[..., 0].tolist() == [whole, first_two]


@settings(max_examples=60)
@given(case=cases(begins=False))
def test_the_reference_follows_the_equations(case: Case) -> None:
    found = case.scan(reference)
    assume(away_from_threshold(found, case.neuron.threshold, 1e-9))
    spikes, membranes = case.oracle()
    expected = np.stack([step.value for step in membranes], 1)
    np.testing.assert_allclose(found.membranes, expected, rtol=1e-11, atol=1e-11)
    raster = np.stack([step.value for step in spikes], 1)
    assert np.array_equal(found.spikes.dense(), raster)
    positions = np.stack([found.spikes.bins, found.spikes.units], 1)
    for k, sample in enumerate(raster):
        here = slice(*found.spikes.offsets[k : k + 2].tolist())
        assert np.array_equal(positions[here], np.argwhere(sample))


@settings(max_examples=60)
@given(case=cases(), from_currents=st.booleans())
def test_the_kernels_do_what_the_reference_does(case: Case, from_currents: bool) -> None:
    expected = case.scan(reference)
    assume(away_from_threshold(expected, case.neuron.threshold, 1e-9))
    assert_same_scan(case.scan(operators, from_currents=from_currents), expected, 1e-12)


@settings(max_examples=40)
@given(case=cases(most_steps=12), from_currents=st.booleans())
def test_the_kernels_do_it_in_single_precision_too(case: Case, from_currents: bool) -> None:
    assume(away_from_threshold(case.scan(reference), case.neuron.threshold, 2e-5))
    single = {name: tensor.float() for name, tensor in case.tensors.items()}
    found = case.scan(operators, single, from_currents)
    assert found.membranes is not None
    assert found.membranes.dtype == found.state.dtype == torch.float32
    assert_same_scan(found, case.scan(reference, single), 1e-5)


@settings(max_examples=40)
@given(case=cases(begins=False), data=st.data())
def test_the_readout_does_what_the_reference_and_the_equations_do(
    case: Case, data: st.DataObject
) -> None:
    assume(len(case.events) > 0)
    spikes = case.scan(operators).spikes
    batch, n_steps, n = spikes.shape
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    n_classes = data.draw(st.integers(1, 20))
    weight, decay = rng.normal(0, 1, (n, n_classes)), rng.uniform(0, 1, n_classes)
    lengths = rng.integers(1, n_steps + 1, batch)
    reduction = data.draw(st.sampled_from(sorted(REDUCTIONS)))
    given_ = (torch.from_numpy(weight), torch.from_numpy(decay), reduction)
    found = operators.leaky_readout(spikes, *given_, torch.from_numpy(lengths))
    expected = reference.leaky_readout(spikes, *given_, torch.from_numpy(lengths))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    raster = spikes.dense().numpy()
    answer = kernel_cases.read_out(
        *(Dual(raster), Dual(weight), Dual(decay), reduction, lengths),
    )
    np.testing.assert_allclose(found, answer.value, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("neuron", [Neuron(), Neuron(reset="subtract")])
@both
def test_half_a_scan_and_the_other_half_are_the_whole(
    kernels: ModuleType, neuron: Neuron, rng: np.random.Generator
) -> None:
    n, n_steps = 17, 13
    current = torch.from_numpy(rng.normal(0.5, 2, (5, n_steps, n))).float()
    taps = torch.from_numpy(rng.normal(0, 0.4, (3, n, n))).float()
    adaptation = Adaptation(torch.tensor(0.8), torch.tensor(0.2), torch.tensor(0.7))
    fixed = (taps, torch.tensor(0.7), torch.tensor(0.8), neuron, adaptation)
    whole = kernels.recurrent_lif_scan(current, *fixed, keep_membranes=True)
    assert whole.spikes.bins.numel() > 50
    for cut in (1, 2, 6, 12):  # shorter than the taps as well
        first = kernels.recurrent_lif_scan(current[:, :cut], *fixed, keep_membranes=True)
        state = first.state.transpose(0, 2).contiguous().transpose(0, 2)  # in another order
        second = kernels.recurrent_lif_scan(current[:, cut:], *fixed, state, True)
        assert torch.equal(torch.cat([first.membranes, second.membranes], 1), whole.membranes)
        rasters = [scan.spikes.dense() for scan in (first, second)]
        assert torch.equal(torch.cat(rasters, 1), whole.spikes.dense())
        assert torch.equal(second.state, whole.state)


@both
def test_half_a_readout_and_the_other_half_are_the_whole(
    kernels: ModuleType, rng: np.random.Generator
) -> None:
    raster = torch.from_numpy(rng.random((4, 9, 18)) < 0.2).float()
    fixed = (torch.from_numpy(rng.normal(size=(18, 20))).float(), torch.tensor(0.9), "trace")
    whole = kernels.leaky_readout(Spikes.from_dense(raster), *fixed)
    first = kernels.leaky_readout(Spikes.from_dense(raster[:, :4]), *fixed)
    rest = Spikes.from_dense(raster[:, 4:])
    second = kernels.leaky_readout(rest, *fixed, start=first[:, -1])
    assert torch.equal(torch.cat([first, second], 1), whole)
    for reduction, expected in {"last": whole[:, -1], "max": whole[:, 4:].max(1).values}.items():
        found = kernels.leaky_readout(rest, *fixed[:2], reduction, start=first[:, -1])
        assert torch.equal(found, expected)


@both
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_samples_without_events_stay_silent(kernels: ModuleType, batch: int) -> None:
    events = event_batch([[] for _ in range(batch)], 5, 2)
    weight = torch.ones(2, 2, 3, requires_grad=True)
    scan = kernels.lif_scan(events, HALF, HALF, Neuron(), keep_membranes=True, weight=weight)
    assert scan.membranes.shape == (batch, 5, 3)
    assert not scan.membranes.any()
    assert scan.spikes.bins.numel() == scan.spikes.mean_count() == 0
    assert scan.spikes.offsets.tolist() == [0] * (batch + 1)
    scores = kernels.leaky_readout(scan.spikes, torch.ones(3, 2), HALF, "mean")
    assert scores.tolist() == [[0, 0]] * batch
    (scores.sum() + scan.spikes.counts().sum()).backward()
    assert weight.grad is not None
    assert not weight.grad.any()


@both
def test_inputs_without_units_weigh_nothing(kernels: ModuleType) -> None:
    weight = torch.zeros(0, 3)
    scan = kernels.lif_scan(
        event_batch([[], []], 4, 0), HALF, HALF, Neuron(), keep_membranes=True, weight=weight
    )
    assert scan.membranes.shape == (2, 4, 3)
    assert not scan.membranes.any()


@both
@pytest.mark.parametrize(("n", "n_steps"), [(1, 1), (40, 30)])
def test_a_layer_that_always_fires_lists_every_cell(
    kernels: ModuleType, n: int, n_steps: int
) -> None:
    current = torch.full((1, 1, 1), 1e6).expand(2, n_steps, n)
    scan = kernels.lif_scan(current, HALF, HALF, Neuron(reset="restart"))
    assert scan.spikes.bins.tolist() == [
        t for _ in range(2) for t in range(n_steps) for _ in range(n)
    ]
    assert scan.spikes.units.tolist() == [*range(n)] * (2 * n_steps)
    assert scan.spikes.counts().tolist() == [[n_steps] * n] * 2
    again = scan.spikes.events(0.02)
    assert torch.equal(again.dense(), torch.ones(2, n_steps, n))
    assert (again.labels.tolist(), again.time_step) == ([-1, -1], 0.02)


@pytest.mark.parametrize("mode", ["counts", "binary"])
def test_strides_change_nothing(mode: str, rng: np.random.Generator) -> None:
    events = random_events(rng, 4, 9, 5, mode)
    spread = torch.stack([events.offsets, events.offsets], 1)[:, 0]
    strided = replace(events, offsets=spread)
    assert not strided.offsets.is_contiguous()
    assert not strided.bins.is_contiguous()
    tight = replace(events, bins=events.bins.clone(), units=events.units.clone())
    weight = torch.from_numpy(rng.normal(0.5, 2, (7, 5, 2))).float().permute(2, 1, 0)
    taps = torch.from_numpy(rng.normal(size=(7, 7))).float().T
    decay = torch.tensor([0.5]).expand(7)
    args = (taps, decay, decay, Neuron(), None, None, True)
    found = operators.recurrent_lif_scan(strided, *args, weight)
    copies = (taps.contiguous(), decay.clone(), decay.clone(), *args[3:])
    expected = operators.recurrent_lif_scan(tight, *copies, weight.contiguous())
    assert_same_scan(found, expected, 0.0)
    assert found.spikes.bins.numel() > 10
    wide = torch.zeros(4, 9, 14)
    wide[..., ::2] = operators.event_linear(tight, weight)
    assert_same_scan(operators.recurrent_lif_scan(wide[..., ::2], *args), expected, 1e-6)


def test_nothing_is_kept_that_no_gradient_needs(rng: np.random.Generator) -> None:
    events, weight = random_events(rng, 3, 8, 4), torch.ones(4, 6, requires_grad=True)
    with torch.no_grad():
        scan = operators.lif_scan(events, HALF, HALF, Neuron(), weight=weight)
    assert scan.membranes is None
    assert not scan.spikes.handle.requires_grad
    assert scan.spikes.handle.untyped_storage().nbytes() == 4  # one number, seen everywhere
    kept: list[torch.Size] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.shape) or x, lambda x: x):
        operators.lif_scan(events, HALF, HALF, Neuron(reset_in_graph=False), weight=weight)
    assert kept.count(torch.Size([3, 8, 6])) == 1  # the membranes; neither synapses nor currents


@both
@pytest.mark.parametrize("n_steps", [1, 2])
def test_taps_beyond_the_end_do_nothing(kernels: ModuleType, n_steps: int) -> None:
    events = event_batch([[(0, 0)]], n_steps, 1)
    weight = torch.full((4, 1, 1), 3.0, requires_grad=True)
    recurrent = torch.full((3, 1, 1), 5.0, requires_grad=True)
    scan = kernels.recurrent_lif_scan(
        events, recurrent, ZERO, HALF, Neuron(), None, None, True, weight
    )
    assert scan.membranes.flatten().tolist() == [1.5, 0][:n_steps]
    assert scan.state[0, STATE_ROWS:].flatten().tolist() == {1: [1, 0, 0], 2: [0, 1, 0]}[n_steps]
    scan.membranes.sum().backward()
    assert weight.grad.flatten().tolist() == [0.5, 0, 0, 0]
    assert not recurrent.grad.any()


def test_sums_of_probabilities_and_their_gradients(rng: np.random.Generator) -> None:
    trace, bias, factors = (
        torch.from_numpy(rng.normal(size=size)) for size in ((37, 6, 4), (4,), (37, 4))
    )
    inside = torch.from_numpy(rng.random((37, 6)) < 0.6)
    found = []
    for kernels in (operators, reference):
        leaves = [trace.clone().requires_grad_(), bias.clone().requires_grad_()]
        scores = kernels.softmax_sum(*leaves, inside)
        found.append([scores, *torch.autograd.grad((factors * scores).sum(), leaves)])
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0][0].sum(1), inside.sum(1).double())
