"""Joining spike files of the same encoder, seed and classes, such as one file per split, into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spikebench.errors import SpikeFileError
from spikebench.records.text import printable
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.writer import SpikeWriter

__all__ = ["join_files"]

# Attributes that describe one file, not how its spikes were made.
_OF_ONE_FILE = {
    *("format", "format_version", "n_units", "time_unit", "complete", "recordings_found"),
    *("samples_published", "request_sha256", "software", "source_root", "split_from"),
}
_LINES = {"labels_from", "speakers_from", "title"}  # texts for people, kept from the first file


def join_files(
    paths: Sequence[Path],
    output: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Join spike files.

    Samples keep their splits and are in the order of the names of their recordings if all files have them, else in
    the order of the files.

    Parameters
    ----------
    paths
        The files, at least two.
    output
        The new file.
    overwrite
        Whether an existing file may be replaced.
    progress
        Called with the number of samples done and their total.

    Returns
    -------
    int
        Number of samples.

    Raises
    ------
    SpikeFileError
        If a file is not valid or given twice, if units, classes, speaker names, type of the times or attributes differ,
        or if two samples are of the same recording.
    OutputError
        If the output cannot be written.
    """
    _require_different(paths)
    files = [SpikeFile(path) for path in paths]
    try:
        first = files[0]
        for other in files[1:]:
            _require_same(first, other)
        rows = _rows(files)
        provenance = {
            name: value
            for name, value in first.provenance.items()
            if name not in _OF_ONE_FILE
            or (name in ("source_root", "software") and _agree(files, name))
        }
        with SpikeWriter(
            output,
            first.n_units,
            first.keys,
            provenance,
            time_dtype=str(first.time_dtype),
            overwrite=overwrite,
            speaker_names=first.speaker_names,
        ) as writer:
            for done, (file, index) in enumerate(rows, 1):
                _append(writer, file, index)
                progress(done, len(rows))
        return len(rows)
    finally:
        for file in files:
            file.close()


def _require_different(paths: Sequence[Path]) -> None:
    """Raise if a file is given twice, whose samples have no names by which that would be noticed."""
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise SpikeFileError(f"{printable(str(path))}: is given twice")
        seen.add(path.resolve())


def _agree(files: Sequence[SpikeFile], name: str) -> bool:
    return len({repr(file.provenance.get(name)) for file in files}) == 1


def _require_same(one: SpikeFile, other: SpikeFile) -> None:
    """Raise if spikes of two files must not be in one."""
    facts: dict[str, tuple[Any, Any]] = {
        "units": (one.n_units, other.n_units),
        "classes": (one.keys, other.keys),
        "names of speakers": (one.speaker_names, other.speaker_names),
        "type of the times": (str(one.time_dtype), str(other.time_dtype)),
    }
    for name in sorted({*one.provenance, *other.provenance} - _OF_ONE_FILE - _LINES):
        facts[f"attribute {name}"] = (one.provenance.get(name), other.provenance.get(name))
    for what, (here, there) in facts.items():
        if here != there:
            raise SpikeFileError(
                f"{printable(str(other.path))}: differs from {printable(str(one.path))} in its {what} "
                f"({printable(str(there))[:60]}, not {printable(str(here))[:60]}); join files of one conversion"
            )


def _rows(files: Sequence[SpikeFile]) -> list[tuple[SpikeFile, int]]:
    """Return file and index of every sample of the new file, in its order."""
    rows = [(file, index) for file in files for index in range(file.n_samples)]
    if any(file.sources is None for file in files):
        return rows
    named: dict[tuple[str, int], tuple[SpikeFile, int]] = {}
    for file, index in rows:
        assert file.sources is not None
        segment = 0 if file.segments is None else int(file.segments[index])
        name = (file.sources[index], segment)
        if name in named:
            raise SpikeFileError(
                f"{printable(str(file.path))}: {printable(name[0])} is in {printable(str(named[name][0].path))} too; "
                "leave one of the files out"
            )
        named[name] = (file, index)
    return [named[name] for name in sorted(named)]


def _append(writer: SpikeWriter, file: SpikeFile, index: int) -> None:
    times, units = file.events(index)
    writer.append(
        times,
        units,
        label=int(file.labels[index]),
        speaker=int(file.speakers[index]),
        split=file.splits[index] if file.splits is not None else "",
        source=file.sources[index] if file.sources is not None else "",
        sha256=file.sha256[index] if file.sha256 is not None else "",
        sample_rate_hz=0 if file.sample_rates_hz is None else int(file.sample_rates_hz[index]),
        duration_s=0.0 if file.durations_s is None else float(file.durations_s[index]),
        audio_channels=0 if file.audio_channels is None else int(file.audio_channels[index]),
        segment=0 if file.segments is None else int(file.segments[index]),
        start_s=float(file.starts_s[index]),
    )
