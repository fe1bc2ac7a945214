"""Where data sets lie: one folder each, below ``$SPIKEBENCH_DATA`` or the user's cache.

::

    NAME/PART.h5         spike files, whole and checked
    NAME/audio/          recordings, whole and checked
    NAME/SHA256SUMS      of every recording
    NAME/pins.json       of every file, its SHA-256 when it was first checked
    NAME/….partial       what is not finished yet
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import resources
from pathlib import Path

import platformdirs

from spikebench.datasets.spec import DatasetSpec
from spikebench.errors import DataError
from spikebench.records.text import os_error_text
from spikebench.records.whole_files import file_lock

__all__ = ["data_root", "folder_of", "locked", "part_paths"]

VARIABLE = "SPIKEBENCH_DATA"


def data_root() -> Path:
    """Find the folder of all data sets.

    Returns
    -------
    Path
        ``$SPIKEBENCH_DATA`` where that is set, else the folder ``spikebench`` of the user's cache; it need
        not be there yet.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    return platformdirs.user_cache_path("spikebench")


def folder_of(spec: DatasetSpec) -> Path:
    """Find the folder of one data set.

    Parameters
    ----------
    spec
        Of the data set.

    Returns
    -------
    Path
        The folder; it need not be there yet. That of a packaged data set lies in the package.
    """
    if spec.kind == "packaged":
        return Path(str(resources.files("spikebench").joinpath("datasets")))
    return data_root() / spec.name


def part_paths(spec: DatasetSpec) -> list[Path]:
    """Say where the spike files of a data set lie, or will lie.

    Parameters
    ----------
    spec
        Of the data set.

    Returns
    -------
    list of Path
        In the order of ``spec.parts``.
    """
    folder = folder_of(spec)
    return [folder / part.file for part in spec.parts]


@contextmanager
def locked(folder: Path, notify: Callable[[str], None]) -> Iterator[None]:
    """Let one process at a time work on a data set; others wait for it.

    Parameters
    ----------
    folder
        Of the data set; made if it is not there.
    notify
        Called with one line if there is something to wait for.

    Yields
    ------
    None

    Raises
    ------
    DataError
        If the folder cannot be made or written.
    """

    def busy() -> None:
        notify(f"{folder}: another process is at work on this data set; waiting for it")

    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(file_lock(folder / ".lock", busy))
        except OSError as error:
            raise DataError(
                f"{folder}: cannot be written: {os_error_text(error)}; ${VARIABLE} names another folder"
            ) from None
        yield
