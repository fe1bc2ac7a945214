"""Arguments and results common to all kernels: adaptation, states, the result of a scan, and checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch

from spikebench.events.batches import EventBatch
from spikebench.kernels.neuron import Adaptation as Adaptation
from spikebench.kernels.neuron import Parameters
from spikebench.kernels.neuron import Rotation as Rotation
from spikebench.kernels.recurrent_delays import RecurrentDelays
from spikebench.kernels.spikes import Spikes

Reduction = Literal["max", "mean", "sum", "last", "trace"]
REDUCTIONS: dict[str, int] = {name: code for code, name in enumerate(get_args(Reduction))}

# Rows of a state before the spikes of the last steps: synaptic current, membrane, adaptation.
STATE_ROWS = 3


class Layer(NamedTuple):
    """Weights and parameters of a layer, as passed to compiled loops.

    ``weight`` (tap, input, unit), of shape (0, 0, 0) if currents are given; ``decay_syn`` (unit): α;
    ``parameters`` (parameter, unit): β, then the parameters of the neuron's equations; ``recurrent`` (tap, from, to).
    ``late`` (from): int64, steps by which the spikes of a unit arrive later, if there are recurrent delays.
    """

    weight: torch.Tensor
    decay_syn: torch.Tensor
    parameters: torch.Tensor
    recurrent: torch.Tensor
    late: torch.Tensor | None = None


@dataclass(frozen=True, eq=False)
class Scan:
    """The result of a scan.

    Attributes
    ----------
    spikes : Spikes
        Spikes of the layer.
    membranes : Tensor of float, shape (batch, time, unit), or None
        U, if requested.
    state : Tensor of float, shape (batch, row, unit)
        State from which the next scan can continue; see :func:`check_scan`. Not in the graph.
    """

    spikes: Spikes
    membranes: torch.Tensor | None
    state: torch.Tensor


def check_weight(
    events: EventBatch | Spikes, weight: torch.Tensor, has_taps: bool = True
) -> torch.Tensor:
    """Check the weights of events.

    Parameters
    ----------
    events, weight
        As in :func:`spikebench.kernels.reference.event_linear`.
    has_taps
        Whether weights may have taps.

    Returns
    -------
    Tensor of float, shape (tap, input, output)
        The weights.

    Raises
    ------
    ValueError
        If they do not fit.
    """
    taps = weight[None] if weight.ndim == 2 else weight
    n_units = events.n_units if isinstance(events, EventBatch) else events.shape[2]
    fits = taps.ndim == 3 and taps.shape[0] >= 1 and taps.shape[1] == n_units
    if not fits or not (has_taps or weight.ndim == 2):
        raise ValueError(
            f"weights of shape {tuple(weight.shape)} do not fit {n_units} inputs: "
            "(input, output)" + ", or (tap, input, output)" * has_taps
        )
    if not weight.is_floating_point():
        raise ValueError(f"weights must be floats, got {weight.dtype}")
    if weight.device != events.bins.device:
        raise ValueError(f"weights are on {weight.device}, the events on {events.bins.device}")
    return taps


def steps_of(events: EventBatch | Spikes) -> int:
    """Return the number of time steps of events.

    Parameters
    ----------
    events
        Events of the input, or spikes of a layer.

    Returns
    -------
    int
        Number of steps.
    """
    return events.n_steps if isinstance(events, EventBatch) else events.shape[1]


def n_neurons(current: torch.Tensor | EventBatch | Spikes, weight: torch.Tensor | None) -> int:
    """Return the number of neurons of a scan.

    Parameters
    ----------
    current, weight
        As in :func:`spikebench.kernels.reference.lif_scan`.

    Returns
    -------
    int
        The last dimension of the weights if there are any, else of the currents.

    Raises
    ------
    ValueError
        If events are given without weights, or currents with weights; if a scalar is given.
    """
    if isinstance(current, torch.Tensor) == (weight is not None):
        raise ValueError("a scan accepts currents, or events with a weight")
    shape = (current if weight is None else weight).shape  # type: ignore[union-attr]
    if not shape:
        raise ValueError("currents and weights of a layer must not be scalars")
    return shape[-1]


def check_scan(
    current: torch.Tensor | EventBatch | Spikes,
    weight: torch.Tensor | None,
    recurrent: torch.Tensor,
    decay_syn: torch.Tensor,
    decay_mem: torch.Tensor,
    adaptation: Parameters | None,
    state: torch.Tensor | None,
    recurrent_delays: RecurrentDelays | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Check the arguments of a scan.

    Parameters
    ----------
    current, weight, recurrent, decay_syn, decay_mem, adaptation, state, recurrent_delays
        As in :func:`spikebench.kernels.reference.recurrent_lif_scan`.

    Returns
    -------
    recurrent : Tensor of float, shape (tap, unit, unit)
        The recurrent weights.
    weight : Tensor of float, shape (tap, input, unit)
        The weights; of shape (0, 0, 0) if there are none.
    state : Tensor of float, shape (batch, 3 + max(recurrent taps, 1), unit)
        Initial state, not in the graph. Rows: I, U, A, then S of the last steps (the latest first). With recurrent
        delays, there are longest + 1 of these steps.

    Raises
    ------
    ValueError
        If shapes or types do not fit.
    """
    n = n_neurons(current, weight)
    taps = recurrent[None] if recurrent.ndim == 2 else recurrent
    weights = taps.new_empty(0, 0, 0)
    if isinstance(current, torch.Tensor):
        if current.ndim != 3 or current.shape[1] < 1 or not current.is_floating_point():
            raise ValueError(
                f"currents must be floats of shape (batch, time ≥ 1, unit), got {current.dtype} "
                f"{tuple(current.shape)}"
            )
        batch, first = current.shape[0], current
    else:
        assert weight is not None
        weights = check_weight(current, weight)
        n_steps = steps_of(current)
        if n_steps < 1:
            raise ValueError(f"a scan needs at least one step, the events have {n_steps}")
        batch = len(current if isinstance(current, EventBatch) else current.handle)
        first = weight
    if taps.ndim != 3 or taps.shape[1:] != (n, n):
        raise ValueError(
            f"recurrent weights of shape {tuple(recurrent.shape)} do not fit {n} units"
        )
    n_past = max(len(taps), 1)
    if recurrent_delays is not None:
        _check_delays(recurrent_delays, taps, first)
        n_past = recurrent_delays.longest + 1
    rows = STATE_ROWS + n_past
    if state is None:
        state = first.new_zeros(batch, rows, n)
    elif state.shape != (batch, rows, n):
        raise ValueError(f"state of shape {tuple(state.shape)} instead of {(batch, rows, n)}")
    given = {
        "recurrent": recurrent,
        "state": state,
        "decay_syn": decay_syn,
        "decay_mem": decay_mem,
    }
    if adaptation is not None:
        given |= vars(adaptation)
    for name, tensor in given.items():
        if name not in ("recurrent", "state") and tensor.shape not in ((), (1,), (n,)):
            raise ValueError(
                f"{name} of shape {tuple(tensor.shape)} must be a number, or one per unit"
            )
        if tensor.dtype != first.dtype or tensor.device != first.device:
            raise ValueError(
                f"{name} is {tensor.dtype} on {tensor.device}, the currents are {first.dtype} on "
                f"{first.device}"
            )
    return taps, weights, state.detach()


def _check_delays(delays: RecurrentDelays, taps: torch.Tensor, first: torch.Tensor) -> None:
    n_taps, n, _ = taps.shape
    if n_taps != 1:
        raise ValueError(f"recurrent delays need recurrent weights of one tap, got {n_taps}")
    steps = delays.steps
    if steps.shape != (n,):
        raise ValueError(f"recurrent delays of shape {tuple(steps.shape)} do not fit {n} units")
    if steps.dtype != first.dtype or steps.device != first.device:
        raise ValueError(
            f"recurrent delays are {steps.dtype} on {steps.device}, the currents are {first.dtype} "
            f"on {first.device}"
        )


def check_readout(
    spikes: Spikes,
    weight: torch.Tensor,
    decay: torch.Tensor,
    reduction: str,
    lengths: torch.Tensor | None,
    start: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Check the arguments of a read-out.

    Parameters
    ----------
    spikes, weight, decay, reduction, lengths, start
        As in :func:`spikebench.kernels.reference.leaky_readout`.

    Returns
    -------
    lengths : Tensor of int64, shape (batch,)
        The lengths.
    start : Tensor of float, shape (batch, class)
        Initial value, not in the graph.

    Raises
    ------
    ValueError
        If anything does not fit.
    """
    batch, n_steps, n_units = spikes.shape
    if weight.ndim != 2 or weight.shape[0] != n_units:
        raise ValueError(f"weights of shape {tuple(weight.shape)} do not fit {n_units} units")
    if decay.shape not in ((), (1,), (weight.shape[1],)):
        raise ValueError(f"decay of shape {tuple(decay.shape)} must be a number, or one per class")
    if reduction not in REDUCTIONS:
        raise ValueError(f"unknown reduction {reduction!r}; available are {', '.join(REDUCTIONS)}")
    if start is None:
        start = weight.new_zeros(batch, weight.shape[1])
    like = spikes.handle
    for name, tensor in {"weight": weight, "decay": decay, "start": start}.items():
        if tensor.dtype != like.dtype or tensor.device != like.device:
            raise ValueError(
                f"{name} is {tensor.dtype} on {tensor.device}, the spikes are {like.dtype} on "
                f"{like.device}"
            )
    if start.shape != (batch, weight.shape[1]):
        raise ValueError(
            f"start of shape {tuple(start.shape)} must have one number per sample and class"
        )
    if lengths is None:
        lengths = torch.full((batch,), n_steps, dtype=torch.int64, device=weight.device)
    elif lengths.shape != (batch,) or lengths.is_floating_point():
        raise ValueError(_WRONG_LENGTHS.format(batch=batch, n_steps=n_steps))
    elif torch.compiler.is_compiling():
        lengths = _checked_lengths(lengths, n_steps)
    else:
        _refuse_lengths(lengths, n_steps)
    return lengths, start.detach()


_WRONG_LENGTHS = "lengths must be {batch} whole numbers in 1 … {n_steps}"


def _refuse_lengths(lengths: torch.Tensor, n_steps: int) -> None:
    if bool(((lengths < 1) | (lengths > n_steps)).any()):
        raise ValueError(_WRONG_LENGTHS.format(batch=len(lengths), n_steps=n_steps))


@torch.library.custom_op("spikebench::checked_lengths", mutates_args=())
def _checked_lengths(lengths: torch.Tensor, n_steps: int) -> torch.Tensor:
    """Check the lengths of a traced network each time that it runs: its kernels use the result."""
    _refuse_lengths(lengths, n_steps)
    return lengths.clone()
