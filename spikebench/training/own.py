"""Checks of a network of the user before a run of it is started."""

from __future__ import annotations

import numpy as np
import torch

from spikebench.errors import TrainingError
from spikebench.events.batches import BinnedSamples
from spikebench.learning.rule import rule_name
from spikebench.models.base import Classifier
from spikebench.models.own import OwnModel, guarded
from spikebench.presets.preset import RegulariserSettings
from spikebench.training.inference import one_thread, seed_of
from spikebench.training.run_record import RunRecord


def check_own(record: RunRecord) -> None:
    """Refuse settings that have no effect on a network of the user.

    Parameters
    ----------
    record
        The run.

    Raises
    ------
    TrainingError
        The message names the setting.
    """
    rule = rule_name(OwnModel, record.preset)
    if rule != OwnModel.learning:
        raise TrainingError(
            f"model {record.model}: a network of your own is trained by {OwnModel.learning}, not by {rule}; "
            "remove --learning, or learning.rule"
        )
    if record.preset.regulariser != RegulariserSettings():
        raise TrainingError(
            f"model {record.model}: the spikes of a network of your own are not known to the loss; remove [regulariser]"
        )


def try_out(model: Classifier, record: RunRecord, samples: BinnedSamples) -> None:
    """Take one step forward and back on two samples, so that a network that cannot be trained leaves no run.

    Parameters
    ----------
    model
        The network on the CPU, which is not used afterwards.
    record
        The run.
    samples
        The training samples.

    Raises
    ------
    TrainingError
        If its scores do not fit or are not finite, or anything raises an exception.
    """
    if not any(one.requires_grad for one in model.parameters()):
        raise TrainingError(f"model {record.model} has no parameters that can be trained")
    batch = samples.batch(np.arange(min(2, len(samples))))
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(record.seed, 0))
        model.eval()
        with torch.no_grad():
            model(batch)
        model.train()
        loss = torch.nn.functional.cross_entropy(model(batch).scores.float(), batch.labels)
        guarded(record.model, "its gradient", "", loss.backward)
