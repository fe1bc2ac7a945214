"""The task of spike patterns: frozen Poisson inputs, and the output trains that a network is to fire in response.

``random``: the targets of every output are Poisson spikes, at least one, so that the number of outputs sets the
difficulty.
``picture``: the outputs are the rows of a picture, drawn by spikes: a circle and a wave that crosses it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["random", "picture"]
Feedback = Literal["symmetric", "random", "uniform"]  # see spikebench.learning.superspike
Trains = NDArray[np.bool_]


class PatternSettings(BaseModel):
    """Settings of network, task and learning; times in ms."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    inputs: int = Field(default=100, ge=1, le=10_000)
    hidden: int = Field(default=100, ge=1, le=10_000)
    duration_ms: float = Field(default=500.0, ge=10, le=10_000)
    time_step_ms: float = Field(default=1.0, ge=0.1, le=10)
    input_rate_hz: float = Field(default=20.0, gt=0, le=1000)
    target_rate_hz: float = Field(default=10.0, gt=0, le=1000)
    tau_mem_ms: float = Field(default=10.0, gt=0, le=1000)
    tau_syn_ms: float = Field(default=5.0, gt=0, le=1000)
    tau_rise_ms: float = Field(default=5.0, gt=0, le=1000)
    tau_decay_ms: float = Field(default=10.0, gt=0, le=1000)
    surrogate_slope: float = Field(default=4.0, gt=0, le=1000)
    presentations: int = Field(default=1500, ge=1, le=1_000_000)
    # Of the initial scale of the weights; per presentation, see learning.superspike.
    learning_rate: float = Field(default=0.02, gt=0, le=10)

    @property
    def n_steps(self) -> int:
        """Steps of a presentation."""
        return round(self.duration_ms / self.time_step_ms)


def draw_inputs(settings: PatternSettings, seed: int) -> Trains:
    """Draw the input spikes, which are the same at every presentation.

    Parameters
    ----------
    settings
        Size, duration and rate.
    seed
        Seed of the task.

    Returns
    -------
    ndarray of bool, shape (time, input)
        Spikes.
    """
    draws = np.random.default_rng([seed, 0])
    chance = settings.input_rate_hz * settings.time_step_ms * 1e-3
    return draws.random((settings.n_steps, settings.inputs)) < chance


def draw_targets(settings: PatternSettings, kind: Kind, outputs: int, seed: int) -> Trains:
    """Draw the trains that the outputs are to fire.

    Parameters
    ----------
    settings
        Duration and rate.
    kind
        ``random`` or ``picture``.
    outputs
        Number of outputs.
    seed
        Seed of the task.

    Returns
    -------
    ndarray of bool, shape (time, output)
        Spikes, none in the first 20 ms, in which the membranes still fill.
    """
    steps = settings.n_steps
    first = min(round(20 / settings.time_step_ms), steps - 1)
    targets = np.zeros((steps, outputs), np.bool_)
    if kind == "random":
        draws = np.random.default_rng([seed, 1])
        chance = settings.target_rate_hz * settings.time_step_ms * 1e-3
        targets[first:] = draws.random((steps - first, outputs)) < chance
        for silent in np.flatnonzero(~targets.any(axis=0)):
            targets[draws.integers(first, steps), silent] = True
        return targets
    for k in range(outputs):
        height = (k + 0.5) / outputs
        half = np.sqrt(max(0.16 - (height - 0.5) ** 2, 0.0)) * 0.6
        places = [0.3 - half, 0.3 + half] if half else []
        turn = np.arcsin(np.clip((height - 0.5) / 0.45, -1, 1)) / (2 * np.pi)
        places += [0.6 + 0.36 * (part % 1) for part in (turn, 0.5 - turn)]
        for place in places:
            targets[np.clip(round(place * steps), first, steps - 1), k] = True
    return targets
