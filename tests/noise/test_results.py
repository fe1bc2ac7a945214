"""Results of a study of noise, from trained runs to a checked result."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.voices import convert_voices, write_voices

from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.declaration import declare
from spikebench.noise.report import NoiseReport
from spikebench.noise.results import write_results
from spikebench.noise.runner import run_study
from spikebench.noise.study import Study, plan_study
from spikebench.presets.preset import read_preset
from spikebench.protocol.opening import open_selection
from spikebench.protocol.studies import NoiseStudy
from spikebench.training.loop import fit, start_run

SVM = ["input.duration_ms=200"]
NOISE = ["white:0dB,white:20dB,babble:5dB,babble:15dB,pink:5dB,loss:20%"]


@pytest.fixture(scope="module")
def spikes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    return convert_voices(write_voices(folder / "voices"), folder / "spikes.h5")


def study(spikes: Path, output: Path, **options: object) -> Study:
    found: dict[str, object] = {"data": str(spikes), "models": ["svm"], "settings": SVM, "seeds": 2}
    voices = spikes.parent / "voices"
    return plan_study(voices, output, NOISE, **(found | options))  # type: ignore[arg-type]


def test_a_result_has_the_area_of_the_report(spikes: Path, tmp_path: Path) -> None:
    planned = study(spikes, tmp_path / "out", tested="test", noisy_training=True)
    report: NoiseReport = run_study(planned, workers=1)
    folders = write_results(planned, "spikebench noise")
    assert [folder.name for folder in folders] == ["svm-clean", "svm-noise"]
    for folder, trained_on in zip(folders, ("clean", "noise"), strict=True):
        result = verify_result(folder)
        areas = [report.area("svm", trained_on, "sound", kind) for kind in ("white", "babble")]
        mean = sum(one.area for one in areas if one is not None) / 2
        assert result.summary.test_mean == pytest.approx(mean, rel=1e-9)
        assert isinstance(result.study, NoiseStudy)
        assert result.study.trained == trained_on
        assert result.study.encoder == "mel_rate"
        assert [*result.study.curves] == ["white", "babble"]
        assert [record.test_opened for record in result.seeds] == [1, 1]
        said = declare(result).augmentation
        assert ("noise" in said) == (trained_on == "noise")
    assert write_results(planned, "spikebench noise") == folders


def test_validation_and_refitted_runs_make_no_result(spikes: Path, tmp_path: Path) -> None:
    planned = study(spikes, tmp_path / "out")
    run_study(planned, workers=1)
    assert write_results(planned, "spikebench noise") == []
    selection, run = open_selection(str(spikes)), tmp_path / "refit"
    preset = read_preset("svm", None, SVM)
    fit(run, start_run(run, "svm", preset, selection, 0, refit=True), selection)
    again = study(
        spikes, tmp_path / "again", models=[], settings=[], seeds=1, runs=[run], tested="test"
    )
    run_study(again, workers=1)
    assert write_results(again, "spikebench noise") == []
