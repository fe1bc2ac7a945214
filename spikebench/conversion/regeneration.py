"""SHD and SSC made again from their audio: one conversion per split, by a recipe.

The files have the names and the layout of the published ones (``shd-r_train.h5``, times as float16 from the first
spike on, all classes). Their attributes describe them: ``dataset``, ``made_again_from``, ``licence``, ``citation``,
``samples_published`` (of the same splits), ``recordings_found``, and ``complete``, which is 1 only if every sample
of those splits is in the file. ``request_sha256`` is a digest of everything that determines the file except the
recordings, whose SHA-256 the file stores as well: a finished file is recognised by both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.journal import as_asked
from spikebench.conversion.recipe_clips import name_recordings, take_splits, with_lists
from spikebench.conversion.runner import ConversionReport, convert, request
from spikebench.datasets.recipe import Recipe
from spikebench.errors import AudioError, OutputExistsError, SpikeFileError
from spikebench.naming.names import ClipNames
from spikebench.recordings.decoding import read_bytes
from spikebench.recordings.search import Clip, Skipped
from spikebench.records.text import os_error_text, printable
from spikebench.records.whole_files import refuse_existing
from spikebench.spike_files.reader import SpikeFile

__all__ = ["make", "output_files"]

_FILE_NAMES = {"validation": "valid"}  # as the published files call the split


@dataclass(frozen=True)
class _Part:
    """One file to make: its recordings, and how many there should be."""

    path: Path
    names: ClipNames
    size: int
    request: Mapping[str, str]

    @property
    def digest(self) -> str:
        text = json.dumps(self.request, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def output_files(recipe: Recipe, folder: Path, one_file: bool = False) -> dict[Path, list[str]]:
    """Return the paths of the files to make.

    Parameters
    ----------
    recipe
        Recipe of the data set.
    folder
        Folder of the files.
    one_file
        All splits in one file.

    Returns
    -------
    dict
        Path → splits in the file.
    """
    if one_file:
        return {folder / f"{recipe.spec.name}.h5": list(recipe.spec.sizes)}
    return {
        folder / f"{recipe.spec.name}_{_FILE_NAMES.get(split, split)}.h5": [split]
        for split in recipe.spec.sizes
    }


def whole_parts(recipe: Recipe, folder: Path) -> list[Path]:
    """Find the files of :func:`make`, one per split, if together they are the data set.

    Parameters
    ----------
    recipe
        Recipe of the data set.
    folder
        Folder of the files.

    Returns
    -------
    list of Path
        The files; empty if one is missing, or was made of a part of the recordings or with other settings than the
        defaults.
    """
    files = output_files(recipe, folder)
    expected = {
        "complete": 1,
        "seed": 0,
        "time_dtype": "float16",
        "split_from": recipe.split_rule,
    }
    for path, splits in files.items():
        if not path.is_file():
            return []
        with SpikeFile(path) as file:
            made, n_samples = file.provenance, file.n_samples
        same = all(made.get(name) == value for name, value in expected.items())
        whole = n_samples == sum(recipe.spec.sizes[split] for split in splits)
        if not (same and whole and "resampled_rate_hz" in made):
            return []
    return list(files)


def make(
    recipe: Recipe,
    audio: Path,
    folder: Path,
    *,
    seed: int = 0,
    time_dtype: str = "float16",
    native_rate: bool = False,
    published_test: Path | None = None,
    published_train: Path | None = None,
    one_file: bool = False,
    device: str = "cpu",
    jobs: int | Callable[[], int] | None = None,
    executor: Executor | None = None,
    overwrite: bool = False,
    restart: bool = False,
    notify: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[ConversionReport]:
    """Make a data set again from its recordings.

    A finished file of the same request and the same recordings is kept; an unfinished one is resumed.

    Parameters
    ----------
    recipe
        Recipe of the data set.
    audio
        Folder of the recordings, searched recursively.
    folder
        Folder of the files; created if it does not exist.
    seed
        0 … 2⁶³ - 1.
    time_dtype
        ``float16`` as in the published files, or ``float32``.
    native_rate
        Do not resample to 48 kHz.
    published_test, published_train
        The authors' lists of recordings, for the published split and order; ``published_train`` requires
        ``published_test``.
    one_file
        One file ``NAME.h5`` that marks the splits, instead of one file per split.
    device
        ``cpu``, or a GPU as ``cuda`` or ``cuda:N``.
    jobs, executor, overwrite, restart
        As :func:`spikebench.conversion.runner.convert` takes them.
    notify
        Called with one line for every decision and every file left out.
    progress
        Called with the number of recordings done and their total, over all files.

    Returns
    -------
    list of ConversionReport
        One per file. A file that was kept took no time, and all its recordings count as resumed.

    Raises
    ------
    AudioError
        If the folder cannot be used, or contains no recording of the data set, or one twice.
    ProtocolError
        If a list is not one of the published ones.
    OutputExistsError
        If a file exists that was made from another request or from other recordings.
    ConversionStateError, NothingConvertedError, SpikeFileError, SpikebenchError
        As :func:`spikebench.conversion.runner.convert` raises them; finished files are kept.
    """
    recipe = with_lists(recipe, published_test, published_train)
    names = name_recordings(recipe, audio, notify)
    options = ConversionOptions(
        n_channels=recipe.spec.n_units,
        native_rate=native_rate,
        seed=seed,
        time_dtype=time_dtype,
        time_origin=recipe.time_origin,
        device=device,
        keep_offset=True,  # as the original program
    )
    total = len(names.clips)
    notify_once = _once(notify)

    def convert_part(part: _Part, done: int) -> ConversionReport:
        return convert(
            audio,
            part.path,
            options,
            jobs=jobs,
            executor=executor,
            overwrite=overwrite,
            restart=restart,
            names=lambda clips: part.names,
            describe=lambda n_samples: _attributes(recipe, part, n_samples),
            notify=notify_once,
            progress=lambda here, _: progress(done + here, total),
        )

    parts = _parts(recipe, audio, output_files(recipe, folder, one_file), names, options, notify)
    # Report outputs that cannot be written before the work of hours starts.
    _make_folder(folder)
    kept = {} if overwrite else {part.path: _finished(part) for part in parts if part.path.exists()}
    for part in parts:
        refuse_existing(part.path, overwrite or part.path in kept)
    reports: list[ConversionReport] = []
    done = 0
    for part in parts:
        if part.path in kept:
            notify(f"{printable(part.path.name)}: exists already, made by the same request")
            reports.append(kept[part.path])
        else:
            reports.append(convert_part(part, done))
        done += len(part.names.clips)
        progress(done, total)
    return reports


def _parts(
    recipe: Recipe,
    audio: Path,
    files: Mapping[Path, list[str]],
    names: ClipNames,
    options: ConversionOptions,
    notify: Callable[[str], None],
) -> list[_Part]:
    """Assign the recordings to the files."""
    parts = []
    for path, splits in files.items():
        chosen = take_splits(names, splits)
        if chosen.clips:
            size = sum(recipe.spec.sizes[split] for split in splits)
            parts.append(_Part(path, chosen, size, request(audio, options, chosen)))
        else:
            notify(f"{printable(path.name)}: not made, no recording of its split was found")
    return parts


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "is a file, not a folder" if folder.is_file() else os_error_text(error)
        raise SpikeFileError(f"{printable(str(folder))}: {reason}") from None


def _attributes(recipe: Recipe, part: _Part, n_samples: int) -> dict[str, Any]:
    return {
        "dataset": recipe.spec.name,
        "title": recipe.spec.title,
        "made_again_from": recipe.spec.source,
        "licence": recipe.spec.licence,
        "citation": recipe.spec.citation,
        "time_dtype": json.loads(part.request["time_dtype"]),
        "samples_published": part.size,
        "recordings_found": len(part.names.clips),
        "complete": int(n_samples == part.size),
        "request_sha256": part.digest,
    }


def _finished(part: _Part) -> ConversionReport:
    """Return the report of an existing file, if it was made by the same request from the same recordings."""
    shown = printable(str(part.path))
    if not part.path.is_file():
        raise OutputExistsError(f"{shown}: exists already and is not a file; remove it")
    with SpikeFile(part.path) as file:
        made = file.provenance
        if made.get("request_sha256") != part.digest:
            raise OutputExistsError(
                f"{shown}: exists already{_difference(made, part)} (--overwrite replaces it)"
            )
        sources, digests = file.sources or (), file.sha256 or ()
        inside = dict(zip(sources, digests, strict=True))
        for clip in part.names.clips:
            if clip.relative in inside and _digest(clip) != inside[clip.relative]:
                raise OutputExistsError(
                    f"{shown}: exists already, and {printable(clip.relative)} has changed since it was made "
                    "(--overwrite replaces it)"
                )
        skipped = [
            Skipped(printable(clip.relative), "could not be used when the file was made")
            for clip in part.names.clips
            if clip.relative not in inside
        ]
        seconds = float(np.sum(file.durations_s)) if file.durations_s is not None else 0.0
        return ConversionReport(
            part.path,
            samples=file.n_samples,
            spikes=int(file.spike_counts.sum()),
            audio_seconds=seconds,
            classes=file.keys,
            skipped=skipped,
            wall_seconds=0.0,
            resumed=len(part.names.clips),
        )


def _difference(made: Mapping[str, Any], part: _Part) -> str:
    """Name the first setting in which the request of a file differs."""
    if "request_sha256" not in made:
        return ", and was not made by this command"
    before = as_asked(made)
    for name, now in sorted(part.request.items()):
        if name in before and before[name] != now:
            return f", made with other settings: {name} was {before[name][:80]}, is {now[:80]}"
    return ", made from other recordings"


def _digest(clip: Clip) -> str:
    try:
        return hashlib.sha256(read_bytes(clip.path)).hexdigest()
    except AudioError:
        return ""


def _once(notify: Callable[[str], None]) -> Callable[[str], None]:
    """Drop the repeated notices of the conversions about folders that cannot be listed."""
    seen: set[str] = set()

    def notify_once(text: str) -> None:
        if not (text.startswith("skipped ") and text in seen):
            notify(text)
        seen.add(text)

    return notify_once
