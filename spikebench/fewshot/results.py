"""The results of a study that was tested on the test split, for the leaderboard."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spikebench.errors import ResultError
from spikebench.fewshot.study import Study
from spikebench.fewshot.worker import (
    MAX_CURVE_BYTES,
    RUN,
    Curve,
    FewShotJob,
    RunFile,
    build,
    config_of,
    open_tasks,
)
from spikebench.protocol.results import ModelRecord
from spikebench.protocol.studies import FewShotStudy
from spikebench.records.strict_json import read_record
from spikebench.sweeps.study_results import TestedSeed, write_study_result

__all__ = ["write_results"]


def write_results(study: Study, command: str) -> list[Path]:
    """Write a result for every kind of task, model and method of which all runs were tested on the test split.

    Parameters
    ----------
    study
        The study, after it was run.
    command
        The command that repeats it.

    Returns
    -------
    list of Path
        Folders of the results.
    """
    if study.tested != "test":
        return []
    groups: dict[tuple[str, str, str, int], list[FewShotJob]] = {}
    for job in study.jobs:
        key = (job.run.kind, job.run.model, job.run.method, job.run.bits)
        groups.setdefault(key, []).append(job)
    folders = []
    for jobs in groups.values():
        curves = [curve for job in jobs if (curve := _curve(job))]
        if len(curves) == len(jobs):
            folders.append(_write(study, jobs, curves, command))
    return folders


def _curve(job: FewShotJob) -> Curve | None:
    """Read the test of a run; None if it has none with its answers."""
    try:
        found = read_record(job.folder / "curve-test.json", Curve, MAX_CURVE_BYTES)
    except ResultError:
        return None
    wanted = job.run.settings.evaluation.model_dump(mode="json")
    return found if found.predicted and found.evaluation == wanted else None


def _write(study: Study, jobs: list[FewShotJob], curves: list[Curve], command: str) -> Path:
    run, settings = jobs[0].run, study.settings
    train = open_tasks(study.selection, settings, run.kind, "train")
    model = build(run, jobs[0].data, train, train.n_outputs)
    tasks = getattr(settings, run.kind)
    rounded = f"-{run.bits}bit" if run.bits else ""
    own = settings.model_dump(mode="json", exclude={"input", "models"})
    return write_study_result(
        study.output,
        f"{run.kind}-{run.model}-{run.method}{rounded}",
        command,
        study.selection.dataset,
        ModelRecord(
            name=run.model,
            spiking=model.spiking,
            parameters=curves[0].n_parameters,
            config=config_of(run, jobs[0].data).model_dump(mode="json"),
            look_ahead=model.looks_ahead,
        ),
        {"input": settings.input.model_dump(mode="json"), "study": own},
        FewShotStudy.model_validate(
            {
                "task": run.kind,
                "method": run.method,
                "bits": run.bits,
                "ways": round(1 / curves[0].chance),
                "shots": tasks.shots,
                "queries": tasks.queries,
                "words": tasks.words,
                "most_takes": settings.input.most_takes,
                "tested_tasks": len(curves[0].predicted),
            }
        ),
        [_seed(job, curve) for job, curve in zip(jobs, curves, strict=True)],
    )


def _seed(job: FewShotJob, curve: Curve) -> TestedSeed:
    settings = job.run.settings
    is_baseline = job.run.method == "finetune"
    total = settings.pretrain.iterations if is_baseline else settings.meta.iterations
    sizes = [len(row) for row in curve.label]
    return TestedSeed(
        seed=job.run.seed,
        answers=(
            np.repeat(np.arange(len(sizes)), sizes),
            np.concatenate([np.array(row, np.int64) for row in curve.label]),
            np.concatenate([np.array(row, np.int64) for row in curve.predicted]),
        ),
        validation_accuracy=curve.validation_accuracy,
        epochs=total,
        selected_epoch=curve.iteration,
        selected_on="validation",
        test_opened=read_record(job.folder / RUN, RunFile).test_opened,
        train_seconds=curve.seconds * total,
    )
