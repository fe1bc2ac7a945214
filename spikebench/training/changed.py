"""Samples whose spikes are changed under the condition of a run."""

from __future__ import annotations

from spikebench.errors import TrainingError
from spikebench.events.changed import Bins, change
from spikebench.events.conditions import parse_condition
from spikebench.events.dataset import SpikeDataset
from spikebench.presets.preset import Preset

__all__ = ["MIXED", "bins_of", "changed"]

# Start of the condition of runs whose recordings were changed before the conversion (spikebench.noise.training).
MIXED = "noise in training"


def bins_of(preset: Preset) -> Bins:
    """Return the time bins of a preset.

    Parameters
    ----------
    preset
        The preset.

    Returns
    -------
    Bins
        Width [s] and number.
    """
    return Bins(preset.input.time_step_ms * 1e-3, preset.input.n_steps)


def changed(
    samples: SpikeDataset, train: SpikeDataset, condition: str, seed: int, preset: Preset
) -> SpikeDataset:
    """Change samples under a condition, or return them if it is empty.

    Parameters
    ----------
    samples
        The samples.
    train
        The training samples, unchanged.
    condition
        Name of the condition (:mod:`spikebench.events.conditions`).
    seed
        Seed of the run.
    preset
        Preset of the run, with the time bins of the model.

    Returns
    -------
    SpikeDataset
        As :func:`spikebench.events.changed.change`.

    Raises
    ------
    SpikebenchError
        If there is no such condition, or it is one of the recordings.
    """
    if not condition:
        return samples
    if condition.startswith(MIXED):
        raise TrainingError(
            "noise was mixed into the training recordings of this run; the command that began it, spikebench noise, "
            "continues it"
        )
    return change(samples, train, parse_condition(condition), seed, bins_of(preset))
