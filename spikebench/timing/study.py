"""The plan of a study: models, conditions and runs, checked before anything starts.

For every model and seed, one run is trained on unchanged spikes and tested under all conditions, and one run per
condition is trained, validated and tested under it. Runs that are trained already may be given. The folder of a study::

    <model>/clean/seed<k>/           the run trained on unchanged spikes, unless it is given
    <model>/jitter=10ms/seed<k>/     the run trained under jitter:10ms
    …/answers-validation.json        the predictions of each run, under each condition; answers-test.json with --test
    timing.json, timing.csv          the report; timing-test.json, timing-test.csv
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spikebench.errors import TrainingError
from spikebench.events.conditions import CLEAN, Condition, select_conditions
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.sweeps.study_entries import Entry, entries_of
from spikebench.sweeps.study_folder import refuse_other_study
from spikebench.timing.answers import Tested
from spikebench.training.loop import start_run
from spikebench.training.run import RUN_FILE, find_runs, read_run

__all__ = ["Job", "Study", "plan_study"]


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
    folders = [run for given in runs for run in find_runs(given)]
    entries = entries_of(selection, folders, models, seeds, settings, tested, "spikes")
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
