"""The interface of a learning rule: takes batches, changes weights, returns the loss.

A rule is a subclass of :class:`LearningRule` in a file of its own, named in
:data:`spikebench.learning.LEARNING_RULES`; a model names the rule that trains it in its class attribute ``learning``.
``updates`` specifies when a rule changes the weights:

``batch``
    Once per batch. The training loop calls :meth:`LearningRule.update` for every batch of every epoch.
``step``
    At every time step, *online*. The loop calls :meth:`LearningRule.update` in the same way; the rule iterates over
    the batch itself, by ``batch.window(step, step + 1)``, and keeps its traces for the duration of the batch. Such a
    rule refuses models that need the whole clip (``looks_ahead``).
``once``
    From all samples at once. There are no epochs: the loop calls :meth:`LearningRule.fit`.

The state that a rule keeps between batches (moments of an optimiser, feedback weights, importances) consists of named
tensors, see :meth:`LearningRule.state`. Names, shapes and types do not change during training. Checkpoints store the
state; when it is loaded, it is compared with that of a new rule.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar, Literal

import torch
from pydantic import ValidationError

from spikebench.errors import TrainingError
from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.learning import LEARNING_RULES, check_rule_name
from spikebench.learning.configs import RuleConfig
from spikebench.learning.ranks import Ranks
from spikebench.models.base import Classifier
from spikebench.presets.preset import Preset
from spikebench.records.problems import invalid


class LearningRule:
    """Base of all learning rules.

    Parameters
    ----------
    model
        The model to train, on the device of the training.
    preset
        Settings.
    class_weights
        Weights of the classes in the loss, float32, shape (class,), on the CPU.
    ranks
        The processes that train together.
    seed
        Seed for random draws in the constructor, such as feedback weights. :meth:`update` draws from torch's global
        generator, which the loop seeds by (seed, epoch).
    """

    Config: ClassVar[type[RuleConfig]] = RuleConfig
    updates: ClassVar[Literal["batch", "step", "once"]]
    # Whether the rule supports training.precision. Spiking models compute in float32 under every rule.
    lower_precision: ClassVar[bool] = False
    # Whether the rule supports training.weight_average.
    averages_weights: ClassVar[bool] = False
    # Whether the rule supports training.weight_bits.
    rounds_weights: ClassVar[bool] = False
    # Whether the rule supports training.learning_rate_delays.
    has_rate_of_delays: ClassVar[bool] = False
    # Whether several processes may share the batches of the rule.
    shares_batches: ClassVar[bool] = False

    def __init__(
        self,
        model: Classifier,
        preset: Preset,
        class_weights: torch.Tensor,
        ranks: Ranks,
        seed: int,
    ) -> None:
        self.model, self.preset, self.class_weights = model, preset, class_weights
        self.ranks, self.seed = ranks, seed
        self.device = device_of(model)

    @classmethod
    def check(cls, name: str, model: Classifier, preset: Preset, ranks: Ranks) -> None:
        """Refuse a model or a setting that the rule cannot train with; subclasses extend this.

        Parameters
        ----------
        name, model
            The model, which is not changed.
        preset
            Settings.
        ranks
            The processes that are to train together.

        Raises
        ------
        TrainingError
            The message is one line with the remedy.
        """
        rule = rule_name(model, preset)
        if rule != model.learning and "counts" in (rule, model.learning):
            raise TrainingError(
                f"model {name} is trained by the learning rule {model.learning}, not by {rule}; "
                "remove --learning, or learning.rule"
            )
        settings_of(cls, preset)
        if preset.training.precision != "float32" and (model.spiking or not cls.lower_precision):
            raise TrainingError(
                f"model {name} is trained in float32 only; remove training.precision, for conventional networks"
            )
        if preset.training.weight_average and not cls.averages_weights:
            raise TrainingError(
                f"model {name}: the learning rule {rule} keeps no average of the weights; "
                "remove training.weight_average"
            )
        if preset.training.weight_bits and not cls.rounds_weights:
            raise TrainingError(
                f"model {name}: the learning rule {rule} does not round weights; "
                "remove training.weight_bits"
            )
        if preset.training.learning_rate_delays:
            if not cls.has_rate_of_delays:
                raise TrainingError(
                    f"model {name}: the learning rule {rule} has one learning rate; "
                    "remove training.learning_rate_delays"
                )
            if not model.delay_parameters():
                raise TrainingError(
                    f"model {name} learns no delays; remove training.learning_rate_delays"
                )
        if cls.updates == "step" and model.looks_ahead:
            raise TrainingError(
                f"model {name} needs whole clips, but the learning rule {rule} changes the weights at every "
                "time step; choose a rule that changes them once per batch, such as bptt"
            )
        if ranks.size > 1:
            if not cls.shares_batches:
                raise TrainingError(
                    f"model {name} is trained in one process (learning rule {rule}); "
                    "start it without torchrun"
                )
            if any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in model.modules()):
                raise TrainingError(
                    f"model {name} normalises over the batch, which would change with {ranks.size} processes; "
                    "train it in one process"
                )

    def update(self, batch: EventBatch, rate: float) -> float:
        """Update the weights with one batch.

        Parameters
        ----------
        batch
            The whole batch, on the CPU and the same in every process; see :meth:`share`.
        rate
            Learning rate of this epoch.

        Returns
        -------
        float
            Mean loss of the whole batch before the update, the same in every process. If it is not finite, the loop
            stops the training.
        """
        raise NotImplementedError

    def fit(
        self, train: BinnedSamples, validation: BinnedSamples | None, choice: Mapping[str, float]
    ) -> dict[str, float]:
        """Fit the model to all samples at once.

        Parameters
        ----------
        train
            The training samples.
        validation
            Samples that select among settings; None in a refit.
        choice
            The settings that validation selected before a refit; else empty.

        Returns
        -------
        dict of float
            The settings that validation selected, with their ``validation_accuracy``; in a refit ``choice``.
        """
        raise NotImplementedError

    def evaluated_weights(self) -> AbstractContextManager[None]:
        """Load the weights that are validated and kept; at the end, load those of the training again.

        Returns
        -------
        context manager
            To be entered after an epoch. By default the weights are the same.
        """
        return nullcontext()

    def state(self) -> dict[str, torch.Tensor]:
        """Return the state that the rule keeps between batches, for a checkpoint.

        Returns
        -------
        dict of Tensor
            Tensors by name; the first part of a name must not be ``model`` or ``best``. By default empty.
        """
        return {}

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue from a state.

        By default it is copied into the tensors of :meth:`state`, which must then be the tensors that the rule uses.

        Parameters
        ----------
        state
            As returned by :meth:`state`: names, shapes and types are those of a new rule, and all numbers are finite.
        """
        for name, tensor in self.state().items():
            tensor.copy_(state[name])

    def own_part(self, batch: EventBatch) -> EventBatch:
        """Move this process's samples of a batch to the device of the model.

        Parameters
        ----------
        batch
            A whole batch.

        Returns
        -------
        EventBatch
            This process's samples; all samples if there is one process.
        """
        return batch.part(*self.ranks.own_range(len(batch))).to(self.device)


def rule_class(name: str) -> type[LearningRule]:
    """Import a learning rule.

    Parameters
    ----------
    name
        Name in the registry.

    Returns
    -------
    type
        The class.

    Raises
    ------
    UnknownNameError
        If the registry does not contain it.
    """
    check_rule_name(name)
    module, _, attribute = LEARNING_RULES[name].partition(":")
    found: type[LearningRule] = getattr(importlib.import_module(module), attribute)
    return found


def rule_name(model: Classifier | type[Classifier], preset: Preset) -> str:
    """Return the name of the learning rule of a training.

    Parameters
    ----------
    model
        The model, or its class.
    preset
        Settings.

    Returns
    -------
    str
        The rule of the preset, else that of the model.

    Raises
    ------
    TrainingError
        If the preset does not give a name.
    """
    name = preset.learning.get("rule", model.learning)
    if not isinstance(name, str):
        raise TrainingError("learning.rule: must be the name of a learning rule")
    return name


def settings_of(rule: type[LearningRule], preset: Preset) -> RuleConfig:
    """Check the settings of a rule.

    Parameters
    ----------
    rule
        Its class.
    preset
        With the table ``[learning]``.

    Returns
    -------
    RuleConfig
        Of the class ``rule.Config``.

    Raises
    ------
    TrainingError
        If a setting is unknown or out of range.
    """
    table = {key: value for key, value in preset.learning.items() if key != "rule"}
    try:
        return rule.Config.model_validate(table)
    except ValidationError as error:
        raise invalid(TrainingError, "[learning]", error, rule.Config) from None


def device_of(model: torch.nn.Module) -> torch.device:
    """Return the device of a model.

    Parameters
    ----------
    model
        A model with all tensors on one device.

    Returns
    -------
    torch.device
        The device of its first parameter or buffer; the CPU if it has neither.
    """
    tensors = [*model.parameters(), *model.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")
