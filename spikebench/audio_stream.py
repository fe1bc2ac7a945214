"""One file, opened by libsndfile: read once from front to back, with our words where it fails."""

from __future__ import annotations

import contextlib
import io
from types import TracebackType
from typing import Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from spikebench.audio_length import sound_length
from spikebench.audio_types import HEAD_BYTES, read_type, remedy, unread_type
from spikebench.decoder_output import quiet_decoder
from spikebench.errors import AudioError
from spikebench.mpeg_frames import MpegFrames, mpeg_frames
from spikebench.ogg_pages import ogg_pages

__all__ = ["AudioStream"]

_NOT_ANNOUNCED = 2**40  # samples; libsndfile gives the largest number it has where it does not know
_UNSUPPORTED = (4, 18)  # SF_ERR_UNSUPPORTED_ENCODING of sndfile.h, SFE_UNIMPLEMENTED of common.h
_MARGIN = 1024  # samples, beyond those announced
_MPEG_IN_WAV = (0x50, 0x55)  # codec numbers of layer II and III


class _OnePass(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is never sought in.

    After every block soundfile seeks to where it is. In MP3 that decodes the frames around anew, a little
    differently; in FLAC of unknown length it fails.
    """

    def seekable(self) -> bool:
        return False


class _Source(io.BytesIO):
    """Bytes in which a damaged file may seek anywhere: an exception in a callback would be printed."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        with contextlib.suppress(ValueError, OverflowError):
            return super().seek(offset, whence)
        return self.tell()


class AudioStream:
    """A recording that is being decoded.

    Parameters
    ----------
    data
        A file, whole.

    Attributes
    ----------
    sample_rate
        [Hz].
    n_channels
        Channels.
    announced
        Samples per channel; None where the file does not say.
    is_float
        Whether the samples are stored as floating-point numbers.
    has_open_length
        Whether the file does not say where its sound ends.

    Raises
    ------
    AudioError
        If it is shorter than its header announces, of a type that is not read, or broken.
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
        if untagged is not None:  # what libsndfile gives is a guess
            self.announced = untagged.n_samples if untagged.is_whole else None

    def _open(self, data: bytes) -> _OnePass:
        try:
            with quiet_decoder(self._quiet):
                return _OnePass(_Source(data))
        except soundfile.SoundFileError as error:
            raise AudioError(self._why_not_opened(error)) from None

    def __enter__(self) -> Self:
        """Open already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self._close()

    def _close(self) -> None:
        with quiet_decoder(self._quiet):
            self._sound.close()

    def read(self, length: int) -> NDArray[np.float64]:
        """Decode the next samples.

        Parameters
        ----------
        length
            How many, at most.

        Returns
        -------
        ndarray of float64, shape (n, n_channels)
            Full scale 1; none at the end.

        Raises
        ------
        AudioError
            If they cannot be decoded.
        """
        if self.announced is not None:
            # libsndfile clears what it does not fill: no more room than will be needed, and a little.
            length = min(length, max(self.announced - self._n_read, 0) + _MARGIN)
        try:
            with quiet_decoder(self._quiet):
                block: NDArray[np.float64] = self._sound.read(
                    length, dtype="float64", always_2d=True
                )
        except soundfile.SoundFileError:
            raise AudioError(
                f"broken or cut short: the {self._name} data cannot be decoded to their end"
            ) from None
        self._n_read += len(block)
        return block

    def require_whole(self, length: int) -> None:
        """Refuse a recording of which less was decoded than announced.

        Parameters
        ----------
        length
            Samples that were decoded.

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
        """Compare what the file says of its length with what is there; give what libsndfile reads to the end."""
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
        """Say in our words what libsndfile's mean; they speak of pipes and internal errors."""
        if not self._type:
            return "broken or not audio: its content is of no type that is known"
        if getattr(error, "code", 0) in _UNSUPPORTED:
            return (
                f"broken header, or an encoding of {self._type} that is not read; if other players can: "
                f"{remedy()}"
            )
        return (
            f"broken or cut short: nothing in this {self._type} file can be decoded (if other players can: "
            f"{remedy()})"
        )


def _refuse_unread(data: bytes) -> None:
    """Name what is audio, or stands where it should be, and is not read."""
    head = data[:HEAD_BYTES]
    if kind := unread_type(head):
        raise AudioError(f"holds {kind}, which is not read; convert it: {remedy()}")
    if head.startswith(b"version https://git-lfs"):
        raise AudioError("holds a pointer of Git LFS and no sound; 'git lfs pull' fetches it")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise AudioError("not audio: holds a web page or XML")


def _holds_mpeg(data: bytes) -> bool:
    """Tell whether a WAV file holds MPEG audio, whose decoder speaks."""
    at = data.find(b"fmt ", 0, 4096)
    size_bytes = 8 if data[:4] == b"riff" else 4
    content = at + (24 if size_bytes == 8 else 8)
    return at >= 0 and int.from_bytes(data[content : content + 2], "little") in _MPEG_IN_WAV
