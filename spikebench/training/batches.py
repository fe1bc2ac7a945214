"""Batches of augmented samples, made sample by sample in a fixed order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikebench.events import augmentation as augment
from spikebench.events.batches import BinnedSamples, Collate, EventBatch
from spikebench.events.dataset import Sample
from spikebench.presets.preset import AugmentationSettings, Preset


def training_batch(
    train: BinnedSamples, chosen: NDArray[np.int64], preset: Preset, generator: np.random.Generator
) -> EventBatch:
    """Make a batch for training.

    Parameters
    ----------
    train
        The training split.
    chosen
        Positions in it, int64, shape (batch,).
    preset
        The preset with the augmentations.
    generator
        Source of all random numbers.

    Returns
    -------
    EventBatch
        The augmented samples. ``lengths`` extend to the end of the recording where it is known, as in testing, so that
        averages over time include the same padding. A time warp scales that end. A shift or a jitter in time does not
        change it, since it moves sounds within a recording of the same duration; neither do deletion and masks. A blend
        ends with the longer of its two recordings, as it has spikes of both. A spike after the end extends the sample,
        as in testing.
    """
    settings = preset.augmentation
    n_units = train.samples.n_units
    jitter = preset.training.unit_jitter_percent / 100 * n_units
    if settings == AugmentationSettings():
        return train.batch(chosen, jitter, generator)
    samples = [_augmented(train, int(k), settings, jitter, generator) for k in chosen]
    collate = Collate(n_units, train.time_step, train.n_steps, train.mode, train.group_units)
    return collate(samples)


def _augmented(
    train: BinnedSamples,
    position: int,
    settings: AugmentationSettings,
    jitter: float,
    generator: np.random.Generator,
) -> Sample:
    sample = train.samples[position]
    events: augment.Sample = (sample.times, sample.units)
    n_units, duration = train.samples.n_units, sample.duration
    if generator.random() < settings.blend_probability:
        mates = np.flatnonzero(train.labels == train.labels[position])
        other = train.samples[int(generator.choice(mates))]
        events = augment.blend(*events, other.times, other.units, n_units, generator=generator)
        known = min(duration, other.duration) >= 0
        duration = max(duration, other.duration) if known else -1.0
    longest = 1 + settings.time_warp_percent / 100
    units: dict[str, float] = {"n_units": n_units}

    def warp(
        times: NDArray[Any], units: NDArray[Any], *, generator: np.random.Generator, **range_: float
    ) -> augment.Sample:
        nonlocal duration
        factor = augment.draw_warp(**range_, generator=generator)
        duration = duration * factor  # an unknown duration stays negative
        return augment.scale_times(times, units, factor)

    # Strength, function, its arguments.
    steps: list[tuple[float, Callable[..., augment.Sample], dict[str, float]]] = [
        (
            settings.unit_shift_percent,
            augment.shift_units,
            units | {"max_shift": round(settings.unit_shift_percent / 100 * n_units)},
        ),
        (
            settings.time_shift_ms,
            augment.shift_times,
            {"max_shift": settings.time_shift_ms * 1e-3},
        ),
        (settings.time_warp_percent, warp, {"shortest": 1 / longest, "longest": longest}),
        (
            settings.delete_probability,
            augment.delete_spikes,
            {"probability": settings.delete_probability},
        ),
        (
            settings.unit_mask_fraction,
            augment.mask_units,
            units | {"max_fraction": settings.unit_mask_fraction},
        ),
        (
            settings.time_mask_fraction,
            augment.mask_time,
            {
                "duration": train.time_step * train.n_steps,
                "max_fraction": settings.time_mask_fraction,
            },
        ),
        (
            settings.time_jitter_ms,
            augment.jitter_times,
            {"standard_deviation": settings.time_jitter_ms * 1e-3},
        ),
        (jitter, augment.jitter_units, units | {"standard_deviation": jitter}),
    ]
    for strength, change, how in steps:
        if strength:
            events = change(*events, **how, generator=generator)
    times, moved = events[0], events[1].astype(np.uint16)
    return sample._replace(times=times, units=moved, duration=duration)
