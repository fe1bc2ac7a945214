"""Real-time recurrent learning of one layer of leaky neurons, exact and approximate, and its special cases.

The loss has a value at every step (:mod:`spikebench.learning.step_loss`), and the layer carries the derivatives of its
state forward in time (:mod:`spikebench.learning.online_layer`), so that the gradient of a step is known at that step:

::

    G_i[t] = Σ_k B_ik·∂L/∂O_k[t]                           learning signal
    ΔW_pi ∝ −Σ_t G_i[t]·f_pi[t]                            block-diagonal; exact: −Σ_t Σ_j G_j[t]·f_pij[t]
    ΔW_out,ik ∝ −Σ_t z_i[t]·∂L/∂O_k[t],   Δb_k ∝ −Σ_t ∂L/∂O_k[t]

B are the weights W_out of the read-out (``feedback = "symmetric"``), or fixed random numbers.

``gradient``
    ``exact``: all of the Jacobian of the state; a trace for every weight and neuron, so the memory grows with the cube
    of the number of neurons. ``block_diagonal``: without the paths from a neuron through others; a trace per weight.
    Both need the same memory for any number of steps. For comparison, with the same loss: ``bptt``, back-propagation
    through time, and ``truncated``, the same within windows of ``window_steps``; their memory grows with the steps.
``eprop``
    e-prop: block-diagonal with random feedback (Bellec et al. 2020, doi 10.1038/s41467-020-17236-y, who also use
    symmetric feedback). Their regularisation of rates is left out.
``local_losses``
    Several layers without recurrent weights, each with a loss of its own, through a read-out of fixed random weights
    for all but the last, so that no error passes between layers (DECOLLE: Kaiser et al. 2020, doi
    10.3389/fnins.2020.00424). Differences: here the local read-outs see filtered spikes, not membranes, and the last
    read-out is trained.

With ``update_every_steps`` = 0 the gradients of a clip are summed and change the weights at its end, else after every
so many steps: *online*, where the traces contain the effect of older weights. The change itself is made by the
optimiser of the preset, for the mean of the batch.

Source: Zenke, Neftci (2021), arXiv:2010.11931; Williams, Zipser (1989), doi 10.1162/neco.1989.1.2.270.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.learning.bptt import BackPropagation
from spikebench.learning.configs import EpropConfig, LocalConfig, RtrlConfig, RuleConfig
from spikebench.learning.online_layer import OnlineLayer
from spikebench.learning.ranks import Ranks
from spikebench.learning.rule import rule_name, settings_of
from spikebench.learning.step_loss import shares, step_loss, targets
from spikebench.models.base import Classifier
from spikebench.models.spiking_layer import SpikingLayer
from spikebench.models.spiking_network import SpikingNetwork
from spikebench.presets.preset import Preset

MOST_TRACES = 2**28  # numbers of a batch
BLOCK = 32  # steps for which traces are computed together
_FEEDBACK = "feedback"


class RealTimeRecurrentLearning(BackPropagation):
    """Gradients forward in time, for the optimiser of back-propagation."""

    Config: ClassVar[type[RuleConfig]] = RtrlConfig
    lower_precision = False
    averages_weights = True
    rounds_weights = False
    has_rate_of_delays = False
    shares_batches = False
    most_layers: ClassVar[int] = 1

    @classmethod
    def check(cls, name: str, model: Classifier, preset: Preset, ranks: Ranks) -> None:
        """Refuse networks without leaky neurons and a leaky read-out, and what the loss of a step does not contain."""
        super().check(name, model, preset, ranks)
        rule = rule_name(model, preset)
        layers = model.hidden_layers() if isinstance(model, SpikingNetwork) else []
        if not layers or not all(map(_is_leaky, layers)) or _is_normalised(model):
            raise TrainingError(
                f"model {name}: the learning rule {rule} has the equations of leaky neurons without delays, "
                "adaptation, normalisation, learned time constants or model.reset_in_graph; it trains lif and rlif"
            )
        if len(layers) > cls.most_layers:
            raise TrainingError(
                f"model {name} has {len(layers)} layers, and the learning rule {rule} trains one; choose "
                "--learning local_losses, or one layer in model.hidden_units"
            )
        if cls.most_layers > 1 and any(layer.recurrent is not None for layer in layers):
            raise TrainingError(
                f"model {name}: the learning rule {rule} is for layers without recurrent weights; choose "
                "--learning eprop, or --model lif"
            )
        assert isinstance(model, SpikingNetwork)
        if model.dropout:
            raise TrainingError(f"model {name}: the learning rule {rule} has no dropout of spikes")
        if preset.regulariser.lower_strength or preset.regulariser.upper_strength:
            raise TrainingError(
                f"model {name}: the learning rule {rule} has no regularisation of activity, which needs whole clips; "
                "set regulariser.lower_strength and regulariser.upper_strength to 0"
            )
        settings = cls.rtrl_settings(preset)
        if settings.gradient == "exact":
            n_in, n = layers[0].weight.shape
            numbers = 3 * preset.training.batch_size * (n_in + n) * n * n
            if numbers > MOST_TRACES:
                raise TrainingError(
                    f"model {name}: exact traces of {n} neurons with {n_in} inputs are {numbers:,} numbers, and at "
                    f"most {MOST_TRACES:,} are stored; use fewer neurons, input.group_units, a smaller "
                    'training.batch_size, or learning.gradient = "block_diagonal"'
                )

    @classmethod
    def rtrl_settings(cls, preset: Preset) -> RtrlConfig:
        """Return the settings of the general rule."""
        found = settings_of(cls, preset)
        return RtrlConfig.model_validate(found.model_dump())

    def __init__(
        self,
        model: Classifier,
        preset: Preset,
        class_weights: torch.Tensor,
        ranks: Ranks,
        seed: int,
    ) -> None:
        super().__init__(model, preset, class_weights, ranks, seed)
        assert isinstance(model, SpikingNetwork)  # guaranteed by check
        self.network = model
        self.settings = self.rtrl_settings(preset)
        draws = torch.Generator().manual_seed(seed)
        self.feedback = [
            (
                torch.randn(layer.weight.shape[1], model.shape.n_classes, generator=draws)
                / math.sqrt(layer.weight.shape[1])
            ).to(layer.weight)
            for layer in model.hidden_layers()
        ]

    def update(self, batch: EventBatch, rate: float) -> float:
        """Change the weights by the gradients of all steps of a batch."""
        batch = batch.to(self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate_factor"]
        self.optimizer.zero_grad(set_to_none=True)
        if self.settings.gradient in ("bptt", "truncated"):
            loss = step_loss(
                self.network,
                batch,
                self.class_weights.to(self.device),
                self.preset.training.label_smoothing,
                self.settings.window_steps,
            )
            loss.backward()  # type: ignore[no-untyped-call]
            self._change()
            return float(loss.detach())
        return self.forward_in_time(batch)

    @torch.no_grad()
    def forward_in_time(self, batch: EventBatch, change: bool = True) -> float:
        """Compute the gradients step by step, and change the weights by them.

        Parameters
        ----------
        batch
            On the device of the model.
        change
            Whether to change the weights; else the gradients of the batch remain in ``grad``.

        Returns
        -------
        float
            The loss.
        """
        readout, layers = self.network.readout, self.network.hidden_layers()
        share = shares(batch, self.class_weights.to(self.device), readout.weight.dtype)
        target = targets(
            batch.labels, readout.bias.numel(), self.preset.training.label_smoothing
        ).to(readout.weight.dtype)
        online = [self._online(layer, len(batch)) for layer in layers]
        every, total = self.settings.update_every_steps, 0.0
        for first in range(0, batch.n_steps, every or BLOCK):
            last = min(first + (every or BLOCK), batch.n_steps)
            if first == 0 or every:
                for parameter in self.network.parameters():
                    parameter.grad = torch.zeros_like(parameter)
            raster = batch.window(first, last).dense().to(readout.weight.dtype)
            total += self._block(online, raster, share[:, first:last], target)
            if change and (every or last == batch.n_steps):
                self._change()
        return total

    def _block(
        self,
        online: list[OnlineLayer],
        raster: torch.Tensor,
        share: torch.Tensor,
        target: torch.Tensor,
    ) -> float:
        """Run a block of steps with unchanged weights, and add its gradients; return its part of the loss."""
        readout, total = self.network.readout, 0.0
        signals: list[list[torch.Tensor]] = [[] for _ in online]
        assert readout.weight.grad is not None
        assert readout.bias.grad is not None
        for t in range(raster.shape[1]):
            arriving = raster[:, t]
            for k, layer in enumerate(online):
                arriving = layer.step(arriving)
                last = k == len(online) - 1
                weight = readout.weight if last else self.feedback[k]
                scores = layer.filtered @ weight + (readout.bias if last else 0)
                error = share[:, t, None] * (torch.softmax(scores, 1) - target)
                back = weight if self.settings.feedback == "symmetric" else self.feedback[k]
                signals[k].append(error @ back.T)
                if last:
                    readout.weight.grad += layer.filtered.T @ error
                    readout.bias.grad += error.sum(0)
                    logs = torch.log_softmax(scores, 1)
                    total -= float((share[:, t, None] * target * logs).sum())
        for layer, signal in zip(online, signals, strict=True):
            _add(layer.layer, layer.gradients(torch.stack(signal)))
        return total

    def _online(self, layer: SpikingLayer, n_batch: int) -> OnlineLayer:
        exact = self.settings.gradient == "exact"
        step = self.network.shape.time_step
        return OnlineLayer(layer, n_batch, step, self.network.readout.decay, exact)

    def _change(self) -> None:
        """Take a step of the optimiser."""
        settings = self.preset.training
        if settings.gradient_norm:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.gradient_norm)
        self.optimizer.step()
        if self.average:
            self.average.update()

    def state(self) -> dict[str, torch.Tensor]:
        """Return the state of the optimiser, and the feedback weights."""
        fixed = {f"{_FEEDBACK}.{k}": tensor for k, tensor in enumerate(self.feedback)}
        return super().state() | fixed

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue from a state."""
        super().load_state(state)
        for k, tensor in enumerate(self.feedback):
            tensor.copy_(state[f"{_FEEDBACK}.{k}"])


class EligibilityPropagation(RealTimeRecurrentLearning):
    """e-prop."""

    Config: ClassVar[type[RuleConfig]] = EpropConfig


class LocalLosses(RealTimeRecurrentLearning):
    """A loss for every layer."""

    Config: ClassVar[type[RuleConfig]] = LocalConfig
    most_layers: ClassVar[int] = 100


def _is_leaky(layer: SpikingLayer) -> bool:
    others = (layer.delays, layer.adaptation, layer.decay_mem, layer.recurrent_delays)
    fixed = isinstance(layer.tau_mem_ms, float) and isinstance(layer.tau_syn_ms, float)
    return (
        fixed
        and all(other is None for other in (*others, layer.normalisation))
        and layer.neuron.reset == "zero"
        and not layer.neuron.reset_in_graph
        and (layer.recurrent is None or layer.recurrent.dim() == 2)
    )


def _is_normalised(model: Classifier) -> bool:
    return any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in model.modules())


def _add(layer: SpikingLayer, gradients: list[torch.Tensor]) -> None:
    for weight, gradient in zip((layer.weight, layer.recurrent), gradients, strict=False):
        assert weight is not None
        assert weight.grad is not None
        weight.grad += gradient
