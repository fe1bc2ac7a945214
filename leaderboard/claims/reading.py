"""Reading every entry below some folders: each is checked, or its contents are known to have passed their checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from leaderboard.checks.memory import read_contents, recall, remember
from leaderboard.claims.entry import ENTRY_FILE, Entry, StoredEntry, read_entry
from leaderboard.claims.tier import VERIFICATION_FILE, Verifications
from spikebench.errors import ResultError
from spikebench.protocol.results import RESULT_FILE, Result
from spikebench.workers import available_cores, worker_pool

__all__ = ["read_entries"]

_SEVERAL_PROCESSES_FROM = 500  # entries; to start processes costs what one reads in that time
_PER_CALL = 25


def read_entries(
    folders: Iterable[Path],
    jobs: int | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
    *,
    use_memory: bool = False,
) -> list[StoredEntry]:
    """Read and check every entry below some folders of entries.

    Parameters
    ----------
    folders
        Folders with ``<dataset>/<id>/`` below. Names that begin with a dot and plain files are
        passed over.
    jobs
        Processes that check; by default one per core for 500 entries and more, else this one. What comes
        back is the same.
    tell
        Is told now and then how many entries of how many are read.
    use_memory
        Whether entries whose contents passed their checks before are not checked again, see
        :mod:`leaderboard.checks.memory`; those that pass are remembered.

    Returns
    -------
    list of StoredEntry
        By data set and id.

    Raises
    ------
    ResultError
        If a folder is missing, an entry fails its checks (all that do are named), or an id
        appears twice.
    """
    found: dict[tuple[str, str], StoredEntry] = {}
    problems: list[str] = []
    all_folders = _entry_folders(folders)
    for folder, stored in zip(
        all_folders, _read_all(all_folders, jobs, tell, use_memory), strict=True
    ):
        if isinstance(stored, str):
            problems.append(stored)
            continue
        key = (stored.entry.dataset, stored.entry.id)
        if key in found:
            problems.append(f"{folder}: the same entry as {found[key].folder}")
        else:
            found[key] = stored
    if problems:
        if len(problems) == 1:
            raise ResultError(problems[0])
        failed = ResultError(f"{len(problems)} entries fail their checks:")
        failed.details = tuple(problems)
        raise failed
    return [found[key] for key in sorted(found)]


def _read_all(
    folders: list[Path], jobs: int | None, tell: Callable[[int, int], None], use_memory: bool
) -> list[StoredEntry | str]:
    """Read entries, those that are remembered in this process; of one that fails its checks, say why."""
    read: dict[Path, StoredEntry | str] = {}
    if use_memory:
        for number, folder in enumerate(folders, 1):
            if stored := _recall(folder):
                read[folder] = stored
            if number % _PER_CALL == 0:
                tell(len(read), len(folders))
    new = [folder for folder in folders if folder not in read]
    if jobs is None:
        jobs = available_cores() if len(new) >= _SEVERAL_PROCESSES_FROM else 1
    parts = [new[i : i + _PER_CALL] for i in range(0, len(new), _PER_CALL)]
    with worker_pool(jobs, preload=__name__) as pool:
        reading = [pool.submit(_read_some, part, use_memory) for part in parts]
        for part, future in zip(parts, reading, strict=True):
            read |= dict(zip(part, future.result(), strict=True))
            tell(len(read), len(folders))
    return [read[folder] for folder in folders]


def _recall(folder: Path) -> StoredEntry | None:
    """Read an entry whose contents passed their checks before; None if they did not."""
    contents = read_contents(folder)
    breakdown = recall(contents.sha256) if contents else None
    if contents is None or breakdown is None:
        return None
    files = contents.json_files
    try:
        entry = Entry.model_validate_json(files[ENTRY_FILE])
        result = Result.model_validate_json(files[RESULT_FILE])
        verified = files.get(VERIFICATION_FILE)
        verifications = (
            Verifications.model_validate_json(verified).verifications if verified else ()
        )
    except (KeyError, ValidationError):
        return None
    if entry.dataset != folder.parent.name:
        return None
    return StoredEntry(
        entry, result, folder, breakdown, tuple(verifications), contents_sha256=contents.sha256
    )


def _read_some(folders: list[Path], use_memory: bool) -> list[StoredEntry | str]:
    """Check entries; of one that fails, say why."""
    read: list[StoredEntry | str] = []
    for folder in folders:
        try:
            before = read_contents(folder) if use_memory else None
            stored = read_entry(folder)
            if stored.entry.dataset != folder.parent.name:
                raise ResultError(f"{folder}: belongs below {stored.entry.dataset}/")
            if before and before == read_contents(folder):  # else it was changed meanwhile
                remember(before.sha256, stored.breakdown)
                stored = replace(stored, contents_sha256=before.sha256)
            read.append(stored)
        except ResultError as error:
            read.append(str(error))
    return read


def _entry_folders(folders: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise ResultError(f"{folder}: no such folder of entries")
        if (folder / ENTRY_FILE).exists():
            raise ResultError(f"{folder}: is an entry; give the folder two levels above")
        for dataset in _subfolders(folder):
            if (dataset / ENTRY_FILE).exists():
                raise ResultError(
                    f"{folder}: holds the entries of one data set; give the folder above"
                )
            found.extend(_subfolders(dataset))
    return found


def _subfolders(folder: Path) -> list[Path]:
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in inside:
        if path.is_symlink():
            raise ResultError(f"{path}: a link; entries must lie in the folder itself")
    return [path for path in inside if path.is_dir()]
