"""The mel features of the recordings behind samples: computed once, then memory-mapped.

::

    mel/<key>-v1.f32     float32, frame after frame, sample after sample
    mel/<key>-v1.json    number of frames of each sample, the design, and the SHA-256 of the other file

beside the data sets. The key is a hash of the design, of the SHA-256 of all recordings in their order, and of what is
done to them before (:attr:`NamedRecordings.treatment`), so other recordings or settings have other files; they are safe
to delete. For model selection, only the recordings of its samples are read, none of the test split. The second file is
written last and makes the first one valid. One process computes while others wait.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikebench.bands.mel import MelDesign, log_mel
from spikebench.errors import DataError, ResultError
from spikebench.recordings.named import NamedRecordings
from spikebench.records.locks import file_lock
from spikebench.records.text import os_error_text
from spikebench.records.whole_files import (
    file_sha256,
    file_sha256_once,
    remove_partials,
    whole_file,
    write_text,
)
from spikebench.store.folder import data_root

__all__ = ["MelFrames", "Progress", "mel_frames", "silent"]

FORMAT_VERSION = 1

Progress = Callable[[int, int], None]  # number of finished recordings, and their total


def silent(done: int, total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, eq=False)
class MelFrames:
    """Mel features of samples in flat arrays.

    Attributes
    ----------
    offsets : ndarray of int64, shape (samples + 1,)
        Sample k has the frames offsets[k] … offsets[k + 1].
    levels : ndarray of float32, shape (frames, band)
        Levels [dB]; read-only.
    design : MelDesign
        Parameters with which they were computed.
    """

    offsets: NDArray[np.int64]
    levels: NDArray[np.float32]
    design: MelDesign


def mel_frames(
    recordings: NamedRecordings, design: MelDesign, progress: Progress = silent
) -> MelFrames:
    """Open the mel features of recordings, computing them on first use.

    Parameters
    ----------
    recordings
        The recordings behind samples.
    design
        Parameters of the features.
    progress
        Called after every recording with the number of finished ones and their total.

    Returns
    -------
    MelFrames
        One part per sample.

    Raises
    ------
    DataError
        If a recording is missing or not the one of the sample, or the cache cannot be written.
    AudioError
        If a recording cannot be used.
    TrainingError
        If a band would contain no frequency of the transform.
    """
    root = data_root() / "mel"
    stem = f"{_key(recordings, design)}-v{FORMAT_VERSION}"
    found = _open(root / stem, design)
    if found is not None:
        return found
    try:
        root.mkdir(parents=True, exist_ok=True)
        with file_lock(root / f".{stem}.lock", busy=lambda: None):
            found = _open(root / stem, design)  # another process may have computed them
            if found is None:
                remove_partials(root, f"{stem}.*")
                _compute(root / stem, recordings, design, progress)
                found = _open(root / stem, design)
    except OSError as error:
        raise DataError(
            f"{root}: the mel features cannot be written: {os_error_text(error)}; "
            "choose another folder with SPIKEBENCH_DATA=FOLDER"
        ) from None
    if found is None:
        raise DataError(f"{root / stem}.f32: changed while it was written; try again")
    return found


def _key(recordings: NamedRecordings, design: MelDesign) -> str:
    pieces = [(piece.sha256, piece.start, piece.duration) for piece in recordings.pieces]
    said = [asdict(design), pieces, *filter(None, [recordings.treatment])]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _compute(
    stem: Path, recordings: NamedRecordings, design: MelDesign, progress: Progress
) -> None:
    sizes = []
    with whole_file(_levels_file(stem)) as partial, partial.open("wb") as file:
        for done, recording in enumerate(recordings.read(), 1):
            heard = recording.without_offset()  # degraded recordings may have one
            levels = log_mel(heard.samples, heard.sample_rate, design)
            file.write(levels.astype("<f4", copy=False).tobytes())
            sizes.append(len(levels))
            progress(done, len(recordings))
    about: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "design": asdict(design),
        "sha256": file_sha256(_levels_file(stem)),
        "frames": sizes,
    }
    write_text(_about_file(stem), json.dumps(about) + "\n")


def _open(stem: Path, design: MelDesign) -> MelFrames | None:
    """Open stored features; None if there are none, or they are damaged."""
    try:
        about = json.loads(_about_file(stem).read_text(encoding="utf-8"))
        offsets = np.concatenate([[0], np.cumsum(about["frames"], dtype=np.int64)])
        if file_sha256_once(_levels_file(stem)) != about["sha256"]:
            return None
        shape = (int(offsets[-1]), design.n_bands)
        levels = np.memmap(_levels_file(stem), "<f4", "r", shape=shape)
    except (OSError, ValueError, LookupError, TypeError, RecursionError, ResultError):
        return None
    return MelFrames(offsets.astype(np.int64), np.asarray(levels), design)


def _levels_file(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.f32")


def _about_file(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.json")
