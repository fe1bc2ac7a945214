"""Shifts and masks of mel features for training, drawn by (seed, epoch, sample).

They are those of :mod:`spikebench.events.augmentation` that have a meaning for levels, with the same distribution: a
shift of all bands, a shift in time, a masked band and a masked span. What is masked or moved in from outside is silent.
Source: Park and others (2019), SpecAugment, arXiv:1904.08779, for the masks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spikebench.events.augmented import Changes
from spikebench.mel.batches import MelBatch, MelSamples

__all__ = ["AugmentedMel", "change_levels"]


class AugmentedMel:
    """Samples from which augmented batches are made.

    Parameters
    ----------
    samples
        The samples with their mel features.
    changes
        Strengths of the changes; a unit is a band.
    """

    def __init__(self, samples: MelSamples, changes: Changes) -> None:
        self.samples, self.changes = samples, changes

    def batch(self, chosen: NDArray[np.int64], seed: Sequence[int]) -> MelBatch:
        """Make a batch.

        Parameters
        ----------
        chosen
            Positions among the samples, int64, shape (batch,).
        seed
            Integers, not negative; with them, the changes of a sample depend on its position only.

        Returns
        -------
        MelBatch
            The augmented samples; their lengths do not change.
        """
        samples = self.samples
        levels = samples.levels(chosen)
        for k, position in enumerate(chosen.tolist()):
            generator = np.random.default_rng([*seed, position])
            levels[k] = change_levels(
                levels[k],
                self.changes,
                samples.time_step,
                samples.frames.design.floor,
                generator,
            )
        return samples.of_levels(levels, chosen)


def change_levels(
    levels: NDArray[np.float32],
    changes: Changes,
    time_step: float,
    silence: float,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Shift and mask the levels of one sample.

    Parameters
    ----------
    levels
        Levels [dB], float32, shape (frame, band).
    changes
        Strengths of the changes; a unit is a band. Those of single spikes must be off.
    time_step
        From one frame to the next [s].
    silence
        Level of silence [dB].
    generator
        Source of the draws. All are drawn in any case, so a change that is off does not affect the others.

    Returns
    -------
    ndarray of float32, shape (frame, band)
        Changed copy.
    """
    n_frames, n_bands = levels.shape
    # A whole shift or width with equal probability, a time uniformly, then rounded to frames.
    shift = int(generator.integers(-changes.max_unit_shift, changes.max_unit_shift, endpoint=True))
    later = round(float(generator.uniform(-1, 1)) * changes.max_time_shift / time_step)
    band = int(generator.integers(0, changes.max_unit_mask, endpoint=True))
    first_band = int(generator.uniform() * (n_bands - band + 1))
    span = round(float(generator.uniform()) * changes.max_time_mask / time_step)
    first_frame = int(generator.uniform() * (n_frames - span + 1))
    changed = np.full_like(levels, silence)
    to_frame, from_frame = _overlap(later, n_frames)
    to_band, from_band = _overlap(shift, n_bands)
    changed[to_frame, to_band] = levels[from_frame, from_band]
    changed[:, first_band : first_band + band] = silence
    changed[first_frame : first_frame + span] = silence
    return changed


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """Return where the values of an axis move to, and where those come from that stay inside."""
    shift = int(np.clip(shift, -size, size))
    return slice(max(shift, 0), size + min(shift, 0)), slice(max(-shift, 0), size - max(shift, 0))
