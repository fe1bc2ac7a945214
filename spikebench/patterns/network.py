"""A network of two layers of leaky neurons that learns one pattern by SuperSpike."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spikebench.models.initial_weights import fluctuation_scale
from spikebench.patterns.loops import present
from spikebench.patterns.task import Feedback, PatternSettings, Trains

_LEAK = 0.99  # of the maximum of the squared gradient, per presentation
_HIDDEN_RATE_HZ = 20.0  # expected, for the initial weights only


@dataclass
class PatternNetwork:
    """Weights, and what the rule keeps between presentations.

    Attributes
    ----------
    settings : PatternSettings
        Settings.
    outputs : int
        Output neurons.
    feedback_kind : str
        Kind of the feedback weights.
    seed : int
        Seed of weights and feedback.
    weights : list of ndarray of float64, shapes (input, hidden) and (hidden, output)
        The weights.
    largest : list of ndarray of float64
        Leaky maximum of the squared gradient of every weight.
    spikes : list of ndarray of bool, shapes (time, hidden) and (time, output)
        Of the last presentation.
    """

    settings: PatternSettings
    outputs: int
    feedback_kind: Feedback
    seed: int
    weights: list[NDArray[np.float64]] = field(init=False)
    largest: list[NDArray[np.float64]] = field(init=False)
    spikes: list[Trains] = field(init=False)

    def __post_init__(self) -> None:
        s = self.settings
        step = s.time_step_ms
        alpha, beta, rise, decay = (
            math.exp(-step / tau)
            for tau in (s.tau_syn_ms, s.tau_mem_ms, s.tau_rise_ms, s.tau_decay_ms)
        )
        self.decays = (alpha, beta, rise, decay)
        draws = np.random.default_rng([self.seed, 2])
        self.scales = [
            fluctuation_scale(n, rate * step * 1e-3, decay_syn=alpha, decay_mem=beta)
            for n, rate in ((s.inputs, s.input_rate_hz), (s.hidden, _HIDDEN_RATE_HZ))
        ]
        shapes = [(s.inputs, s.hidden), (s.hidden, self.outputs)]
        self.weights = [
            scale * draws.standard_normal(shape)
            for scale, shape in zip(self.scales, shapes, strict=True)
        ]
        self.largest = [np.zeros(shape) for shape in shapes]
        self.spikes = [np.zeros((s.n_steps, n), np.bool_) for n in (s.hidden, self.outputs)]
        self.fixed = self.scales[1] * draws.standard_normal(shapes[1])
        if self.feedback_kind == "uniform":
            self.fixed = np.full(shapes[1], self.scales[1])
        self.gradients = [np.zeros(shape) for shape in shapes]

    def present(self, inputs: Trains, targets: Trains, learns: bool = True) -> float:
        """Present the inputs once, and change the weights.

        Parameters
        ----------
        inputs, targets
            Spikes, bool (time, unit).
        learns
            Whether to compute gradients and change the weights.

        Returns
        -------
        float
            The van Rossum distance of this presentation, before the change.
        """
        feedback = self.weights[1] if self.feedback_kind == "symmetric" else self.fixed
        loss = present(
            inputs,
            targets,
            self.weights[0],
            self.weights[1],
            feedback,
            self.decays,
            self.settings.surrogate_slope,
            learns,
            self.spikes[0],
            self.spikes[1],
            self.gradients[0],
            self.gradients[1],
        )
        if learns:
            self._change()
        return float(loss)

    def distance_of_silence(self, targets: Trains) -> float:
        """Return the van Rossum distance between the targets and no spikes.

        Parameters
        ----------
        targets
            Bool (time, output).

        Returns
        -------
        float
            Above 0.
        """
        rise, decay = self.decays[2:]
        risen, filtered = np.zeros(targets.shape[1]), np.zeros(targets.shape[1])
        total = 0.0
        for row in targets:
            risen = rise * risen + (1 - rise) * row
            filtered = decay * filtered + (1 - decay) * risen
            total += 0.5 * float((filtered**2).sum())
        return total

    def _change(self) -> None:
        layers = zip(self.weights, self.largest, self.gradients, self.scales, strict=True)
        for weight, largest, gradient, scale in layers:
            np.maximum(_LEAK * largest, gradient**2, out=largest)
            rate = self.settings.learning_rate * scale
            weight -= rate * gradient / np.sqrt(largest + 1e-30)
