"""The plan of a study: models, sequences, methods and seeds, checked before anything starts.

The folder of a study::

    pairs/lif/si=0.1/seed0/          a run, see spikebench.continual.run; pairs=single/… with a single head
    continual.json, .csv, .md        the report, and continual-pairs-lif.png for every sequence and model
    costs.json                       times of steps, measured once

With the test split open, runs are in ``…/seed0-test`` and files are named ``continual-test``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from spikebench.continual import permuted
from spikebench.continual.methods import Method, parse_methods
from spikebench.continual.run import Job, read_result
from spikebench.continual.settings import ContinualSettings, model_preset, read_settings
from spikebench.continual.tasks import TaskSequence, Tested, check_sequence, make_tasks
from spikebench.continual.training import CHECKPOINT, check_model, make_model
from spikebench.errors import ProtocolError, TrainingError
from spikebench.presets.preset import Preset
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.protocol.results import DatasetRecord
from spikebench.sweeps.study_folder import refuse_other_checkpoint, refuse_other_study
from spikebench.sweeps.study_settings import named
from spikebench.training.inference import bin_samples

__all__ = ["ContinualStudy", "plan_study", "tasks_of"]


@dataclass(frozen=True)
class ContinualStudy:
    """A study, fully checked.

    Attributes
    ----------
    data, dataset
        The data.
    output
        Folder of the study.
    settings, models
        Settings of the study, and the models with theirs.
    sequences, methods, seeds
        Names of the sequences, the methods, and the number of seeds.
    tested
        The samples that are tested.
    jobs
        All runs.
    """

    data: str
    dataset: DatasetRecord
    output: Path
    settings: ContinualSettings
    models: dict[str, Preset]
    sequences: list[str]
    methods: list[Method]
    seeds: int
    tested: Tested
    jobs: list[Job]


@lru_cache(maxsize=1)
def _opened(data: str) -> tuple[DatasetRecord, SelectionData | None]:
    if data == permuted.NAME:
        return permuted.record(), None
    selection = open_selection(data)
    return selection.dataset, selection


@lru_cache(maxsize=8)
def _made(data: str, sequence: str, tested: Tested, train_fraction: float) -> TaskSequence:
    dataset, selection = _opened(data)
    return make_tasks(sequence, dataset, selection, tested, train_fraction)


def tasks_of(job: Job) -> TaskSequence:
    """Make the tasks of a run, once per process.

    Parameters
    ----------
    job
        The run.

    Returns
    -------
    TaskSequence
        Its tasks.

    Raises
    ------
    SpikebenchError
        If the data cannot be opened, or have changed since the study began.
    """
    if _opened(job.data)[0].first_difference(job.dataset):
        raise ProtocolError(f"{job.data}: has changed since the study began")
    return _made(job.data, job.sequence, job.tested, job.settings.train_fraction)


def plan_study(
    data: str,
    output: Path,
    *,
    models: Sequence[str] = (),
    tasks: Sequence[str] = (),
    methods: Sequence[str] = (),
    seeds: int = 3,
    settings: Sequence[str] = (),
    tested: Tested = "validation",
) -> ContinualStudy:
    """Check everything that a study requires, before it starts.

    Parameters
    ----------
    data
        Name of a data set, path of a spike file, or ``permuted-digits``.
    output
        Folder of the study; nothing is written to it.
    models, tasks, methods
        What is compared; by default as the preset of the data set says. Each may be several, separated by commas.
    seeds
        Number of seeds.
    settings
        Changes of the preset of the study or of the models.
    tested
        ``validation``, or ``test`` to open the test split.

    Returns
    -------
    ContinualStudy
        For :func:`spikebench.continual.runner.run_study`.

    Raises
    ------
    SpikebenchError
        If data, a model, tasks or a method do not exist or do not fit, a setting is out of range, or a folder contains
        another run.
    """
    study = read_settings(data, settings)
    chosen = study.continual
    listed = parse_methods(methods or chosen.methods, chosen.strengths.model_dump())
    names = named(models, chosen.models, "--model")
    presets = {name: model_preset(name, data, study, settings) for name in names}
    if data == permuted.NAME and tested == "test":
        raise TrainingError(f"{data} has no test split; leave out --test")
    _opened.cache_clear()
    _made.cache_clear()
    dataset, _ = _opened(data)
    sequences = named(tasks, chosen.tasks, "--tasks")
    for sequence in sequences:
        check_sequence(sequence, dataset)
    output = output.absolute()
    jobs = [
        Job(
            sequence=sequence,
            model=model,
            method=method,
            seed=seed,
            preset=preset,
            settings=chosen,
            data=data,
            dataset=dataset,
            tested=tested,
            folder=_folder(output, sequence, model, method, seed, tested),
        )
        for seed in range(seeds)
        for sequence in sequences
        for model, preset in presets.items()
        for method in listed
    ]
    refuse_other_study(output, "continual", dataset)
    for job in jobs:
        # Refuses the folder of another run, finished or interrupted.
        if read_result(job) is None:
            refuse_other_checkpoint(job.folder / CHECKPOINT, job.identity)
    _check(jobs)
    return ContinualStudy(
        data, dataset, output, chosen, presets, sequences, listed, seeds, tested, jobs
    )


def _folder(
    output: Path, sequence: str, model: str, method: Method, seed: int, tested: Tested
) -> Path:
    parts = [str(part).replace(":", "=") for part in (sequence, model, method)]
    return output.joinpath(*parts, f"seed{seed}{'-test' if tested == 'test' else ''}")


def _check(jobs: Sequence[Job]) -> None:
    """Refuse tasks without samples, and models that cannot be built or trained; the test split stays closed."""
    for job in jobs:
        if job.seed:
            continue
        sequence = _made(job.data, job.sequence, "validation", job.settings.train_fraction)
        check_model(job, sequence.offered is not None)
        if job.method == jobs[0].method:
            try:
                make_model(job, bin_samples(sequence.tasks[0].train, job.preset))
            except ValueError as error:
                raise TrainingError(f"model {job.model}: {error}") from None
