"""Finding the spike files of a data set on this machine."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from spikebench.datasets import DATASETS, load_spec
from spikebench.datasets.spec import DatasetSpec, SpikePart
from spikebench.errors import ResultError, SpikeFileError, UnknownNameError
from spikebench.records.whole_files import file_sha256_once

__all__ = ["locate", "resolve"]


def resolve(name_or_path: str) -> tuple[Path, DatasetSpec | None]:
    """Return the spike file of a registered data set with one file, or the file at a path.

    Parameters
    ----------
    name_or_path
        A registered name, or the path of a spike file.

    Returns
    -------
    path : Path
        The spike file. A file in the package was checked against the SHA-256 in its specification.
    spec : DatasetSpec or None
        Specification of a registered data set; None for any other file.

    Raises
    ------
    SpikeFileError
        If a registered data set has several files, or its file is missing or damaged, or there is no file
        at the path.
    UnknownNameError
        If it is neither a registered name nor has the form of a path.
    """
    parts, spec = locate(name_or_path)
    if len(parts) > 1:
        raise SpikeFileError(
            f"data set {name_or_path!r} has {len(parts)} files; give one of "
            + ", ".join(_shown(path) for path, _ in parts)
        )
    return parts[0][0], spec


def locate(name_or_path: str) -> tuple[tuple[tuple[Path, str], ...], DatasetSpec | None]:
    """Return all spike files of a registered data set, or the file at a path.

    Parameters
    ----------
    name_or_path
        A registered name, or the path of a spike file.

    Returns
    -------
    parts : tuple of (Path, str)
        The spike files, in the order training, validation, test, each with the split of the whole file, which is
        empty if the file stores the split of each sample.
    spec : DatasetSpec or None
        Specification of a registered data set; None for any other file.

    Raises
    ------
    SpikeFileError
        If a file of a registered data set is missing or damaged, or there is no file at the path.
    UnknownNameError
        If it is neither a registered name nor has the form of a path.
    """
    if name_or_path in DATASETS:
        spec = load_spec(name_or_path)
        find = _packaged if spec.kind == "packaged" else _fetched
        return tuple((find(spec, part), part.split) for part in spec.parts), spec
    if os.path.isfile(name_or_path):
        return ((Path(name_or_path), ""),), None
    if os.path.isdir(name_or_path):
        raise SpikeFileError(
            f"{name_or_path!r} is a folder, not a spike file; "
            "make one from a folder of audio with 'spikebench convert'"
        )
    if os.path.basename(name_or_path) != name_or_path or Path(name_or_path).suffix:
        raise SpikeFileError(
            f"no such file: {name_or_path!r} (registered data sets: {', '.join(DATASETS)})"
        )
    raise UnknownNameError("data set", name_or_path, DATASETS)


def _fetched(spec: DatasetSpec, part: SpikePart) -> Path:
    """Return the path of a file that was downloaded or made."""
    from spikebench.store.folder import folder_of

    path = folder_of(spec) / part.file
    if not path.is_file():
        verb = "downloads" if spec.kind == "published" else "makes"
        raise SpikeFileError(
            f"data set {spec.name!r}: {_shown(path)} is missing; 'spikebench data get {spec.name}' {verb} it"
        )
    return path


def _packaged(spec: DatasetSpec, part: SpikePart) -> Path:
    """Return the path of a file of the package, after checking its SHA-256."""
    path = Path(str(resources.files("spikebench").joinpath("datasets", part.file)))
    try:
        digest = file_sha256_once(path)
    except ResultError as error:
        raise SpikeFileError(f"data set {spec.name!r}: {error}; reinstall spikebench") from None
    if digest != part.sha256:
        raise SpikeFileError(
            f"data set {spec.name!r}: {_shown(path)} is damaged: its SHA-256 is {digest}, "
            f"not {part.sha256}; reinstall spikebench"
        )
    return path


def _shown(path: Path) -> str:
    """Return a path in one line, with unprintable characters escaped."""
    return (
        str(path).encode("unicode_escape", "backslashreplace").decode()
        if not str(path).isprintable()
        else str(path)
    )
