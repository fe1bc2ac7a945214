"""The precision of products in training, and whether this processor supports it.

Not every processor computes every layer in bfloat16: on x86 without AVX-512, torch 2.13 does so for convolutions
but not for LSTM layers. Lists of instruction sets do not show which, so support is tested by one training step.
"""

from __future__ import annotations

import copy

import torch

from spikebench.errors import TrainingError, out_of_memory
from spikebench.events.batches import EventBatch
from spikebench.learning.products import products_in
from spikebench.models.base import Classifier, DataShape
from spikebench.records.text import printable
from spikebench.training.inference import one_thread
from spikebench.training.run_record import RunRecord

__all__ = ["check_precision"]


def check_precision(model: Classifier, record: RunRecord, device: torch.device) -> None:
    """Test whether the processor can train a model in the precision of its preset.

    A copy of the model takes one step on two samples of one spike each. For float32, and on a GPU, nothing is tested.

    Parameters
    ----------
    model
        The model of the run, on the CPU; it is not changed.
    record
        The run.
    device
        Device of the training.

    Raises
    ------
    TrainingError
        If it cannot be trained so; the message gives the reason and the remedy.
    """
    precision = record.preset.training.precision
    if precision == "float32" or device.type != "cpu":
        return
    # A copy, since normalisation updates its running means. Kernels are a module, which cannot be copied.
    model = copy.deepcopy(model, {id(model.kernels): model.kernels})
    reason = _why_not(model, precision, device)
    # If float32 fails too, precision is not the reason; training reports the error, including lack of memory.
    if reason and not _why_not(model, "float32", device):
        raise TrainingError(
            f"model {record.model} cannot be trained in {precision} on this processor (torch: {reason}); "
            "set training.precision=float32, or train on a processor with such instructions (x86: AVX-512) or a GPU"
        )


def _why_not(model: Classifier, precision: str, device: torch.device) -> str:
    """Take one forward and backward step; return the error message of torch, or an empty string."""
    model.train()
    try:
        with one_thread(), torch.random.fork_rng(devices=[]):
            with products_in(precision, device):
                output = model(_two_clips(model.shape))
            output.scores.sum().backward()
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            return ""  # unrelated to the precision
        first = (str(error).splitlines() or [""])[0].partition(". ")[0]
        return printable(first[:200]) or type(error).__name__
    return ""


def _two_clips(shape: DataShape) -> EventBatch:
    """Make a batch of two samples, since normalisation over one has no variance."""
    return EventBatch(
        offsets=torch.arange(3),
        bins=torch.zeros(2, dtype=torch.int32),
        units=torch.zeros(2, dtype=torch.int32),
        lengths=torch.full((2,), shape.n_steps),
        labels=torch.zeros(2, dtype=torch.int64),
        n_steps=shape.n_steps,
        n_units=shape.n_units,
        time_step=shape.time_step,
        mode="counts",
    )
