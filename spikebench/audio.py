"""Recordings on disk: which files are clips, and their samples.

A recording is read once: the bytes whose SHA-256 is recorded are the bytes that are decoded.
Everything is decoded block by block and mixed down on the way, so that a file which claims to be
long, or has many channels, costs no more memory than the longest clip allowed.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile
from numpy.typing import NDArray

from spikebench.errors import AudioError

__all__ = [
    "Clip",
    "Recording",
    "Skipped",
    "decode_segments",
    "find_clips",
    "printable",
    "read_bytes",
    "read_clip",
]

SUFFIXES = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3")
MAX_FILE_BYTES = 512 * 1024 * 1024
MAX_CHANNELS = 256
SAMPLE_RATES_HZ = (1_000, 1_000_000)
OFFSET_SHARE = (
    0.1  # of the root mean square: beyond it an offset costs the sound 0.5 % of its level
)
CLIPPED_FROM = 0.99  # of full scale; the largest of 8 bits is 0.992
CANCELLED_BELOW = 1e-4  # of the loudest sample of any channel: 3 steps of 16 bits at full scale
_BLOCK = 65_536


@dataclass(frozen=True, order=True)
class Clip:
    """A file that should hold audio: where it is, and its name below the folder that was searched."""

    relative: str
    path: Path

    @property
    def key(self) -> bytes:
        """The bytes of the relative POSIX path, whatever its encoding."""
        return os.fsencode(self.relative)


@dataclass(frozen=True)
class Skipped:
    """A file or folder that was left out, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Recording:
    """A clip in memory.

    Attributes
    ----------
    samples
        Mono, float64, shape (n,), full scale 1.
    sample_rate
        [Hz].
    n_channels
        Channels before mixing down.
    sha256
        Of the file, hexadecimal.
    start
        Where in the file it begins [s].
    is_rest
        Whether it is the last piece of a recording that was cut, and shorter than half of the others.
    """

    samples: NDArray[np.float64]
    sample_rate: int
    n_channels: int
    sha256: str
    start: float = 0.0
    is_rest: bool = False

    @property
    def duration(self) -> float:
        """Length [s]."""
        return len(self.samples) / self.sample_rate

    def cut(self, start: float, duration: float) -> Recording:
        """Take a piece of it.

        Parameters
        ----------
        start, duration
            Where the piece lies [s].

        Returns
        -------
        Recording
            The piece.
        """
        first, length = round(start * self.sample_rate), round(duration * self.sample_rate)
        return replace(self, samples=self.samples[first : first + length], start=self.start + start)

    def without_offset(self) -> Recording:
        """Remove a constant offset that would weigh in the recording's level.

        Returns
        -------
        Recording
            Itself if the mean is at most :data:`OFFSET_SHARE` of the root mean square, or NaN; else a copy
            whose mean is 0.
        """
        peak = np.abs(self.samples).max()
        if not 0 < peak < np.inf:
            return self
        relative = self.samples / peak  # squares of the samples themselves may overflow
        if abs(relative.mean()) <= OFFSET_SHARE * np.sqrt(np.square(relative).mean()):
            return self
        centred = self.samples - relative.mean() * peak
        # What rounding leaves of a constant is not a sound.
        centred[np.abs(centred) <= 1e-12 * peak] = 0.0
        return replace(self, samples=centred)

    @property
    def is_clipped(self) -> bool:
        """Whether at least 1 of 200 samples lies at full scale, where peaks were cut off."""
        return bool(np.mean(np.abs(self.samples) >= CLIPPED_FROM) >= 0.005)

    def require_usable(self) -> None:
        """Refuse what no ear could hear.

        Raises
        ------
        AudioError
            If the samples are silent, or NaN or infinite somewhere.
        """
        if not np.isfinite(self.samples).all():
            raise AudioError("holds NaN or infinite samples")
        if not self.samples.any():
            raise AudioError("silent" if self.n_channels == 1 else "silent after mixing down")


def printable(text: str) -> str:
    """Escape what a terminal or UTF-8 cannot take (control characters, undecodable bytes).

    Parameters
    ----------
    text
        A file name or a message that holds one.

    Returns
    -------
    str
        The text on one line, with hexadecimal escapes.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def find_clips(source: Path) -> tuple[list[Clip], list[Skipped]]:
    """Find the audio files in a folder and everything below it, or take one file.

    Hidden files and folders are passed over. Symbolic links are followed; a folder that can be
    reached twice is searched once, so that links cannot go in circles.

    Parameters
    ----------
    source
        A folder or an audio file.

    Returns
    -------
    clips : list of Clip
        In order of their relative paths (byte order), so that the order is the same everywhere.
    skipped : list of Skipped
        Folders that could not be listed.

    Raises
    ------
    AudioError
        If there is no such file or folder, or it is no audio, or no audio is in it.
    """
    try:
        is_folder = stat.S_ISDIR(source.stat().st_mode)
    except OSError as error:
        raise AudioError(f"{printable(str(source))}: {_why(error)}") from None
    if not is_folder:
        if source.suffix.lower() not in SUFFIXES:
            raise AudioError(f"{printable(str(source))}: not audio (known: {' '.join(SUFFIXES)})")
        return [Clip(source.name, source)], []
    clips, skipped = _search(source)
    if not clips and not skipped:
        raise AudioError(
            f"{printable(str(source))}: no audio in it or below it (known: {' '.join(SUFFIXES)})"
        )
    return sorted(clips, key=lambda clip: clip.key), skipped


def _search(root: Path) -> tuple[list[Clip], list[Skipped]]:
    clips: list[Clip] = []
    skipped: list[Skipped] = []
    visited: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        folder = Path(error.filename).relative_to(root).as_posix()
        skipped.append(Skipped(printable(folder + "/"), f"cannot list the folder: {_why(error)}"))

    for folder, children, files in os.walk(root, followlinks=True, onerror=refuse):
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in visited:
            children.clear()
            continue
        visited.add((here.st_dev, here.st_ino))
        children[:] = sorted(name for name in children if not name.startswith("."))
        for name in files:
            if not name.startswith(".") and PurePosixPath(name).suffix.lower() in SUFFIXES:
                path = Path(folder, name)
                clips.append(Clip(path.relative_to(root).as_posix(), path))
    return clips, skipped


def read_clip(path: Path, max_duration: float = 60.0) -> Recording:
    """Read a recording and mix it down to one channel (the mean over channels).

    Parameters
    ----------
    path
        WAV, FLAC, OGG or MP3 of any rate, depth and number of channels.
    max_duration
        Longest clip allowed [s].

    Returns
    -------
    Recording
        Its samples and what is known about them.

    Raises
    ------
    AudioError
        If the file is missing, broken, empty, silent, too long, or holds NaN or infinity. The
        message is the reason alone; the caller knows the name.
    """
    (recording,) = decode_segments(read_bytes(path), max_duration)
    recording.require_usable()
    return recording


def read_bytes(path: Path) -> bytes:
    """Read a file that should hold audio, whole.

    Parameters
    ----------
    path
        Of a regular file of at most 512 MiB.

    Returns
    -------
    bytes
        At least one.

    Raises
    ------
    AudioError
        If it is missing, unreadable, empty, too large or no regular file.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise AudioError("not a regular file")
        if status.st_size == 0:
            raise AudioError("empty file")
        if status.st_size > MAX_FILE_BYTES:
            raise AudioError(f"larger than {MAX_FILE_BYTES // 2**20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise AudioError(_why(error)) from None


def decode_segments(
    data: bytes, max_duration: float = 60.0, segment: float | None = None
) -> Iterator[Recording]:
    """Decode a recording, whole or in pieces of equal length, one piece in memory at a time.

    Parameters
    ----------
    data
        WAV, FLAC, OGG or MP3.
    max_duration
        Longest piece allowed [s].
    segment
        Length of the pieces [s]. A last piece shorter than half of that, unless it is the only one, is
        marked (``is_rest``). By default the recording is one piece.

    Yields
    ------
    Recording
        One piece; it may be silent or hold NaN (:meth:`Recording.require_usable`).

    Raises
    ------
    AudioError
        If the data are broken, cut short, empty or too long; pieces before the fault were yielded.
    """
    digest = hashlib.sha256(data).hexdigest()
    _refuse_cut_wav(data)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            rate, channels = int(sound.samplerate), int(sound.channels)
            for first, samples, is_rest in _decode(sound, max_duration, segment):
                yield Recording(samples, rate, channels, digest, first / rate, is_rest)
    except soundfile.LibsndfileError as error:
        reason = printable(error.error_string).removeprefix("Error : ").rstrip(".").lower()
        raise AudioError(f"broken or not audio: {reason}") from None


def _refuse_cut_wav(data: bytes) -> None:
    """Compare the length in a RIFF header with the file; libsndfile takes what is there in silence."""
    declared = int.from_bytes(data[4:8], "little")
    # A program that streams to a pipe cannot know the length and writes the largest number it has.
    if data[:4] == b"RIFF" and declared < 0x7FFF_0000 and len(data) < declared + 8:
        raise AudioError(f"cut short: {len(data)} of {declared + 8} bytes")


def _decode(
    sound: soundfile.SoundFile, max_duration: float, segment: float | None
) -> Iterator[tuple[int, NDArray[np.float64], bool]]:
    """Yield first sample and samples of each piece, and whether it is a rest."""
    low, high = SAMPLE_RATES_HZ
    if not low <= sound.samplerate <= high:
        raise AudioError(f"sample rate of {sound.samplerate} Hz is outside {low} … {high} Hz")
    if sound.channels > MAX_CHANNELS:
        raise AudioError(f"{sound.channels} channels; at most {MAX_CHANNELS} are read")
    longest = int(max_duration * sound.samplerate)
    too_long = f"longer than {max_duration:g} s (--max-duration, or --segment to cut it)"
    # Compressed streams of unknown length announce absurd numbers of frames: read them, then judge.
    if segment is None and longest < sound.frames < 2**40:
        raise AudioError(f"{too_long}: {sound.frames / sound.samplerate:.1f} s")
    piece = longest + 1 if segment is None else max(round(segment * sound.samplerate), 1)
    length = 0
    while True:
        samples = _read_piece(sound, piece)
        if len(samples) > longest:
            raise AudioError(too_long)
        if len(samples):
            is_rest = segment is not None and length > 0 and 2 * len(samples) < piece
            yield length, samples, is_rest
        length += len(samples)
        if len(samples) < piece:
            break
    if length == 0:
        raise AudioError("empty: no samples")
    # An MP3 announces an estimate; the others announce what they hold.
    if length < sound.frames < 2**40 and sound.format != "MP3":
        raise AudioError(f"cut short: {length} of {sound.frames} samples")


def _read_piece(sound: soundfile.SoundFile, length: int) -> NDArray[np.float64]:
    """Read at most ``length`` samples and mix them down, block by block."""
    blocks: list[NDArray[np.float64]] = []
    loudest = 0.0
    while length > 0:
        block = sound.read(min(_BLOCK, length), dtype="float64", always_2d=True)
        if len(block) == 0:
            break
        length -= len(block)
        blocks.append(block.mean(axis=1))
        loudest = max(loudest, float(np.abs(block).max()))
    mixed = np.concatenate(blocks) if blocks else np.empty(0)
    # Channels that cancel leave their rounding: that is no sound.
    if sound.channels > 1 and mixed.size and np.abs(mixed).max() < CANCELLED_BELOW * loudest:
        mixed[:] = 0.0
    return mixed


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
