"""Location of data sets: one folder each, below ``$SPIKEBENCH_DATA`` or the user's cache.

::

    NAME/PART.h5         spike files, complete and checked
    NAME/audio/          recordings, complete and checked
    NAME/SHA256SUMS      SHA-256 of every recording
    NAME/pins.json       SHA-256 of every file when it was first checked
    NAME/….partial       unfinished files
    temporary/           temporary folders of running commands
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import resources
from pathlib import Path

import platformdirs

from spikebench.datasets.spec import DatasetSpec
from spikebench.errors import DataError
from spikebench.records.locks import file_lock
from spikebench.records.text import os_error_text
from spikebench.records.whole_files import partial_folder, remove_partials

__all__ = ["data_root", "folder_of", "locked", "part_paths", "temporary_folder"]

VARIABLE = "SPIKEBENCH_DATA"


def data_root() -> Path:
    """Return the folder of all data sets.

    Returns
    -------
    Path
        ``$SPIKEBENCH_DATA`` if that is set, else the folder ``spikebench`` of the user's cache; it need
        not exist yet.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    return platformdirs.user_cache_path("spikebench")


def folder_of(spec: DatasetSpec) -> Path:
    """Return the folder of one data set.

    Parameters
    ----------
    spec
        Specification of the data set.

    Returns
    -------
    Path
        The folder, which need not exist yet. That of a packaged data set is in the package.
    """
    if spec.kind == "packaged":
        return Path(str(resources.files("spikebench").joinpath("datasets")))
    return data_root() / spec.name


def part_paths(spec: DatasetSpec) -> list[Path]:
    """Return the paths of the spike files of a data set, which need not exist yet.

    Parameters
    ----------
    spec
        Specification of the data set.

    Returns
    -------
    list of Path
        Paths in the order of ``spec.parts``.
    """
    folder = folder_of(spec)
    return [folder / part.file for part in spec.parts]


@contextmanager
def locked(folder: Path, notify: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a data set; other processes wait for it.

    Parameters
    ----------
    folder
        Folder of the data set; created if it does not exist.
    notify
        Called with one line if another process holds the lock.

    Yields
    ------
    None

    Raises
    ------
    DataError
        If the folder cannot be created or written.
    """

    def busy() -> None:
        notify(f"{folder}: another process is working on this data set; waiting for it")

    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(file_lock(folder / ".lock", busy))
        except OSError as error:
            raise DataError(
                f"{folder}: cannot be written: {os_error_text(error)}; choose another folder with ${VARIABLE}"
            ) from None
        yield


@contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """Make a temporary folder, removed at the end of the block; those of killed commands are removed before.

    Parameters
    ----------
    purpose
        Part of its name.

    Yields
    ------
    Path
        An empty folder that only its owner may read, in ``temporary`` beside the data sets; without a writable folder
        there, in that of the system.
    """
    place = data_root() / "temporary"
    try:
        place.mkdir(parents=True, exist_ok=True)
        remove_partials(place)
        with ExitStack() as stack:
            folder = stack.enter_context(partial_folder(place / purpose))
            rest = stack.pop_all()
    except OSError:
        with tempfile.TemporaryDirectory(prefix=f"spikebench-{purpose}-") as folder_of_system:
            yield Path(folder_of_system)
        return
    with rest:
        yield folder
