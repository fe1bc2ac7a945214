"""A study on a toy: plans, runs that are resumed with the same numbers, decisions, rows, and the page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.toy import write_toy

from spikebench.errors import TrainingError
from spikebench.substrate.answers import decisions
from spikebench.substrate.page import picture_of, write_page
from spikebench.substrate.report import SubstrateReport, file_name
from spikebench.substrate.runner import run_study
from spikebench.substrate.settings import read_settings
from spikebench.substrate.study import RUN_FILE, Study, plan_study
from spikebench.sweeps.study_watch import StudyProgress
from spikebench.training.run import WEIGHTS_FILE

QUICK = (
    *("input.duration_ms=250", "training.epochs=2", "training.batch_size=32"),
    "model.hidden_units=8",
)


def planned(folder: Path, **changes: object) -> Study:
    settings = {"seeds": 2, "settings": QUICK, **changes}
    return plan_study(str(folder / "toy.h5"), folder / "out", **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SubstrateReport]:
    folder = tmp_path_factory.mktemp("study")
    write_toy(folder / "toy.h5", takes=3)
    return folder, run_study(planned(folder))


def without_times(report: SubstrateReport) -> dict[str, object]:
    found = report.model_dump()
    for row in found["rows"]:
        row.pop("seconds_per_batch")
    return found


def test_the_rows_of_a_study(made: tuple[Path, SubstrateReport]) -> None:
    folder, report = made
    found = [(row.condition, row.activity) for row in report.rows]
    five = ["software", "deployed", "in the loop", "robust", "transferred"]
    assert found == [
        *((name, "plain") for name in five),
        *((name, "sparse") for name in five if name != "robust"),
    ]
    assert report.interval == "Student t over 2 seeds" or "bootstrap" in report.interval
    for row in report.rows:
        assert row.low <= row.accuracy <= row.high
        assert row.accuracy == pytest.approx(np.mean(row.accuracies))
        assert row.accuracy_at[-1] == pytest.approx(row.accuracy)
        assert 0 < row.decision_ms <= 250
        assert row.seconds_per_batch > 0
        # Spikes and membranes of 8 neurons, traces of 3 classes, 25 steps, 32 samples, 4 bytes.
        assert row.recorded_bytes == 4 * 32 * 25 * (8 + 8 + 3)
    loop, software = report.row("in the loop", "plain"), report.row("software", "plain")
    assert loop is not None
    assert loop.loss is not None
    assert software is not None
    assert software.loss is None
    assert loop.loss.value == pytest.approx(loop.accuracy - software.accuracy)
    lines = (folder / "out" / file_name("validation", ".csv")).read_text().splitlines()
    assert len(lines) == 1 + len(report.rows)
    assert json.loads((folder / "out" / "substrate.json").read_text()) == report.model_dump(
        mode="json"
    )


def test_an_interrupted_study_gives_the_same_numbers(
    made: tuple[Path, SubstrateReport],
) -> None:
    folder, report = made
    lost = [folder / "out" / name / "plain" / "seed1" for name in ("loop", "robust")]
    before = [(one / WEIGHTS_FILE).read_bytes() for one in lost]
    for one in lost:
        for file in one.iterdir():
            file.unlink()

    def interrupt(state: StudyProgress) -> None:
        if state.work % 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(planned(folder), interrupt)
    states: list[StudyProgress] = []
    study = planned(folder)
    assert [job.is_trained for job in study.jobs].count(False) == 2
    again = run_study(study, states.append)
    assert [(one / WEIGHTS_FILE).read_bytes() for one in lost] == before
    assert without_times(again) == without_times(report)
    assert (states[-1].done, states[-1].total, states[-1].work) == (10, 10, 10)


def test_another_run_in_the_folder_is_refused(made: tuple[Path, SubstrateReport]) -> None:
    folder, _ = made
    with pytest.raises(TrainingError, match="contains another run; choose another folder with -o"):
        planned(folder, settings=(*QUICK, "analog.gain_mismatch=0.3"))


def test_a_digital_chip_has_one_device(tmp_path: Path) -> None:
    write_toy(tmp_path / "toy.h5", takes=2)
    settings = (*QUICK[:3], "training.epochs=1", "model.hidden_units=[6]")
    study = planned(tmp_path, model="lif", substrate="fixed-point", settings=settings)
    report = run_study(study)
    assert [row.condition for row in report.rows] == 2 * ["software", "deployed", "in the loop"]
    page = tmp_path / "pages" / "page.md"
    write_page(page, report, "spikebench substrate toy")
    write_page(page, report.model_copy(update={"substrate": "analog"}), "another command")
    first = page.read_text()
    write_page(page, report, "spikebench substrate again")
    second = page.read_text()
    assert second == first.replace("spikebench substrate toy", "spikebench substrate again")
    assert second.count("<!-- begin toy lif") == 2
    assert f"({picture_of(page, report).name})" in second


def test_runs_that_cannot_be_trained_are_refused(tmp_path: Path) -> None:
    write_toy(tmp_path / "toy.h5")
    for model, settings, message in (
        ("lif", ("model.hidden_units=[8, 8]",), "has 2; set model.hidden_units"),
        ("svm", (), "CountSVM is no network of spiking layers; choose model lif or rlif"),
        ("adlif", (), "choose model lif or rlif"),
        ("rlif", ("analog.weight_bits=1",), "analog.weight_bits"),
        ("rlif", ("analog.weigth_bits=4",), "weigth_bits"),
        ("rlif", ("analog.gain_mismatch",), "must have the form table.key=value"),
        ("rlif", ("regulariser.upper_strength=1",), "set sparse.upper_strength"),
        ("rlif", ("fixed_point.state_bits=32", "fixed_point.decay_bits=20"), "at most 51"),
    ):
        with pytest.raises(TrainingError, match=message):
            plan_study(str(tmp_path / "toy.h5"), tmp_path / "out", model=model, settings=settings)
    assert not (tmp_path / "out").exists()


def test_settings_of_a_data_set() -> None:
    common, own = read_settings("rlif", "digits"), read_settings("rlif", "shd-r")
    assert (common.preset.input.group_units, own.preset.input.group_units) == (1, 5)
    assert common.preset.regulariser.upper_strength == 0
    changed = read_settings("rlif", "digits", ["sparse.upper_strength=7", "training.epochs=3"])
    assert changed.regularised().regulariser.upper_strength == 7
    assert changed.regularised().training.epochs == 3


def test_the_decision_is_the_last_change_of_the_class() -> None:
    traces = torch.zeros(2, 4, 3)
    traces[0, 1, 2] = 1.0  # class 2 from the second step on
    traces[0, 3, 1] = 0.5  # not above it
    traces[1, :, 0] = torch.tensor([0.1, 0.0, 0.9, 0.2])
    traces[1, 1, 1] = 0.5  # class 1 in the second step only
    classes, steps = decisions(traces, torch.zeros(3))
    assert classes.tolist() == [[0, 2, 2, 2], [0, 1, 0, 0]]
    assert steps.tolist() == [2, 3]
    classes, steps = decisions(torch.zeros(1, 4, 3), torch.tensor([0.0, 1.0, 0.0]))
    assert (classes.tolist(), steps.tolist()) == ([[1, 1, 1, 1]], [1])


def test_a_damaged_run_is_another_run(tmp_path: Path) -> None:
    write_toy(tmp_path / "toy.h5")
    job = planned(tmp_path).jobs[0]
    job.folder.mkdir(parents=True)
    (job.folder / RUN_FILE).write_text("{")
    with pytest.raises(TrainingError, match="contains another run"):
        planned(tmp_path)
