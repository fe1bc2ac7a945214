"""What the kernels and their settings refuse, and how they say it; which kernels are chosen."""

from __future__ import annotations

import sys
from dataclasses import fields, replace
from types import ModuleType

import pytest
import torch
from helpers.kernel_cases import KERNELS, event_batch

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.kernels import operators, reference
from spikebench.kernels.choice import choose_kernels
from spikebench.kernels.neuron import EQUATIONS, Neuron, Parameters
from spikebench.kernels.recurrent_delays import RecurrentDelays
from spikebench.kernels.scan import Adaptation, Scan
from spikebench.kernels.spikes import Spikes

both = pytest.mark.parametrize("kernels", KERNELS.values(), ids=KERNELS)
HALF = torch.tensor(0.5)


def with_int32(events: EventBatch, name: str, value: int) -> EventBatch:
    return replace(events, **{name: torch.full_like(getattr(events, name), value)})


WRONG_EVENTS = {
    "a late bin": (lambda e: with_int32(e, "bins", 2**31 - 1), "a bin lies outside 0 … 3"),
    "an early bin": (lambda e: with_int32(e, "bins", -(2**31)), "a bin lies outside 0 … 3"),
    "a high unit": (lambda e: with_int32(e, "units", 3), "a unit lies outside 0 … 2"),
    "a negative unit": (lambda e: with_int32(e, "units", -1), "a unit lies outside 0 … 2"),
    "few units": (lambda e: replace(e, units=e.units[:-1]), "offsets do not fit"),
    "offsets that fall": (lambda e: replace(e, offsets=torch.tensor([0, 4, 3])), "offsets do not fit"),
    "offsets too far": (lambda e: replace(e, offsets=torch.tensor([0, 2, 9])), "offsets do not fit"),
    "offsets beyond memory": (lambda e: replace(e, offsets=torch.tensor([0, 2**40, 3])), "offsets do not fit"),
    "offsets that start late": (lambda e: replace(e, offsets=torch.tensor([1, 2, 3])), "offsets do not fit"),
    "no offsets": (lambda e: replace(e, offsets=e.offsets[:0]), "offsets do not fit"),
    "more labels than offsets": (lambda e: replace(e, labels=torch.zeros(5000)), "offsets do not fit"),
    "fewer labels than offsets": (lambda e: replace(e, labels=torch.zeros(1)), "offsets do not fit"),
}  # fmt: skip


@both
@pytest.mark.parametrize("what", WRONG_EVENTS)
def test_events_that_lead_out_of_memory_are_refused(kernels: ModuleType, what: str) -> None:
    change, message = WRONG_EVENTS[what]
    events = change(event_batch([[(0, 0), (1, 2)], [(3, 1)]], 4, 3))
    with pytest.raises(ValueError, match=message):
        kernels.event_linear(events, torch.ones(3, 2))
    with pytest.raises(ValueError, match=message):
        kernels.lif_scan(events, HALF, HALF, Neuron(), weight=torch.ones(3, 2))


def test_unsorted_events_are_refused() -> None:
    events = event_batch([[(0, 0), (1, 2)]], 4, 3)
    flipped = replace(events, bins=events.bins.flip(0))
    with pytest.raises(ValueError, match="events of a sample are not sorted by their bin"):
        operators.event_linear(flipped, torch.ones(3, 2))


def scan_with(kernels: ModuleType, **changes: object) -> Scan:
    """Run a scan of 2 samples, 4 steps, 3 neurons, with something else in it."""
    arguments = {
        "current": torch.zeros(2, 4, 3),
        "recurrent": torch.zeros(3, 3),
        "decay_syn": HALF,
        "decay_mem": HALF,
        "neuron": Neuron(),
    }
    return kernels.recurrent_lif_scan(**(arguments | changes))


EVENTS = event_batch([[(0, 0)], []], 4, 5)
WRONG_SCANS: dict[str, tuple[dict[str, object], str]] = {
    "currents of two axes": ({"current": torch.zeros(2, 4)}, r"currents must be floats of shape \(batch, time"),
    "a current that is a number": ({"current": HALF}, "must not be scalars"),
    "a weight that is a number": ({"current": EVENTS, "weight": HALF}, "must not be scalars"),
    "no step": ({"current": torch.zeros(2, 0, 3)}, r"time ≥ 1"),
    "no step of events": (
        {"current": event_batch([[], []], 0, 5), "weight": torch.zeros(5, 3)}, "at least one step"),
    "whole currents": ({"current": torch.zeros(2, 4, 3, dtype=torch.int32)}, "must be floats"),
    "events without weights": ({"current": EVENTS}, "currents, or events with a weight"),
    "currents with weights": ({"weight": torch.zeros(5, 3)}, "currents, or events with a weight"),
    "spikes without weights": (
        {"current": Spikes.from_dense(torch.zeros(2, 4, 5))}, "currents, or events with a weight"),
    "spikes of other inputs": (
        {"current": Spikes.from_dense(torch.zeros(2, 4, 5)), "weight": torch.zeros(6, 3)},
        r"\(6, 3\) do not fit 5 inputs"),
    "weights of other inputs": (
        {"current": EVENTS, "weight": torch.zeros(4, 3)}, r"\(4, 3\) do not fit 5 inputs"),
    "whole weights": ({"current": EVENTS, "weight": torch.zeros(5, 3, dtype=torch.int64)}, "must be floats"),
    "weights elsewhere": ({"current": EVENTS, "weight": torch.zeros(5, 3, device="meta")}, "meta"),
    "other recurrent neurons": ({"recurrent": torch.zeros(2, 4, 4)}, r"\(2, 4, 4\) do not fit 3 units"),
    "recurrent weights that are doubles": ({"recurrent": torch.zeros(3, 3).double()}, "recurrent is torch.float64"),
    "a decay per other neuron": ({"decay_mem": torch.zeros(4)}, r"decay_mem of shape \(4,\)"),
    "a decay elsewhere": ({"decay_syn": torch.zeros(3, device="meta")}, "decay_syn is torch.float32 on meta"),
    "adaptation of another type": (
        {"adaptation": Adaptation(HALF, HALF.double(), HALF)}, "to_membrane is torch.float64"),
    "a state of other taps": ({"state": torch.zeros(2, 7, 3)}, r"state of shape \(2, 7, 3\) instead of \(2, 4, 3\)"),
    "delays of other neurons": (
        {"recurrent_delays": RecurrentDelays(torch.zeros(4), 2)}, r"delays of shape \(4,\) do not fit 3 units"),
    "delays in doubles": (
        {"recurrent_delays": RecurrentDelays(torch.zeros(3).double(), 2)}, "recurrent delays are torch.float64"),
    "delays of two taps": (
        {"recurrent": torch.zeros(2, 3, 3), "recurrent_delays": RecurrentDelays(torch.zeros(3), 2)}, "one tap, got 2"),
    "a state of other delays": (
        {"recurrent_delays": RecurrentDelays(torch.zeros(3), 9), "state": torch.zeros(2, 4, 3)},
        r"state of shape \(2, 4, 3\) instead of \(2, 13, 3\)"),
    "a state in doubles": ({"state": torch.zeros(2, 4, 3).double()}, "state is torch.float64"),
}  # fmt: skip


@both
@pytest.mark.parametrize("what", WRONG_SCANS)
def test_scans_say_what_does_not_fit(kernels: ModuleType, what: str) -> None:
    changes, message = WRONG_SCANS[what]
    with pytest.raises(ValueError, match=message):
        scan_with(kernels, **changes)


WRONG_READOUTS: dict[str, tuple[dict[str, object], str]] = {
    "other units": ({"weight": torch.zeros(4, 2)}, r"\(4, 2\) do not fit 3 units"),
    "doubles": ({"weight": torch.zeros(3, 2).double()}, "weight is torch.float64"),
    "weights elsewhere": ({"weight": torch.zeros(3, 2, device="meta")}, "meta"),
    "a decay per unit": ({"decay": torch.zeros(3)}, r"decay of shape \(3,\)"),
    "an unknown reduction": ({"reduction": "median"}, "unknown reduction 'median'; available are max, mean"),
    "no length": ({"lengths": torch.tensor([0, 1])}, "2 whole numbers in 1 … 4"),
    "too long": ({"lengths": torch.tensor([4, 5])}, "2 whole numbers in 1 … 4"),
    "lengths of others": ({"lengths": torch.tensor([4])}, "2 whole numbers in 1 … 4"),
    "broken lengths": ({"lengths": torch.tensor([1.5, 2.0])}, "whole numbers"),
    "a start of others": ({"start": torch.zeros(1, 2)}, r"start of shape \(1, 2\)"),
    "a start in doubles": ({"start": torch.zeros(2, 2).double()}, "start is torch.float64"),
}  # fmt: skip


@both
@pytest.mark.parametrize("what", WRONG_READOUTS)
def test_readouts_say_what_does_not_fit(kernels: ModuleType, what: str) -> None:
    changes, message = WRONG_READOUTS[what]
    arguments = {"weight": torch.zeros(3, 2), "decay": HALF} | changes
    with pytest.raises(ValueError, match=message):
        kernels.leaky_readout(Spikes.from_dense(torch.zeros(2, 4, 3)), **arguments)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_types_without_loops_are_refused_and_the_reference_has_them(dtype: torch.dtype) -> None:
    weight, decay = torch.full((5, 3), 4, dtype=dtype), torch.tensor(0.5, dtype=dtype)
    args = (EVENTS, decay, decay, Neuron())
    assert reference.lif_scan(*args, weight=weight).spikes.units.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"float32 and float64.*reference"):
        operators.lif_scan(*args, weight=weight)
    with pytest.raises(ValueError, match=r"float32 and float64.*reference"):
        operators.event_linear(EVENTS, weight)


@both
def test_weights_that_are_no_number_silence_their_neurons_alone(kernels: ModuleType) -> None:
    weight = torch.full((5, 20), 4.0)
    weight[:, 3] = torch.nan
    weight.requires_grad_()
    neuron = Neuron(reset="zero")
    scan = kernels.lif_scan(EVENTS, HALF, HALF, neuron, keep_membranes=True, weight=weight)
    fired = scan.spikes.dense()[0].any(0)
    assert fired.tolist() == [h != 3 for h in range(20)]
    kernels.leaky_readout(scan.spikes, torch.full((20, 2), torch.nan), HALF).sum().backward()
    assert weight.grad is not None
    assert weight.grad.shape == weight.shape


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reset": "none"}, "unknown reset 'none'; available are zero, restart, subtract"),
        ({"surrogate": "relu"}, "unknown surrogate 'relu'; available are fast_sigmoid"),
        ({"threshold": 0.0}, "threshold must be above 0 and finite, got 0.0"),
        ({"threshold": float("nan")}, "threshold must be above 0 and finite, got nan"),
        ({"slope": float("inf")}, "slope must be above 0 and finite, got inf"),
        ({"threshold": "1"}, "threshold must be a number, got '1'"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Neuron(**changes)


@both
def test_parameters_without_equations_are_refused(kernels: ModuleType) -> None:
    with pytest.raises(ValueError, match="no equations for parameters of Parameters"):
        scan_with(kernels, adaptation=Parameters())


@both
def test_equations_that_an_implementation_lacks_are_refused(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cubic(Parameters):
        pass

    monkeypatch.setitem(EQUATIONS, Cubic, len(EQUATIONS))  # a class without a branch anywhere
    with pytest.raises(ValueError, match="no equations for parameters of Cubic"):
        scan_with(kernels, adaptation=Cubic())


def test_kernels_are_chosen_by_name_and_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_kernels("cpu") is operators
    assert choose_kernels(torch.device("cpu"), "reference") is reference
    assert choose_kernels("meta", "reference") is reference
    monkeypatch.setitem(sys.modules, "triton", ModuleType("triton"))
    assert choose_kernels("cuda:0") is operators
    with pytest.raises(
        TrainingError, match="kernels 'quick' do not exist; available are events, reference"
    ):
        choose_kernels("cpu", "quick")  # type: ignore[arg-type]
    for device in ("mps", "meta"):
        with pytest.raises(TrainingError, match=f"no event-driven kernels for device {device}"):
            choose_kernels(device)
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(TrainingError, match="need Triton, which is not installed"):
        choose_kernels("cuda")


@pytest.mark.parametrize("kind", EQUATIONS, ids=lambda kind: kind.__name__)
def test_neurons_have_the_parameters_that_the_kernels_for_gpus_have_room_for(kind: type) -> None:
    n = 0 if kind is type(None) else len(fields(kind))
    assert n <= 3, "the loops for GPUs have p0, which is β, to p3"
