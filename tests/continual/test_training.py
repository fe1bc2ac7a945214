"""Training task after task: masked heads, replay, strength 0, resuming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.toy import write_toy

from spikebench.continual.run import ContinualRun, Job
from spikebench.continual.study import ContinualStudy, plan_study, tasks_of
from spikebench.continual.training import make_model, offered_classes, train_tasks
from spikebench.errors import TrainingError
from spikebench.training.inference import bin_samples, run_model
from spikebench.training.run_record import HISTORY_FILE

SETTINGS = [
    *("training.epochs=2", "input.duration_ms=300", "continual.fisher_samples=4"),
    "training.batch_size=16",
]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_toy(tmp_path_factory.mktemp("toy") / "toy.h5", takes=2, classes=4))


def plan(toy: str, folder: Path, methods: str, model: str = "mlp_counts") -> ContinualStudy:
    more = ["model.init_fluctuation=1.0"] if model == "lif" else []  # so that units fire
    return plan_study(
        toy,
        folder,
        models=[model],
        tasks=["pairs"],
        methods=[methods],
        seeds=1,
        settings=[*SETTINGS, *more],
    )


def without_time(result: ContinualRun) -> ContinualRun:
    return result.model_copy(update={"seconds": 0.0, "identity": "0" * 64})


def test_masked_heads_choose_among_the_classes_of_the_task(toy: str, tmp_path: Path) -> None:
    job = plan(toy, tmp_path, "none").jobs[0]
    sequence = tasks_of(job)
    samples = bin_samples(sequence.tasks[1].test, job.preset)
    model, _ = make_model(job, samples)
    free = run_model(model, samples, 16).predicted
    with offered_classes(model, sequence.offered):
        masked = run_model(model, samples, 16).predicted
    assert set(masked) <= {2, 3}
    assert not set(free) <= {2, 3}
    assert np.array_equal(run_model(model, samples, 16).predicted, free)


@pytest.mark.parametrize("model", ["mlp_counts", "lif"])
def test_strength_zero_is_fine_tuning(toy: str, tmp_path: Path, model: str) -> None:
    jobs = plan(toy, tmp_path, "none,si:0,si:100", model).jobs
    plain, zero, held = (train_tasks(job, tasks_of(job)) for job in jobs)
    assert without_time(zero) == without_time(plain)
    histories = [(job.folder / HISTORY_FILE).read_text() for job in jobs]
    assert histories[0] == histories[1] != histories[2]
    assert len(plain.accuracies) == 2
    assert plain.accuracies[0][0] == held.accuracies[0][0]  # the first task has no penalty


@pytest.mark.parametrize("method", ["si:1", "ewc:10", "replay:1"])
def test_an_interrupted_run_continues_with_the_same_numbers(
    toy: str, tmp_path: Path, method: str
) -> None:
    job = plan(toy, tmp_path, method).jobs[0]
    whole = train_tasks(job, tasks_of(job))
    other = replace(job, folder=tmp_path / "other")
    epochs = 0

    def stop() -> None:
        nonlocal epochs
        epochs += 1
        if epochs == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_tasks(other, tasks_of(job), stop)
    assert not (other.folder / "result.json").exists()
    again = train_tasks(other, tasks_of(job))
    assert without_time(again) == without_time(whole)
    assert (other.folder / HISTORY_FILE).read_text() == (job.folder / HISTORY_FILE).read_text()
    if method == "replay:1":
        assert again.kept_samples == 4
    with pytest.raises(TrainingError, match="contains another run; choose another folder"):
        train_tasks(replace(other, seed=1), tasks_of(job))
    assert isinstance(other, Job)


def test_joint_training_sees_all_tasks_at_once(toy: str, tmp_path: Path) -> None:
    job = plan(toy, tmp_path, "joint").jobs[0]
    result = train_tasks(job, tasks_of(job))
    assert len(result.accuracies) == 1
    assert len(result.accuracies[0]) == 2
