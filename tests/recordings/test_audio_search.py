"""Which files are recordings: by suffix, by content, by their own names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers.audio_bytes import encoded

from spikebench.errors import AudioError
from spikebench.recordings.search import Skipped, find_clips

M4A = b"\0\0\0\x20ftypM4A " + bytes(200)


def make(folder: Path, **files: bytes) -> None:
    for name, data in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def names(folder: Path) -> list[str]:
    return [clip.relative for clip in find_clips(folder)[0]]


@pytest.mark.parametrize(
    "suffix",
    "wav wave aif aiff aifc au snd w64 rf64 caf sph nist flac ogg oga opus mp3 mp2 voc".split(),  # noqa: SIM905
)
def test_every_suffix_of_what_is_read_is_found(tmp_path: Path, suffix: str) -> None:
    make(tmp_path, **{f"a_{suffix}": b"", f"B_{suffix.upper()}": b"", "notes_csv": b""})
    assert names(tmp_path) == [f"B.{suffix.upper()}", f"a.{suffix}"]


def test_what_is_not_read_is_counted_by_suffix_with_its_remedy(tmp_path: Path) -> None:
    make(
        tmp_path,
        x__a_wav=b"",
        x__1_m4a=M4A,
        x__2_M4A=M4A,
        y__3_m4a=M4A,
        y__4_wma=b"asf",
        z_raw=b"ab",
    )
    make(tmp_path, a_csv=b"", b_txt=b"", c_json=b"", d_png=b"\x89PNG", e_md=b"", f_h5=b"")
    clips, skipped = find_clips(tmp_path)
    assert [clip.relative for clip in clips] == ["x/a.wav"]
    assert skipped == [
        Skipped(
            "*.m4a",
            "3 files of a type that is not read; convert them first, each by: ffmpeg -i NAME.m4a NAME.flac",
            3,
        ),
        Skipped(
            "z.raw",
            "samples without a header, which would give their rate; convert it first: "
            "ffmpeg -f s16le -ar RATE -ac 1 -i NAME.raw NAME.flac",
        ),
        Skipped(
            "y/4.wma", "a type that is not read; convert it first: ffmpeg -i NAME.wma NAME.flac"
        ),
    ]


@pytest.mark.parametrize("suffix", "m4a aac wma webm amr ape mka mp4 3gp wv".split())  # noqa: SIM905
def test_one_file_of_a_type_that_is_not_read_is_refused_with_its_remedy(
    tmp_path: Path, suffix: str
) -> None:
    make(tmp_path, **{f"a_{suffix}": b"no audio that is known"})
    with pytest.raises(AudioError, match=rf"a\.{suffix}: .* not read; .*ffmpeg -i NAME\.{suffix} "):
        find_clips(tmp_path / f"a.{suffix}")


def test_a_file_that_was_converted_beside_its_source_is_no_fault(tmp_path: Path) -> None:
    make(tmp_path, a__1_m4a=M4A, a__1_flac=b"", b__1_m4a=M4A)
    clips, skipped = find_clips(tmp_path)
    assert [clip.relative for clip in clips] == ["a/1.flac"]
    assert [one.file for one in skipped] == ["b/1.m4a"]


def test_a_wrong_or_missing_suffix_does_not_hide_a_recording(tmp_path: Path) -> None:
    make(
        tmp_path,
        a_m4a=encoded("MP3"),
        b_raw=encoded("WAV"),
        c=encoded("FLAC"),
        d_dat=encoded("WAV"),
    )
    make(tmp_path, README=b"text", utf16="\ufeffvery".encode("utf-16-le"), SHA256SUMS=b"0" * 64)
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.m4a")
    clips, skipped = find_clips(tmp_path)
    assert [clip.relative for clip in clips] == ["a.m4a", "b.raw", "c"]
    assert [one.file for one in skipped] == ["pipe.m4a"]
    # What is named is looked into, whatever it is called.
    assert find_clips(tmp_path / "d.dat")[0][0].relative == "d.dat"
    with pytest.raises(AudioError, match="utf16: not audio"):
        find_clips(tmp_path / "utf16")


def test_a_folder_keeps_its_name_where_a_link_leads_to_it(tmp_path: Path) -> None:
    make(tmp_path, words__yes__a_wav=b"", words__no__b_wav=b"")
    (tmp_path / "alias").symlink_to(tmp_path / "words")
    (tmp_path / "words" / "affirmative").symlink_to(tmp_path / "words" / "yes")
    assert names(tmp_path) == ["words/no/b.wav", "words/yes/a.wav"]


def test_what_only_links_lead_to_is_found_once(tmp_path: Path) -> None:
    make(tmp_path, outside__deep__a_wav=b"", inside__b_wav=b"")
    (tmp_path / "outside" / "circle").symlink_to(tmp_path / "inside")
    (tmp_path / "inside" / "one").symlink_to(tmp_path / "outside")
    (tmp_path / "inside" / "two").symlink_to(tmp_path / "outside")
    (tmp_path / "inside" / "gone").symlink_to(tmp_path / "nothing")
    assert names(tmp_path / "inside") == ["b.wav", "one/deep/a.wav"]
    (tmp_path / "entrance").symlink_to(tmp_path / "inside")
    assert names(tmp_path / "entrance") == ["b.wav", "one/deep/a.wav"]
