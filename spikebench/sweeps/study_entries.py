"""Models of a study that takes finished runs beside models to be trained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spikebench.errors import ProtocolError, TrainingError
from spikebench.presets.preset import Preset, read_preset
from spikebench.protocol.opening import SelectionData
from spikebench.training.run import WEIGHTS_FILE, read_run
from spikebench.training.run_record import RunRecord

__all__ = ["Entry", "entries_of"]


@dataclass(frozen=True)
class Entry:
    """A model with its settings.

    Attributes
    ----------
    name
        Its name in the report: that of the model, with a hash of the settings if several have the same model.
    model, preset
        The model and its settings.
    seeds
        Seeds, ascending, each with the folder of its given run; None for a run to be trained.
    """

    name: str
    model: str
    preset: Preset
    seeds: dict[int, Path | None]

    @property
    def on_audio(self) -> bool:
        """Whether it works on the recordings, not on their spikes."""
        return self.preset.mel is not None


def entries_of(
    selection: SelectionData,
    runs: Sequence[Path],
    models: Sequence[str],
    seeds: int,
    settings: Sequence[str],
    tested: Literal["validation", "test"],
    changed: str,
) -> list[Entry]:
    """Group given runs by model and settings, and add the models to train.

    Parameters
    ----------
    selection
        The data of the study.
    runs
        Folders of the given runs.
    models, seeds, settings
        Models to train, the number of their seeds, and changes of their presets.
    tested
        The samples that will be tested.
    changed
        What runs of other conditions were trained on, for messages: ``spikes``.

    Returns
    -------
    list of Entry
        Given runs first.

    Raises
    ------
    TrainingError
        If a run is not finished or cannot be used, or a setting is out of range.
    ProtocolError
        If a run is of other data or another split, or has seen the tested samples.
    """
    found: dict[str, tuple[str, Preset, dict[int, Path | None]]] = {}
    for folder in runs:
        record = read_run(folder)
        _check_run(folder, record, selection, tested, changed)
        key = _key(record.model, record.preset)
        _, _, given = found.setdefault(key, (record.model, record.preset, {}))
        if record.seed in given:
            raise TrainingError(
                f"{folder}: is a second run of {record.model} with seed {record.seed} and the same settings; "
                "leave one out"
            )
        given[record.seed] = folder.absolute()
    for model in models:
        preset = read_preset(model, None, settings, selection.data)
        _, _, given = found.setdefault(_key(model, preset), (model, preset, {}))
        for seed in range(seeds):
            given.setdefault(seed, None)
    names = [model for model, _, _ in found.values()]
    return [
        Entry(
            model if names.count(model) == 1 else f"{model}~{key[:8]}",
            model,
            preset,
            dict(sorted(given.items())),
        )
        for key, (model, preset, given) in found.items()
    ]


def _key(model: str, preset: Preset) -> str:
    return hashlib.sha256(f"{model} {preset.model_dump_json()}".encode()).hexdigest()


def _check_run(
    folder: Path, record: RunRecord, selection: SelectionData, tested: str, changed: str
) -> None:
    """Refuse a given run that is not a finished one on these data."""
    if record.condition:
        raise TrainingError(
            f"{folder}: was trained on changed {changed} ({record.condition}); give a run on unchanged ones"
        )
    if record.status != "trained":
        raise TrainingError(
            f"{folder}: training is not finished; first run: spikebench train --resume {folder}"
        )
    if not (folder / WEIGHTS_FILE).is_file():
        raise TrainingError(f"{folder}: contains no {WEIGHTS_FILE}; train it again")
    if record.code_sha256 is not None:
        raise TrainingError(
            f"{folder}: is a network from a file of its own, which studies do not load; give a built-in model"
        )
    if record.selected_on == "test":
        raise ProtocolError(f"{folder}: is an oracle, selected on the test split; train it again")
    if different := record.dataset.first_difference(selection.dataset):
        raise ProtocolError(
            f"{folder}: was trained on {record.dataset.name}, not on the data or the split of "
            f"{selection.dataset.name} ({different} differs); study it alone"
        )
    if record.refit and tested == "validation":
        raise ProtocolError(
            f"{folder}: is refitted, so it was trained on the validation samples; give a run without refit, or --test"
        )
