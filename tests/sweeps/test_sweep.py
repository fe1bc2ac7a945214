"""Sweeps: what is trained, where, and how it goes on; specifications that are refused; workers that are lost."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path

import pytest
import torch
from helpers.loopback_cluster import Cluster, started
from helpers.toy import write_toy

from spikebench import cluster
from spikebench.cluster import cluster_executor
from spikebench.errors import SpikebenchError, TrainingError
from spikebench.evaluation.final_test import evaluate
from spikebench.presets.preset import read_preset
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.protocol.results import read_result
from spikebench.sweeps import jobs
from spikebench.sweeps import runner as sweep
from spikebench.sweeps import worker as sweep_worker
from spikebench.sweeps.report import SweepReport
from spikebench.sweeps.runner import Run, Sweep, SweepProgress, plan_sweep, run_sweep
from spikebench.sweeps.spec import MAX_NAME, MAX_RUNS, list_configurations, read_spec
from spikebench.sweeps.worker import Outcome, Task, train_run
from spikebench.training.loop import fit, start_run
from spikebench.training.run import WEIGHTS_FILE, load_tensors, locked, read_run
from spikebench.workers import CallLostError

SETTINGS = """
[settings]
"input.duration_ms" = 300
"training.batch_size" = 16
"""
TWO = "[grid]\n'training.learning_rate' = [1e-2, 5e-3]\n"
NAMES = ["lif,learning_rate=0.01", "lif,learning_rate=0.005"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


@pytest.fixture(scope="module")
def selection(toy: Path) -> SelectionData:
    return open_selection(str(toy))


@pytest.fixture
def plan(toy: Path, tmp_path: Path) -> Callable[..., Sweep]:
    """Plan a sweep of one network below ``tmp_path``."""

    def make(grid: str = TWO, seeds: object = 2, output: str = "out", epochs: int = 4) -> Sweep:
        return plan_of(toy, tmp_path, grid, seeds, output, epochs)

    return make


def plan_of(toy: Path, folder: Path, grid: str, seeds: object, output: str, epochs: int) -> Sweep:
    text = f"model = 'lif'\ndata = '{toy}'\nseeds = {seeds}\n{SETTINGS}"
    text += f"'training.epochs' = {epochs}\n{grid}"
    (folder / "spec.toml").write_text(text)
    return plan_sweep(read_spec(folder / "spec.toml"), folder / output)


def weights(folder: Path) -> list[torch.Tensor]:
    return list(load_tensors(folder / WEIGHTS_FILE)[0].values())


def are_equal(one: Path, two: Path) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(two), strict=True))


def stop_after(calls: int) -> Callable[[SweepProgress], None]:
    """Press Ctrl-C, so to say, after so many looks; in one process that is epochs."""
    left = [calls]

    def progress(state: SweepProgress) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    return progress


def test_runs_in_worker_processes_are_those_that_train_makes(
    plan: Callable[..., Sweep], tmp_path: Path, selection: SelectionData
) -> None:
    states: list[SweepProgress] = []
    report = run_sweep(plan(), workers=2, progress=states.append)
    assert sorted(one.name for one in report.configurations) == sorted(NAMES)
    for one in report.configurations:
        preset = read_preset(
            "lif",
            None,
            [
                *("input.duration_ms=300", "training.batch_size=16", "training.epochs=4"),
                f"training.learning_rate={one.values['training.learning_rate']}",
            ],
        )
        for run in one.runs:
            alone = tmp_path / "alone" / one.name / str(run.seed)
            record = start_run(alone, "lif", preset, selection, run.seed)
            record = fit(alone, record, selection)
            assert are_equal(alone, tmp_path / "out" / run.folder)
            assert run.validation_accuracy == record.validation_accuracy
            assert (run.epochs, run.test_opened, run.failed) == (4, 0, "")
            assert run.parameters == one.parameters == 12 * 128 + 128 * 3 + 3
    assert (states[-1].done, states[-1].total, states[-1].failed) == (4, 4, 0)
    assert states[-1].best == max(run.validation_accuracy or 0 for run in report.runs)
    assert [state.work for state in states] == sorted(state.work for state in states)


def test_the_table_is_the_same_in_every_form(plan: Callable[..., Sweep], tmp_path: Path) -> None:
    report = run_sweep(plan(), workers=1)
    assert SweepReport.model_validate_json((tmp_path / "out/sweep.json").read_text()) == report
    with (tmp_path / "out/sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["configuration"] for row in rows] == [one.name for one in report.configurations]
    for row, one in zip(rows, report.configurations, strict=True):
        first, second = (run.validation_accuracy or 0.0 for run in one.runs)
        assert one.validation_mean == pytest.approx((first + second) / 2, rel=1e-12)
        assert one.validation_std == pytest.approx(abs(first - second) / 2**0.5, rel=1e-9)
        assert float(row["validation_mean"]) == pytest.approx(one.validation_mean, rel=1e-5)
        assert json.loads(row["training.learning_rate"]) == one.values["training.learning_rate"]
        assert (row["seeds"], row["failed"], row["epochs_mean"]) == ("2", "0", "4")
    means = [one.validation_mean or 0.0 for one in report.configurations]
    assert means == sorted(means, reverse=True)
    assert report.best == report.configurations[0].name
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == sorted([".lock", *NAMES, "study.json", "sweep.csv", "sweep.json"])


def test_the_chosen_one_is_tested_once(
    plan: Callable[..., Sweep], tmp_path: Path, selection: SelectionData
) -> None:
    report = run_sweep(plan(), workers=1)
    assert report.best is not None
    runs = [tmp_path / "out" / report.best / f"seed{seed}" for seed in (0, 1)]
    result = evaluate(runs, selection, tmp_path / "result", "command")
    assert result == read_result(tmp_path / "result")
    assert result.summary.validation_mean == report.configurations[0].validation_mean
    assert [seed.test_opened for seed in result.seeds] == [1, 1]
    opened = {run.folder: run.test_opened for run in run_sweep(plan(), workers=1).runs}
    assert {tmp_path / "out" / folder for folder, times in opened.items() if times} == set(runs)


def test_one_seed_has_no_deviation(plan: Callable[..., Sweep]) -> None:
    (one,) = run_sweep(plan("", seeds="[7]", epochs=1), workers=1).configurations
    assert (one.name, one.runs[0].seed, one.validation_std) == ("lif", 7, None)


def test_an_interrupted_sweep_goes_on_as_if_it_had_not_been(
    plan: Callable[..., Sweep], tmp_path: Path
) -> None:
    whole = run_sweep(plan(output="whole"), workers=1)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(plan(), workers=1, progress=stop_after(7))  # the first run and some epochs
    first, second = (tmp_path / "out" / name / "seed0" for name in NAMES)
    assert (read_run(first).status, read_run(second).status) == ("trained", "training")
    assert (second / "checkpoint.safetensors").exists()
    assert not list((tmp_path / "out").glob("sweep.*"))
    kept = (first / WEIGHTS_FILE).stat().st_mtime_ns
    again = plan()
    assert (again.n_trained, len(again.records)) == (1, 2)
    report = run_sweep(again, workers=1)
    assert (first / WEIGHTS_FILE).stat().st_mtime_ns == kept
    assert [one.name for one in report.configurations] == [o.name for o in whole.configurations]
    for run in report.runs:
        assert are_equal(tmp_path / "out" / run.folder, tmp_path / "whole" / run.folder)


def test_a_run_that_fails_is_listed_and_stops_nothing(plan: Callable[..., Sweep]) -> None:
    # Steps so large that the scores overflow.
    grid = "'model.readout' = 'max'\n[grid]\n'training.learning_rate' = [3e37, 1e-2]\n"
    report = run_sweep(plan(grid), workers=1)
    good, bad = report.configurations
    assert (good.name, good.is_complete, report.best) == (NAMES[0], True, NAMES[0])
    assert bad.name == "lif,learning_rate=3e+37"
    assert (bad.validation_mean, bad.parameters) == (None, None)
    for run in bad.runs:
        assert "the loss is no longer finite in epoch" in run.failed


def test_a_grid_may_grow(plan: Callable[..., Sweep], tmp_path: Path) -> None:
    run_sweep(plan("[grid]\n'training.learning_rate' = [1e-2]\n", seeds=1), workers=1)
    kept = (tmp_path / "out" / NAMES[0] / "seed0" / WEIGHTS_FILE).stat().st_mtime_ns
    grown = plan()
    assert (grown.n_trained, len(grown.runs)) == (1, 4)
    assert len(run_sweep(grown, workers=1).runs) == 4
    assert (tmp_path / "out" / NAMES[0] / "seed0" / WEIGHTS_FILE).stat().st_mtime_ns == kept


def test_another_setting_or_other_data_in_the_same_folder_are_refused(
    plan: Callable[..., Sweep], tmp_path: Path
) -> None:
    run_sweep(plan("", seeds=1, epochs=1), workers=1)
    with pytest.raises(TrainingError, match=r"out/lif/seed0: contains another run"):
        plan("", seeds=1, epochs=2)
    text = (tmp_path / "spec.toml").read_text().replace("epochs' = 2", "epochs' = 1")
    other = write_toy(tmp_path / "other.h5", takes=5)
    lines = ["data = 'other.h5'" if "data" in line else line for line in text.splitlines()]
    (tmp_path / "spec.toml").write_text("\n".join(lines))
    with pytest.raises(TrainingError, match=r"out: contains a sweep on other data"):
        plan_sweep(read_spec(tmp_path / "spec.toml"), tmp_path / "out")
    assert other.exists()


def test_two_sweeps_at_once_in_one_folder(plan: Callable[..., Sweep], tmp_path: Path) -> None:
    second = plan("", seeds=1, epochs=1)

    def meanwhile(state: SweepProgress) -> None:
        with pytest.raises(TrainingError, match="out: another process is using this run"):
            run_sweep(second, workers=1)

    run_sweep(plan("", seeds=1, epochs=1), workers=1, progress=meanwhile)
    assert not list((tmp_path / "out").glob(".running-*"))


def test_a_run_that_is_worked_on_elsewhere_is_listed(
    plan: Callable[..., Sweep], tmp_path: Path
) -> None:
    busy = tmp_path / "out" / NAMES[0] / "seed0"
    busy.mkdir(parents=True)
    with locked(busy):
        report = run_sweep(plan(seeds=1, epochs=1), workers=1)
    good, bad = report.configurations
    assert (good.name, bad.name) == (NAMES[1], NAMES[0])
    assert bad.runs[0].failed == f"{NAMES[0]}/seed0: another process is using this run"


def test_nothing_is_written_before_everything_is_checked(
    toy: Path, plan: Callable[..., Sweep], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"configuration lif,hidden_units=0: .*hidden_units\.0"):
        plan("[grid]\n'model.hidden_units' = [[8], [0]]\n")
    text = f"model = ['svm', 'lif']\ndata = '{toy}'\n[grid.model]\nC = [[1.0]]\n"
    (tmp_path / "spec.toml").write_text(text)
    with pytest.raises(TrainingError, match=r"unknown setting of lif 'model\.C'; known: "):
        read_spec(tmp_path / "spec.toml")
    assert [path.name for path in tmp_path.iterdir()] == ["spec.toml"]


def test_paths_count_from_the_folder_of_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    write_toy(folder / "toy")
    (folder / "mine.toml").write_text("[input]\ntime_step_ms=10\nduration_ms=300\nmode='binary'\n")
    text = "model = 'svm'\ndata = 'toy'\npreset = 'mine.toml'\n"
    (folder / "spec.toml").write_text(text)
    spec = read_spec(folder / "spec.toml")
    assert (spec.data, spec.preset) == (str(folder / "toy"), str(folder / "mine.toml"))
    (one,) = list_configurations(spec)
    assert (one.preset.input.mode, spec.seeds) == ("binary", (0,))
    report = run_sweep(plan_sweep(spec, tmp_path / "out"), workers=1)
    assert report.configurations[0].parameters


def named(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "spec.toml").write_text(text)
    return [one.name for one in list_configurations(read_spec(tmp_path / "spec.toml"))]


def test_names_of_folders_can_be_read(tmp_path: Path) -> None:
    text = "model = ['lif', 'mlp_counts']\n[grid]\n'model.hidden_units' = [[64], [128, 64]]\n"
    text += "[grid.training]\nlearning_rate = [1e-3]\noptimizer = ['adam']\n"
    assert named(tmp_path, text) == [
        f"{model},hidden_units={units},learning_rate=0.001,optimizer=adam"
        for model in ("lif", "mlp_counts")
        for units in ("64", "128-64")
    ]


def test_names_of_folders_are_safe_and_differ(tmp_path: Path) -> None:
    long = ", ".join(f"[{', '.join(['64'] * 40 + [str(last)])}]" for last in (1, 2))
    names = named(tmp_path, f"model = 'lif'\n[grid]\n'model.hidden_units' = [{long}]\n")
    assert len(set(names)) == 2
    assert all(len(name) <= MAX_NAME for name in names)
    # No model has a setting of any text; where one had, this is what its folders would be called.
    texts = ["..", "../x", "/etc", "a b", "a_b", "A_B", "", "64", "é", "~", "a,b=1", "x" * 300]
    values = [*texts, 64, [64], True, "true", 1, 1.0, [], [""]]
    found = sweep_names([("lif", {"model.x": value}) for value in values])
    assert len({name.casefold() for name in found}) == len(values)
    for name in found:
        assert name.startswith("lif,x=")
        assert set(name) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-=,~"
        )
        assert len(name) <= MAX_NAME
    both = sweep_names([("lif", {"model.x": 1, "training.x": 2})])
    assert both == ["lif,model.x=1,training.x=2"]


def sweep_names(combinations: list[tuple[str, dict[str, object]]]) -> list[str]:
    from spikebench.sweeps.spec import _names

    return _names(combinations)


HOSTILE = {
    "": "model: is missing",
    "model = 'lfi'": "unknown model 'lfi'; known: .* Did you mean 'lif'",
    "model = 3": "model: must be the name of a model, or a list of model names",
    "model = []": "model: .* at least 1 item",
    "model = ['lif', 'lif']": "model: lif is given twice",
    "model = 'lif'\nseed = 3": "unknown key 'seed'; known: .*Did you mean 'seeds'",
    "model = 'lif'\ndata = 3": "data: must be text, not 3",
    "model = 'lif'\ndata = 'digit'": "unknown data set 'digit'; .*Did you mean 'digits'",
    'model = "lif"\ndata = "a\\u0000b"': "data: contains characters that cannot be printed",
    "model = 'lif'\nseeds = 0": "seeds: must be 1 … 1000 seeds, got 0",
    "model = 'lif'\nseeds = 1000000000": "seeds: must be 1 … 1000 seeds, got 1000000000",
    f"model = 'lif'\nseeds = 0x{'f' * 9000}": "seeds: .* more than 64 bits",
    f"model = 'lif'\nseeds = {list(range(1001))}": "seeds: must be 1 … 1000 seeds, got 1001",
    "model = 'lif'\nseeds = []": "seeds: must be 1 … 1000 seeds, got 0",
    "model = 'lif'\nseeds = [1, 1]": "seeds: 1 is given twice",
    "model = 'lif'\nseeds = [-1]": "seeds: -1 is outside",
    "model = 'lif'\nseeds = true": "seeds: must be a number of seeds",
    "model = 'lif'\nseeds = 1.0": "seeds: must be a number of seeds",
    "model = 'lif'\nseeds = ['0']": "seeds: must be a number of seeds",
    "model = 'lif'\ngrid = 3": "grid: must be a table",
    "model = 'lif'\n[grid]\n'training.epochs' = []": "grid: training.epochs: must be a list of at",
    "model = 'lif'\n[grid]\n'training.epochs' = 3": "grid: training.epochs: must be a list of at",
    "model = 'lif'\n[grid]\n'training.epoch' = [3]": "setting of lif 'training.epoch'; .*epochs'",
    "model = 'lif'\n[grid]\nepochs = [3]": "unknown setting of lif 'epochs'; known: ",
    "model = 'lif'\n[grid]\n'training.epochs=1,x' = [3]": "unknown setting of lif",
    "model = 'lif'\n[grid.training.epochs]\nx = [3]": "training.epochs: must be a list",
    "model = 'lif'\n[settings.training.epochs]\nx = 3": "training.epochs: must be a number, a te",
    "model = 'lif'\n[settings]\n'training.epochs' = 2026-01-01": "training.epochs: must be a num",
    "model = 'lif'\n[settings]\n'training.learning_rate' = nan": "learning_rate: nan is not a finite number",
    "model = 'lif'\n[grid]\n'training.learning_rate' = [inf]": "learning_rate: inf is not a finite number",
    "model = 'lif'\n[grid]\n'model.hidden_units' = [[[1]]]": "hidden_units: must be a number, a",
    "model = 'lif'\n[grid]\n'training.epochs' = [1, 1]": "training.epochs: 1 is given twice",
    "model = 'lif'\n[settings]\n'training.epochs' = 1\n[settings.training]\nepochs = 1": (
        "training.epochs: is given twice"
    ),
    "model = 'lif'\n[settings]\n'training.epochs' = 1\n[grid]\n'training.epochs' = [1]": (
        "training.epochs: is given in settings and in grid; remove one"
    ),
    "model = 'lif'\n[grid]\n"
    + "\n".join(
        f"'{key}' = {list(range(1, 1001))}"
        for key in ("training.epochs", "training.batch_size", "training.patience_epochs")
    ): f"1,000,000,000 runs, more than the maximum of {MAX_RUNS:,} per sweep",
    "model = 'lif": "not readable as TOML",
    "model = " + "[" * 100_000: "not readable as TOML",
}


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_specification_that_does_not_fit_is_one_line(tmp_path: Path, number: int) -> None:
    text, message = list(HOSTILE.items())[number]
    (tmp_path / "spec.toml").write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match=message) as caught:
        read_spec(tmp_path / "spec.toml")
    assert str(caught.value).startswith(f"{tmp_path / 'spec.toml'}: ")
    assert len(str(caught.value).splitlines()) == 1


def test_values_out_of_range_name_the_configuration(tmp_path: Path) -> None:
    text = "model = 'lif'\n[grid]\n'training.learning_rate' = [1e-3, 'fast']\n"
    with pytest.raises(TrainingError, match=r"configuration lif,learning_rate=fast: .*learning_ra"):
        named(tmp_path, text)
    text = "model = 'lif'\n[grid]\n'training.learning_rate' = [1, 1.0]\n"
    with pytest.raises(TrainingError, match=r"learning_rate=1 and .*=1\.0 are the same"):
        named(tmp_path, text)


def test_files_that_are_no_specification(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="is a folder"):
        read_spec(tmp_path)
    with pytest.raises(TrainingError, match=r"no\.toml: no such file"):
        read_spec(tmp_path / "no.toml")
    (tmp_path / "latin.toml").write_bytes(b"model = '\xe9'")
    with pytest.raises(TrainingError, match="not readable as TOML: 'utf-8'"):
        read_spec(tmp_path / "latin.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(TrainingError, match="larger than 1048576 bytes"):
        read_spec(tmp_path / "large.toml")


@pytest.fixture
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_SECONDS_BETWEEN_LOOKS", 0.05)


@pytest.fixture(scope="module")
def whole(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two runs of 15 epochs, uninterrupted."""
    folder = tmp_path_factory.mktemp("whole")
    run_sweep(plan_of(toy, folder, TWO, 1, "whole", 15), workers=1)
    return folder / "whole"


@pytest.mark.usefixtures("look_often")
def test_a_worker_process_is_killed_and_the_rest_is_done_later(
    plan: Callable[..., Sweep], whole: Path, tmp_path: Path
) -> None:
    def kill(state: SweepProgress) -> None:
        children = multiprocessing.active_children()  # none while the pool is closing
        if state.work > 0.2 and children:
            os.kill(children[0].pid or 0, signal.SIGKILL)

    with pytest.raises(
        TrainingError, match=r"a worker process died .* run the same command again to resume"
    ):
        run_sweep(plan(seeds=1, epochs=15), workers=2, progress=kill)
    report = run_sweep(plan(seeds=1, epochs=15), workers=1)
    assert len(report.runs) == 2
    for run in report.runs:
        assert are_equal(tmp_path / "out" / run.folder, whole / run.folder)


class Losing(Executor):
    """Lose the first call, and run the others here."""

    def __init__(self) -> None:
        self.calls = 0

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN002, ANN003, ANN201
        self.calls += 1
        future: Future[Outcome] = Future()
        if self.calls == 1:
            future.set_exception(CallLostError("lost with three workers"))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def test_a_run_that_costs_workers_their_lives_is_listed(plan: Callable[..., Sweep]) -> None:
    report = run_sweep(plan(seeds=1, epochs=1), workers=1, executor=Losing())
    good, bad = report.configurations
    assert (good.name, bad.name) == (NAMES[1], NAMES[0])
    assert bad.runs[0].failed == "lost with three workers"


@pytest.fixture
def task(plan: Callable[..., Sweep], tmp_path: Path) -> Task:
    made = plan("", seeds=1, epochs=2)
    (tmp_path / "sign").touch()
    return sweep._task(made, made.runs[0], tmp_path / "sign")


def test_a_worker_that_is_not_fit_says_why(task: Task, toy: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(SpikebenchError, match=r"has spikebench .*, but the sweep has spikebench 0"):
        train_run(replace(task, software="spikebench 0"))
    with pytest.raises(SpikebenchError, match=r"cannot find .*; all workers need one file system"):
        train_run(replace(task, sign=tmp_path / "elsewhere" / "sign"))
    with pytest.raises(SpikebenchError, match=r"cannot open the data: no such file"):
        train_run(replace(task, data=str(tmp_path / "gone.h5")))
    other = write_toy(tmp_path / "other.h5", takes=5)
    with pytest.raises(SpikebenchError, match=r"other\.h5 has changed since the sweep began"):
        train_run(replace(task, data=str(other)))
    with (
        sweep_worker._at_work,
        pytest.raises(SpikebenchError, match=r"two runs at a time.*--nthreads 1"),
    ):
        train_run(task)
    assert train_run(task).failed == ""


def test_a_run_ends_with_its_sweep(task: Task) -> None:
    outcome = train_run(task, task.sign.unlink)
    assert (outcome.record, outcome.failed) == (None, "stopped because its sweep has ended")
    assert (task.folder / "checkpoint.safetensors").exists()


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("distributed", reason="dask.distributed (extra cluster) is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "_SECONDS_BETWEEN_COUNTS", 0.1)
        patch.setenv("OMP_NUM_THREADS", "1")
        with started(tmp_path_factory.mktemp("dask") / "here") as running:
            yield running


@pytest.mark.slow
@pytest.mark.usefixtures("look_often")
def test_a_cluster_trains_the_same_also_when_a_worker_is_killed(
    dask: Cluster, plan: Callable[..., Sweep], whole: Path, tmp_path: Path
) -> None:
    dask.have_workers(2)
    victim = dask.alive()[0]

    def kill(state: SweepProgress) -> None:
        if state.work > 0.2 and victim.poll() is None:
            victim.kill()

    with cluster_executor(dask.address) as (executor, threads):
        report = run_sweep(
            plan(seeds=1, epochs=15), workers=threads, executor=executor, progress=kill
        )
    assert victim.wait(timeout=10) == -signal.SIGKILL
    assert [run.failed for run in report.runs] == ["", ""]
    assert len(report.runs) == 2
    for run in report.runs:
        assert are_equal(tmp_path / "out" / run.folder, whole / run.folder)


def test_a_cluster_stops_with_the_sweep(
    dask: Cluster, plan: Callable[..., Sweep], tmp_path: Path
) -> None:
    dask.have_workers(1)
    before = dask.alive()
    folder = tmp_path / "out" / NAMES[0] / "seed0"

    def stop(state: SweepProgress) -> None:
        if state.work > 0:
            raise KeyboardInterrupt

    with (
        cluster_executor(dask.address) as (executor, threads),
        pytest.raises(KeyboardInterrupt),
    ):
        run_sweep(plan(epochs=100_000), workers=threads, executor=executor, progress=stop)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with locked(folder):
                break
        except TrainingError:
            time.sleep(0.05)
    with locked(folder):
        assert (folder / "checkpoint.safetensors").exists()
    assert dask.alive() == before


@pytest.mark.slow
def test_workers_of_several_threads_are_refused(dask: Cluster, plan: Callable[..., Sweep]) -> None:
    others = len(dask.alive())
    dask.add_worker(threads=2)
    with cluster_executor(dask.address) as (executor, threads):
        deadline = time.monotonic() + 60
        while threads() < others + 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        with pytest.raises(SpikebenchError, match="two runs at a time"):
            run_sweep(plan(epochs=100_000), workers=threads, executor=executor)


def test_a_call_that_is_given_up_is_told_from_a_cluster_that_is_gone() -> None:
    distributed = pytest.importorskip("distributed")
    told = cluster._translated(distributed.KilledWorker("task", "worker", 3))
    assert isinstance(told, CallLostError)
    assert "lost with three workers" in str(told)


def test_runs_with_the_first_seed_come_first(plan: Callable[..., Sweep]) -> None:
    runs: list[Run] = plan(seeds="[3, 1]").runs
    assert [(run.configuration.name, run.seed) for run in runs] == [
        (name, seed) for seed in (3, 1) for name in NAMES
    ]
