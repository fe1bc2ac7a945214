"""Training with noise: half of the training recordings are mixed with noise before the conversion.

Which half, the kind of noise and the ratio of signal to noise are drawn for each recording: a kind with equal
probability, a ratio of −5 … 30 dB uniformly, in steps of 0.1 dB. The number of training samples stays what it was, and
so do the validation samples, on which the epoch is selected. All seeds and epochs get the same mixtures, which are
converted once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from spikebench.degradation.conditions import CLEAN, Condition
from spikebench.degradation.degraded import DegradedRecordings, Sources, generator_of
from spikebench.events.dataset import SpikeDataset
from spikebench.noise.conversions import Converted, Ear, read_converted
from spikebench.noise.samples import (
    heard_under,
    recordings_of,
    with_recordings,
    with_spikes,
)
from spikebench.protocol.opening import SelectionData
from spikebench.training.changed import MIXED

__all__ = [
    "TRAINING_KINDS",
    "disturbed",
    "draw_conditions",
    "noisy_audio",
    "noisy_spikes",
    "training_condition",
    "training_recordings",
]

TRAINING_KINDS = ("white", "pink", "babble")
SHARE = 0.5
RATIOS_DB = (-5.0, 30.0)


def draw_conditions(train: SpikeDataset, kinds: Sequence[str], seed: int) -> list[Condition]:
    """Draw the condition of every training recording.

    Parameters
    ----------
    train
        Training samples, opened with their recordings.
    kinds
        Kinds of noise, at least one.
    seed
        Seed of the study.

    Returns
    -------
    list of Condition
        One per sample; ``clean`` for those that stay as they are.
    """
    drawn = []
    for piece in recordings_of(train).pieces:
        generator = generator_of(seed, "training", piece.sha256, piece.start)
        mixed = generator.random() < SHARE
        kind = kinds[int(generator.integers(len(kinds)))]
        ratio = round(float(generator.uniform(*RATIOS_DB)), 1) + 0.0
        drawn.append(Condition(kind, ratio) if mixed else CLEAN)
    return drawn


def training_condition(recordings: DegradedRecordings) -> str:
    """Name what was done to training recordings, for the record of a run.

    Parameters
    ----------
    recordings
        All of them, under their conditions.

    Returns
    -------
    str
        The same for the same recordings and mixtures only.
    """
    said = [[piece.sha256 for piece in recordings.pieces], recordings.treatment]
    return f"{MIXED}: {hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]}"


def disturbed(recordings: DegradedRecordings) -> tuple[list[int], DegradedRecordings]:
    """Choose the recordings that are mixed with noise.

    Parameters
    ----------
    recordings
        All training recordings, under their conditions.

    Returns
    -------
    positions : list of int
        Which they are.
    recordings : DegradedRecordings
        These alone.
    """
    positions = [k for k, one in enumerate(recordings.conditions) if one != CLEAN]
    return positions, recordings.of(positions)


def noisy_spikes(
    selection: SelectionData, recordings: DegradedRecordings, ear: Ear, folder: Path
) -> SelectionData:
    """Put the spikes of the disturbed recordings in place of those of the file.

    Parameters
    ----------
    selection
        The data.
    recordings
        All training recordings, under their conditions; the disturbed ones are converted.
    ear, folder
        How they were converted, and the folder of the study.

    Returns
    -------
    SelectionData
        For training a model on spikes.
    """
    positions, mixed = disturbed(recordings)
    spikes = [
        Converted(one.times.astype(np.float32), one.units, one.duration)
        for one in (selection.train[k] for k in range(len(selection.train)))
    ]
    for k, one in zip(positions, read_converted(mixed, ear, folder), strict=True):
        spikes[k] = one
    train = with_spikes(selection.train, spikes)
    return replace(selection, train=train, audio=None, condition=training_condition(recordings))


def noisy_audio(selection: SelectionData, recordings: DegradedRecordings) -> SelectionData:
    """Put the disturbed recordings in place of the training recordings, for a model on audio.

    Parameters
    ----------
    selection
        The data, opened with their recordings.
    recordings
        All training recordings, under their conditions.

    Returns
    -------
    SelectionData
        For training a model on audio.
    """
    return replace(
        selection,
        train=with_recordings(selection.train, recordings),
        condition=training_condition(recordings),
    )


def training_recordings(
    selection: SelectionData,
    kinds: Sequence[str],
    seed: int,
    sources: Sources,
    *,
    keep_offset: bool = False,
) -> DegradedRecordings:
    """Put the training recordings of data under drawn conditions.

    Parameters
    ----------
    selection
        The data, opened with their recordings.
    kinds, seed
        As for :func:`draw_conditions`.
    sources
        Recorded noise.
    keep_offset
        Whether a constant offset stays.

    Returns
    -------
    DegradedRecordings
        One per training sample.
    """
    conditions = draw_conditions(selection.train, kinds, seed)
    return heard_under(selection.train, conditions, seed, sources, keep_offset=keep_offset)
