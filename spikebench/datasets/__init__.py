"""Data sets: one file each, named here as strings so that the list costs no import.

A module holds one constant, ``SPEC``, a :class:`~spikebench.datasets.spec.DatasetSpec`. Wherever a
data set is asked for, a registered name or the path of a spike file will do; a name comes first, so a
file called ``digits`` is ``./digits``.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from importlib import resources
from pathlib import Path

from spikebench.datasets.spec import DatasetSpec
from spikebench.errors import SpikeFileError, UnknownNameError

__all__ = ["DATASETS", "DatasetSpec", "load_spec", "resolve"]

DATASETS = {
    "digits": "spikebench.datasets.digits:SPEC",
}


def load_spec(name: str) -> DatasetSpec:
    """Look up a registered data set.

    Parameters
    ----------
    name
        Its name.

    Returns
    -------
    DatasetSpec
        What is known about it.

    Raises
    ------
    UnknownNameError
        If no data set has this name.
    """
    if name not in DATASETS:
        raise UnknownNameError("data set", name, DATASETS)
    module, _, attribute = DATASETS[name].partition(":")
    spec: DatasetSpec = getattr(importlib.import_module(module), attribute)
    return spec


def resolve(name_or_path: str) -> tuple[Path, DatasetSpec | None]:
    """Find the spike file of a registered data set, or take a file that is there.

    Parameters
    ----------
    name_or_path
        A registered name, or the path of a spike file.

    Returns
    -------
    path : Path
        The spike file. That of a registered data set has the SHA-256 that its specification pins.
    spec : DatasetSpec or None
        What is known about a registered data set; None for any other file.

    Raises
    ------
    SpikeFileError
        If a registered data set's file is missing or damaged, or there is no file at the path.
    UnknownNameError
        If it is neither a registered name nor looks like a path.
    """
    if name_or_path in DATASETS:
        spec = load_spec(name_or_path)
        return _packaged(spec), spec
    if os.path.isfile(name_or_path):
        return Path(name_or_path), None
    if os.path.isdir(name_or_path):
        raise SpikeFileError(
            f"{name_or_path!r} is a folder, not a spike file; "
            "'spikebench convert' makes one from a folder of audio"
        )
    if os.path.basename(name_or_path) != name_or_path or Path(name_or_path).suffix:
        raise SpikeFileError(
            f"no such file: {name_or_path!r} (registered data sets: {', '.join(DATASETS)})"
        )
    raise UnknownNameError("data set", name_or_path, DATASETS)


def _packaged(spec: DatasetSpec) -> Path:
    """Find a file of the package and make sure that it is the one that was published."""
    path = Path(str(resources.files("spikebench").joinpath(spec.file)))
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise SpikeFileError(
            f"data set {spec.name!r}: {path}: {error.strerror}; reinstall spikebench"
        ) from None
    if digest != spec.sha256:
        raise SpikeFileError(
            f"data set {spec.name!r}: {path} is damaged: its SHA-256 is {digest}, "
            f"not {spec.sha256}; reinstall spikebench"
        )
    return path
