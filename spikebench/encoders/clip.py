"""Encoding of one recording, as a worker runs it: bytes of the file to spikes.

A worker receives all its input with the call and returns arrays. It reads no file, so it may run in this
process, in another one or on another machine. The result includes the versions of the software, because spikes
are equal bit for bit only with equal libraries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikebench.encoders.encoder import Encoder, Spikes
from spikebench.errors import AudioError
from spikebench.recordings.decoding import Recording, decode_segments
from spikebench.records.text import printable

__all__ = [
    "EncodedClip",
    "EncodedPiece",
    "EncodingSettings",
    "clip_seed",
    "each_piece",
    "encode_clip",
    "encode_samples",
]

REST = "shorter than half a segment"


@dataclass(frozen=True)
class EncodingSettings:
    """Settings that, together with a clip, determine its spikes.

    Attributes
    ----------
    encoder
        The encoder.
    seed
        Seed of the conversion.
    max_duration
        Longest piece that is used [s].
    segment
        Length of the pieces into which recordings are cut [s]; None leaves them whole.
    keep_offset
        Keep a constant offset, although it affects the level.
    """

    encoder: Encoder
    seed: int
    max_duration: float
    segment: float | None
    keep_offset: bool


@dataclass(frozen=True)
class EncodedPiece:
    """Spikes of one piece of a recording, or the reason why there are none.

    Attributes
    ----------
    number
        Counted from 1 if recordings are cut, else 0.
    start, duration
        Start and duration of the piece in the recording [s].
    times
        Seconds from the start of the piece, float64, shape (spikes,).
    units
        Unit of each spike, uint16, shape (spikes,).
    reason
        Why the piece cannot be used; empty if it can.
    remarks
        Notable properties: ``offset`` (an offset was removed), ``clipped``, ``open`` (the file does not declare the
        length of its sound), ``rest`` (left out, because it is the end of a cut recording and too short for a piece).
    """

    number: int
    start: float
    duration: float
    times: NDArray[np.float64]
    units: NDArray[np.uint16]
    reason: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class EncodedClip:
    """All pieces of a recording; ``reason`` is why the whole recording cannot be used, else empty.

    ``sha256`` is the digest of the file, ``n_channels`` the number of channels before mixing down, and ``software``
    the versions of the software that encoded it.
    """

    pieces: tuple[EncodedPiece, ...]
    sha256: str
    sample_rate: int
    n_channels: int
    software: str
    reason: str = ""


def clip_seed(seed: int, samples: NDArray[np.float64], sample_rate: int) -> list[int]:
    """Return the seed of one clip, which depends on its samples and not on its name.

    Parameters
    ----------
    seed
        Seed of the conversion.
    samples
        Samples after decoding and mixing down, float64, shape (n,); those of the piece if the recording is cut.
    sample_rate
        Sample rate [Hz].

    Returns
    -------
    list of int
        The seed and the eight little-endian 32-bit words of the SHA-256 of rate (int64) and samples (float64),
        both little-endian; −0 is replaced by 0.
    """
    digest = hashlib.sha256(np.array([sample_rate], dtype="<i8").tobytes())
    digest.update((samples + 0.0).astype("<f8", copy=False).tobytes())
    return [seed, *np.frombuffer(digest.digest(), dtype="<u4").tolist()]


def encode_clip(data: bytes, settings: EncodingSettings) -> EncodedClip:
    """Decode and encode one recording; for an unusable recording, the result holds the reason.

    Parameters
    ----------
    data
        Bytes of the file.
    settings
        Settings of the encoding.

    Returns
    -------
    EncodedClip
        Spikes of every piece.
    """

    def encode(recording: Recording, seed: list[int]) -> Spikes:
        return settings.encoder.encode(recording.samples, recording.sample_rate, seed)

    return each_piece(data, settings, encode)


def encode_samples(
    samples: NDArray[np.float64], sample_rate: int, encoder: Encoder, seed: int
) -> tuple[Spikes, str]:
    """Encode a sound that was changed after it was decoded, as :func:`encode_clip` would encode a file of it.

    Silence, and what is silent without its constant offset, has no spikes.

    Parameters
    ----------
    samples
        Mono, float64, shape (n,), full scale 1, finite.
    sample_rate
        Their rate [Hz].
    encoder
        The encoder.
    seed
        Seed of the conversion, to which :func:`clip_seed` adds the samples.

    Returns
    -------
    spikes : Spikes
        Times [s] and units.
    software : str
        Versions of the software that encoded it.

    Raises
    ------
    ValueError
        If the encoder cannot encode it.
    """
    used = samples
    if not encoder.keeps_offset:
        used = Recording(samples, sample_rate, 1, "").without_offset().samples
    if not used.any():
        return Spikes(np.zeros(0), np.zeros(0, np.uint16)), encoder.software()
    spikes = encoder.encode(used, sample_rate, clip_seed(seed, samples, sample_rate))
    return spikes, encoder.software()


def each_piece(
    data: bytes,
    settings: EncodingSettings,
    encode: Callable[[Recording, list[int]], Spikes],
) -> EncodedClip:
    """Decode one recording and call a function with every usable piece.

    Parameters
    ----------
    data, settings
        As for :func:`encode_clip`.
    encode
        Called with each piece and its seed; if it raises ``ValueError``, the piece is left out with that reason.

    Returns
    -------
    EncodedClip
        Results of ``encode`` for every piece.
    """
    pieces: list[EncodedPiece] = []
    rate = n_channels = 0
    sha256 = hashlib.sha256(data).hexdigest()
    software = settings.encoder.software()
    try:
        recordings = decode_segments(data, settings.max_duration, settings.segment, sha256)
        for i, recording in enumerate(recordings, start=1):
            rate, n_channels = recording.sample_rate, recording.n_channels
            number = i if settings.segment is not None else 0
            spikes, reason = Spikes(np.empty(0), np.empty(0, np.uint16)), ""
            used = recording if settings.keep_offset else recording.without_offset()
            remarks = ["offset"] if used is not recording else []
            remarks += ["clipped"] if recording.is_clipped else []
            remarks += ["open"] if recording.has_open_length else []
            try:
                if recording.is_rest:
                    remarks = ["rest"]
                    raise AudioError(REST)
                recording.require_usable()
                if not used.samples.any():
                    raise AudioError("silent: contains only a constant offset")
                # The seed is that of the decoded samples, before an offset is removed.
                seed = clip_seed(settings.seed, recording.samples, rate)
                spikes = encode(used, seed)
            except (AudioError, ValueError) as error:
                reason = printable(str(error))
            pieces.append(
                EncodedPiece(
                    number=number,
                    start=recording.start,
                    duration=recording.duration,
                    times=spikes.times,
                    units=spikes.units,
                    reason=reason,
                    remarks=tuple(remarks),
                )
            )
    except AudioError as error:
        return EncodedClip((), sha256, rate, n_channels, software, printable(str(error)))
    except MemoryError:
        reason = "needs more memory than is available"
        return EncodedClip((), sha256, rate, n_channels, software, reason)
    return EncodedClip(tuple(pieces), sha256, rate, n_channels, software)
