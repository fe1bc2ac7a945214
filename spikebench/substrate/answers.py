"""Test of a trained network on a substrate: predicted classes, spikes, time to decision.

The class at step t is that of the largest score up to t, bias + max over steps ≤ t of O. The decision of a sample is
made at the end of the first step from which its class no longer changes, in ms after the start of the recording.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from spikebench.events.batches import BinnedSamples
from spikebench.learning.in_the_loop import SubstrateModel
from spikebench.records.fields import Count, Fraction, NonNegative, Record

__all__ = ["CONDITIONS", "Answers", "Condition", "DeviceAnswers", "answer", "decisions"]

Condition = Literal["software", "deployed", "in the loop", "robust", "transferred"]
# What is trained, and where it is tested.
CONDITIONS: dict[Condition, str] = {
    "software": "trained and tested in software",
    "deployed": "trained in software, written to each device",
    "in the loop": "trained with the device in the loop, tested on it",
    "robust": "trained with another random device in every batch, written to each device",
    "transferred": "trained with the device in the loop, written to each other device",
}
_MAX_SAMPLES = 10_000_000
_MAX_STEPS = 1_000_000


class DeviceAnswers(Record):
    """Answers of one network on one device.

    ``device`` is the number of the device, null for software. ``predicted`` has one class per sample; ``spikes`` is the
    mean number of hidden spikes per sample, ``decision_ms`` the mean time to decision, ``accuracy_at`` the accuracy
    after every time step.
    """

    condition: Condition
    device: Count | None
    predicted: Annotated[list[Count], Field(max_length=_MAX_SAMPLES)]
    spikes: NonNegative
    decision_ms: NonNegative
    accuracy_at: Annotated[list[Fraction], Field(max_length=_MAX_STEPS)]


class Answers(Record):
    """Contents of ``answers-validation.json`` or ``answers-test.json``: of one network, on all its devices."""

    format_version: Literal[1] = 1
    weights_sha256: str
    index: Annotated[list[Count], Field(max_length=_MAX_SAMPLES)] = Field(
        default=[], exclude_if=lambda index: not index
    )
    label: Annotated[list[Count], Field(max_length=_MAX_SAMPLES)]
    speaker: Annotated[list[int], Field(max_length=_MAX_SAMPLES)]
    devices: list[DeviceAnswers]


@torch.no_grad()
def answer(
    model: SubstrateModel,
    samples: BinnedSamples,
    batch_size: int,
    condition: Condition,
    device: int | None,
) -> DeviceAnswers:
    """Test a network on its substrate.

    Parameters
    ----------
    model
        The network and its substrate.
    samples
        The tested samples.
    batch_size
        Samples at a time.
    condition, device
        What is tested.

    Returns
    -------
    DeviceAnswers
        The answers.
    """
    model.eval()
    predicted, times, spikes = [], [], 0.0
    right = np.zeros(samples.n_steps)
    for start in range(0, len(samples), batch_size):
        chosen = np.arange(start, min(start + batch_size, len(samples)))
        recording = model.record(samples.batch(chosen))
        classes, steps = decisions(recording.readout, model.model.readout.bias)
        predicted.append(classes[:, -1])
        times.append(steps)
        right += (classes == samples.labels[chosen, None]).sum(0)
        spikes += float(recording.spikes.sum())
    n = len(samples)
    return DeviceAnswers(
        condition=condition,
        device=device,
        predicted=np.concatenate(predicted).tolist(),
        spikes=spikes / n,
        decision_ms=float(np.concatenate(times).mean()) * samples.time_step * 1e3,
        accuracy_at=(right / n).tolist(),
    )


def decisions(
    readout: torch.Tensor, bias: torch.Tensor
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Compute the class at every step, and when it no longer changes.

    Parameters
    ----------
    readout
        O, float (batch, time, class).
    bias
        Float (class,).

    Returns
    -------
    classes : ndarray of int64, shape (batch, time)
        The class with the largest score so far.
    steps : ndarray of int64, shape (batch,)
        Number of steps after which the class no longer changes, 1 … time.
    """
    best = readout.cummax(1).values + bias
    classes: NDArray[np.int64] = best.max(2).indices.numpy()
    differs = classes != classes[:, -1:]
    n_steps = classes.shape[1]
    last = n_steps - 1 - differs[:, ::-1].argmax(1)  # the last step that differs
    steps: NDArray[np.int64] = np.where(differs.any(1), last + 2, 1)
    return classes, steps
