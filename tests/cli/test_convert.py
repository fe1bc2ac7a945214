import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.commands import Started
from helpers.synthetic_clips import tone, write_clip

from cli.main import main
from spikebench.naming.notices import NO_SPEAKERS
from spikebench.spike_files.reader import SpikeFile

QUICK = ["--channels", "20", "--jobs", "1"]


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "audio"
    for i, name in enumerate(("no/anna.wav", "yes/anna.wav", "yes/bob.wav")):
        write_clip(folder / name, tone(frequency=400.0 * (i + 1)))
    return folder


@pytest.fixture
def file(recordings: Path, tmp_path: Path) -> Path:
    path = tmp_path / "spikes.h5"
    assert run("convert", recordings, path, *QUICK, "--speakers", "{speaker}", "--quiet") == 0
    return path


def test_convert_says_what_it_did(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("convert", recordings, tmp_path / "a.h5", *QUICK) == 0
    said = capsys.readouterr()
    assert "a.h5: 3 samples, " in said.out
    # On a slow machine a line of progress, "1 of 3 recordings", stands between them.
    assert [line for line in said.err.splitlines() if " of 3 recordings" not in line] == [
        "labels: 2 classes from sub-folders: no, yes",
        NO_SPEAKERS,
        "resampled to 48000 Hz: 3 recordings",
    ]


def test_convert_prints_json(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (recordings / "no" / "x.wav").touch()
    assert run("convert", recordings, tmp_path / "a.h5", *QUICK, "--json", "--quiet") == 3
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert report["file"] == str(tmp_path / "a.h5")
    assert (report["samples"], report["classes"]) == (3, ["no", "yes"])
    assert report["skipped"] == [{"file": "no/x.wav", "reason": "empty file"}]
    with SpikeFile(report["file"]) as spikes:
        assert int(spikes.spike_counts.sum()) == report["spikes"]
    assert said.err.splitlines() == [
        "skipped no/x.wav: empty file",
        "spikebench: 1 left out, 3 converted",
    ]


def test_nothing_usable_is_exit_code_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "audio" / "a.wav", np.zeros((800, 1)))
    assert run("convert", tmp_path / "audio", tmp_path / "a.h5", *QUICK, "--quiet") == 4
    assert "no usable recording among 1" in capsys.readouterr().err
    assert not (tmp_path / "a.h5").exists()


def test_an_existing_output_needs_overwrite(
    recordings: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = file.read_bytes()
    assert run("convert", recordings, file, *QUICK, "--seed", 5) == 1
    assert capsys.readouterr().err == (
        f"spikebench: {file}: exists already (--overwrite replaces it)\n"
    )
    assert file.read_bytes() == before
    assert run("convert", recordings, file, *QUICK, "--seed", 5, "--overwrite", "--quiet") == 0
    assert file.read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gone", "a.h5"], 1, "gone: no such file or directory"),
        (["audio", "no/a.h5"], 1, "there is no folder no; make it first"),
        (["audio", "."], 1, ".: is a folder; give a file in it"),
        (["empty", "a.h5"], 1, "empty: no audio in it or below it"),
        (["audio", "a.h5", "--preset", "sdh"], 1, "Did you mean 'shd'?"),
        (["audio", "a.h5", "--labels", "folder"], 1, "Did you mean 'folders'?"),
        (["audio", "a.h5", "--channels", "0"], 2, "0 is not in the range 1<=x<=65536"),
        (["audio", "a.h5", "--seed", "-1"], 2, "-1 is not in the range"),
        (["audio", "a.h5", "--max-duration", "nan"], 1, "the longest duration must be positive"),
        (["audio"], 2, "Missing argument 'OUT.h5'"),
    ],
)
def test_refusals_are_one_clear_line(
    recordings: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(recordings.parent)
    (recordings.parent / "empty").mkdir()
    assert run("convert", *arguments) == code
    said = capsys.readouterr()
    assert message in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert not list(recordings.parent.glob("*.h5"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty recordings in ``audio``, and the file they give, ``whole.h5``."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    for i in range(40):
        write_clip(folder / "audio" / f"{i}.wav", tone(seconds=0.4, frequency=200.0 + i))
    options = ("--channels", 70, "--jobs", 1, "--quiet")
    assert run("convert", folder / "audio", folder / "whole.h5", *options) == 0
    return folder


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", "convert", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def n_done(journal: Path) -> int:
    """Count the recordings in a journal that nobody has open."""
    with contextlib.closing(sqlite3.connect(journal)) as database:
        return int(database.execute("SELECT count(*) FROM clips").fetchone()[0])


@pytest.mark.parametrize(
    ("number", "jobs", "code"),
    [
        (signal.SIGINT, 2, 130),
        pytest.param(signal.SIGTERM, 1, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, 2, -9, marks=pytest.mark.slow),
    ],
)
def test_a_kill_leaves_the_work_so_far_and_no_worker(
    uninterrupted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    jobs: int,
    code: int,
) -> None:
    os.symlink(uninterrupted / "audio", tmp_path / "audio")
    words = ["audio", "a.h5", "--channels", "70", "--jobs", str(jobs)]
    process = start(tmp_path, *words)
    log = tmp_path / "a.h5.partial-wal"
    _wait_until(lambda: log.exists() and log.stat().st_size > 100_000)  # some recordings
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == code
    assert out == ""
    assert "Traceback" not in err
    _wait_until(lambda: not _group_lives(process.pid))
    left = {path.name for path in tmp_path.iterdir()} - {"audio"}
    assert left <= {"a.h5.partial", "a.h5.partial-wal"}
    if number != signal.SIGKILL:
        assert "a.h5.partial: finished work is kept; run the same command again to resume" in err
    done = n_done(tmp_path / "a.h5.partial")
    assert 0 < done < 40
    monkeypatch.chdir(tmp_path)
    assert run("convert", *words) == 0
    assert f"resuming: {done} of 40 recordings are done" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"audio", "a.h5"}
    assert (tmp_path / "a.h5").read_bytes() == (uninterrupted / "whole.h5").read_bytes()


def test_a_second_conversion_of_the_same_file_waits_its_turn(
    uninterrupted: Path, tmp_path: Path
) -> None:
    os.symlink(uninterrupted / "audio", tmp_path / "audio")
    words = ["convert", "audio", "a.h5", "--channels", "70", "--jobs", "1", "--quiet"]
    first = Started(tmp_path, *words)
    log = tmp_path / "a.h5.partial-wal"
    _wait_until(lambda: log.exists() and log.stat().st_size > 50_000)
    first.send_signal(signal.SIGSTOP)  # else it may be done before the second has started
    code, _, err = Started(tmp_path, *words).ends()
    first.send_signal(signal.SIGCONT)
    assert code == 1
    assert err == "spikebench: a.h5.partial: another conversion is writing it\n"
    assert first.ends()[0] == 0


def test_resuming_counts_and_says_so(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(recordings / "yes" / "cut.wav").write_bytes(b"RIFF")
    words = ["convert", recordings, tmp_path / "a.h5", *QUICK]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spikebench.conversion.runner.write_samples", _interrupt)
        assert run(*words) == 130
    capsys.readouterr()
    assert run(*words, "--json") == 3
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (report["resumed"], report["samples"]) == (4, 3)
    assert [one["file"] for one in report["skipped"]] == ["yes/cut.wav"]
    assert "resuming: 4 of 4 recordings are done" in said.err


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_changed_options_are_refused_until_told_to_restart(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["convert", recordings, tmp_path / "a.h5", *QUICK]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spikebench.conversion.runner.write_samples", _interrupt)
        assert run(*words) == 130
    capsys.readouterr()
    for change, told in (
        (["--seed", "7"], "seed was 0, is 7"),
        (["--preset", "lauscher"], 'preset was "shd", is "lauscher"'),
        (["--channels", "21"], "channels was 20, is 21"),
        (["--labels", "none"], "labels_from was"),
    ):
        assert run(*words, *change) == 1
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith(f"spikebench: {tmp_path / 'a.h5.partial'}: an unfinished conversion")
        assert told in said
        assert "--restart" in said
    write_clip(recordings / "no" / "new.wav")
    assert run(*words) == 1
    assert "clips was" in capsys.readouterr().err
    assert run(*words, "--seed", "7", "--restart", "--quiet") == 0
    with SpikeFile(tmp_path / "a.h5") as spikes:
        assert (spikes.n_samples, spikes.provenance["seed"]) == (4, 7)


def test_segments_are_labelled_and_numbered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "audio"
    long = np.concatenate([tone(seconds=0.3), np.zeros((6400, 1)), tone(seconds=0.35)])
    write_clip(folder / "no" / "long.wav", long)
    write_clip(folder / "yes" / "short.wav", tone(seconds=0.05))
    assert run("convert", folder, tmp_path / "a.h5", *QUICK, "--segment", "0.2") == 3
    assert "skipped no/long.wav#3: silent" in capsys.readouterr().err
    with SpikeFile(tmp_path / "a.h5") as spikes:
        assert spikes.sources == ("no/long.wav",) * 4 + ("yes/short.wav",)
        assert spikes.segments is not None
        assert spikes.segments.tolist() == [1, 2, 4, 5, 1]
        assert spikes.starts_s.tolist() == [0.0, 0.2, 0.6, 0.8, 0.0]
        assert spikes.labels.tolist() == [0, 0, 0, 0, 1]
        assert spikes.provenance["segment_s"] == 0.2
        assert spikes.durations_s is not None
        assert spikes.durations_s.tolist() == [0.2, 0.2, 0.2, 0.2, 0.05]
    assert run("validate", tmp_path / "a.h5") == 0
    picture = tmp_path / "a.png"
    words = ["--index", "1", "--audio", folder, "--stages", "-o", picture]
    assert run("plot", tmp_path / "a.h5", *words) == 0
    assert picture.exists()


def test_time_may_start_at_the_first_spike(recordings: Path, tmp_path: Path) -> None:
    assert run("convert", recordings, tmp_path / "a.h5", *QUICK, "--quiet") == 0
    words = [*QUICK, "--quiet", "--time-origin", "first-spike"]
    assert run("convert", recordings, tmp_path / "b.h5", *words) == 0
    with SpikeFile(tmp_path / "a.h5") as clip, SpikeFile(tmp_path / "b.h5") as first:
        assert clip.provenance["time_origin"] == "clip start"
        assert first.provenance["time_origin"] == "first spike"
        for i in range(3):
            whole, shifted = clip.events(i), first.events(i)
            assert shifted[0][0] == 0.0
            np.testing.assert_allclose(shifted[0], whole[0] - whole[0][0], rtol=0, atol=1e-7)
            assert np.array_equal(shifted[1], whole[1])


def _wait_until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited a minute in vain"
        time.sleep(0.02)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_info_describes_classes_and_speakers(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("info", file, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["samples"], report["units"], report["classes"]) == (3, 20, 2)
    assert report["provenance"]["preset"] == "shd"
    with SpikeFile(file) as spikes:
        counts = spikes.spike_counts.tolist()
    yes = report["per_class"][1]
    assert (yes["class"], yes["samples"]) == ("yes", 2)
    assert yes["spikes_mean"] == yes["spikes_median"] == (counts[1] + counts[2]) / 2
    anna = report["per_speaker"][0]
    assert (anna["name"], anna["spikes_mean"]) == ("anna", (counts[0] + counts[1]) / 2)
    assert 0 < yes["last_spike_s_mean"] < 0.11

    assert run("info", file) == 0
    said = capsys.readouterr().out
    for text in ("per class", "per speaker", "anna", "resampled_rate_hz", "clip start"):
        assert text in said


def test_plot_draws_the_sound_that_was_converted(
    recordings: Path, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "a.png"
    assert run("plot", file, "--index", 2, "-o", picture, "--stages") == 0
    assert capsys.readouterr().err == ""
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert run("plot", file, "--index", 2, "-o", picture) == 1
    assert "exists already" in capsys.readouterr().err

    write_clip(recordings / "yes" / "bob.wav", tone(frequency=50.0))
    before = picture.stat().st_size
    assert run("plot", file, "--index", 2, "-o", picture, "--overwrite") == 0
    assert "is not the recording that was converted" in capsys.readouterr().err
    assert picture.stat().st_size < before
    assert run("plot", file, "--index", 2, "-o", tmp_path / "b.svg", "--stages") == 1
    assert "is not the recording that was converted" in capsys.readouterr().err
    assert not (tmp_path / "b.svg").exists()


def test_plot_draws_a_sample_without_spikes_or_sound(tmp_path: Path) -> None:
    from spikebench.spike_files.writer import SpikeWriter

    with SpikeWriter(tmp_path / "a.h5", 700, [], {}) as writer:
        writer.append([], [])
    for suffix in ("png", "pdf", "svg"):
        assert run("plot", tmp_path / "a.h5", "--index", 0, "-o", tmp_path / f"a.{suffix}") == 0
        assert (tmp_path / f"a.{suffix}").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--index", "3", "-o", "a.png"], "there is no sample 3; the file has 3, counted from 0"),
        (
            ["--index", "0", "-o", "a.txt"],
            "a.txt: the suffix of a figure must be one of .png, .pdf, .svg",
        ),
        (["--index", "0", "-o", "no/a.png"], "there is no folder no"),
        (["--index", "0", "-o", "a.png", "--audio", "gone"], "gone: no such file"),
    ],
)
def test_plot_refuses(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(file.parent)
    assert run("plot", file, *arguments) == 1
    assert message in capsys.readouterr().err


def test_plot_does_not_follow_a_path_out_of_the_folder(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from spikebench.recordings.decoding import read_clip
    from spikebench.spike_files.writer import SpikeWriter

    digest = read_clip(recordings / "no" / "anna.wav").sha256
    with SpikeWriter(tmp_path / "a.h5", 20, [], {"source_root": str(recordings)}) as writer:
        writer.append([0.1], [3], source="../audio/no/anna.wav", sha256=digest)
    assert run("plot", tmp_path / "a.h5", "--index", 0, "-o", tmp_path / "a.png") == 0
    assert "no spectrogram: the file names no recording" in capsys.readouterr().err


def test_recordings_are_found_again_from_another_folder(
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(recordings.parent)
    Path("made/here").mkdir(parents=True)
    words = ["--channels", 20, "--jobs", 1, "--labels", "folders", "--split", "none"]
    assert run("convert", recordings.name, "made/here/a.h5", *words, "--speakers", "none") == 0
    assert "speakers: none known, so the same voice can be in training and in test" in (
        capsys.readouterr().err
    )
    Path("far/away").mkdir(parents=True)
    monkeypatch.chdir("far/away")
    assert run("plot", "../../made/here/a.h5", "--index", 0, "-o", "a.png") == 0
    assert "no spectrogram" not in capsys.readouterr().err


def test_validate_accepts_what_convert_writes(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("validate", file) == 0
    assert capsys.readouterr().out == f"{file}: no problem found\n"
    assert run("validate", file, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(file),
        "valid": True,
        "problems": [],
        "remarks": [],
    }


def test_validate_names_each_problem(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with h5py.File(file, "a") as opened:
        opened["spikes/times"][0] = opened["spikes/times"][0][::-1]
        opened["spikes/times"][1] = opened["spikes/times"][1] + 1
        for name in ("times", "units"):
            opened[f"spikes/{name}"][2] = opened[f"spikes/{name}"][2][:0]
        opened["extra/sha256"][1] = b"0" * 63 + b"G"
        opened["extra/source"][1] = opened["extra/source"][0]
        opened["extra/speaker"][0] = 9
    assert run("validate", file) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{file}: {problem}"
        for problem in (
            "sample 0: spike times are not sorted",
            "sample 1: spikes after the end of its recording",
            "extra/speaker contains a number that extra/speaker_names does not name",
            "extra/source contains a recording twice",
            "sample 1: its extra/sha256 is not a SHA-256",
        )
    ]


@pytest.mark.parametrize("command", ["info", "validate", "plot"])
def test_a_file_that_is_none_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (tmp_path / "a.h5").write_text("no")
    more = ["--index", "0", "-o", tmp_path / "a.png"] if command == "plot" else []
    assert run(command, tmp_path / "a.h5", *more) == 1
    said = capsys.readouterr()
    assert "a.h5: is not an HDF5 file" in said.out + said.err
    assert len((said.out + said.err).splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("convert", ["--labels", "heidelberg-digits", "Exit codes", "{speaker}_{digit}", "--jobs"]),
        ("info", ["--json"]),
        ("plot", ["--stages", "--audio", "--index"]),
        ("validate", ["Exit codes", "--json"]),
    ],
)
def test_help_says_what_there_is(
    capsys: pytest.CaptureFixture[str], command: str, words: list[str]
) -> None:
    assert run(command, "--help") == 0
    said = capsys.readouterr().out
    for word in words:
        assert word in said
