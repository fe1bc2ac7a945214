"""Decoding one file with libsndfile: one pass from front to back, with own error messages."""

from __future__ import annotations

import contextlib
import io
from types import TracebackType
from typing import Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from spikebench.errors import AudioError
from spikebench.recordings.decoder_output import quiet_decoder
from spikebench.recordings.lengths.measure import sound_length
from spikebench.recordings.lengths.mpeg import MpegFrames, mpeg_frames
from spikebench.recordings.lengths.ogg import ogg_pages
from spikebench.recordings.types import HEAD_BYTES, read_type, remedy, unread_type

__all__ = ["AudioStream"]

_NOT_ANNOUNCED = 2**40  # samples; libsndfile returns the largest integer for an unknown length
_UNSUPPORTED = (4, 18)  # SF_ERR_UNSUPPORTED_ENCODING of sndfile.h, SFE_UNIMPLEMENTED of common.h
_MARGIN = 1024  # samples beyond those declared
_MPEG_IN_WAV = (0x50, 0x55)  # codec numbers of layer II and III


class _OnePass(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is not seekable.

    After every block, soundfile seeks to its current position. In MP3 this decodes neighbouring frames again, with
    slightly different results; in FLAC of unknown length it fails.
    """

    def seekable(self) -> bool:
        return False


class _Source(io.BytesIO):
    """Bytes that tolerate the invalid seeks of damaged files: an exception in a callback would be printed."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        with contextlib.suppress(ValueError, OverflowError):
            return super().seek(offset, whence)
        return self.tell()


class AudioStream:
    """Decoder of one recording.

    Parameters
    ----------
    data
        Contents of a file.

    Attributes
    ----------
    sample_rate
        Sample rate [Hz].
    n_channels
        Number of channels.
    announced
        Declared number of samples per channel; None if the file declares none.
    is_float
        Whether the samples are stored as floating-point numbers.
    has_open_length
        Whether the file does not declare the length of its sound.

    Raises
    ------
    AudioError
        If the file is shorter than its header declares, of a type that is not read, or broken.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._type = read_type(data[:HEAD_BYTES])
        self._mpeg: MpegFrames | None = None
        self._n_read = 0
        self.has_open_length = False
        if not self._type:
            _refuse_unread(data)
        readable = self._check_length(data)
        self._quiet = self._type in ("", "MP3") or _holds_mpeg(data)
        self._sound = self._open(readable)
        untagged = self._mpeg if self._mpeg is not None and self._mpeg.tag is None else None
        if untagged is not None and untagged.n_samples > self._sound.frames:
            self._close()
            self._sound = self._open(untagged.with_tag(data))
        self.sample_rate = int(self._sound.samplerate)
        self.n_channels = int(self._sound.channels)
        self.is_float = self._sound.subtype in ("FLOAT", "DOUBLE")
        frames = int(self._sound.frames)
        self.announced = frames if frames < _NOT_ANNOUNCED else None
        self.has_open_length |= self.announced is None
        if untagged is not None:  # the length from libsndfile is an estimate
            self.announced = untagged.n_samples if untagged.is_whole else None

    def _open(self, data: bytes) -> _OnePass:
        try:
            with quiet_decoder(self._quiet):
                return _OnePass(_Source(data))
        except soundfile.SoundFileError as error:
            raise AudioError(self._why_not_opened(error)) from None

    def __enter__(self) -> Self:
        """Return the stream, which is already open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the stream."""
        self._close()

    def _close(self) -> None:
        with quiet_decoder(self._quiet):
            self._sound.close()

    def read(self, length: int) -> NDArray[np.float64]:
        """Decode the next samples.

        Parameters
        ----------
        length
            Maximum number of samples per channel.

        Returns
        -------
        ndarray of float64, shape (n, n_channels)
            Samples; full scale is 1, n = 0 at the end.

        Raises
        ------
        AudioError
            If they cannot be decoded.
        """
        if self.announced is not None:
            # libsndfile zeroes the unused rest of the buffer, so it is not made larger than needed.
            length = min(length, max(self.announced - self._n_read, 0) + _MARGIN)
        try:
            with quiet_decoder(self._quiet):
                block: NDArray[np.float64] = self._sound.read(
                    length, dtype="float64", always_2d=True
                )
        except soundfile.SoundFileError:
            raise AudioError(
                f"broken or cut short: the {self._name} data cannot be decoded to the end"
            ) from None
        self._n_read += len(block)
        return block

    def require_whole(self, length: int) -> None:
        """Raise if fewer samples were decoded than declared.

        Parameters
        ----------
        length
            Number of samples per channel that were decoded.

        Raises
        ------
        AudioError
            If some are missing.
        """
        if self.announced is None or length >= self.announced:
            return
        if self._type == "MP3" and not (
            self._mpeg and self._mpeg.is_cut(self._data, self.announced - length)
        ):
            return
        raise AudioError(f"cut short: {length} of {self.announced} samples")

    def _check_length(self, data: bytes) -> bytes:
        """Compare declared and actual length; return the bytes that libsndfile reads to the end."""
        if self._type == "Ogg":
            pages = ogg_pages(data)
            if pages.is_cut:
                raise AudioError("cut short: ends within a page of its Ogg stream")
            self.has_open_length = not pages.has_end
        elif self._type == "MP3":
            self._mpeg = mpeg_frames(data)
            if self._mpeg is not None:
                self.has_open_length = self._mpeg.ends_within
        elif (length := sound_length(data)) is not None:
            if length.is_cut:
                raise AudioError(f"cut short: {length.present} of {length.declared} bytes of sound")
            self.has_open_length = length.declared is None
            return length.mended(data)
        return data

    @property
    def _name(self) -> str:
        return self._type or "audio"

    def _why_not_opened(self, error: soundfile.SoundFileError) -> str:
        """Return the reason; libsndfile's own messages mention pipes and internal errors."""
        if not self._type:
            return "broken or not audio: the type of its content is unknown"
        if getattr(error, "code", 0) in _UNSUPPORTED:
            return (
                f"broken header, or an encoding of {self._type} that is not read; if other programs play it: "
                f"{remedy()}"
            )
        return (
            f"broken or cut short: nothing in this {self._type} file can be decoded (if other programs play it: "
            f"{remedy()})"
        )


def _refuse_unread(data: bytes) -> None:
    """Raise for audio of types that are not read, and for other files that often replace audio."""
    head = data[:HEAD_BYTES]
    if kind := unread_type(head):
        raise AudioError(f"contains {kind}, which is not read; convert it: {remedy()}")
    if head.startswith(b"version https://git-lfs"):
        raise AudioError(
            "contains a Git LFS pointer instead of sound; fetch the sound with 'git lfs pull'"
        )
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise AudioError("not audio: contains a web page or XML")


def _holds_mpeg(data: bytes) -> bool:
    """Return whether a WAV file contains MPEG audio, whose decoder prints warnings."""
    at = data.find(b"fmt ", 0, 4096)
    size_bytes = 8 if data[:4] == b"riff" else 4
    content = at + (24 if size_bytes == 8 else 8)
    return at >= 0 and int.from_bytes(data[content : content + 2], "little") in _MPEG_IN_WAV
