"""The plan of a study: models, conditions and runs, checked before anything starts.

For every model and seed, one run is trained on unchanged spikes and tested under all conditions, and one run per
condition is trained, validated and tested under it. Runs that are trained already may be given. The folder of a study::

    <model>/clean/seed<k>/           the run trained on unchanged spikes, unless it is given
    <model>/jitter=10ms/seed<k>/     the run trained under jitter:10ms
    …/answers-validation.json        the predictions of each run, under each condition; answers-test.json with --test
    timing.json, timing.csv          the report; timing-test.json, timing-test.csv
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spikebench.errors import ProtocolError, TrainingError
from spikebench.events.conditions import CLEAN, Condition, select_conditions
from spikebench.presets.preset import Preset, read_preset
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.sweeps.study_folder import refuse_other_study
from spikebench.timing.answers import Tested
from spikebench.training.loop import start_run
from spikebench.training.run import RUN_FILE, WEIGHTS_FILE, find_runs, read_run
from spikebench.training.run_record import RunRecord

__all__ = ["Entry", "Job", "Study", "plan_study"]


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


@dataclass(frozen=True)
class Job:
    """One run, and the conditions under which it is tested.

    Attributes
    ----------
    entry, seed
        What is trained.
    trained_on
        The condition of its training.
    folder, answers
        Folder of the run, and the file of its predictions.
    is_trained
        Whether it was trained before.
    conditions
        Conditions of its test.
    """

    entry: Entry
    seed: int
    trained_on: Condition
    folder: Path
    answers: Path
    is_trained: bool
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Study:
    """A study, fully checked.

    Attributes
    ----------
    selection
        The data, without the test split.
    output
        Folder of the study.
    entries, conditions
        Models and conditions.
    tested
        The samples that are tested.
    jobs
        All runs; those on unchanged spikes come first.
    """

    selection: SelectionData
    output: Path
    entries: list[Entry]
    conditions: list[Condition]
    tested: Tested
    jobs: list[Job]


def plan_study(
    data: str,
    output: Path,
    conditions: Sequence[str] = (),
    *,
    runs: Sequence[Path] = (),
    models: Sequence[str] = (),
    seeds: int = 1,
    settings: Sequence[str] = (),
    clean_only: bool = False,
    tested: Tested = "validation",
) -> Study:
    """Check everything that a study requires, before it starts.

    Parameters
    ----------
    data
        Name of a data set, or path of a spike file.
    output
        Folder of the study; nothing is written to it.
    conditions
        Names, as for :func:`spikebench.events.conditions.select_conditions`.
    runs
        Finished runs on unchanged spikes, or folders of them.
    models, seeds, settings
        Models to train, the number of their seeds, and changes of their presets.
    clean_only
        Whether to train no run on changed spikes.
    tested
        ``validation``, or ``test`` to open the test split.

    Returns
    -------
    Study
        For :func:`spikebench.timing.runner.run_study`.

    Raises
    ------
    SpikebenchError
        If a condition, a model or the data do not exist, or the data are damaged.
    TrainingError
        If a run is not finished or cannot be used, a setting is out of range, or a folder contains another run.
    ProtocolError
        If a run is of other data or another split.
    """
    if (Path(data) / RUN_FILE).is_file():
        raise TrainingError(f"{data}: is a run; give the data set as the last argument")
    select_conditions(conditions)  # a wrong name is reported before anything is opened
    output = output.absolute()
    selection = open_selection(data)
    refuse_other_study(output, "timing", selection.dataset)
    chosen = select_conditions(conditions, selection.dataset.n_units)
    entries = _entries(selection, runs, models, seeds, settings, tested)
    _check_presets([entry for entry in entries if None in entry.seeds.values()], selection)
    jobs = [
        _job(entry, seed, CLEAN, tuple(chosen), output, selection, tested)
        for entry in entries
        for seed in entry.seeds
    ]
    changes = [] if clean_only else [one for one in chosen if one != CLEAN]
    all_seeds = sorted({seed for entry in entries for seed in entry.seeds})
    jobs += [
        _job(entry, seed, condition, (condition,), output, selection, tested)
        for seed in all_seeds
        for condition in changes
        for entry in entries
        if seed in entry.seeds
    ]
    return Study(selection, output, entries, chosen, tested, jobs)


def _entries(
    selection: SelectionData,
    runs: Sequence[Path],
    models: Sequence[str],
    seeds: int,
    settings: Sequence[str],
    tested: Tested,
) -> list[Entry]:
    """Group given runs by model and settings, and add the models to train."""
    found: dict[str, tuple[str, Preset, dict[int, Path | None]]] = {}
    for folder in [run for given in runs for run in find_runs(given)]:
        record = read_run(folder)
        _check_run(folder, record, selection, tested)
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


def _check_run(folder: Path, record: RunRecord, selection: SelectionData, tested: Tested) -> None:
    """Refuse a given run that is not a finished one on the unchanged spikes of these data."""
    if record.condition:
        raise TrainingError(
            f"{folder}: was trained on changed spikes ({record.condition}); give a run on unchanged ones"
        )
    if record.status != "trained":
        raise TrainingError(
            f"{folder}: training is not finished; first run: spikebench train --resume {folder}"
        )
    if not (folder / WEIGHTS_FILE).is_file():
        raise TrainingError(f"{folder}: contains no {WEIGHTS_FILE}; train it again")
    if record.selected_on == "test":
        raise ProtocolError(f"{folder}: is an oracle, selected on the test split; train it again")
    if different := record.dataset.first_difference(selection.dataset):
        raise ProtocolError(
            f"{folder}: was trained on {record.dataset.name}, not on the data or the split of "
            f"{selection.dataset.name} ({different} differs)"
        )
    if record.refit and tested == "validation":
        raise ProtocolError(
            f"{folder}: is refitted, so it was trained on the validation samples; give a run without refit, or --test"
        )


def _check_presets(entries: Sequence[Entry], selection: SelectionData) -> None:
    """Refuse settings with which a model cannot be built or trained here."""
    with tempfile.TemporaryDirectory() as scratch:
        for number, entry in enumerate(entries):
            try:
                start_run(Path(scratch, str(number)), entry.model, entry.preset, selection, seed=0)
            except (TrainingError, ValueError) as error:
                raise TrainingError(f"model {entry.model}: {error}") from None


def _job(
    entry: Entry,
    seed: int,
    trained_on: Condition,
    conditions: tuple[Condition, ...],
    output: Path,
    selection: SelectionData,
    tested: Tested,
) -> Job:
    folder = output / entry.name / str(trained_on).replace(":", "=").rstrip("%") / f"seed{seed}"
    answers = folder / f"answers-{tested}.json"
    given = entry.seeds[seed] if trained_on == CLEAN else None
    is_trained = given is not None
    if given is None and (folder / RUN_FILE).exists():
        record = read_run(folder)
        is_trained = record.status == "trained"
        found = (record.model, record.preset, record.seed, record.condition, record.refit)
        condition = "" if trained_on == CLEAN else str(trained_on)
        if found != (entry.model, entry.preset, seed, condition, False) or (
            record.dataset.first_difference(selection.dataset)
        ):
            raise TrainingError(f"{folder}: contains another run; choose another folder with -o")
    return Job(entry, seed, trained_on, given or folder, answers, is_trained, conditions)
