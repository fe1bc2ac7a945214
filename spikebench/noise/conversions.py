"""Degraded recordings as spikes: converted in blocks that are kept, so that an interrupted study continues.

::

    conversions/<key>.npz    times [s, float32], units and durations of at most 64 samples

The key is a hash of everything that determines the spikes: the recordings by their SHA-256, what is done to them, the
encoder with its parameters and versions, and the seed of the conversion. Blocks are therefore used again by other
models, other commands and other folders with the same contents, and never for anything else. A damaged block is made
anew. Recordings are read and degraded here and encoded by the workers, which need no access to files.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.conversion.job import workers_lost
from spikebench.degradation.degraded import DegradedRecordings
from spikebench.encoders.clip import encode_samples
from spikebench.encoders.encoder import Encoder, Spikes
from spikebench.encoders.provenance import encoder_of
from spikebench.errors import AudioError, SpikebenchError
from spikebench.records.text import printable
from spikebench.records.whole_files import whole_file
from spikebench.spike_files.reader import SpikeFile

__all__ = ["BLOCK", "Converted", "Ear", "blocks_of", "convert_blocks", "ear_of", "read_converted"]

BLOCK = 64
_FOLDER = "conversions"
_VERSION = 1
_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Ear:
    """How the recordings of a spike file were converted.

    Attributes
    ----------
    encoder
        The encoder with its settings.
    seed
        Seed of the conversion.
    from_first_spike
        Whether the time of the first spike of a sample is subtracted.
    """

    encoder: Encoder
    seed: int
    from_first_spike: bool

    def key(self, recordings: DegradedRecordings) -> str:
        """Return the SHA-256 of everything that determines the spikes of recordings."""
        encoder = self.encoder
        said = [
            *(_VERSION, encoder.name, encoder.preset, asdict(encoder.params), encoder.n_units),
            *(encoder.software(), self.seed, self.from_first_spike, recordings.keep_offset),
            [(one.sha256, one.start, one.duration) for one in recordings.pieces],
            recordings.treatment,
        ]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


class Converted(NamedTuple):
    """The spikes of one sample: times [s], units, and the length of its sound [s]."""

    times: NDArray[np.float32]
    units: NDArray[np.uint16]
    duration: float


def ear_of(path: Path) -> Ear:
    """Read how the recordings of a spike file were converted.

    Parameters
    ----------
    path
        Spike file.

    Returns
    -------
    Ear
        To convert other sounds in the same way.

    Raises
    ------
    SpikebenchError
        If its encoder does not exist here, or has other parameters in this version.
    """
    with SpikeFile(path) as file:
        made = file.provenance
        encoder = encoder_of(made, file.n_units)
    kept = made.get("parameters")
    here = json.loads(json.dumps(asdict(encoder.params)))
    if kept is not None and json.loads(json.dumps(kept)) != here:
        raise SpikebenchError(
            f"{printable(str(path))}: its encoder {encoder.name} had other parameters than in this version; convert "
            "the recordings again"
        )
    return Ear(encoder, int(made.get("seed", 0)), made.get("time_origin") == "first spike")


def blocks_of(recordings: DegradedRecordings) -> list[DegradedRecordings]:
    """Cut recordings into blocks.

    Parameters
    ----------
    recordings
        Any number.

    Returns
    -------
    list of DegradedRecordings
        At most :data:`BLOCK` in each.
    """
    n = len(recordings)
    return [recordings.of(range(first, min(first + BLOCK, n))) for first in range(0, n, BLOCK)]


def convert_blocks(
    recordings: Sequence[DegradedRecordings],
    ear: Ear,
    folder: Path,
    executor: Executor,
    window: Callable[[], int],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Convert recordings that are not converted yet.

    Parameters
    ----------
    recordings
        The recordings under each condition.
    ear
        How they are converted.
    folder
        Folder of the study.
    executor
        Runs the encoder.
    window
        Called repeatedly; how many recordings may be pending at a time.
    progress
        Called with the number of recordings that are done and their total.

    Raises
    ------
    ConversionStateError
        If the workers are lost.
    SpikebenchError
        If a recording cannot be read, degraded or encoded, or a worker has other versions.
    """
    blocks = [block for one in recordings for block in blocks_of(one)]
    places = [folder / _FOLDER / f"{ear.key(block)}.npz" for block in blocks]
    missing = {
        place: block
        for place, block in zip(places, blocks, strict=True)
        if _read(place, len(block)) is None
    }
    total = sum(map(len, blocks))
    done = total - sum(map(len, missing.values()))
    progress(done, total)
    if not missing:
        return
    (folder / _FOLDER).mkdir(parents=True, exist_ok=True)
    pending: dict[Future[tuple[Spikes, str]], tuple[Path, int, float]] = {}
    found: dict[Path, dict[int, Converted]] = {place: {} for place in missing}
    try:
        for place, k, samples, rate in _sounds(missing):
            call = executor.submit(encode_samples, samples, rate, ear.encoder, ear.seed)
            pending[call] = (place, k, samples.size / rate)
            while len(pending) >= window():
                done += _collect(pending, found, missing, ear)
                progress(done, total)
        while pending:
            done += _collect(pending, found, missing, ear)
            window()
            progress(done, total)
    except BrokenExecutor as error:
        raise workers_lost(error) from None


def _sounds(
    missing: dict[Path, DegradedRecordings],
) -> Iterator[tuple[Path, int, NDArray[np.float64], int]]:
    for place, block in missing.items():
        for k, recording in enumerate(block.read()):
            yield place, k, recording.samples, recording.sample_rate


def _collect(
    pending: dict[Future[tuple[Spikes, str]], tuple[Path, int, float]],
    found: dict[Path, dict[int, Converted]],
    missing: dict[Path, DegradedRecordings],
    ear: Ear,
) -> int:
    """Take what is encoded, and write the blocks that are complete; returns the number of recordings."""
    # The timeout lets window() detect that all workers are lost.
    ready = wait(pending, timeout=2.0, return_when=FIRST_COMPLETED).done
    for call in ready:
        place, k, duration = pending.pop(call)
        block = missing[place]
        try:
            spikes, software = call.result()
        except ValueError as error:
            raise AudioError(
                f"{printable(str(block.path_of(block.pieces[k])))}: {block.conditions[k]}: "
                f"{printable(str(error))}"
            ) from None
        if software != ear.encoder.software():
            raise SpikebenchError(
                f"a worker has other versions of the software, so its spikes may differ: {software} there, "
                f"{ear.encoder.software()} here; install the same versions on both"
            )
        found[place][k] = _from_origin(spikes, duration, ear)
        if len(found[place]) == len(block):
            samples = found.pop(place)
            _write(place, [samples[one] for one in range(len(block))])
    return len(ready)


def _from_origin(spikes: Spikes, duration: float, ear: Ear) -> Converted:
    first = float(spikes.times[0]) if ear.from_first_spike and spikes.times.size else 0.0
    times = (spikes.times - first).astype(np.float32)
    return Converted(times, spikes.units.astype(np.uint16), duration - first)


def _write(place: Path, samples: Sequence[Converted]) -> None:
    with whole_file(place) as partial, partial.open("wb") as file:
        np.savez(
            file,
            sizes=np.array([one.times.size for one in samples], dtype=np.int64),
            times=np.concatenate([one.times for one in samples]),
            units=np.concatenate([one.units for one in samples]),
            durations=np.array([one.duration for one in samples]),
        )


def _read(place: Path, n: int) -> list[Converted] | None:
    """Read a block of n samples; None if it does not exist or is damaged."""
    try:
        with place.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            sizes, times, units, durations = (
                kept[name] for name in ("sizes", "times", "units", "durations")
            )
    except _DAMAGED:
        return None
    if (
        sizes.shape != (n,)
        or durations.shape != (n,)
        or not times.size == units.size == sizes.sum()
    ):
        return None
    ends = np.cumsum(sizes)
    return [
        Converted(times[end - size : end], units[end - size : end], float(duration))
        for size, end, duration in zip(sizes.tolist(), ends.tolist(), durations, strict=True)
    ]


def read_converted(recordings: DegradedRecordings, ear: Ear, folder: Path) -> list[Converted]:
    """Read the spikes of converted recordings.

    Parameters
    ----------
    recordings
        The recordings under one condition.
    ear
        How they were converted.
    folder
        Folder of the study.

    Returns
    -------
    list of Converted
        One per recording.

    Raises
    ------
    SpikebenchError
        If some were not converted, or the file is damaged.
    """
    samples: list[Converted] = []
    for block in blocks_of(recordings):
        place = folder / _FOLDER / f"{ear.key(block)}.npz"
        kept = _read(place, len(block))
        if kept is None:
            raise SpikebenchError(
                f"{printable(str(place))}: is missing or damaged; run the same command again to convert it"
            )
        samples += kept
    return samples
