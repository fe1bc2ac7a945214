"""``spikebench noise`` from the command line: what it says, refuses and leaves, and how it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from helpers.commands import run
from helpers.voices import convert_voices, write_voices

from cli.progress.noise import noise_progress
from spikebench.training.run import read_run

SVM = ["noise", "--model", "svm", "--set", "input.duration_ms=200", "--workers", "1"]
DATA = ["--data", "spikes.h5", "--audio", "voices"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    convert_voices(write_voices(tmp_path / "voices"), tmp_path / "spikes.h5")
    return tmp_path


def test_tables_a_picture_and_the_same_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        *SVM,
        *DATA,
        "--seeds",
        "2",
        "--conditions",
        "white:0dB,white:20dB,loss:20%",
        "-o",
        "out",
    ]
    code, out, err = run(capsys, *words)
    assert code == 0
    assert (
        "noise for 1 model under 4 conditions on spikes: 2 runs, 0 of them trained, 18 conversions, tested on 6 "
        "validation samples; the test split is not opened" in err
    )
    assert "noise: 18/18 recordings converted" in err
    lines = out.splitlines()
    assert lines[0] == "spikes, encoder mel_rate"
    assert "area under the curve over the ratio of signal to noise, in %" in lines
    rows = [line.split()[0] for line in lines if len(line.split()) > 2]
    assert {"clean", "white:0dB", "white:20dB", "loss:20%", "white"} <= {*rows}
    assert lines[-3:] == [
        *("table: out/noise.csv", "picture: out/noise.png", "test split opened: 0 times"),
    ]
    assert (folder / "out" / "noise.png").stat().st_size > 10_000
    code, out, err = run(capsys, *words, "--json", "--quiet")
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads((folder / "out" / "noise.json").read_text())
    # The trained machines are given, with the recordings of another folder as noise; the test split is opened.
    code, out, err = run(
        *(
            capsys,
            "noise",
            "out/svm/clean",
            "--audio",
            "voices",
            "-o",
            "again",
            "--noise",
            "voices",
        ),
        *("--conditions", "recorded:5dB", "--test", "--quiet", "--workers", 1),
    )
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "test split opened: 2 times"
    assert [path.name for path in sorted((folder / "again").glob("noise*"))] == [
        *("noise-test.csv", "noise-test.json", "noise-test.png"),
    ]
    assert read_run(folder / "out" / "svm" / "clean" / "seed1").test_opened == 1


def test_a_dry_run_lists_the_runs_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*SVM, *DATA, "--conditions", "white", "--train-noise", "-o", "out", "--dry-run"]
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"new       {folder}/out/svm/clean/seed0",
        f"new       {folder}/out/svm/noise/seed0",
        "2 runs, 0 trained",
    ]
    assert not (folder / "out").exists()


def test_a_folder_is_converted_by_an_encoder_first(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Folders of speakers and of words, which convert recognises without options.
    for path in (folder / "voices").iterdir():
        speaker, word, take = path.stem.split("_")
        name = folder / "words" / word / f"{speaker}_nohash_{take}.wav"
        name.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, name)
    words = [*SVM, "--encoder", "mel_latency", "--audio", "words", "-o", "out"]
    code, _, err = run(capsys, *words, "--dry-run")
    assert (code, "--dry-run converts nothing" in err) == (2, True)
    assert not (folder / "out").exists()
    code, out, _ = run(capsys, *words, "--conditions", "white:10dB", "--quiet")
    assert code == 0
    assert "encoder mel_latency" in out
    assert (folder / "out" / "mel_latency.h5").is_file()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "svm", "--data", "spikes.h5"], "with --audio FOLDER"),
        (["--audio", "voices"], "give RUN, or --model"),
        (["run", "--audio", "voices", "--seeds", "2"], "are for --model"),
        (["--model", "svm", "--audio", "voices"], "--model needs data"),
        (["--model", "svm", *DATA, "--encoder", "mel_rate"], "makes the data itself"),
        (["--model", "svm", *DATA, "--encoder", "mel_rat"], "mel_rat"),
        (["--page", "page.md"], "needs the folders"),
        (["--model", "svm", *DATA, "--noise-seed", "-1"], "-1"),
    ],
)
def test_wrong_options_are_refused(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "noise", *words)
    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--conditions", "wite:5dB"], "white"),
        (["--conditions", "white:5"], "for example white:30dB"),
        (["--conditions", "recorded:5dB"], "--noise FOLDER"),
        (["--conditions", "recorded", "--noise", "nothing"], "nothing"),
        (["--scheduler", "nowhere"], "not the address of a scheduler"),
    ],
)
def test_wrong_values_are_one_line(
    words: list[str], told: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *SVM, *DATA, "--quiet", "-o", "out", *words)
    assert (code, out) == (1, "")
    assert told in err
    assert len(err.strip().splitlines()) == 1
    assert not (folder / "out" / "noise.json").exists()


def test_failed_runs_are_named_and_the_exit_code_is_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*SVM, *DATA, "--conditions", "white:0dB", "-o", "out", "--quiet"]
    assert run(capsys, *words)[0] == 0
    (folder / "out" / "svm" / "clean" / "seed0" / "weights.safetensors").write_bytes(b"x")
    code, out, err = run(capsys, *words)
    assert code == 1
    assert "failed: out/svm/clean/seed0: " in out
    assert "1 of 1 runs failed, the first: " in err


def test_progress_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    checks: list[int] = []
    with noise_progress(False, lambda: checks.append(1)) as (converted, _):
        converted(0, 7)
        converted(7, 7)
    assert capsys.readouterr().err == "noise: 7/7 recordings converted\n"
    assert len(checks) == 2
