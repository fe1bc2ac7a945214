"""The plan of a study: models, methods, densities and seeds, checked before anything starts.

The folder of a study::

    lif/dense/seed0/                 a run, see spikebench.pruning.run
    lif/ntt/0.03/seed0/
    pruning.json, .csv, .md, .png    the report
    speed.json                       times of a layer, measured once

With the test split open, runs are in ``…/seed0-test`` and files are named ``pruning-test``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path

from spikebench.continual import permuted
from spikebench.errors import ProtocolError, TrainingError
from spikebench.presets.preset import Preset
from spikebench.protocol.opening import SelectionData, open_selection, open_test
from spikebench.protocol.results import DatasetRecord
from spikebench.pruning.methods import DENSE, parse_densities, parse_methods
from spikebench.pruning.run import Job, Tested, read_result
from spikebench.pruning.settings import PruningSettings, model_preset, read_settings
from spikebench.pruning.training import (
    CHECKPOINTS,
    PruningData,
    check_class,
    check_model,
    make_model,
)
from spikebench.sweeps.study_folder import refuse_other_checkpoint, refuse_other_study
from spikebench.sweeps.study_settings import named
from spikebench.training.inference import bin_samples

__all__ = ["PruningStudy", "plan_study", "samples_of"]


@dataclass(frozen=True)
class PruningStudy:
    """A study, fully checked.

    Attributes
    ----------
    data, dataset
        The data.
    output
        Folder of the study.
    settings, models
        Settings of the study, and the models with theirs.
    methods, densities, seeds
        What is compared: methods, densities below 1, number of seeds.
    tested
        The samples that are tested.
    jobs
        All runs.
    """

    data: str
    dataset: DatasetRecord
    output: Path
    settings: PruningSettings
    models: dict[str, Preset]
    methods: list[str]
    densities: list[float]
    seeds: int
    tested: Tested
    jobs: list[Job]


@lru_cache(maxsize=1)
def _opened(data: str) -> tuple[DatasetRecord, SelectionData | None]:
    if data == permuted.NAME:
        return permuted.record(), None
    selection = open_selection(data)
    return selection.dataset, selection


@lru_cache(maxsize=2)
def _made(data: str, tested: Tested) -> PruningData:
    _, selection = _opened(data)
    if selection is None:
        train, held_out = permuted.permuted_digits()[0]
        return PruningData(train, held_out, lambda: held_out)
    test = cache(partial(open_test, selection))
    validation = selection.validation
    return PruningData(
        selection.train, validation, test if tested == "test" else lambda: validation
    )


def samples_of(job: Job) -> PruningData:
    """Open the samples of a run, once per process.

    Parameters
    ----------
    job
        The run.

    Returns
    -------
    PruningData
        Its samples.

    Raises
    ------
    SpikebenchError
        If the data cannot be opened, or have changed since the study began.
    """
    if _opened(job.data)[0].first_difference(job.dataset):
        raise ProtocolError(f"{job.data}: has changed since the study began")
    return _made(job.data, job.tested)


def plan_study(
    data: str,
    output: Path,
    *,
    models: Sequence[str] = (),
    methods: Sequence[str] = (),
    densities: Sequence[str] = (),
    seeds: int = 3,
    settings: Sequence[str] = (),
    tested: Tested = "validation",
) -> PruningStudy:
    """Check everything that a study requires, before it starts.

    Parameters
    ----------
    data
        Name of a data set, path of a spike file, or ``permuted-digits``: its first permutation.
    output
        Folder of the study; nothing is written to it.
    models, methods, densities
        What is compared; by default as the preset of the data set says. Each may be several, separated by commas.
    seeds
        Number of seeds.
    settings
        Changes of the preset of the study or of the models.
    tested
        ``validation``, or ``test`` to open the test split.

    Returns
    -------
    PruningStudy
        For :func:`spikebench.pruning.runner.run_study`.

    Raises
    ------
    SpikebenchError
        If data, a model or a method do not exist or do not fit, a setting is out of range, or a folder contains
        another run.
    """
    study = read_settings(data, settings)
    chosen = study.pruning
    listed = parse_methods(methods or chosen.methods)
    parts = parse_densities(densities or chosen.densities)
    names = named(models, chosen.models, "--model")
    for name in names:
        check_class(name)
    presets = {name: model_preset(name, data, study, settings) for name in names}
    if data == permuted.NAME and tested == "test":
        raise TrainingError(f"{data} has no test split; leave out --test")
    _opened.cache_clear()
    _made.cache_clear()
    dataset, _ = _opened(data)
    output = output.absolute()
    pairs = [(DENSE, 1.0), *((method, part) for part in parts for method in listed)]
    jobs = [
        Job(
            model=model,
            method=method,
            density=density,
            seed=seed,
            preset=preset,
            settings=chosen,
            data=data,
            dataset=dataset,
            tested=tested,
            folder=_folder(output / model, method, density, seed, tested),
        )
        for seed in range(seeds)
        for model, preset in presets.items()
        for method, density in pairs
    ]
    refuse_other_study(output, "pruning", dataset)
    for job in jobs:
        # Refuses the folder of another run, finished or interrupted.
        if read_result(job) is None:
            for name in CHECKPOINTS:
                refuse_other_checkpoint(job.folder / name, job.identity)
    _check(jobs)
    return PruningStudy(data, dataset, output, chosen, presets, listed, parts, seeds, tested, jobs)


def _folder(output: Path, method: str, density: float, seed: int, tested: Tested) -> Path:
    name = f"seed{seed}{'-test' if tested == 'test' else ''}"
    return output / method / name if method == DENSE else output / method / f"{density:g}" / name


def _check(jobs: Sequence[Job]) -> None:
    """Refuse models that cannot be built or pruned; the test split stays closed."""
    built = {}
    for job in jobs:
        if job.seed:
            continue
        if job.model not in built:
            train = bin_samples(_made(job.data, "validation").train, job.preset)
            try:
                built[job.model], _ = make_model(job, train)
            except ValueError as error:
                raise TrainingError(f"model {job.model}: {error}") from None
        check_model(job, built[job.model])
