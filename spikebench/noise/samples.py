"""Samples with other spikes, or with degraded recordings, than those of their file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spikebench.degradation.conditions import Condition
from spikebench.degradation.degraded import DegradedRecordings, Sources
from spikebench.events.cache import FlatEvents
from spikebench.events.dataset import SpikeDataset
from spikebench.noise.conversions import Converted
from spikebench.recordings.named import NamedRecordings

__all__ = ["heard_under", "recordings_of", "with_recordings", "with_spikes"]


def recordings_of(samples: SpikeDataset) -> NamedRecordings:
    """Return the recordings behind samples, in their order.

    Parameters
    ----------
    samples
        Samples that were opened with their recordings.

    Returns
    -------
    NamedRecordings
        One per sample.
    """
    assert samples.recordings is not None
    return samples.recordings.of(samples.rows.tolist())


def heard_under(
    samples: SpikeDataset,
    conditions: Sequence[Condition],
    seed: int,
    sources: Sources,
    *,
    keep_offset: bool = False,
) -> DegradedRecordings:
    """Put the recordings behind samples under conditions.

    Parameters
    ----------
    samples
        Samples that were opened with their recordings.
    conditions
        One per sample.
    seed
        Seed of all random numbers.
    sources
        Recorded noise.
    keep_offset
        Whether a constant offset stays.

    Returns
    -------
    DegradedRecordings
        One per sample.
    """
    recordings = replace(recordings_of(samples), keep_offset=keep_offset)
    speakers = samples.speakers.tolist()
    return DegradedRecordings.under(recordings, conditions, speakers, seed, sources)


def with_spikes(samples: SpikeDataset, spikes: Sequence[Converted]) -> SpikeDataset:
    """Give samples other spikes.

    Parameters
    ----------
    samples
        The samples.
    spikes
        Spikes of each, sorted by time.

    Returns
    -------
    SpikeDataset
        In memory, in the same order, with the same ``index``.
    """
    sizes = [one.times.size for one in spikes]
    return SpikeDataset(
        FlatEvents(
            offsets=np.cumsum([0, *sizes]).astype(np.int64),
            times=np.concatenate([np.zeros(0, np.float32), *(one.times for one in spikes)]),
            units=np.concatenate([np.zeros(0, np.uint16), *(one.units for one in spikes)]),
            positions=samples.index,
            labels=samples.labels,
            speakers=samples.speakers,
            durations=np.array([one.duration for one in spikes], dtype=np.float64),
            n_units=samples.n_units,
            keys=samples.keys,
        )
    )


def with_recordings(samples: SpikeDataset, recordings: NamedRecordings) -> SpikeDataset:
    """Give samples other recordings, for models on audio.

    Parameters
    ----------
    samples
        The samples.
    recordings
        One per sample.

    Returns
    -------
    SpikeDataset
        In memory, without spikes, in the same order, with the same ``index``.
    """
    nothing = Converted(np.zeros(0, np.float32), np.zeros(0, np.uint16), -1.0)
    plain = with_spikes(samples, [nothing] * len(samples))
    return SpikeDataset(plain.events, recordings=recordings)
