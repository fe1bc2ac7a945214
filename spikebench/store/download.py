"""One download of a data set: from where it lies already, or from the first address that gives it whole.

A file that was put into the data set's folder by hand is taken as if it had been downloaded. Either is used
only if its hash is the published one, or the one pinned when it was first here (:mod:`spikebench.store.pins`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from spikebench.datasets.spec import Download
from spikebench.errors import DataError
from spikebench.records.text import printable
from spikebench.store.pins import check_file, read_pins, wrong_file
from spikebench.store.transfer import Progress, TransferError, discard, transfer

__all__ = ["obtain"]


def obtain(
    download: Download,
    folder: Path,
    *,
    offline: bool = False,
    progress: Progress = lambda done, total: None,
    notify: Callable[[str], None] = lambda text: None,
) -> Path:
    """Make sure that a downloaded file is here and what it should be.

    Parameters
    ----------
    download
        What is known about it.
    folder
        Of the data set; nobody else is writing in it (:func:`spikebench.store.folder.locked`).
    offline
        Open no connection.
    progress
        Called with the bytes that are there and their total, None where that is not known.
    notify
        Called with one line for everything decided: an address that failed, a hash that is pinned.

    Returns
    -------
    Path
        The file, in the folder.

    Raises
    ------
    DataError
        If it is here and is another file, or is not here and cannot be had; what came is kept, and the
        same command goes on.
    """
    target = folder / download.file
    if target.exists():
        if difference := _check(target, download, folder, notify):
            raise wrong_file(target, difference)
        return target
    if offline:
        raise DataError(f"{download.file}: is not here (offline); {_remedy(download, folder)}")
    reason = "there is no address of it"
    for url in download.urls:
        try:
            return _take(url, download, folder, progress, notify)
        except TransferError as error:
            reason = str(error)
            more = "" if url == download.urls[-1] else "; trying the next address"
            notify(f"{url}: {reason}{more}")
    kept = "; what came is kept, and the same command goes on" if _partial(target).exists() else ""
    raise DataError(
        f"{download.file}: cannot be downloaded ({reason}{kept}); or {_remedy(download, folder)}"
    )


def _take(
    url: str, download: Download, folder: Path, progress: Progress, notify: Callable[[str], None]
) -> Path:
    """Get the file from one address; once more from its beginning if what was there before did not fit."""
    target = folder / download.file
    partial = _partial(target)
    comparable = bool(download.sha256 or download.md5 or download.file in read_pins(folder))
    while True:
        resumed = partial.exists()
        transfer(url, partial, download, comparable, progress)
        difference = _check(partial, download, folder, notify)
        if not difference:
            os.replace(partial, target)
            discard(partial)
            return target
        discard(partial)
        if not resumed:
            raise TransferError(f"gives another file: {difference}")
        notify(f"{download.file}: what was taken up is another file; once more from the start")


def _partial(target: Path) -> Path:
    return target.with_name(target.name + ".partial")


def _check(path: Path, download: Download, folder: Path, notify: Callable[[str], None]) -> str:
    return check_file(
        path,
        folder,
        download.file,
        md5=download.md5,
        sha256=download.sha256,
        notify=notify,
    )


def _remedy(download: Download, folder: Path) -> str:
    """Say how the file gets here otherwise."""
    becomes = "" if download.becomes in (download.file, "") else f" or {download.becomes} from it"
    if download.becomes.endswith("/"):
        becomes = ""
    addresses = ", ".join(download.urls) or "no address is known"
    return f"put {download.file} (as downloaded){becomes} into {printable(str(folder))}; it is at {addresses}"
