"""Cases for the event-driven kernels, and a second opinion on their equations: numbers that carry a derivative along.

The equations are those of the docstring of :mod:`spikebench.kernels.neuron`, read word for word: histories with an
index for the step. Derivatives run forward, one direction at a time, so
neither autograd nor anything that runs backward has a part in them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from hypothesis import strategies as st
from numpy.typing import NDArray

from spikebench.events.batches import EventBatch
from spikebench.kernels import operators, reference
from spikebench.kernels.neuron import RESETS, SURROGATES, Neuron, Parameters, Rotation
from spikebench.kernels.recurrent_delays import RecurrentDelays
from spikebench.kernels.scan import STATE_ROWS, Adaptation, Scan

Array = NDArray[np.float64]
Tensors = dict[str, torch.Tensor]

KERNELS = {"reference": reference, "events": operators}


class Dual:
    """Numbers and what becomes of them in one direction."""

    __array_ufunc__ = None  # numpy leaves the arithmetic to this class

    def __init__(self, value: Array | float, slope: Array | float = 0.0) -> None:
        self.value, self.slope = np.asarray(value, float), np.asarray(slope, float)

    def __add__(self, other: Dual | Array | float) -> Dual:
        other = _dual(other)
        return Dual(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other: Dual | Array | float) -> Dual:
        other = _dual(other)
        slope = self.slope * other.value + self.value * other.slope
        return Dual(self.value * other.value, slope)

    def __sub__(self, other: Dual | Array | float) -> Dual:
        return self + _dual(other) * -1.0

    def __rsub__(self, other: Dual | Array | float) -> Dual:
        return _dual(other) - self

    def __matmul__(self, other: Dual) -> Dual:
        slope = np.broadcast_to(self.slope, self.value.shape) @ other.value
        return Dual(
            self.value @ other.value,
            slope + self.value @ np.broadcast_to(other.slope, other.value.shape),
        )

    def __getitem__(self, index: object) -> Dual:
        return Dual(self.value[index], np.broadcast_to(self.slope, self.value.shape)[index])

    __radd__, __rmul__ = __add__, __mul__


def _dual(number: Dual | Array | float) -> Dual:
    return number if isinstance(number, Dual) else Dual(number)


def surrogate(x: Array, neuron: Neuron) -> Array:
    """Compute what the docstring of the neuron puts in the place of dS/dU."""
    lam, h, s = neuron.slope, 0.15, 6.0

    def g(y: Array) -> Array:
        return np.exp(-((lam * y) ** 2) / 2)

    def gaussians(y: Array) -> Array:
        return (1 + h) * g(y) - h / s * (g((y - 1 / lam) / s) + g((y + 1 / lam) / s))

    sigma = 1 / (1 + np.exp(-np.clip(lam * x, -700, 700)))
    return {
        "fast_sigmoid": 1 / (lam * np.abs(x) + 1) ** 2,
        "logistic": 4 * sigma * (1 - sigma),
        "arctan": 1 / (1 + (lam * x) ** 2),
        "triangle": np.maximum(0, 1 - lam * np.abs(x)),
        "multi_gaussian": gaussians(x) / gaussians(np.zeros(1)),
        "boxcar": np.where(lam * np.abs(x) <= 1, 1.0, 0.0),
    }[neuron.surrogate]


def weigh(counts: Array, weight: Dual) -> list[Dual]:
    """x[t] = Σ_s W_s·n[t−s] of counts (batch, time, input)."""
    nothing = np.zeros_like(counts[:, 0])
    steps = [counts[:, t] for t in range(counts.shape[1])]
    return [
        sum(Dual(steps[t - s] if t >= s else nothing) @ weight[s] for s in range(len(weight.value)))
        for t in range(len(steps))
    ]


def triangle(s: int, delay: Dual, longest: int) -> Dual:
    """Compute the part of a spike that a delay brings to s: max(0, 1 − |s − d|), d between 0 and the longest."""
    x = s - np.clip(delay.value, 0, longest)
    learns = (np.abs(x) < 1) & (delay.value > 0) & (delay.value < longest)
    return Dual(np.maximum(0, 1 - np.abs(x)), np.where(learns, np.sign(x), 0) * delay.slope)


def run_neurons(
    x: list[Dual],
    V: Dual,
    alpha: Dual,
    beta: Dual,
    neuron: Neuron,
    rho: Dual | None = None,
    a: Dual | None = None,
    b: Dual | None = None,
    turn: Dual | None = None,
    gain: Dual | None = None,
    delay: Dual | None = None,
    longest: int = 0,
) -> tuple[list[Dual], list[Dual]]:
    """Run neurons from rest; spikes and membranes, step after step."""
    zero = Dual(np.zeros(x[0].value.shape))
    I, U, S, A = (defaultdict(lambda: zero) for _ in range(4))  # noqa: E741
    theta = neuron.threshold
    for t in range(len(x)):
        I[t] = alpha * I[t - 1] + x[t]
        if delay is None:
            for s in range(len(V.value)):
                I[t] = I[t] + S[t - 1 - s] @ V[s]
        else:
            for s in range(longest + 1):
                I[t] = I[t] + (S[t - 1 - s] * triangle(s, delay, longest)) @ V[0]
        spike = S[t - 1] if neuron.reset_in_graph else Dual(S[t - 1].value)
        driven = (1 - beta) * (I[t] - A[t - 1])
        if turn is not None and gain is not None:
            if neuron.reset == "zero":
                R = U[t - 1]
            elif neuron.reset == "restart":
                R = U[t - 1] * (1 - spike)
            else:
                R = U[t - 1] - theta * spike
            U[t] = beta * R - turn * A[t - 1] + gain * I[t]
            A[t] = turn * R + beta * A[t - 1]
            if neuron.reset == "zero":
                U[t] = U[t] * (1 - spike)
        elif neuron.reset == "zero":
            U[t] = (beta * U[t - 1] + driven) * (1 - spike)
        elif neuron.reset == "restart":
            U[t] = beta * U[t - 1] * (1 - spike) + driven
        else:
            U[t] = beta * (U[t - 1] - theta * spike) + driven
        x_t = U[t].value - theta
        S[t] = Dual((x_t >= 0).astype(float), surrogate(x_t, neuron) * U[t].slope)
        if rho is not None and a is not None and b is not None:
            spike = S[t] if neuron.reset_in_graph else Dual(S[t].value)
            R = U[t] - theta * spike if neuron.reset == "subtract" else U[t] * (1 - spike)
            A[t] = rho * A[t - 1] + (1 - rho) * (a * R + b * S[t])
    return [S[t] for t in range(len(x))], [U[t] for t in range(len(x))]


def read_out(
    spikes: Dual, weight: Dual, decay: Dual, reduction: str, lengths: NDArray[np.int64]
) -> Dual:
    """O[t] = γ·O[t−1] + (1 − γ)·W·S[t] and what is made of it, sample by sample."""
    answers = []
    for k, length in enumerate(lengths):
        out, trace = Dual(np.zeros(weight.value.shape[1])), []
        for t in range(spikes.value.shape[1]):
            out = decay * out + (1 - decay) * (spikes[k, t] @ weight)
            trace.append(out)
        values, slopes = (
            np.stack([getattr(o, name) for o in trace]) for name in ("value", "slope")
        )
        inside = slice(0, length)
        if reduction == "max":
            best = np.argmax(values[inside], 0)
            columns = np.arange(best.size)
            answers.append((values[best, columns], slopes[best, columns]))
        elif reduction == "last":
            answers.append((values[length - 1], slopes[length - 1]))
        elif reduction == "trace":
            answers.append((values, slopes))
        else:
            part = length if reduction == "mean" else 1
            answers.append((values[inside].sum(0) / part, slopes[inside].sum(0) / part))
    return Dual(*(np.stack(column) for column in zip(*answers, strict=True)))


def event_batch(
    rows: list[list[tuple[int, int]]], n_steps: int, n_units: int, mode: str = "counts"
) -> EventBatch:
    """Put (bin, unit) of some samples together, sorted by their bin."""
    events = [event for row in rows for event in sorted(row, key=lambda event: event[0])]
    sizes = torch.tensor([0, *map(len, rows)])
    array = torch.tensor(events, dtype=torch.int32).reshape(-1, 2)
    return EventBatch(
        offsets=sizes.cumsum(0),
        bins=array[:, 0],  # every second number: not contiguous
        units=array[:, 1],
        lengths=torch.full((len(rows),), n_steps),
        labels=torch.zeros(len(rows), dtype=torch.int64),
        n_steps=n_steps,
        n_units=n_units,
        time_step=0.01,
        mode=mode,
    )


def random_events(
    rng: np.random.Generator, batch: int, n_steps: int, n_units: int, mode: str = "counts"
) -> EventBatch:
    """Draw events: some samples have none, some several in a cell."""
    sizes = rng.integers(0, 2 * n_steps + 3, batch) * (rng.random(batch) > 0.2)
    rows = [
        list(zip(rng.integers(0, n_steps, size), rng.integers(0, n_units, size), strict=True))
        for size in sizes
    ]
    return event_batch(rows, n_steps, n_units, mode)


def counts_of(events: EventBatch) -> Array:
    """Count the events of every cell, one by one."""
    counts = np.zeros((len(events), events.n_steps, events.n_units))
    for k in range(len(events)):
        for e in range(int(events.offsets[k]), int(events.offsets[k + 1])):
            counts[k, int(events.bins[e]), int(events.units[e])] += 1
    return np.minimum(counts, 1) if events.mode == "binary" else counts


@dataclass(frozen=True)
class Case:
    """A layer, its input and where it begins.

    ``tensors`` has the weight, the recurrent one, both decays, and rho, a, b if the neurons adapt, or turn and gain if
    they rotate. With recurrent delays it has those as well, and ``longest`` is above 0.
    """

    events: EventBatch
    neuron: Neuron
    tensors: Tensors
    state: torch.Tensor | None = None
    longest: int = 0

    def scan(
        self,
        kernels: ModuleType,
        tensors: Tensors | None = None,
        from_currents: bool = False,
        keep_membranes: bool = True,
    ) -> Scan:
        """Run the layer, on events or on currents that were made of them before."""
        given = dict(self.tensors if tensors is None else tensors)
        weight, state = given["weight"], self.state
        adaptation: Parameters | None = None
        if "rho" in given:
            adaptation = Adaptation(given["rho"], given["a"], given["b"])
        elif "turn" in given:
            adaptation = Rotation(given["turn"], given["gain"])
        current, weights = self.events, weight
        if from_currents:
            current, weights = kernels.event_linear(self.events, weight), None
        return kernels.recurrent_lif_scan(
            *(current, given["recurrent"], given["decay_syn"], given["decay_mem"], self.neuron),
            *(adaptation, None if state is None else state.to(weight.dtype), keep_membranes),
            weights,
            RecurrentDelays(given["delay"], self.longest) if self.longest else None,
        )

    def oracle(self, directions: dict[str, Array] | None = None) -> tuple[list[Dual], list[Dual]]:
        """Run the layer by the equations, from rest, in some direction of its tensors."""
        duals = {
            name: Dual(tensor.numpy(), 0.0 if directions is None else directions[name])
            for name, tensor in self.tensors.items()
        }
        return run_neurons(
            *(weigh(counts_of(self.events), duals["weight"]), duals["recurrent"]),
            *(duals["decay_syn"], duals["decay_mem"], self.neuron),
            *(duals.get(name) for name in ("rho", "a", "b", "turn", "gain", "delay")),
            self.longest,
        )


def assert_same(found: Tensors, expected: Tensors, rtol: float = 1e-8) -> None:
    """Compare tensors by their names, close in the measure of the largest number."""
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        largest = max(1.0, float(gradient.abs().max())) if gradient.numel() else 1.0
        atol = 1e-2 * rtol * largest
        torch.testing.assert_close(found[name], gradient, rtol=rtol, atol=atol, msg=name)


neurons = st.builds(
    Neuron,
    threshold=st.sampled_from([0.5, 1.0]),
    reset=st.sampled_from(sorted(RESETS)),
    reset_in_graph=st.booleans(),
    surrogate=st.sampled_from(sorted(SURROGATES)),
    slope=st.sampled_from([1.0, 4.0]),
)


@st.composite
def cases(
    draw: st.DrawFn,
    batches: st.SearchStrategy[int] = st.integers(0, 6) | st.just(35),  # noqa: B008
    begins: bool = True,
    most_steps: int = 20,
) -> Case:
    """Draw layers of 1 … 40 neurons in float64."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch, n_steps = draw(batches), draw(st.integers(1, most_steps))
    n_units, n = draw(st.integers(1, 12)), draw(st.integers(1, 40))
    events = random_events(
        rng, batch, n_steps, n_units, draw(st.sampled_from(["counts", "binary"]))
    )
    n_taps, n_recurrent = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    longest = draw(st.sampled_from([0, 1, 3, 9])) if n_recurrent == 1 else 0
    gain = draw(st.sampled_from([0.0, 1.0, 2.0, 2.0]))
    size = draw(st.sampled_from([(), (1,), (n,)]))
    tensors = {
        "weight": gain * rng.normal(0.3, 1, (n_taps, n_units, n)),
        "recurrent": rng.normal(0, 1 / math.sqrt(n), (n_recurrent, n, n)),
        "decay_syn": rng.uniform(0.0, 0.9, size),
        "decay_mem": rng.uniform(0.3, 0.95, size),
    }
    kinds: list[dict[str, float]] = [
        {},
        {"rho": 0.95, "a": 0.8, "b": 1.5},
        {"turn": 0.5, "gain": 1.5},
    ]
    for name, highest in draw(st.sampled_from(kinds)).items():
        tensors[name] = rng.uniform(0, highest, draw(st.sampled_from([(), (1,), (n,)])))
    if longest:
        tensors["delay"] = rng.uniform(-0.5, longest + 0.5, n)  # some beyond both ends
    state = None
    if begins and draw(st.booleans()):
        n_past = longest + 1 if longest else max(n_recurrent, 1)
        rows = rng.normal(0, 0.5, (batch, STATE_ROWS + n_past, n))
        rows[:, STATE_ROWS:] = rng.random(rows[:, STATE_ROWS:].shape) < 0.3
        state = torch.from_numpy(rows)
    as_tensors = {
        name: torch.as_tensor(array, dtype=torch.float64) for name, array in tensors.items()
    }
    return Case(events, draw(neurons), as_tensors, state, longest)
