"""Batches of one epoch: order of the samples, and their augmentation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikebench.events.augmented import AugmentedSamples, Changes
from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.mel.augmented import AugmentedMel
from spikebench.mel.batches import MelSamples
from spikebench.presets.preset import AugmentationSettings, Preset


class TrainingBatches:
    """Batches of one epoch.

    A jitter of units alone is drawn from one generator, batch by batch. With any setting in ``[augmentation]``, the
    changes of a sample depend on the seed, the epoch and the position of the sample only.

    Parameters
    ----------
    train
        The training split.
    preset
        The preset with the augmentations.
    seed
        Seed of the run.
    epoch
        Number of the epoch.
    """

    def __init__(self, train: BinnedSamples, preset: Preset, seed: int, epoch: int) -> None:
        self._train, self._seed = train, (seed, epoch)
        self._generator = np.random.default_rng([seed, epoch])
        changes = changes_of(preset, train)
        self._unit_jitter = changes.unit_jitter
        self._augmented: AugmentedSamples | AugmentedMel | None = None
        if preset.augmentation != AugmentationSettings():
            self._augmented = (
                AugmentedMel(train, changes)
                if isinstance(train, MelSamples)
                else AugmentedSamples(train, changes)
            )

    def order(self) -> NDArray[np.int64]:
        """Draw the order of the samples; call it before :meth:`batch`, which draws from the same generator.

        Returns
        -------
        ndarray of int64, shape (samples,)
            All positions in the training split.
        """
        return self._generator.permutation(len(self._train))

    def batch(self, chosen: NDArray[np.int64]) -> EventBatch:
        """Make a batch.

        Parameters
        ----------
        chosen
            Positions in the training split, int64, shape (batch,).

        Returns
        -------
        EventBatch
            The augmented samples. ``lengths`` extend to the end of the recording where it is known, as in testing, so
            that averages over time include the same padding. A time warp scales that end. A shift or a jitter in time
            does not change it, since it moves sounds within a recording of the same duration; neither do deletion and
            masks. A blend ends with the longer of its two recordings, as it has spikes of both. A spike after the end
            extends the sample, as in testing.
        """
        if self._augmented is None:
            return self._train.batch(chosen, self._unit_jitter, self._generator)
        return self._augmented.batch(chosen, self._seed)


def changes_of(preset: Preset, train: BinnedSamples) -> Changes:
    """Convert the settings of a preset to units and seconds.

    Parameters
    ----------
    preset
        The preset.
    train
        The training split with its grid of time bins.

    Returns
    -------
    Changes
        Strengths of all changes.
    """
    settings = preset.augmentation
    # Units are changed before they are grouped; on audio, a unit is a mel band.
    n_units = train.samples.n_units if preset.mel is None else preset.mel.bands
    return Changes(
        blend_probability=settings.blend_probability,
        max_unit_shift=round(settings.unit_shift_percent / 100 * n_units),
        max_time_shift=settings.time_shift_ms * 1e-3,
        longest_warp=1 + settings.time_warp_percent / 100,
        delete_probability=settings.delete_probability,
        max_unit_mask=round(settings.unit_mask_fraction * n_units),
        max_time_mask=settings.time_mask_fraction * train.time_step * train.n_steps,
        time_jitter=settings.time_jitter_ms * 1e-3,
        unit_jitter=preset.training.unit_jitter_percent / 100 * n_units,
    )
