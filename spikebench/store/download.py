"""One download of a data set: the file in its folder, or from the first address that delivers it completely.

A file that the user put into the data set's folder is treated like a downloaded one. Both are used only if
their hash is the published one, or the one pinned on first use (:mod:`spikebench.store.pins`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spikebench.datasets.spec import Download
from spikebench.errors import DataError
from spikebench.records.text import printable
from spikebench.records.whole_files import put_in_place
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
    """Check a downloaded file, or download it if it is missing.

    Parameters
    ----------
    download
        Specification of the download.
    folder
        Folder of the data set; the caller must hold its lock (:func:`spikebench.store.folder.locked`).
    offline
        Open no connection.
    progress
        Called with the downloaded bytes and their total, None if not known.
    notify
        Called with one line for every decision: an address that failed, a hash that is pinned.

    Returns
    -------
    Path
        The file, in the folder.

    Raises
    ------
    DataError
        If the present file has another hash, or a missing file cannot be downloaded; the downloaded part is kept,
        and the next call resumes the download.
    """
    target = folder / download.file
    if target.exists():
        if difference := _check(target, download, folder, notify):
            raise wrong_file(target, difference)
        return target
    if offline:
        raise DataError(f"{download.file}: is missing (offline); {_remedy(download, folder)}")
    reason = "no address is known"
    for url in download.urls:
        try:
            return _take(url, download, folder, progress, notify)
        except TransferError as error:
            reason = str(error)
            more = "" if url == download.urls[-1] else "; trying the next address"
            notify(f"{url}: {reason}{more}")
    kept = (
        "; the downloaded part is kept, run the same command again to resume"
        if _partial(target).exists()
        else ""
    )
    raise DataError(
        f"{download.file}: cannot be downloaded ({reason}{kept}); or {_remedy(download, folder)}"
    )


def _take(
    url: str, download: Download, folder: Path, progress: Progress, notify: Callable[[str], None]
) -> Path:
    """Get the file from one address; restart from the beginning if the resumed download has another hash."""
    target = folder / download.file
    partial = _partial(target)
    comparable = bool(download.sha256 or download.md5 or download.file in read_pins(folder))
    while True:
        resumed = partial.exists()
        transfer(url, partial, download, comparable, progress)
        difference = _check(partial, download, folder, notify)
        if not difference:
            put_in_place(partial, target)
            discard(partial)
            return target
        discard(partial)
        if not resumed:
            raise TransferError(f"delivers another file: {difference}")
        notify(
            f"{download.file}: the resumed download is another file; restarting from the beginning"
        )


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
    """Return how the user can provide the file."""
    becomes = "" if download.becomes in (download.file, "") else f" or {download.becomes} from it"
    if download.becomes.endswith("/"):
        becomes = ""
    addresses = ", ".join(download.urls) or "no address is known"
    return f"put {download.file} (as downloaded){becomes} into {printable(str(folder))}; its addresses: {addresses}"
