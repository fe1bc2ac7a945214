"""Recordings shorter than they say, and those that do not say how long they are."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from helpers.audio_bytes import RATE, be32, encoded, le32, noisy_tone, patched
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from spikebench.errors import AudioError
from spikebench.recordings.decoding import Recording, decode_segments

TYPES = {
    "WAV": ("WAV", "PCM_16"),
    "WAV, 24 bits": ("WAVEX", "PCM_24"),
    "WAV, ADPCM": ("WAV", "IMA_ADPCM"),
    "RF64": ("RF64", "PCM_16"),
    "W64": ("W64", "PCM_16"),
    "AIFF": ("AIFF", "PCM_16"),
    "AIFC": ("AIFF", "ULAW"),
    "AU": ("AU", "FLOAT"),
    "CAF": ("CAF", "PCM_16"),
    "CAF, ALAC": ("CAF", "ALAC_16"),
    "SPHERE": ("NIST", "PCM_16"),
    "SVX": ("SVX", "PCM_16"),
    "VOC": ("VOC", "PCM_16"),
    "AVR": ("AVR", "PCM_16"),
    "WVE": ("WVE", "ALAW"),
    "FLAC": ("FLAC", "PCM_16"),
    "Vorbis": ("OGG", "VORBIS"),
    "Opus": ("OGG", "OPUS"),
    "MP3": ("MP3", "MPEG_LAYER_III"),
}


def decoded(data: bytes) -> Recording:
    (recording,) = decode_segments(data)
    return recording


def length(data: bytes) -> int:
    return decoded(data).samples.size


@pytest.mark.parametrize("kind", TYPES)
def test_a_whole_recording_is_whole(kind: str) -> None:
    recording = decoded(encoded(*TYPES[kind]))
    assert RATE <= recording.samples.size < RATE + 1024  # a last block may be filled up
    assert not recording.has_open_length


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("share", [0.999, 0.9, 0.5])
def test_a_truncated_recording_is_cut_short(kind: str, share: float) -> None:
    whole = encoded(*TYPES[kind], noisy_tone(4.0))
    with pytest.raises(AudioError, match="cut short"):
        decoded(whole[: int(share * len(whole))])


@pytest.mark.parametrize("kind", TYPES)
def test_what_is_left_of_a_header_is_no_recording(kind: str) -> None:
    with pytest.raises(AudioError, match=r"cut short|broken|^empty"):
        decoded(encoded(*TYPES[kind])[:26])


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF", "SPHERE"])
@pytest.mark.parametrize("missing", [2, 3, 100])
def test_a_few_bytes_less_are_noticed(kind: str, missing: int) -> None:
    with pytest.raises(AudioError, match=r"^cut short: \d+ of \d+ bytes of sound$"):
        decoded(encoded(*TYPES[kind])[:-missing])


@pytest.mark.parametrize("extra", [8, 36, 44, 1])
def test_a_wrong_size_of_the_whole_file_is_no_matter(extra: int) -> None:
    whole = encoded("WAV")
    recording = decoded(patched(whole, (4, le32(len(whole) - 8 + extra))))
    assert_array_equal(recording.samples, decoded(whole).samples)
    assert not recording.has_open_length


@pytest.mark.parametrize(("subtype", "frames"), [("PCM_U8", 15_999), ("PCM_24", 15_999)])
def test_a_pad_byte_that_was_counted_and_not_written(subtype: str, frames: int) -> None:
    whole = encoded("WAV", subtype, noisy_tone()[:frames])
    assert len(whole) % 2 == 0
    assert length(whole[:-1]) == frames
    with pytest.raises(AudioError, match="cut short"):
        decoded(whole[:-2])


def test_a_pad_byte_counted_as_sound() -> None:
    whole = encoded("WAV", "PCM_U8", noisy_tone()[:15_999])[:-1]
    assert length(patched(whole, (40, le32(16_000)))) == 15_999


def _size_of_data(data: bytes, name: bytes = b"data") -> int:
    return data.index(name) + 4


def _riff(size: int, of_all: int | None = None) -> bytes:
    whole = encoded("WAV")
    return patched(whole, (4, le32(size if of_all is None else of_all)), (40, le32(size)))


def _rf64(size_field: int) -> bytes:
    whole = encoded("RF64")
    return patched(whole, (20, bytes(24)), (_size_of_data(whole), le32(size_field)))


def _w64(size: int) -> bytes:
    whole = encoded("W64")
    return patched(whole, (_size_of_data(whole, b"data\xf3") + 12, struct.pack("<q", size)))


def _aiff(size: int) -> bytes:
    whole = encoded("AIFF")
    return patched(
        whole,
        *(
            (4, be32(size)),
            (whole.index(b"COMM") + 10, be32(0)),
            (whole.index(b"SSND") + 4, be32(size)),
        ),
    )


def _caf(size: int) -> bytes:
    whole = encoded("CAF")
    return patched(whole, (_size_of_data(whole), struct.pack(">q", size)))


def _sphere_without_count() -> bytes:
    return encoded("NIST").replace(b"sample_count -i 16000", b"sample_count -i 0    ")


def _rifx() -> bytes:
    whole = encoded("WAV", None, None, RATE, endian="BIG")
    assert whole[:4] == b"RIFX"
    return patched(whole, (4, be32(0)), (40, be32(0)))


def _flac_without_count() -> bytes:
    whole = encoded("FLAC")
    return patched(whole, (21, bytes([whole[21] & 0xF0])), (22, bytes(4)))


OPEN = {
    "WAV, killed": _riff(0),
    "WAV, killed, with the size of its header": _riff(0, 36),
    "WAV, of ffmpeg to a pipe": _riff(0xFFFF_FFFF),
    "WAV, of sox to a pipe": _riff(0x7FFF_F000),
    "WAV, of arecord to a pipe": _riff(0x8000_0000),
    "RIFX, killed": _rifx(),
    "RF64, killed": _rf64(0xFFFF_FFFF),
    "RF64, killed early": _rf64(0),
    "W64, killed": _w64(0),
    "W64, killed, with the size of its header": _w64(24),
    "W64, of a pipe": _w64(-1),
    "AIFF, killed": _aiff(0),
    "AIFF, killed, with the size of its header": _aiff(8),
    "AIFF, of a pipe": _aiff(0xFFFF_FFFF),
    "AU, killed": patched(encoded("AU"), (8, be32(0))),
    "AU, of a pipe": patched(encoded("AU"), (8, be32(0xFFFF_FFFF))),
    "CAF, killed": _caf(0),
    "CAF, of a pipe": _caf(-1),
    "SPHERE, of a pipe": _sphere_without_count(),
    "FLAC, of a pipe": _flac_without_count(),
}


@pytest.mark.parametrize("kind", OPEN)
def test_a_length_left_open_is_read_to_the_end_of_the_file(kind: str) -> None:
    recording = decoded(OPEN[kind])
    file_format = {"SPHERE": "NIST"}.get(kind.partition(",")[0], kind.partition(",")[0])
    whole = decoded(encoded("WAV" if file_format == "RIFX" else file_format))
    assert_array_equal(recording.samples, whole.samples)
    assert recording.has_open_length
    assert not whole.has_open_length


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF", "SPHERE"])
def test_a_recording_of_nothing_stays_empty(kind: str) -> None:
    with pytest.raises(AudioError, match=r"^empty: no samples$"):
        decoded(encoded(*TYPES[kind], np.empty(0)))


def test_chunks_behind_a_length_of_0_are_no_sound() -> None:
    note = b"LIST" + le32(26) + b"INFOISFT" + le32(14) + b"Lavf58.29.100\0"
    empty = encoded("WAV", None, np.empty(0))
    with pytest.raises(AudioError, match=r"^empty: no samples$"):
        decoded(patched(empty + note, (4, le32(36 + len(note)))))


def test_the_samples_of_all_channels_counted_together() -> None:
    """Some SPHERE files count so; the others count those of one channel."""
    stereo = np.repeat(noisy_tone()[:, None], 2, axis=1)
    whole = encoded("NIST", None, stereo)
    together = whole.replace(b"sample_count -i 16000", b"sample_count -i 32000")
    assert length(whole) == length(together) == RATE
    with pytest.raises(AudioError, match="cut short: 48000 of 64000 bytes"):
        decoded(whole[:-16_000])


def _pages(data: bytes) -> list[int]:
    starts, at = [], 0
    while at < len(data):
        starts.append(at)
        at += 27 + data[at + 26] + sum(data[at + 27 : at + 27 + data[at + 26]])
    return starts


@pytest.mark.parametrize("kind", ["Vorbis", "Opus"])
def test_an_ogg_stream_of_whole_pages_without_an_end(kind: str) -> None:
    whole = encoded(*TYPES[kind], noisy_tone(8.0))
    last = _pages(whole)[-1]
    recording = decoded(whole[:last])
    assert recording.has_open_length
    assert 0 < recording.samples.size < 8 * RATE
    for cut in (1, 4, 26, 27, 30):
        with pytest.raises(AudioError, match="cut short: ends within a page"):
            decoded(whole[: last + cut])
    assert length(whole + b"some padding") == 8 * RATE


def _first_frame(mp3: bytes) -> int:
    """Bytes of the frame that holds no sound but the number of the others: where the next begins."""
    return mp3.index(mp3[:2], 48)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_an_mp3_is_measured_by_its_own_count(mode: str, rate: int) -> None:
    whole = encoded("MP3", None, noisy_tone(1.0, rate), rate, bitrate_mode=mode)
    assert whole[13:17] in (b"Xing", b"Info") or whole[21:25] in (b"Xing", b"Info")
    assert length(whole) == rate
    assert length(whole + b"TAG" + bytes(125)) == rate
    assert length(b"ID3\x03\0\0\0\0\x01\0" + bytes(128) + whole) == rate
    for missing in (1, 100, len(whole) // 3):
        with pytest.raises(AudioError, match=rf"^cut short: \d+ of {rate} samples$"):
            decoded(whole[:-missing])


@pytest.mark.parametrize("wrong", [2, -1])
def test_a_count_of_frames_that_is_a_little_wrong(wrong: int) -> None:
    whole = encoded("MP3")
    count = whole.index(b"Xing") + 8
    frames = int.from_bytes(whole[count : count + 4], "big")
    assert length(patched(whole, (count, be32(frames + wrong)))) >= RATE - 576


def test_of_an_mp3_with_a_variable_bit_rate_and_no_count_all_is_read() -> None:
    whole = encoded("MP3", None, noisy_tone(4.0), bitrate_mode="VARIABLE")
    bare = whole[_first_frame(whole) :]
    recording = decoded(bare)
    assert recording.samples.size >= 4 * RATE
    assert not recording.has_open_length
    # The same sound, but for the delay of the encoder, which only the frame that is gone tells.
    tagged = decoded(whole).samples[2000 : 3 * RATE]
    delays = range(recording.samples.size - 4 * RATE + 1)
    assert any(np.array_equal(recording.samples[2000 + k :][: tagged.size], tagged) for k in delays)
    assert decoded(bare[:-50]).has_open_length


@pytest.mark.parametrize("kind", ["MP3", "Vorbis", "Opus", "FLAC"])
def test_blocks_and_pieces_change_no_sample(kind: str) -> None:
    """Decoding in one pass: after a seek the frames of an MP3 differ a little."""
    data = encoded(*TYPES[kind], noisy_tone(6.0))
    pieces = np.concatenate([one.samples for one in decode_segments(data, segment=0.7)])
    assert_array_equal(pieces, decoded(data).samples)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from([kind for kind in TYPES if kind != "MP3"]),
    at=st.integers(0, 400),
    value=st.binary(min_size=1, max_size=8),
    end=st.integers(1, 4000),
)
def test_damage_is_told_in_one_line_or_does_not_matter(
    kind: str, at: int, value: bytes, end: int
) -> None:
    data = patched(encoded(*TYPES[kind], noisy_tone(0.1)), (at, value))[:end]
    told = ""
    try:
        sizes = [recording.samples.size for recording in decode_segments(data)]
    except AudioError as error:
        told = str(error)
    else:
        assert sizes > [0]
    assert told.isprintable()
    assert "internal error" not in told
