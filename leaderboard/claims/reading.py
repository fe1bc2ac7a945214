"""Reading all entries below some folders: each is checked, or its contents are cached as checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from leaderboard.checks.memory import PASSED, Contents, read_contents, recall, remember
from leaderboard.claims.entry import ENTRY_FILE, Entry, StoredEntry, read_entry
from leaderboard.claims.tier import VERIFICATION_FILE, Verifications
from spikebench.errors import ResultError
from spikebench.protocol.results import RESULT_FILE, Result
from spikebench.workers import available_cores, worker_pool

__all__ = ["read_entries"]

_SEVERAL_PROCESSES_FROM = 500  # entries; starting processes takes as long as reading so many in one
_PER_CALL = 25


def read_entries(
    folders: Iterable[Path],
    jobs: int | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
    *,
    use_memory: bool = False,
) -> list[StoredEntry]:
    """Read and check every entry below some folders of entries.

    Parameters
    ----------
    folders
        Folders with ``<dataset>/<id>/`` below. Names that begin with a dot and plain files are
        ignored.
    jobs
        Number of processes; by default one per core for 500 entries and more, else only this one. It does not
        affect the result.
    report
        Called now and then with the number of entries read and their total.
    use_memory
        Whether to skip the checks of entries whose contents passed them before, and to store passed checks, see
        :mod:`leaderboard.checks.memory`.

    Returns
    -------
    list of StoredEntry
        Sorted by data set and id.

    Raises
    ------
    ResultError
        If a folder is missing, an entry fails its checks (all such entries are named), or an id
        appears twice.
    """
    found: dict[tuple[str, str], StoredEntry] = {}
    problems: list[str] = []
    all_folders = _entry_folders(folders)
    for folder, stored in zip(
        all_folders, _read_all(all_folders, jobs, report, use_memory), strict=True
    ):
        if isinstance(stored, str):
            problems.append(stored)
            continue
        key = (stored.entry.dataset, stored.entry.id)
        if key in found:
            problems.append(f"{folder}: is the same entry as {found[key].folder}")
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
    folders: list[Path], jobs: int | None, report: Callable[[int, int], None], use_memory: bool
) -> list[StoredEntry | str]:
    """Read entries; for one that fails its checks, return the reason."""
    if jobs is None:
        jobs = available_cores() if len(folders) >= _SEVERAL_PROCESSES_FROM else 1
    parts = [folders[i : i + _PER_CALL] for i in range(0, len(folders), _PER_CALL)]
    read: list[StoredEntry | str] = []
    with worker_pool(jobs, preload=__name__) as pool:
        for future in [pool.submit(_read_some, part, use_memory) for part in parts]:
            read += future.result()
            report(len(read), len(folders))
    return read


def _recall(folder: Path, contents: Contents) -> StoredEntry | None:
    """Make an entry of contents that passed their checks before; otherwise return None."""
    recalled = recall(contents.sha256)
    if recalled is None:
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
    breakdown, passed = recalled
    return StoredEntry(
        entry,
        result,
        folder,
        breakdown,
        tuple(verifications),
        contents_sha256=contents.sha256,
        **passed,
    )


def _read_some(folders: list[Path], use_memory: bool) -> list[StoredEntry | str]:
    """Read entries; for one that fails its checks, return the reason."""
    read: list[StoredEntry | str] = []
    for folder in folders:
        contents = read_contents(folder) if use_memory else None
        try:
            recalled = _recall(folder, contents) if contents else None
            read.append(recalled or _check(folder, contents))
        except ResultError as error:
            read.append(str(error))
    return read


def _check(folder: Path, before: Contents | None) -> StoredEntry:
    """Check an entry, and store that it passed if its contents are known."""
    stored = read_entry(folder)
    if stored.entry.dataset != folder.parent.name:
        raise ResultError(f"{folder}: belongs below {stored.entry.dataset}/")
    after = read_contents(folder) if before else None
    if before is None or after is None or before.sha256 != after.sha256:  # changed meanwhile
        return stored
    passed = {name: getattr(stored, name) for name in PASSED}
    remember(before.sha256, stored.breakdown, passed)
    return replace(stored, contents_sha256=before.sha256)


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
                    f"{folder}: contains the entries of one data set; give the folder above"
                )
            found.extend(_subfolders(dataset))
    return found


def _subfolders(folder: Path) -> list[Path]:
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in inside:
        if path.is_symlink():
            raise ResultError(f"{path}: is a link; entries must be in the folder itself")
    return [path for path in inside if path.is_dir()]
