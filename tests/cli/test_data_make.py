"""``spikebench data make`` as somebody types it: what it says, makes and exits with."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.commands import Started
from helpers.synthetic_clips import tone, write_clip

from cli.main import main
from spikebench.datasets.recipe import load_recipe
from spikebench.datasets.shd_r import names
from spikebench.spike_files.fingerprint import sample_digests
from spikebench.spike_files.reader import SpikeFile

Run = Callable[..., tuple[int, str, str]]
QUICK = ("--jobs", "1")


def digests(path: Path) -> list[bytes]:
    with SpikeFile(path) as file:
        return sample_digests(file)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Type a command in a folder with four digits of speakers 3 and 4; 20 channels."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("shd-r", "ssc-r"):
        recipe = load_recipe(name)
        small = replace(recipe, spec=replace(recipe.spec, n_units=20))
        monkeypatch.setattr(sys.modules[recipe.facts.__module__], "RECIPE", small)
    for i, name in enumerate(("03_trial-0_digit-0", "03_trial-0_digit-1", "04_trial-0_digit-0")):
        clip = tone(48_000, 0.06, 300.0 * (i + 1))
        write_clip(tmp_path / "audio" / f"lang-english_speaker-{name}.flac", clip, 48_000)

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["data", "make", *words])
        said = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, said.out, said.err

    return call


def test_it_says_what_it_made(run: Run) -> None:
    code, out, err = run("shd-r", "--audio", "audio", *QUICK)
    assert code == 0
    assert re.fullmatch(
        r"shd-r_train.h5: 2 samples, [\d,]+ spikes, 0.1 s of audio in .* s\n"
        r"shd-r_test.h5: 1 samples, [\d,]+ spikes, 0.1 s of audio in .* s\n"
        r"this is not shd-r as registered\n(?s:.*)",
        out,
    )
    assert err == (
        "NOT COMPLETE: found 2 of 8,156 train, 1 of 2,264 test recordings; "
        "the output is only a part of shd-r\n"
    )
    code, out, err = run("shd-r", "--audio", "audio", *QUICK, "--json", "--quiet")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report["dataset"] == "shd-r"
    assert [(one["file"], one["resumed"]) for one in report["files"]] == [
        ("shd-r_train.h5", 2),
        ("shd-r_test.h5", 1),
    ]


def test_one_file_goes_into_a_new_folder(run: Run) -> None:
    words = ("shd-r", "--audio", "audio", "-o", "a/b", "--one-file", *QUICK, "--quiet")
    assert run(*words, "--time-dtype", "float32", "--seed", "4", "--native-rate") == (0, "", "")
    with SpikeFile("a/b/shd-r.h5") as file:
        assert file.splits == ("train", "train", "test")
        made = file.provenance
    assert (made["seed"], made["time_dtype"], made["n_units"]) == (4, "float32", 20)
    assert "resampled_rate_hz" not in made


def test_the_files_of_all_splits_are_joined_into_the_one_file(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("shd-r", "--audio", "audio", "-o", "one", "--one-file", *QUICK, "--quiet")
    run("shd-r", "--audio", "audio", "-o", "parts", *QUICK, "--quiet")
    with pytest.raises(SystemExit) as ended:
        main(["data", "join", "parts/shd-r_test.h5", "parts/shd-r_train.h5", "-o", "joined.h5"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "joined.h5: 3 samples\n"
    assert digests(Path("joined.h5")) == digests(Path("one/shd-r.h5"))
    with pytest.raises(SystemExit) as ended:
        main(["data", "join", "joined.h5", "-o", "again.h5"])
    assert ended.value.code == 2
    assert "at least two" in capsys.readouterr().err


def test_get_joins_whole_files_and_nothing_else(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPIKEBENCH_DATA", "store")
    store, joined = Path("store/shd-r"), Path("store/shd-r/shd-r.h5")
    module = sys.modules[load_recipe("shd-r").facts.__module__]
    small = load_recipe("shd-r")
    whole = replace(small, spec=replace(small.spec, sizes={"train": 2, "test": 1}))

    def get() -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            main(["data", "get", "shd-r", "--audio", "audio"])
        return ended.value.code, capsys.readouterr().err

    run("shd-r", "--audio", "audio", "-o", str(store), *QUICK, "--quiet")
    code, err = get()  # a part of the data set
    assert (code, joined.exists()) == (1, False)
    assert "holds 3 recordings" in err
    monkeypatch.setattr(module, "RECIPE", whole)
    again = ("--overwrite", *QUICK, "--quiet")
    run("shd-r", "--audio", "audio", "-o", str(store), "--seed", "5", *again)
    code, err = get()
    assert (code, joined.exists()) == (1, False)
    run("shd-r", "--audio", "audio", "-o", str(store), *again)
    code, err = get()
    assert (code, joined.exists()) == (0, True)
    assert "joining shd-r_train.h5, shd-r_test.h5" in err
    with SpikeFile(joined) as file:
        assert file.splits == ("train", "train", "test")


def test_a_broken_recording_is_exit_code_3(run: Run) -> None:
    broken = Path("audio/lang-english_speaker-03_trial-0_digit-2.flac")
    broken.touch()
    code, _, err = run("shd-r", "--audio", "audio", *QUICK, "--quiet")
    assert code == 3
    assert err == f"skipped {broken.name}: empty file\nspikebench: 1 left out, 3 converted\n"


def test_none_usable_is_exit_code_4(run: Run) -> None:
    Path("audio/lang-english_speaker-04_trial-0_digit-0.flac").write_bytes(b"")
    code, _, err = run("shd-r", "--audio", "audio", *QUICK, "--quiet")
    assert code == 4
    assert "speaker-04_trial-0_digit-0.flac: empty file" in err
    assert not Path("shd-r_test.h5").exists()


def test_the_published_split(run: Run) -> None:
    swapped = "lang-english_speaker-03_trial-0_digit-1"
    test = [name for name in names() if "speaker-04" in name or "speaker-05" in name]
    others = [name for name in names((0, 1)) if name != swapped][:423]
    Path("test_filenames.txt").write_text("\n".join([*test, *others, swapped]))
    words = ("shd-r", "--audio", "audio", "--published-test", "test_filenames.txt", *QUICK)
    assert run(*words)[0] == 0
    with SpikeFile("shd-r_test.h5") as file:
        assert [Path(source).stem for source in file.sources or ()] == [
            "lang-english_speaker-04_trial-0_digit-0",
            swapped,
        ]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("shd-r",), 2, "--audio FOLDER is missing; Heidelberg Digits: hd_audio.tar.gz"),
        ((), 2, "Missing argument 'shd-r|ssc-r'"),
        (("shd", "--audio", "audio"), 1, "known: shd-r, ssc-r. Did you mean 'shd-r'?"),
        (("shd-r", "--audio", "gone"), 1, "gone: is not a folder; the recordings: Heidelberg"),
        (
            ("ssc-r", "--audio", "audio"),
            1,
            "contains no recording of ssc-r; the recordings: Google",
        ),
        (("shd-r", "--audio", "audio", "-o", "file"), 1, "file: is a file, not a folder"),
        (("shd-r", "--audio", "audio", "--published-test", "x"), 1, "x: no such file or directory"),
        (("shd-r", "--audio", "audio", "--published-test", "file"), 1, "file: line 1: 'a' is no"),
        (("shd-r", "--audio", "audio", "--time-dtype", "float64"), 2, "float64"),
    ],
)
def test_refusals_are_one_clear_line(
    run: Run, tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    Path("file").write_text("a")
    got, out, err = run(*words)
    assert (got, out) == (code, "")
    assert told in err.splitlines()[-1]
    assert "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == {"audio", "file"}


def test_an_interrupt_says_where_the_work_is(tmp_path: Path) -> None:
    for i in range(40):
        name = f"lang-english_speaker-03_trial-{i % 30}_digit-{i // 30}.wav"
        write_clip(tmp_path / "audio" / name, tone(48_000, 0.2, 200.0 + i), 48_000)
    made = Started(tmp_path, "data", "make", "shd-r", "--audio", "audio", *QUICK)
    log = tmp_path / "shd-r_train.h5.partial-wal"
    deadline = time.monotonic() + 60
    while not (log.exists() and log.stat().st_size > 40_000):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    made.send_signal(signal.SIGINT)
    code, _, err = made.ends()
    assert code == 130
    assert (
        "shd-r_train.h5.partial: finished work is kept; run the same command again to resume" in err
    )
    assert "Traceback" not in err
    with contextlib.closing(sqlite3.connect(tmp_path / "shd-r_train.h5.partial")) as journal:
        (done,) = journal.execute("SELECT count(*) FROM clips").fetchone()
    assert 0 < done < 40


def test_help_tells_where_the_recordings_are(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for word in ("hd_audio.tar.gz", "speech_commands_v0.02.tar.gz", "--published-test", "complete"):
        assert word in out
