"""The precision of products in training, and whether this processor has it.

Not every processor computes every layer in bfloat16: on x86 without AVX-512, torch 2.13 does so for convolutions
and not for LSTM layers. No list of instruction sets says which, so the processor is asked by one step.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from spikebench.audio import printable
from spikebench.errors import TrainingError
from spikebench.events import EventBatch
from spikebench.inference import build_model, one_thread
from spikebench.models.base import Classifier, DataShape
from spikebench.run import RunRecord

__all__ = ["check_precision", "products_in"]


def products_in(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Let products be computed in a precision; weights and sums of gradients stay in float32.

    Parameters
    ----------
    precision
        ``float32`` or ``bfloat16``.
    device
        Where they are computed.

    Returns
    -------
    context manager
        For the forward pass.
    """
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def check_precision(record: RunRecord, device: torch.device) -> None:
    """Ask the processor whether it trains a model in the precision of its preset.

    The model takes one step on two clips of one spike each. Without bfloat16, and on a GPU, nothing is asked.

    Parameters
    ----------
    record
        The run; nothing of it is changed.
    device
        Where it is going to be trained.

    Raises
    ------
    TrainingError
        If it cannot be; it names the reason and the remedy.
    """
    precision = record.preset.training.precision
    if precision == "float32" or device.type != "cpu":
        return
    model = build_model(record)
    reason = _why_not(model, precision, device)
    # What fails in float32 too (want of memory, say) is not for the precision to tell; training tells it.
    if reason and not _why_not(model, "float32", device):
        raise TrainingError(
            f"model {record.model} cannot be trained in {precision} on this processor (torch: {reason}); "
            "set training.precision=float32, or train on a processor with such instructions (x86: AVX-512) or a GPU"
        )


def _why_not(model: Classifier, precision: str, device: torch.device) -> str:
    """Take one step forward and back; what torch says against it, or nothing."""
    model.train()
    try:
        with one_thread(), torch.random.fork_rng(devices=[]):
            with products_in(precision, device):
                output = model(_two_clips(model.shape))
            output.scores.sum().backward()
    except (RuntimeError, MemoryError) as error:
        first = (str(error).splitlines() or [""])[0].partition(". ")[0]
        return printable(first[:200]) or type(error).__name__
    return ""


def _two_clips(shape: DataShape) -> EventBatch:
    """Make a batch; of two clips, since normalisation over one has no variance."""
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
