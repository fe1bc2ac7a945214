"""Our words where a decoder fails, and its silence."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest
from helpers.audio_bytes import encoded, patched

from cli.main import main
from spikebench.errors import AudioError
from spikebench.recordings.decoder_output import quiet_decoder
from spikebench.recordings.decoding import decode_segments

FOREIGN = {
    "MPEG-4 audio": b"\0\0\0\x20ftypM4A " + bytes(200),
    "Windows Media": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(200),
    "WebM or Matroska": b"\x1a\x45\xdf\xa3" + bytes(200),
    "AAC": b"\xff\xf1\x50\x80" + bytes(200),
    "AMR": b"#!AMR\n" + bytes(200),
    "Speex": b"OggS" + bytes(24) + b"Speex   " + bytes(200),
    "MIDI sample dump": b"\xf0\x7e" + bytes(200),
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:",
    "a web page": b"<!DOCTYPE html><html>",
}


def why(data: bytes) -> str:
    with pytest.raises(AudioError) as caught:
        list(decode_segments(data))
    return str(caught.value)


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_not_read_is_called_by_its_name(kind: str) -> None:
    assert kind in why(FOREIGN[kind])


NOISE = b"\xff\xfb\x90\x00" + bytes(2000)  # one header of MPEG audio, and nothing


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"hello world" * 100, "^broken or not audio: the type of its content is unknown$"),
        (bytes(1000), "^broken or not audio: the type of its content is unknown"),
        (NOISE, "^broken or cut short: nothing in this MP3 file can be decoded"),
        (encoded("MP3")[:100], "^broken or cut short: nothing in this MP3 file can be decoded"),
        (patched(encoded("WAV"), (20, b"\x03")), "^broken or cut short: nothing in this WAV file"),
        (encoded("WAV")[:40], "^broken or cut short: nothing in this WAV file can be decoded"),
        (
            encoded("FLAC")[:-100],
            "^broken or cut short: the FLAC data cannot be decoded to the end$",
        ),
        (
            encoded("NIST").replace(b"-s3 pcm\n", b"-s26 pcm,embedded-shorten-v2.00\n"),
            "^broken header, or an encoding of SPHERE that is not read; .*: ffmpeg -i NAME NAME.flac$",
        ),
    ],
)
def test_a_failure_is_told_in_our_words(data: bytes, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        list(decode_segments(data))


def _tagged_wrong() -> bytes:
    """An MP3 about whose tag the decoder complains."""
    return encoded("MP3")[:-300]


@pytest.mark.parametrize("data", [NOISE, _tagged_wrong(), encoded("MP3") * 2])
def test_the_decoder_writes_nothing(data: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(AudioError):
        list(decode_segments(data))
    os.write(2, b"heard\n")
    assert capfd.readouterr() == ("", "heard\n")


def test_threads_share_the_silence(capfd: pytest.CaptureFixture[str]) -> None:
    """The first to come turns standard error away, the last to go puts it back."""
    inside, go = threading.Barrier(2), threading.Event()

    def stay() -> None:
        with quiet_decoder():
            inside.wait(10)
            go.wait(10)

    thread = threading.Thread(target=stay)
    with quiet_decoder():
        thread.start()
        inside.wait(10)
    os.write(2, b"lost\n")
    go.set()
    thread.join(10)
    os.write(2, b"heard\n")
    with quiet_decoder(is_needed=False):
        os.write(2, b"heard again\n")
    assert capfd.readouterr().err == "heard\nheard again\n"


def test_silence_ends_with_an_exception_and_needs_no_standard_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="inside"), quiet_decoder():
        raise ValueError("inside")
    os.write(2, b"heard\n")

    def closed(number: int) -> int:
        raise OSError(9, "Bad file descriptor")

    with monkeypatch.context() as patch:
        patch.setattr(os, "dup", closed)
        with quiet_decoder():
            os.write(2, b"as well\n")
    assert capfd.readouterr().err == "heard\nas well\n"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two words; one recording of a killed recorder, one cut, one that is noise, three of a type that is not read."""
    folder = tmp_path / "corpus"
    for word in ("yes", "no"):
        (folder / word).mkdir(parents=True)
        (folder / word / "a.aiff").write_bytes(encoded("AIFF"))
    (folder / "yes" / "killed.wav").write_bytes(
        patched(encoded("WAV"), (4, bytes(4)), (40, bytes(4)))
    )
    (folder / "yes" / "cut.mp3").write_bytes(_tagged_wrong())
    (folder / "no" / "noise.mp3").write_bytes(NOISE)
    for k in range(3):
        (folder / "no" / f"{k}.m4a").write_bytes(FOREIGN["MPEG-4 audio"])
    return folder


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_convert_tells_what_it_read_to_the_end_and_what_it_left_out(
    corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("convert", corpus, tmp_path / "a.h5", "--channels", "4", "--jobs", "1") == 3
    lines = capfd.readouterr().err.splitlines()
    assert (
        "length in the header is 0 or undefined, read to the end of the file: 1 recording" in lines
    )
    said = [line[: line.find(": ") + 2] for line in lines if line.startswith("skipped")]
    assert said == ["skipped *.m4a: ", "skipped no/noise.mp3: ", "skipped yes/cut.mp3: "]
    # Nothing but our own lines: the decoder is quiet.
    ours = ("labels: ", "speakers: ", "skipped ", "resampled ", "length ", "spikebench: ")
    assert [line for line in lines if not line.startswith(ours) and "copies" not in line] == []
    assert lines[-1] == "spikebench: 5 left out, 3 converted"


def test_a_folder_of_nothing_that_is_read_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "corpus").mkdir()
    for k in range(2):
        (tmp_path / "corpus" / f"{k}.m4a").write_bytes(FOREIGN["MPEG-4 audio"])
    assert run("convert", tmp_path / "corpus", tmp_path / "a.h5") == 4
    err = capsys.readouterr().err
    assert "no usable recording among 2" in err
    assert "ffmpeg -i NAME.m4a NAME.flac" in err
    assert "classes" not in err
