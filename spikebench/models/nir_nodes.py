"""The nodes of :mod:`spikebench.models.nir_network` as modules that advance by one step, and the rules they follow."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from spikebench.errors import TrainingError
from spikebench.records.text import printable

__all__ = ["Delay", "Neurons", "NirRules", "array", "make_part"]

_SLOPE = 10.0  # of the surrogate derivative 1/(1 + slope·|v − threshold|)²
_MOST_STEPS = 10_000  # of a delay

Values = NDArray[np.float64]
State = Literal["syn", "mem", "li"]  # synaptic current, membrane that spikes, leaky integrator


class NirRules(BaseModel):
    """What NIR leaves open.

    Attributes
    ----------
    discretisation
        ``exponential`` or ``euler``, or the update of a library: ``norse`` or ``rockpool``.
    step_s
        dt [s], the step for which the time constants are meant; by default the width of a bin. snnTorch exports its
        decays for 1e-4, whatever the width of the bins.
    refractory_steps
        Steps after a spike in which v is v_reset.
    reset
        ``value``: v_reset at the spike; ``subtract``: the threshold at the spike; ``subtract_later``: the threshold in
        the step after it, after the decay, as snnTorch does by default; ``subtract_all``: as many spikes as the
        threshold fits into v, all of which are subtracted, as Rockpool does by default.
    reduction
        The score of a class: ``sum``, ``mean``, ``max`` or ``last`` of its output over the steps of the raster, plus a
        bias if the file has one; or ``softmax``, the sum of the softmax of output and bias at each step.
    skip_steps
        Steps at the start that are left out of the reduction; of a clip that is not longer, the last step remains.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    discretisation: Literal["exponential", "euler", "norse", "rockpool"] = "exponential"
    step_s: float | None = Field(default=None, gt=0, le=60)
    refractory_steps: int = Field(default=0, ge=0, le=10_000)
    reset: Literal["value", "subtract", "subtract_later", "subtract_all"] = "value"
    reduction: Literal["sum", "mean", "max", "last", "softmax"] = "sum"
    skip_steps: int = Field(default=0, ge=0, le=100_000)


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distance: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        ctx.save_for_backward(distance)
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        distance: torch.Tensor = ctx.saved_tensors[0]
        return gradient / (1 + _SLOPE * distance.abs()) ** 2


class Neurons(nn.Module):
    """Neurons or leaky integrators: a current if there is a τ_syn, a membrane, spikes if there is a threshold."""

    keep: torch.Tensor | None
    gain: torch.Tensor | None
    keep_syn: torch.Tensor | None
    gain_syn: torch.Tensor | None
    drive: torch.Tensor
    w_in: torch.Tensor
    leak: torch.Tensor
    threshold: torch.Tensor
    rest: torch.Tensor

    def __init__(self, node: Any, rules: NirRules, step: float, kind: str) -> None:  # noqa: ANN401
        super().__init__()
        self.emits_spikes = kind in ("LIF", "CubaLIF", "IF")
        self.kind, self.rules = kind, rules
        tau = getattr(node, "tau_mem", getattr(node, "tau", None))
        tau_syn = getattr(node, "tau_syn", None)
        n = int(np.prod(node.output_type["output"]))
        self.n_units = n
        spikes = self.emits_spikes
        self._update("", None if tau is None else array(tau), step, "mem" if spikes else "li")
        self._update("_syn", None if tau_syn is None else array(tau_syn), step, "syn")
        drive = array(node.r)
        charge = tau is None and rules.discretisation != "norse"
        self._constant("drive", drive * step if charge else drive, n)
        self._constant("w_in", array(getattr(node, "w_in", 1.0)), n)
        self._constant("leak", array(getattr(node, "v_leak", 0.0)), n)
        if self.emits_spikes:
            self._constant("threshold", array(node.v_threshold), n)
            reset = node.v_reset
            self._constant("rest", array(0.0 if reset is None else reset), n)

    def _update(self, suffix: str, tau: Values | None, step: float, state: State) -> None:
        """Store by which factors a state and what drives it enter the next state."""
        keep, gain = (None, None) if tau is None else _factors(tau, step, self.rules, state)
        self._constant(f"keep{suffix}", keep, self.n_units)
        self._constant(f"gain{suffix}", gain, self.n_units)

    def _constant(self, name: str, values: NDArray[np.floating[Any]] | None, n: int) -> None:
        if values is None:
            self.register_buffer(name, None)
            return
        flat = np.broadcast_to(values.ravel() if values.size > 1 else values.reshape(-1)[:1], (n,))
        self.register_buffer(name, torch.from_numpy(flat.astype(np.float32)))

    def begin(self, batch: int) -> dict[str, torch.Tensor]:
        """Return the state at rest."""
        zero = self.drive.new_zeros(batch, self.n_units)
        return {"current": zero, "membrane": zero, "silent": zero, "fired": zero}

    def forward(
        self, x: torch.Tensor, state: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Advance by one step: output (batch, unit), new state."""
        current = x
        if self.keep_syn is not None and self.gain_syn is not None:
            current = self.keep_syn * state["current"] + self.gain_syn * (self.w_in * x)
        if self.keep is None or self.gain is None:
            membrane = state["membrane"] + self.drive * current
        else:
            driven = self.leak + self.drive * current
            membrane = self.keep * state["membrane"] + self.gain * driven
        if not self.emits_spikes:
            return membrane, state | {"current": current, "membrane": membrane}
        silent = state["silent"]
        if self.rules.reset == "subtract_later":
            membrane = membrane - state["fired"] * self.threshold
        if self.rules.refractory_steps:
            membrane = torch.where(silent > 0, self.rest, membrane)
        spikes: torch.Tensor = _Spike.apply(membrane - self.threshold)  # type: ignore[no-untyped-call]
        if self.rules.reset == "subtract_all":
            more = torch.floor(membrane.detach() / self.threshold) - 1
            spikes = spikes + more.clamp(min=0) * spikes.detach()
        fired = spikes.detach()
        if self.rules.reset in ("subtract", "subtract_all"):
            after = membrane - fired * self.threshold
        elif self.rules.reset == "value":
            after = torch.where(fired > 0, self.rest, membrane)
        else:
            after = membrane
        silent = torch.where(
            fired > 0, float(self.rules.refractory_steps), (silent - 1).clamp(min=0)
        )
        return spikes, {"current": current, "membrane": after, "silent": silent, "fired": fired}


class Delay(nn.Module):
    """Delays of whole steps."""

    steps: torch.Tensor

    def __init__(self, steps: Values) -> None:
        super().__init__()
        self.longest = int(steps.max(initial=0))
        self.register_buffer("steps", torch.from_numpy(steps.astype(np.int64)))

    def begin(self, batch: int) -> dict[str, torch.Tensor]:
        """Return an empty line."""
        return {
            "line": torch.zeros(
                self.longest + 1, batch, self.steps.numel(), device=self.steps.device
            )
        }

    def forward(
        self, x: torch.Tensor, state: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Advance by one step: output (batch, unit), new state."""
        line = torch.cat([x[None], state["line"][:-1]])
        return line[self.steps, :, torch.arange(self.steps.numel())].T, {"line": line}


class _Elementwise(nn.Module):
    """A factor, or a step at a threshold, per unit."""

    values: torch.Tensor

    def __init__(self, kind: str, values: Values) -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("values", torch.from_numpy(values.astype(np.float32).ravel()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the output (batch, unit)."""
        return x * self.values if self.kind == "Scale" else (x >= self.values).to(x.dtype)


def array(values: Any) -> Values:  # noqa: ANN401
    """Convert to float64; raise TrainingError for what is not a real number, or not finite with 32 bits."""
    given = np.asarray(values)
    if given.dtype.kind not in "biuf":
        raise TrainingError("a parameter does not consist of real numbers")
    with np.errstate(over="ignore"):
        finite = np.isfinite(given.astype(np.float32)).all()
    if not finite:
        raise TrainingError("a parameter is not finite (NaN, infinite or beyond 32 bits)")
    return given.astype(np.float64)


def _factors(
    tau: Values, step: float, rules: NirRules, state: State
) -> tuple[Values, NDArray[np.float32]]:
    """Compute the factors of the value before and of what drives it, per step."""
    if not np.all(tau > 0):
        raise TrainingError("a time constant is not positive")
    if rules.discretisation in ("exponential", "rockpool"):
        keep = np.exp(-step / tau)
    elif np.any(tau < step * (1 - 1e-6)):
        raise TrainingError(
            f"a time constant of {tau.min():g} s is below the step of {step:g} s, too short for forward Euler; "
            "set step_s (--step-ms), or use --discretisation exponential"
        )
    else:
        keep = np.maximum(1 - step / tau, 0.0)
    gain = 1 - keep.astype(np.float32)
    if rules.discretisation == "norse" and state == "syn":
        gain = np.ones_like(gain)
    if rules.discretisation == "rockpool":
        gains = {"syn": keep, "mem": step / (tau * keep), "li": step / tau}
        gain = gains[state].astype(np.float32)
    return keep, gain


def make_part(name: str, node: Any, kind: str, rules: NirRules, step: float) -> nn.Module | None:  # noqa: ANN401
    """Make the module of a node; None for one that passes its input on."""
    shown = printable(name)
    if kind in ("Input", "Output", "Flatten", "Identity"):
        return None
    try:
        if kind in ("Linear", "Affine"):
            return _linear(node, kind)
        if kind in ("LIF", "CubaLIF", "IF", "LI", "CubaLI", "I"):
            return Neurons(node, rules, step, kind)
        if kind in ("Scale", "Threshold"):
            return _Elementwise(kind, array(getattr(node, kind.lower())))
        if kind == "Delay":
            return Delay(_delay_steps(array(node.delay).ravel(), step))
    except TrainingError as error:
        raise TrainingError(f"node {shown}: {error}") from None
    raise TrainingError(
        f"node {shown} is of kind {kind}, which is not supported; supported are Linear, Affine, LIF, CubaLIF, IF, LI, "
        "CubaLI, I, Scale, Threshold, Delay, Flatten and Identity"
    )


def _linear(node: Any, kind: str) -> nn.Linear:  # noqa: ANN401
    weight = array(node.weight)
    if weight.ndim != 2:
        raise TrainingError(f"its weight has {weight.ndim} axes; two are read")
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=kind == "Affine")
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        if kind == "Affine":
            layer.bias.copy_(torch.from_numpy(array(node.bias).ravel()))
    return layer


def _delay_steps(delay: Values, step: float) -> Values:
    steps = np.round(delay / step)
    if np.any(np.abs(steps * step - delay) > 0.01 * step):
        raise TrainingError(f"a delay is not a multiple of the step of {step:g} s")
    if np.any((steps < 0) | (steps > _MOST_STEPS)):
        raise TrainingError(f"a delay is outside 0 … {_MOST_STEPS} steps")
    return steps
