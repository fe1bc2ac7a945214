"""The recordings that a spike file names: found in a folder, and checked by their SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Self

from spikebench.errors import AudioError, DataError
from spikebench.recordings.decoding import Recording, decode_segments, read_bytes
from spikebench.records.text import printable

__all__ = ["NamedRecordings", "Piece"]

_LONGEST = 1e5  # seconds; the conversion has accepted these recordings


@dataclass(frozen=True)
class Piece:
    """A recording of which a sample was made, or a piece of it.

    Attributes
    ----------
    name : str
        Path below the folder that was converted, from the spike file.
    sha256 : str
        SHA-256 of the file, hexadecimal.
    start, duration : float
        Start and length of the piece [s]; a negative length stands for the whole recording.
    """

    name: str
    sha256: str
    start: float = 0.0
    duration: float = -1.0


@dataclass(frozen=True)
class NamedRecordings:
    """The recordings behind some samples of a spike file.

    Attributes
    ----------
    folder : Path
        The folder that was converted.
    spike_file : Path
        The file that names them.
    pieces : tuple of Piece
        One per sample.
    keep_offset : bool
        Whether a constant offset stays, as for encoders that keep it.
    """

    folder: Path
    spike_file: Path
    pieces: tuple[Piece, ...]
    keep_offset: bool = False

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def treatment(self) -> str:
        """What is done to the recordings after they are read; empty for nothing."""
        return ""

    def of(self, positions: Sequence[int]) -> Self:
        """Choose some of the recordings.

        Parameters
        ----------
        positions
            Positions among them.

        Returns
        -------
        NamedRecordings
            These, in this order.
        """
        return replace(self, pieces=tuple(self.pieces[k] for k in positions))

    def read(self) -> Iterator[Recording]:
        """Read the recording of every sample.

        Yields
        ------
        Recording
            Mono, without a constant offset unless that is kept, as the conversion to spikes uses it.

        Raises
        ------
        DataError
            If a recording is missing, or is not the one of which the sample was made.
        AudioError
            If it cannot be used.
        """
        name, whole = "", None
        for piece in self.pieces:
            if whole is None or piece.name != name:  # pieces of a recording follow each other
                name, whole = piece.name, self._decode(piece)
            part = whole if piece.duration < 0 else whole.cut(piece.start, piece.duration)
            try:
                part.require_usable()
            except AudioError as error:
                raise AudioError(f"{self.path_of(piece)}: {error}") from None
            yield part if self.keep_offset else part.without_offset()

    def _decode(self, piece: Piece) -> Recording:
        path = self.path_of(piece)
        shown = printable(str(path))
        try:
            data = read_bytes(path)
        except AudioError as error:
            raise DataError(
                f"{shown}: {error}; {self._names} this recording: give the folder that was converted with --audio"
            ) from None
        found = hashlib.sha256(data).hexdigest()
        if found != piece.sha256:
            raise DataError(
                f"{shown}: is not the recording that {self._names} (SHA-256 {found[:12]}…, not "
                f"{printable(piece.sha256[:12])}…); restore it, or give another folder with --audio"
            )
        try:
            (recording,) = decode_segments(data, _LONGEST, sha256=found)
        except AudioError as error:
            raise AudioError(f"{shown}: {error}") from None
        return recording

    def path_of(self, piece: Piece) -> Path:
        """Return the path of a recording.

        Parameters
        ----------
        piece
            The recording.

        Returns
        -------
        Path
            Below the folder.

        Raises
        ------
        DataError
            If its name is not one below a folder.
        """
        pure = PurePosixPath(piece.name)
        if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\0" in piece.name:
            raise DataError(
                f"{self._names} a recording '{printable(piece.name)}', which is not a path below a folder; "
                "convert the recordings again"
            )
        return self.folder / pure

    @property
    def _names(self) -> str:
        return f"{printable(self.spike_file.name)} names"
