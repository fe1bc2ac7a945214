"""``convert`` on folders as people have them: exit codes, what is said, and what the file holds."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from helpers.synthetic_clips import tone, write_clip

from cli.main import main
from spikebench.spike_files.reader import SpikeFile

QUICK = ["--channels", "4", "--jobs", "1"]


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def speak(folder: Path, *names: str) -> Path:
    for i, name in enumerate(names):
        write_clip(folder / name, tone(seconds=0.1, frequency=300.0 + 40 * i))
    return folder


def test_a_stray_file_is_left_out_and_the_rest_keeps_its_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"{w}/0000000{i}_nohash_0.wav" for w in ("no", "yes") for i in (0, 1)]
    audio = speak(tmp_path / "sc", *words, "_background_noise_/tap.wav")
    assert run("convert", audio, tmp_path / "a.h5", *QUICK) == 3
    said = capsys.readouterr().err
    assert "skipped _background_noise_/tap.wav: name does not fit speech-commands" in said
    assert "labels: 2 classes from sub-folders: no, yes" in said
    with SpikeFile(tmp_path / "a.h5") as spikes:
        assert (spikes.keys, spikes.provenance["split_from"]) == (("no", "yes"), "speech-commands")


def test_what_is_not_clear_stops_in_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = speak(tmp_path / "a", "7_theo_0.wav", "8_theo_0.wav", "tone.wav")
    assert run("convert", audio, tmp_path / "a.h5", *QUICK) == 1
    said = capsys.readouterr().err
    assert "2 of 3 names fit fsdd, others do not, e.g. tone.wav: --labels fsdd" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "a.h5").exists()
    assert run("convert", audio, tmp_path / "a.h5", *QUICK, "--labels", "fsdd", "--quiet") == 3


def test_a_recording_is_read_by_its_real_name(tmp_path: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, "fünf") for form in ("NFC", "NFD"))
    audio = speak(tmp_path / "a", f"{nfd}/ä.wav", "vier/b.wav")
    (tmp_path / "t.csv").write_text(f"file,class\n{nfc}/ä.wav,{nfc}\nvier\\b.wav,vier\n")
    table = ["--labels", tmp_path / "t.csv"]
    assert run("convert", audio, tmp_path / "a.h5", *QUICK, *table, "--quiet") == 0
    with SpikeFile(tmp_path / "a.h5") as spikes:
        assert sorted(spikes.keys) == ["fünf", "vier"]
        assert sorted(spikes.labels.tolist()) == [0, 1]


def test_a_table_that_names_other_recordings_is_shown_beside_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = speak(tmp_path / "a", "one.wav", "two.wav")
    (tmp_path / "t.tsv").write_text("filename\tcategory\nx1.wav\tdog\n")
    words = ["convert", audio, tmp_path / "a.h5", *QUICK, "--labels", tmp_path / "t.tsv"]
    assert run(*words) == 1
    assert "the table has 'x1.wav', the folder has 'one.wav'" in capsys.readouterr().err


def test_help_names_every_convention(capsys: pytest.CaptureFixture[str]) -> None:
    from spikebench.naming.conventions import CONVENTIONS

    assert run("convert", "--help") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in CONVENTIONS)
