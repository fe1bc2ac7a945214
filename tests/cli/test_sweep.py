"""``spikebench sweep`` from the command line: what it says, refuses and leaves, and how it ends."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.toy import write_toy
from safetensors.numpy import load_file

from cli.main import main
from cli.progress.sweep import sweep_progress
from spikebench.protocol.results import read_result
from spikebench.sweeps.runner import SweepProgress
from spikebench.training.run import read_run

NAMES = ["lif,learning_rate=0.01", "lif,learning_rate=0.005"]


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two networks of two seeds, in the current folder."""
    monkeypatch.chdir(tmp_path)
    write_toy(tmp_path / "toy.h5")
    return write_spec(tmp_path)


def write_spec(folder: Path, epochs: int = 2, rates: str = "[1e-2, 5e-3]", seeds: int = 2) -> Path:
    path = folder / "spec.toml"
    path.write_text(
        f"model = 'lif'\ndata = 'toy.h5'\nseeds = {seeds}\n"
        f"[settings]\ninput.duration_ms = 300\ntraining.epochs = {epochs}\n"
        "model.readout = 'max'\n"
        f"[grid]\n'training.learning_rate' = {rates}\n"
    )
    return path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


def test_a_table_and_the_command_that_tests_the_best(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "sweep", "spec.toml", "-o", "out", "--workers", 1)
    assert code == 0
    assert "sweep of 2 configurations, 4 runs, on toy: 60 samples, selected on 12" in err
    assert "the test split is not opened" in err
    assert "sweep: 4/4 runs, best validation" in err
    lines = out.splitlines()
    assert lines[0].startswith("2 configurations on toy: accuracy on 12 validation samples")
    assert sorted(line.split()[-1] for line in lines[2:4]) == sorted(NAMES)
    assert all("% ± " in line for line in lines[2:4])
    assert lines[4:6] == ["table: out/sweep.csv", "test split opened: 0 times"]
    best = lines[2].split()[-1]
    assert lines[6:] == [f"next: spikebench evaluate --checkpoint out/{best}"]
    code, _, _ = run(capsys, *lines[6].split()[2:], "-o", "result", "--quiet")
    assert code == 0
    result = read_result(tmp_path / "result")
    with (tmp_path / "out/sweep.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert result.summary.validation_mean == pytest.approx(float(row["validation_mean"]), rel=1e-5)
    assert [seed.test_opened for seed in result.seeds] == [1, 1]
    # Every run is one that train takes up, and the sweep is finished.
    assert run(capsys, "train", "--resume", f"out/{best}/seed1")[0] == 0
    code, out, err = run(capsys, "sweep", "spec.toml", "-o", "out")
    assert code == 0
    assert "resuming: 4 of 4 runs are trained, 0 are unfinished" in err
    assert "test split opened: 2 times" in out


def test_json_and_quiet(spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_spec(tmp_path, seeds=1)
    words = ["sweep", "spec.toml", "-o", "out", "--workers", 1, "--quiet"]
    code, out, err = run(capsys, *words, "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document == json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert document["best"] == document["configurations"][0]["name"]
    assert document["configurations"][0]["validation_std"] is None
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert "±" not in out


def test_a_dry_run_lists_the_runs_and_writes_nothing(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "sweep", "spec.toml", "-o", "out", "--dry-run")
    assert (code, err) == (0, "")
    folders = [tmp_path / "out" / name / f"seed{seed}" for seed in (0, 1) for name in NAMES]
    assert out.splitlines() == [
        *(f"new       {folder}" for folder in folders),
        "4 runs of 2 configurations, 0 trained",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spec.toml", "toy.h5"]
    code, out, _ = run(capsys, "sweep", "spec.toml", "-o", "out", "--dry-run", "--json")
    assert [row["folder"] for row in json.loads(out)] == [str(folder) for folder in folders]


def test_a_run_that_fails_is_told_at_the_end(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_spec(tmp_path, rates="[3e37, 1e-2]", seeds=1)
    words = ["sweep", "spec.toml", "-o", "out", "--workers", 1, "--quiet"]
    code, out, err = run(capsys, *words)
    assert code == 1
    assert err.startswith("spikebench: 1 of 2 runs failed, the first: the loss is no longer finite")
    assert len(err.splitlines()) == 1
    lines = out.splitlines()
    assert lines[3].split() == ["failed", "0/1", "–", "–", "–", "lif,learning_rate=3e+37"]
    bad = "out/lif,learning_rate=3e+37/seed0"
    assert lines[4].startswith(f"failed: {bad}: the loss is no longer finite")
    assert lines[-1] == f"next: spikebench evaluate --checkpoint out/{NAMES[0]}"
    assert run(capsys, *words, "--json")[0] == 1  # as often as it is asked


def test_without_a_folder_the_sweep_is_kept_under_runs(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec.write_text("model = 'svm'\ndata = 'toy.h5'\n")
    assert run(capsys, "sweep", "spec.toml", "--workers", 1, "--quiet")[0] == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("toy-sweep-")
    assert read_run(folder / "svm" / "seed0").status == "trained"


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("model = 'lfi'", [], "spec.toml: unknown model 'lfi'; known: .*"),
        ("model = 'lif'\nsetings = {}", [], "spec.toml: unknown key 'setings'; known: .*"),
        ("model = 'lif'\ndata = 'gone.h5'", [], "no such file: '.*gone.h5' .*"),
        ("model = 'lif'\npreset = 'gone.toml'", [], "configuration lif: .*gone.toml: no such file"),
        (
            "model = 'lif'\n[grid]\n'training.epochs' = [1, 0]",
            [],
            "configuration lif,epochs=0: .*training.epochs: .*",
        ),
        (
            "model = 'lstm'\n[settings]\n'model.hidden_units' = 99999999",
            [],
            "configuration lstm: .*",
        ),
        (
            "model = 'svm'\ndata = 'toy.h5'",
            ["--scheduler", "tcp://127.0.0.1:9"],
            "tcp://127.0.0.1:9: no Dask scheduler responds there: connection refused",
        ),
        (
            "model = 'svm'\ndata = 'toy.h5'",
            ["--scheduler", "nonsense"],
            "'nonsense': not the address of a scheduler; .*",
        ),
    ],
)
def test_mistakes_are_told_in_one_line_before_anything_is_written(
    spec: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    words: list[str],
    message: str,
) -> None:
    import re

    spec.write_text(text)
    code, out, err = run(capsys, "sweep", "spec.toml", "-o", "out", "--quiet", *words)
    assert (code, out) == (1, "")
    assert re.fullmatch(f"spikebench: {message}\n", err), err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spec.toml", "toy.h5"]


def test_a_folder_that_cannot_be_made_is_told(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "sweep", "spec.toml", "-o", "toy.h5/out", "--quiet")
    assert code == 1
    assert err.endswith("toy.h5/out: not a directory\n")
    assert len(err.splitlines()) == 1


# A sweep that gets Ctrl-C once a run has kept an epoch; from inside, so that it never comes too late.
INTERRUPTED = """
import os, signal, threading, time
from pathlib import Path
from cli.main import main

def interrupt():
    while not list(Path().glob("cut/*/*/checkpoint.safetensors")):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # which jobs in the background ignore
threading.Thread(target=interrupt, daemon=True).start()
main(["sweep", "spec.toml", "-o", "cut", "--workers", "2"])
"""


def test_ctrl_c_keeps_every_whole_epoch_and_says_how_to_go_on(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_spec(tmp_path, epochs=16, seeds=1)
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    err = done.stderr
    assert done.returncode == 130, err
    assert err.endswith(
        "\nstopped; finished epochs are kept. Resume with: "
        "spikebench sweep spec.toml -o cut --workers 2\n\nspikebench: interrupted\n"
    )
    assert "Traceback" not in err
    assert not list(tmp_path.glob("cut/.running-*"))
    for folder in ("cut", "whole"):
        words = ["sweep", "spec.toml", "-o", folder, "--workers", 1, "--quiet"]
        assert run(capsys, *words)[0] == 0
    for name in NAMES:
        cut, whole = (
            load_file(tmp_path / folder / name / "seed0" / "weights.safetensors")
            for folder in ("cut", "whole")
        )
        assert all((cut[key] == whole[key]).all() for key in whole)


def test_progress_in_a_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr("cli.progress.runs.time.monotonic", lambda: now[0])
    checks: list[float] = []
    with sweep_progress(False, lambda: checks.append(now[0])) as show:
        for now[0], state in (
            (5.0, SweepProgress(0, 0, 3, 0.5, None, None)),
            (10.0, SweepProgress(1, 1, 3, 1.0, None, 20.0)),
            (12.0, SweepProgress(2, 1, 3, 2.0, 0.75, 6.0)),
            (15.0, SweepProgress(3, 1, 3, 3.0, 0.875, 0.0)),
        ):
            show(state)
    assert checks == [5.0, 10.0, 12.0, 15.0]
    assert capsys.readouterr().err.splitlines() == [
        "sweep: 1/3 runs, 1 failed, 0:00:20 left",
        "sweep: 3/3 runs, 1 failed, best validation 87.5%",
    ]


def test_help_says_why_test_stays_closed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "sweep", "--help")
    assert code == 0
    words = " ".join(out.split())
    assert "The test split is not opened, because the best of many" in words
    assert "shared file system" in words
