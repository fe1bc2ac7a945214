"""Augmentation sample by sample with the functions of ``spikebench.augmentation``, which define the compiled one."""

from __future__ import annotations

from typing import Any

import numpy as np

from spikebench.events import augmentation as augment
from spikebench.events.augmented import Changes
from spikebench.events.batches import BinnedSamples, Collate, EventBatch
from spikebench.events.dataset import Sample


def augmented_batch(
    train: BinnedSamples, chosen: np.ndarray, changes: Changes, generators: list[Any]
) -> EventBatch:
    """Make a batch; every sample draws from its own generator."""
    samples = [
        augmented_sample(train, int(k), changes, generator)
        for k, generator in zip(chosen, generators, strict=True)
    ]
    n_units = train.samples.n_units
    return Collate(
        n_units,
        time_step=train.time_step,
        n_steps=train.n_steps,
        mode=train.mode,
        group_units=train.group_units,
    )(samples)


def augmented_sample(
    train: BinnedSamples, position: int, changes: Changes, generator: np.random.Generator
) -> Sample:
    """Apply all changes that are not 0, one after the other."""
    sample = train.samples[position]
    times, units, duration = sample.times, sample.units, sample.duration
    n_units = train.samples.n_units
    if generator.random() < changes.blend_probability:
        mates = np.flatnonzero(train.labels == train.labels[position])
        other = train.samples[int(generator.choice(mates))]
        times, units = augment.blend(
            times, units, other.times, other.units, n_units, generator=generator
        )
        known = min(duration, other.duration) >= 0
        duration = max(duration, other.duration) if known else -1.0
    if changes.max_unit_shift:
        times, units = augment.shift_units(
            times, units, n_units, changes.max_unit_shift, generator=generator
        )
    if changes.max_time_shift:
        times, units = augment.shift_times(
            times, units, changes.max_time_shift, generator=generator
        )
    if changes.longest_warp != 1:
        longest = changes.longest_warp
        factor = augment.draw_warp(1 / longest, longest, generator=generator)
        times, units = augment.scale_times(times, units, factor)
        duration = duration * factor  # an unknown duration stays negative
    if changes.delete_probability:
        times, units = augment.delete_spikes(
            times, units, changes.delete_probability, generator=generator
        )
    if changes.max_unit_mask:
        times, units = augment.mask_units(
            times, units, n_units, changes.max_unit_mask / n_units, generator=generator
        )
    if changes.max_time_mask:
        length = train.time_step * train.n_steps
        times, units = augment.mask_time(
            times, units, length, changes.max_time_mask / length, generator=generator
        )
    if changes.time_jitter:
        times, units = augment.jitter_times(times, units, changes.time_jitter, generator=generator)
    if changes.unit_jitter:
        times, units = augment.jitter_units(
            times, units, n_units, changes.unit_jitter, generator=generator
        )
    return sample._replace(times=times, units=units.astype(np.uint16), duration=duration)
