"""Data sets on this machine: get missing files, check present files, report the state.

``get`` downloads and unpacks. It does not convert, because that takes hours; the command ``spikebench data get``
converts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from spikebench.datasets.spec import DatasetSpec, Download, SpikePart
from spikebench.errors import DataError, SpikebenchError
from spikebench.recordings.decoding import SUFFIXES
from spikebench.records.text import printable
from spikebench.store.download import obtain
from spikebench.store.folder import folder_of, locked, part_paths
from spikebench.store.manifest import (
    MANIFEST_FILE,
    add_to_manifest,
    find_changes,
    read_manifest,
)
from spikebench.store.pins import (
    PINS_FILE,
    check_file,
    find_difference,
    forget,
    is_checked,
    read_pins,
    wrong_file,
)
from spikebench.store.transfer import Progress
from spikebench.store.unpacking import unpack_file, unpack_recordings

__all__ = ["State", "accept", "get", "recording_folders", "state", "verify"]

State = Literal["in the package", "here", "partly here", "not here"]

Notify = Callable[[str], None]


def recording_folders(spec: DatasetSpec) -> list[Path]:
    """Return the folders of the recordings of a data set, which need not exist yet.

    Parameters
    ----------
    spec
        Specification of the data set.

    Returns
    -------
    list of Path
        One per archive of recordings to download.
    """
    folder = folder_of(spec)
    return [folder / one.becomes.rstrip("/") for one in spec.downloads if _is_audio(one)]


def get(
    spec: DatasetSpec,
    *,
    offline: bool = False,
    progress: Progress = lambda done, total: None,
    notify: Notify = lambda text: None,
) -> list[Path]:
    """Download the missing files of a data set.

    Present files are not read again, unless their size or modification time has changed.

    Parameters
    ----------
    spec
        Specification of the data set.
    offline
        Open no connection.
    progress
        Called with the downloaded bytes of one file and their total, None if not known.
    notify
        Called with one line for every decision.

    Returns
    -------
    list of Path
        Spike files and folders of recordings, in the order of its downloads; the files of a packaged data
        set; empty for a data set that is made from the recordings of another one.

    Raises
    ------
    DataError
        If a file cannot be downloaded, or differs from the published or pinned one.
    """
    if spec.kind == "packaged":
        return part_paths(spec)
    folder = folder_of(spec)
    paths = [folder / one.becomes.rstrip("/") for one in spec.downloads]
    if all(_is_here(one, spec, folder) for one in spec.downloads):
        return paths
    with locked(folder, notify):
        for download in spec.downloads:
            if _is_here(download, spec, folder):
                continue
            if _is_audio(download):
                _get_recordings(spec, download, folder, offline, progress, notify)
            else:
                part = _part(spec, download)
                _get_part(download, part, folder, offline, progress, notify)
    return paths


def accept(spec: DatasetSpec, part: SpikePart, notify: Notify, made_now: bool = False) -> Path:
    """Check a present spike file, and pin it if it is new.

    Parameters
    ----------
    spec
        Specification of the data set.
    part
        The file.
    notify
        Called with one line if it is pinned now.
    made_now
        Whether it was made just now, so that an earlier pin is discarded.

    Returns
    -------
    Path
        Path of the file.

    Raises
    ------
    DataError
        If it differs from the published or pinned file.
    """
    folder = folder_of(spec)
    path = folder / part.file
    if is_checked(path, folder, part.file, part.sha256):
        return path
    with locked(folder, notify):
        if made_now:
            forget(folder, part.file)
        if difference := _check_part(
            path, part, folder, lambda text: None if made_now else notify(text)
        ):
            raise wrong_file(path, difference)
    return path


def state(spec: DatasetSpec) -> State:
    """Return whether a data set is on this machine, without reading its files.

    Parameters
    ----------
    spec
        Specification of the data set.

    Returns
    -------
    str
        ``here`` if all its spike files are present, ``partly here`` if any file is, e.g. recordings or a partial
        download.
    """
    if spec.kind == "packaged":
        return "in the package"
    if all(path.is_file() for path in part_paths(spec)):
        return "here"
    folder = folder_of(spec)
    records = {".lock", PINS_FILE, MANIFEST_FILE}
    something = folder.is_dir() and any(one.name not in records for one in folder.iterdir())
    return "partly here" if something else "not here"


def verify(spec: DatasetSpec, notify: Notify = lambda text: None) -> list[str]:
    """Read all present files of a data set, and compare them with their hashes.

    Parameters
    ----------
    spec
        Specification of the data set.
    notify
        Called with one line per file or folder, with the hash to which it was compared.

    Returns
    -------
    list of str
        Problems, one line each: other bytes than published or pinned, recordings that are missing, changed
        or extra, and problems of a spike file; empty if there are none.

    Raises
    ------
    DataError
        If no file is present, or the stored hashes are damaged.
    """
    folder = folder_of(spec)
    pins = {} if spec.kind == "packaged" else read_pins(folder)
    audio = [one for one in spec.downloads if _is_audio(one)]
    recordings = [one for one in audio if (folder / one.becomes).is_dir()]
    there = [part for part in spec.parts if (folder / part.file).exists()]
    if not recordings and not there:
        raise DataError(
            f"data set {spec.name!r}: is not in {printable(str(folder))}; get it with 'spikebench data get "
            f"{spec.name}'"
        )
    problems: list[str] = []
    for download in recordings:
        changes = find_changes(folder, download.becomes)
        notify(f"{download.becomes}: compared with {MANIFEST_FILE}")
        problems += [f"{printable(str(folder))}: {change}" for change in changes]
        if problem := _missing(spec, read_manifest(folder)):
            problems.append(f"{printable(str(folder / MANIFEST_FILE))}: {problem}")
    for part in spec.parts:
        if part in there:
            pin = pins.get(part.file)
            problems += _problems(folder / part.file, part, pin.sha256 if pin else None, notify)
        elif spec.kind != "audio":
            problems.append(f"{printable(str(folder / part.file))}: is missing")
    return problems


def _problems(path: Path, part: SpikePart, pinned: str | None, notify: Notify) -> list[str]:
    """Return the problems of one spike file."""
    from spikebench.spike_files.report import find_problems

    try:
        difference, compared, _ = find_difference(path, pinned, part.md5, part.sha256)
        notify(f"{part.file}: compared with {compared}")
        shown = printable(str(path))
        return [*([f"{shown}: {difference}"] if difference else []), *find_problems(path)]
    except SpikebenchError as error:
        return [str(error)]


def _is_audio(download: Download) -> bool:
    return download.becomes.endswith("/")


def _part(spec: DatasetSpec, download: Download) -> SpikePart:
    (part,) = [part for part in spec.parts if part.file == download.becomes]
    return part


def _is_here(download: Download, spec: DatasetSpec, folder: Path) -> bool:
    """Return, without reading, whether the unpacked download is present and was checked."""
    if _is_audio(download):
        return (folder / download.becomes).is_dir() and (folder / MANIFEST_FILE).is_file()
    part = _part(spec, download)
    return is_checked(folder / part.file, folder, part.file, part.sha256)


def _check_part(path: Path, part: SpikePart, folder: Path, notify: Notify) -> str:
    return check_file(
        path,
        folder=folder,
        name=part.file,
        md5=part.md5,
        sha256=part.sha256,
        notify=notify,
    )


def _get_part(
    download: Download,
    part: SpikePart,
    folder: Path,
    offline: bool,
    progress: Progress,
    notify: Notify,
) -> None:
    """Check the spike file if it is present, otherwise download and unpack it."""
    target = folder / part.file
    if not target.exists():
        archive = obtain(download, folder, offline=offline, progress=progress, notify=notify)
        if archive == target:
            return
        notify(f"{download.file}: unpacking")
        try:
            unpack_file(
                archive,
                download,
                target,
                lambda partial: _check_part(partial, part, folder, notify),
            )
        except DataError:
            _forget_unknown(download, folder)
            raise
        archive.unlink()
    elif difference := _check_part(target, part, folder, notify):
        raise wrong_file(target, difference)


def _get_recordings(
    spec: DatasetSpec,
    download: Download,
    folder: Path,
    offline: bool,
    progress: Progress,
    notify: Notify,
) -> None:
    """Download an archive of recordings and unpack it."""
    target = folder / download.becomes.rstrip("/")
    if target.exists():
        raise DataError(
            f"{printable(str(target))}: exists, but the list of its contents, {MANIFEST_FILE}, does not; "
            "remove it, or give your own folder with --audio"
        )
    archive = obtain(download, folder, offline=offline, progress=progress, notify=notify)
    notify(f"{download.file}: unpacking")

    def write_down(digests: Mapping[str, str]) -> None:
        if problem := _missing(spec, digests):
            raise DataError(f"{printable(str(archive))}: {problem}; remove it and get another one")
        # The manifest is written first, so that a folder with its final name always has one.
        add_to_manifest(folder, download.becomes, digests)

    try:
        digests = unpack_recordings(archive, download, target, write_down)
    except DataError:
        _forget_unknown(download, folder)
        raise
    notify(f"{download.file}: {len(digests)} files unpacked")
    archive.unlink()


def _missing(spec: DatasetSpec, paths: Iterable[str]) -> str:
    """Return a message if there are fewer recordings than the data set has, otherwise an empty string."""
    found = sum(Path(path).suffix.lower() in SUFFIXES for path in paths)
    wanted = sum(spec.sizes.values())
    return "" if found >= wanted else f"contains {found:,} recordings, {spec.name} has {wanted:,}"


def _forget_unknown(download: Download, folder: Path) -> None:
    """Remove the pin of an archive that proved to be wrong, unless its hash is published."""
    if not download.sha256 and not download.md5:
        forget(folder, download.file)
