"""What a pull request may do to the entries: add new ones, and withdraw existing ones.

The commits are compared path by path, from every merge base to the head. An entry is added whole, in a folder of its
own, without verifications; in an existing entry ``withdrawn`` alone may change, from ``null`` to a withdrawal. Every
other path below the entries that is added, modified, deleted, or changes its mode or type is refused by name.
A new entry is neither withdrawn nor repeats the predictions of a withdrawn one, and no withdrawal is dated before an
entry with the same predictions was submitted.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from leaderboard.checks.git_tree import PLAIN_FILE, Repository, TreeFile
from leaderboard.checks.recomputation import MAX_WEIGHTS_BYTES
from leaderboard.claims.entry import ENTRY_FILE, MAX_ENTRY_BYTES, SLUG_PATTERN, Entry, StoredEntry
from leaderboard.claims.tier import VERIFICATION_FILE
from spikebench.errors import ResultError
from spikebench.records.text import printable

ENTRIES = "leaderboard/entries"
_MAX_ADDED_BYTES = 4 * MAX_WEIGHTS_BYTES


@dataclass(frozen=True)
class Changes:
    """What a pull request does.

    ``added`` and ``withdrawn`` are entries as ``dataset/id``; ``elsewhere`` are the paths that it changes outside of
    the entries, which a person must read.
    """

    added: tuple[str, ...]
    withdrawn: tuple[str, ...]
    elsewhere: tuple[str, ...]
    files: dict[str, TreeFile] = field(repr=False)


def read_changes(repository: Repository, base: str, head: str) -> Changes:
    """Compare a pull request with its base, and refuse what it may not do.

    Parameters
    ----------
    repository
        Holds both, with their history.
    base, head
        Commits: where the pull request goes, and what it brings.

    Returns
    -------
    Changes
        With ``files``, those of the entries after the merge, by path below the entries.

    Raises
    ------
    ResultError
        If it does anything else than to add or withdraw entries; all such paths are named.
    """
    base, head = repository.commit(base), repository.commit(head)
    after, old = repository.files(head), repository.files(base)
    merged = {path: file for path, file in old.items() if path.startswith(f"{ENTRIES}/")}
    added: set[str] = set()
    withdrawn: set[str] = set()
    elsewhere: set[str] = set()
    problems: list[str] = []
    for ancestor in repository.merge_bases(base, head):
        before = repository.files(ancestor)
        folders = {_entry_of(path) for path in (*before, *old)} - {""}
        for path in sorted(before.keys() | after.keys()):
            was, now = before.get(path), after.get(path)
            if was == now:
                continue
            if _folded(path).rsplit("/", 1)[-1] == ".gitattributes":
                problems.append(f"{path}: changes how git writes files; take it out of this change")
            elif not _folded(path).startswith(f"{ENTRIES}/"):
                elsewhere.add(path)
            elif problem := _problem(repository, path, was, now, old.get(path), folders):
                problems.append(problem)
            else:
                assert now is not None
                (withdrawn if was else added).add(_entry_of(path))
                merged[path] = now
    if sum(merged[path].size for path in merged if _entry_of(path) in added) > _MAX_ADDED_BYTES:
        problems.append(f"the new entries hold more than {_MAX_ADDED_BYTES // 2**30} GiB")
    if problems:
        refused = ResultError(
            "a change of entries adds new ones or withdraws existing ones, and nothing else:"
        )
        refused.details = tuple(dict.fromkeys(map(printable, problems)))
        raise refused
    return Changes(
        tuple(sorted(added)),
        tuple(sorted(withdrawn)),
        tuple(sorted(elsewhere)),
        {path[len(ENTRIES) + 1 :]: file for path, file in merged.items()},
    )


def write_files(repository: Repository, files: dict[str, TreeFile], folder: Path) -> None:
    """Write the entries as they are after the merge.

    Parameters
    ----------
    repository
        Holds them.
    files
        Those of :func:`read_changes`.
    folder
        An empty folder.

    Raises
    ------
    ResultError
        If an entry of the base is not a plain file.
    """
    for path, file in files.items():
        if file.mode != PLAIN_FILE or ".." in path.split("/"):
            raise ResultError(f"{ENTRIES}/{printable(path)}: not a plain file")
    for path, content in zip(files, repository.contents(list(files.values())), strict=True):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def refuse_withdrawn(new: Sequence[StoredEntry], entries: Sequence[StoredEntry]) -> None:
    """Refuse new entries that are withdrawn already, or repeat the predictions of a withdrawn entry.

    Parameters
    ----------
    new
        The new entries.
    entries
        All entries, with or without the new ones.

    Raises
    ------
    ResultError
        At the first such entry.
    """
    withdrawn = {
        predictions: other.entry.id
        for other in entries
        if other.entry.withdrawn is not None
        for predictions in other.breakdown.fingerprints
    }
    for stored in new:
        name = f"{stored.entry.dataset}/{stored.entry.id}"
        if stored.entry.withdrawn is not None:
            raise ResultError(f"{name}: a new entry must not be withdrawn")
        for predictions in stored.breakdown.fingerprints:
            if predictions in withdrawn:
                raise ResultError(
                    f"{name}: the same predictions as {withdrawn[predictions]}, which was withdrawn"
                )


def refuse_backdated(withdrawn: Collection[str], entries: Sequence[StoredEntry]) -> None:
    """Refuse withdrawals that are dated before an entry with the same predictions was submitted, and cost it its rank.

    Parameters
    ----------
    withdrawn
        Entries that a change withdraws, as ``dataset/id``.
    entries
        All entries, with the withdrawals.

    Raises
    ------
    ResultError
        At the first such withdrawal.
    """
    owners: dict[str, list[StoredEntry]] = {}
    for stored in entries:
        if stored.entry.withdrawn is None:
            for predictions in stored.breakdown.fingerprints:
                owners.setdefault(predictions, []).append(stored)
    for stored in entries:
        name, withdrawal = f"{stored.entry.dataset}/{stored.entry.id}", stored.entry.withdrawn
        if withdrawal is None or name not in withdrawn:
            continue
        for predictions in stored.breakdown.fingerprints:
            for other in owners.get(predictions, []):
                if withdrawal.date < other.entry.submitted:
                    raise ResultError(
                        f"{name}: its withdrawal is dated before {other.entry.id}, which has the same predictions, was "
                        "submitted; withdraw it with the date of today"
                    )


def _folded(path: str) -> str:
    """Reduce a path to what file systems that ignore case and forms of letters distinguish."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def _entry_of(path: str) -> str:
    """Name the entry that a path belongs to, as ``dataset/id``; empty if it belongs to none."""
    parts = path.split("/")
    return "/".join(parts[2:4]) if path.startswith(f"{ENTRIES}/") and len(parts) > 4 else ""


def _problem(
    repository: Repository,
    path: str,
    was: TreeFile | None,
    now: TreeFile | None,
    on_base: TreeFile | None,
    folders: set[str],
) -> str:
    """Say why a change of a file below the entries is refused; empty if it may be."""
    if now is None:
        return f"{path}: deleted; spikebench leaderboard withdraw ENTRY --reason … keeps an entry"
    if now.mode != PLAIN_FILE:
        return f"{path}: not a plain file (mode {now.mode})"
    if was is None and on_base is None:
        return "".join(_problems_of_new(path, now, folders))
    if on_base != was:
        return f"{path}: changed on the base meanwhile; merge the base and try again"
    assert was is not None
    if path.split("/")[4:] != [ENTRY_FILE]:
        return f"{path}: modified; a measured result is handed in as a new entry"
    old, new = repository.contents([was, now])
    return "" if _is_withdrawal(old, new) else f"{path}: modified beyond a withdrawal"


def _problems_of_new(path: str, now: TreeFile, folders: set[str]) -> Iterator[str]:
    parts = path.split("/")
    if len(parts) != 5 or not path.startswith(f"{ENTRIES}/"):
        yield f"{path}: no file of an entry ({ENTRIES}/DATASET/ID/FILE)"
    elif not all(re.fullmatch(SLUG_PATTERN, part) for part in parts[2:4]):
        yield f"{path}: no folder of an entry, which spikebench submit names"
    elif _entry_of(path) in folders:
        yield f"{path}: added to an existing entry; hand in the result as a new one"
    elif parts[4] == VERIFICATION_FILE:
        yield f"{path}: a new entry must not contain verifications (maintainers run spikebench verify)"
    elif now.size > MAX_WEIGHTS_BYTES:
        yield f"{path}: larger than {MAX_WEIGHTS_BYTES} bytes"


def _is_withdrawal(old: bytes, new: bytes) -> bool:
    if max(len(old), len(new)) > MAX_ENTRY_BYTES:
        return False
    try:
        before = Entry.model_validate(json.loads(old))
        after = Entry.model_validate(json.loads(new))
    except (ValueError, RecursionError, ValidationError):
        return False
    if before.withdrawn is not None or after.withdrawn is None:
        return False
    expected = before.model_copy(update={"withdrawn": after.withdrawn})
    return new.decode() == expected.model_dump_json(indent=2) + "\n"
