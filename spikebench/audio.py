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
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile
from numpy.typing import NDArray

from spikebench.errors import AudioError

__all__ = ["Clip", "Recording", "Skipped", "find_clips", "printable", "read_clip"]

SUFFIXES = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3")
MAX_FILE_BYTES = 512 * 1024 * 1024
MAX_CHANNELS = 256
SAMPLE_RATES_HZ = (1_000, 1_000_000)
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
    """

    samples: NDArray[np.float64]
    sample_rate: int
    n_channels: int
    sha256: str

    @property
    def duration(self) -> float:
        """Length [s]."""
        return len(self.samples) / self.sample_rate


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
    data = _read_bytes(path)
    _refuse_cut_wav(data)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            samples = _decode(sound, max_duration)
            rate, channels = int(sound.samplerate), int(sound.channels)
    except soundfile.LibsndfileError as error:
        reason = printable(error.error_string).removeprefix("Error : ").rstrip(".").lower()
        raise AudioError(f"broken or not audio: {reason}") from None
    if len(samples) == 0:
        raise AudioError("empty: no samples")
    if not np.isfinite(samples).all():
        raise AudioError("holds NaN or infinite samples")
    if not samples.any():
        raise AudioError("silent" if channels == 1 else "silent after mixing down")
    return Recording(samples, rate, channels, hashlib.sha256(data).hexdigest())


def _read_bytes(path: Path) -> bytes:
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


def _refuse_cut_wav(data: bytes) -> None:
    """Compare the length in a RIFF header with the file; libsndfile takes what is there in silence."""
    declared = int.from_bytes(data[4:8], "little")
    # A program that streams to a pipe cannot know the length and writes the largest number it has.
    if data[:4] == b"RIFF" and declared < 0x7FFF_0000 and len(data) < declared + 8:
        raise AudioError(f"cut short: {len(data)} of {declared + 8} bytes")


def _decode(sound: soundfile.SoundFile, max_duration: float) -> NDArray[np.float64]:
    low, high = SAMPLE_RATES_HZ
    if not low <= sound.samplerate <= high:
        raise AudioError(f"sample rate of {sound.samplerate} Hz is outside {low} … {high} Hz")
    if sound.channels > MAX_CHANNELS:
        raise AudioError(f"{sound.channels} channels; at most {MAX_CHANNELS} are read")
    longest = int(max_duration * sound.samplerate)
    too_long = f"longer than {max_duration:g} s (--max-duration)"
    # Compressed streams of unknown length announce absurd numbers of frames: read them, then judge.
    if longest < sound.frames < 2**40:
        raise AudioError(f"{too_long}: {sound.frames / sound.samplerate:.1f} s")
    blocks: list[NDArray[np.float64]] = []
    length = 0
    while True:
        block = sound.read(_BLOCK, dtype="float64", always_2d=True)
        if len(block) == 0:
            break
        length += len(block)
        if length > longest:
            raise AudioError(too_long)
        blocks.append(block.mean(axis=1))
    # An MP3 announces an estimate; the others announce what they hold.
    if length < sound.frames < 2**40 and sound.format != "MP3":
        raise AudioError(f"cut short: {length} of {sound.frames} samples")
    return np.concatenate(blocks) if blocks else np.empty(0)


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
