"""SuperSpike: a rule of three factors, which learns online and carries errors back by feedback weights.

::

    ΔW_ji ∝ Σ_t E_i[t] · λ_ji[t],    λ_ji = a ∗ (ψ_i · e_ji)
    e_ji[t] = (1 − S_i[t−1])·(β·e_ji[t−1] + (1 − β)·q_j[t]),   q_j[t] = α·q_j[t−1] + s_j[t]

s_j are the spikes of the sending unit, q_j and e_ji their effect on current and membrane of the receiving neuron i, ψ_i
the surrogate of dS_i/dU_i (in the paper (k·|U_i − ϑ| + 1)⁻² with slope k), and a the filter with which spikes are
compared (``∗`` a convolution with the past).
E_i is the filtered error of an output neuron. A hidden neuron gets E_i = Σ_k B_ik·E_k from all outputs k at the same
moment: B are the weights to the outputs (``symmetric``), fixed random numbers (``random``), or all equal
(``uniform``). The rule needs one factor of the sending unit, one of the receiving neuron, and one error; its memory
does not grow with the number of steps.

With spiking outputs (:mod:`spikebench.patterns`) the loss is the van Rossum distance L = ½·Σ_t Σ_k E_k[t]²,
E = a ∗ (Ŝ − S) for target trains Ŝ, and a the double exponential with the time constants of rise and decay. For weights
to the outputs the rule is then its surrogate gradient. For weights to hidden neurons it is not: the gradient contains
ψ_k[t'] of the outputs and their filters, which the rule leaves out.

As a rule for words (``--learning superspike``) the outputs are the leaky read-out of the model, a the decay of this
read-out, and E the error of the cross-entropy at every step (:mod:`spikebench.learning.step_loss`). A read-out has
neither spikes nor ψ_k, so that with symmetric feedback the rule is the gradient of this loss for a network of one
hidden layer without recurrent weights.

Departures: the effect e is reset by a spike of the neuron, as its membrane is. The paper scales every weight's rate by
1/√v, v a leaky maximum of its squared gradient; that is Adamax without momentum. Presets use
``optimizer = "adamax"``, which has momentum. Regularisation by terms of the rate is left out.

Source: Zenke, Ganguli (2018), arXiv:1705.11146.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch

from spikebench.learning.configs import RtrlConfig, RuleConfig, SuperSpikeConfig
from spikebench.learning.ranks import Ranks
from spikebench.learning.rtrl import RealTimeRecurrentLearning
from spikebench.learning.rule import settings_of
from spikebench.models.base import Classifier
from spikebench.presets.preset import Preset


class SuperSpike(RealTimeRecurrentLearning):
    """SuperSpike for classification."""

    Config: ClassVar[type[RuleConfig]] = SuperSpikeConfig

    @classmethod
    def rtrl_settings(cls, preset: Preset) -> RtrlConfig:
        """Return the settings of the general rule: uniform feedback is one kind of feedback that is not learned."""
        found = settings_of(cls, preset)
        assert isinstance(found, SuperSpikeConfig)
        feedback: Literal["symmetric", "random"] = (
            "symmetric" if found.feedback == "symmetric" else "random"
        )
        return RtrlConfig(feedback=feedback, update_every_steps=found.update_every_steps)

    def __init__(
        self,
        model: Classifier,
        preset: Preset,
        class_weights: torch.Tensor,
        ranks: Ranks,
        seed: int,
    ) -> None:
        super().__init__(model, preset, class_weights, ranks, seed)
        found = settings_of(type(self), preset)
        assert isinstance(found, SuperSpikeConfig)
        if found.feedback == "uniform":
            for weights in self.feedback:
                weights.fill_(1 / math.sqrt(len(weights)))
