"""train and evaluate from the command line: what they write, say, refuse, and how they end."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from helpers.commands import QUICK, interrupted, run
from helpers.toy import write_toy

from leaderboard.checks.recomputation import verify_result
from spikebench.protocol.opening import open_selection
from spikebench.protocol.results import read_result
from spikebench.store.locate import resolve
from spikebench.training.run import locked, read_run


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_toy(tmp_path / "toy.h5")


def test_evaluate_writes_a_result_that_passes_submission(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "--model", "lif", "--data", toy, "--seeds", 2, "-o", "out", *QUICK]
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert "lif on toy, 2 seeds" in out
    assert "test split opened    once per seed" in out
    result = verify_result(tmp_path / "out")
    assert [seed.seed for seed in result.seeds] == [0, 1]
    assert result.command.startswith("spikebench evaluate --model lif --data")
    code, _, err = run(capsys, *words)
    assert code == 1
    assert "out: contains a result already" in err


def test_train_then_evaluate_the_checkpoint(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "train", "--model", "svm", "--data", toy, "-o", "run", *QUICK)
    assert code == 0
    assert "test split opened: 0 times" in out
    code, out, _ = run(capsys, "evaluate", "--checkpoint", "run", "-o", "result", "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "result" / "result.json").read_text())
    assert read_run(tmp_path / "run").test_opened == 1
    run(capsys, "evaluate", "--checkpoint", "run", "-o", "again")
    first, again = (read_result(tmp_path / name).seeds[0] for name in ("result", "again"))
    assert first == again  # the predictions were kept
    assert again.test_opened == 1


def test_an_oracle_is_called_so_and_cannot_be_submitted(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "--model", "lif", "--data", toy, "-o", "out", "--oracle", *QUICK]
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert "ORACLE: the epoch was chosen on the test split" in out
    assert "oracle accuracy" in out
    assert "cannot be submitted" in out
    assert "spikebench submit" not in out
    assert "--oracle" in read_result(tmp_path / "out").command
    code, _, err = run(capsys, "submit", "out", "--entries", "entries")
    assert code == 1
    assert "selected on the test split (an oracle)" in err
    assert not (tmp_path / "entries").exists()
    # A run of it stays one, also when it is tested again.
    code, out, _ = run(capsys, "evaluate", "--checkpoint", "out/seed0", "-o", "again")
    assert code == 0
    assert "ORACLE" in out
    assert read_result(tmp_path / "again").seeds[0].test_opened == 2


def test_an_oracle_without_a_folder_has_its_name_in_it(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "evaluate", "--model", "svm", "--data", toy, "--oracle", "--quiet")
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("toy-svm-oracle-")


def test_folds_train_once_per_speaker_and_leave_test_closed(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--model", "svm", "--data", toy, "-o", "folds", "--fold", "all", *QUICK]
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert "svm on toy, seed 0: leave one speaker out" in out
    assert "between 6 speakers" in out
    assert "test split opened: 0 times" in out
    runs = sorted((tmp_path / "folds").iterdir())
    records = [read_run(path) for path in runs]
    assert len({record.fold for record in records}) == 6
    for record in records:
        assert record.dataset.split.validation_speakers == [record.fold]
    code, out, _ = run(capsys, *words, "--json")  # finished folds are kept
    assert code == 0
    document = json.loads(out)
    accuracies = [fold["validation_accuracy"] for fold in document["folds"]]
    assert document["validation_mean"] == pytest.approx(sum(accuracies) / 6, rel=1e-12)


def test_one_fold_is_taken_up_and_tested_as_it_was_started(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speaker = open_selection(str(toy)).train.speakers[0]
    words = ["train", "--model", "svm", "--data", toy, "-o", "run", "--fold", speaker, *QUICK]
    assert run(capsys, *words)[0] == 0
    assert run(capsys, "train", "--resume", "run")[0] == 0
    code, out, _ = run(capsys, "evaluate", "--checkpoint", "run", "-o", "result")
    assert code == 0
    assert "a fold is for comparing settings and cannot be submitted" in out
    split = read_result(tmp_path / "result").dataset.split
    assert split.validation_speakers == [speaker]
    assert "leave one out" in split.rule
    code, _, err = run(capsys, "submit", "result", "--entries", "entries")
    assert code == 1
    assert "selected on a single speaker (train --fold)" in err


@pytest.mark.parametrize(
    ("fold", "code", "message"),
    [("4x", 2, "number of a speaker, or all"), ("99", 1, "no speaker 99 to leave out")],
)
def test_a_wrong_fold_is_told(
    toy: Path, capsys: pytest.CaptureFixture[str], fold: str, code: int, message: str
) -> None:
    found, _, err = run(capsys, "train", "--model", "svm", "--data", toy, "--fold", fold)
    assert found == code
    assert message in err


def test_folds_of_unknown_speakers_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_toy(tmp_path / "toy.h5", known_speakers=False)
    code, _, err = run(capsys, "train", "--model", "svm", "--data", path, "--fold", "all")
    assert code == 1
    assert "has 0 known speakers; at least two are needed to leave one out" in err


def test_without_a_folder_runs_are_kept_under_runs(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, _ = run(capsys, "evaluate", "--model", "svm", "--data", toy, "--quiet")
    assert code == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("toy-svm-")


def test_says_that_it_trains_and_what_selects(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "--model", "lif", "--data", toy, "-o", "out", *QUICK[:-1]]
    _, _, err = run(capsys, *words)
    assert "no checkpoint: training lif with the preset lif and changes" in err
    assert "the test split is not opened" in err
    assert "epoch 3/3" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["evaluate"], 2, "give --model to train a model, or --checkpoint"),
        (["evaluate", "--model", "lfi"], 1, "Did you mean 'lif'"),
        (["evaluate", "--model", "lif", "--data", "digit"], 1, "Did you mean 'digits'"),
        (["evaluate", "--model", "lif", "--data", "no/file.h5"], 1, "no such file"),
        (["evaluate", "--model", "lif", "--seed", "1", "--seeds", "2"], 2, "exclude each other"),
        (["evaluate", "--model", "lif", "--set", "training.epoch=1"], 1, "training.epoch"),
        (["evaluate", "--checkpoint", "nowhere"], 1, "nowhere: not a run"),
        (["evaluate", "--checkpoint", "x", "--seed", "1"], 2, "--checkpoint uses the data"),
        (["train"], 2, "give --model to start a run, or --resume"),
        (["train", "--resume", "nowhere"], 1, "nowhere: not a run"),
        (["evalaute"], 2, "evaluate"),
    ],
)
def test_mistakes_are_told_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended, out, err = run(capsys, *words)
    assert (ended, out) == (code, "")
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_cuda_that_is_not_there_is_refused_before_training(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("a CUDA device is here")
    code, _, err = run(
        capsys, "evaluate", "--model", "lif", "--data", toy, "--device", "cuda", "-o", "out"
    )
    assert code == 1
    assert "finds no CUDA device" in err
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_made_is_told(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--model", "svm", "--data", toy, "-o", "toy.h5/run", "--quiet"]
    code, _, err = run(capsys, *words)
    assert code == 1
    assert err == "spikebench: toy.h5/run: not a directory\n"


def test_a_hostile_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    code, _, err = run(capsys, "evaluate", "--model", "lif", "--data", path)
    assert code == 1
    assert "bad.h5" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "how", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_an_interrupted_run_is_resumed_to_the_same_weights(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: signal.Signals
) -> None:
    from safetensors.numpy import load_file

    long = ["--set", "input.duration_ms=300", "--set", "training.epochs=15", "--quiet"]
    base = ["train", "--model", "lif", "--data", str(toy), *long]
    code, err = interrupted([*base, "-o", "cut"], tmp_path / "cut", how)
    assert code == (130 if how == signal.SIGINT else -signal.SIGKILL), err
    if how == signal.SIGINT:
        assert "Resume with: spikebench train --resume cut" in err
    assert read_run(tmp_path / "cut").status == "training"
    assert run(capsys, "train", "--resume", "cut", "--quiet")[0] == 0
    assert run(capsys, *base, "-o", "whole")[0] == 0
    cut, whole = (load_file(tmp_path / f / "weights.safetensors") for f in ("cut", "whole"))
    assert all((cut[name] == whole[name]).all() for name in whole)


def test_a_checkpoint_is_not_tested_on_data_that_were_replaced(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "train", "--model", "svm", "--data", toy, "-o", "run", "--quiet")
    toy.unlink()
    write_toy(toy, takes=5)
    code, _, err = run(capsys, "evaluate", "--checkpoint", "run", "-o", "result")
    assert code == 1
    assert "toy.h5: not the data on which run was trained" in err
    code, _, err = run(capsys, "train", "--resume", "run")
    assert code == 1
    assert "not the data with which run was started" in err
    assert read_run(tmp_path / "run").test_opened == 0
    toy.unlink()
    code, _, err = run(capsys, "evaluate", "--checkpoint", "run", "-o", "result")
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("spikebench: run: cannot be tested without its data: no such file: ")


def test_a_checkpoint_brings_its_own_data(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "evaluate", "--checkpoint", "run", "--data", toy)
    assert code == 2
    assert "--checkpoint uses the data, preset" in err


@pytest.mark.parametrize(
    ("model", "setting"),
    [
        ("lif", "training.epochs=0"),
        ("lif", "model.hidden_units=[0]"),
        ("lif", "model.tau_mem_ms=1e300"),
        ("lif", "input.duration_ms=1e300"),
        ("lif", "input.time_step_ms=1e-9"),
        ("cnn", "model.filters=[-3,1,1]"),
        ("lstm", "model.hidden_units=99999999"),
        ("svm", "model.C=[-1.0]"),
    ],
)
def test_settings_out_of_range_are_one_line(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, setting: str
) -> None:
    code, _, err = run(
        capsys, "train", "--model", model, "--data", toy, "--set", setting, "-o", "run"
    )
    assert code == 1
    assert err.startswith("spikebench: ")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_run_is_worked_on_by_one_process(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "train", "--model", "svm", "--data", toy, "-o", "run", "--quiet")
    with locked(tmp_path / "run"):
        code, _, err = run(capsys, "evaluate", "--checkpoint", "run", "-o", "result")
    assert code == 1
    assert "another process is using this run" in err
    assert read_run(tmp_path / "run").test_opened == 0


def test_a_copy_of_a_registered_file_is_that_data_set(tmp_path: Path) -> None:
    path, _ = resolve("digits")
    (tmp_path / "other.h5").write_bytes(path.read_bytes())
    copy, registered = (open_selection(data).dataset for data in (f"{tmp_path}/other.h5", "digits"))
    assert copy == registered
    assert copy.synthetic
