"""The static site: a page of all entries, a page per entry, and the downloads; no outside requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.claims.entry import StoredEntry
from leaderboard.claims.literature import Report
from leaderboard.pages.entry_page import render_entry
from leaderboard.pages.index_page import render_index
from leaderboard.pages.templating import GENERATOR
from leaderboard.standings.ranking import Board, build_boards
from leaderboard.standings.table import (
    Row,
    entry_json,
    literature_csv,
    measured_csv,
    measured_rows,
    to_json,
)
from spikebench.errors import OutputExistsError, ResultError
from spikebench.records.whole_files import write_text
from spikebench.workers import available_cores, worker_pool

PAGE = "index.html"
_HEAD_CHARACTERS = 4096
SEVERAL_PROCESSES_FROM, _PER_CALL = 1000, 50


@dataclass(frozen=True)
class _Page:
    """An entry, and its rows on all boards."""

    stored: StoredEntry
    rows: list[Row]


def build_site(
    entries: Sequence[StoredEntry],
    reports: Sequence[Report],
    output: Path,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Write the page, a page per entry, and the downloads.

    Pages of entries that are no longer there are removed, if this function wrote them.

    Parameters
    ----------
    entries
        Verified entries.
    reports
        The literature.
    output
        A folder (made if it is not there), or a file that ends in ``.html``.
    tell
        Is told now and then how many pages of how many are written.

    Returns
    -------
    list of Path
        The page, then ``leaderboard.json``, ``leaderboard.csv`` and ``literature.csv`` beside it. The page of an entry
        is ``entries/<dataset>/<id>.html``, with all that is known of it as JSON beside it.

    Raises
    ------
    OutputExistsError
        If a page that is not a leaderboard's stands where one is to be written.
    ResultError
        If the place cannot be written.
    """
    page = output if output.suffix.lower() in {".html", ".htm"} else output / PAGE
    root = page.parent
    boards = build_boards(entries)
    rows = measured_rows(boards)
    pages = _by_page(boards, rows)
    if root.exists() and not root.is_dir():
        raise ResultError(f"{root}: is no folder; give one, or a file that ends in .html")
    jobs = available_cores() if len(pages) >= SEVERAL_PROCESSES_FROM else 1
    try:
        _refuse_others([page, *(root / name for name in pages)])
        root.mkdir(parents=True, exist_ok=True)
        with worker_pool(jobs, preload=__name__, collect=False) as pool:
            own = [(root / name, one) for name, one in pages.items()]
            parts = [own[i : i + _PER_CALL] for i in range(0, len(own), _PER_CALL)]
            written = [pool.submit(_write_some, part, page.name) for part in parts]
            downloads = {
                "leaderboard.json": to_json(rows, reports),
                "leaderboard.csv": measured_csv(rows),
                "literature.csv": literature_csv(reports),
            }
            index = render_index(boards, rows, reports)
            for number, future in enumerate(written, 1):
                future.result()
                tell(min(number * _PER_CALL, len(own)), len(own))
        _remove_stale(root, set(pages))
        for name, text in downloads.items():
            write_text(root / name, text)
        write_text(page, index)
    except OSError as error:
        raise ResultError(f"{page}: cannot be written: {error.strerror or error}") from None
    return [page, *(root / name for name in downloads)]


def _by_page(boards: Sequence[Board], rows: Sequence[Row]) -> dict[str, _Page]:
    """Find what each page of an entry shows, its own track first."""
    found: dict[str, _Page] = {}
    ranked = (one for board in boards for one in board.entries)
    for one, row in zip(ranked, rows, strict=True):
        found.setdefault(row.page, _Page(one.stored, [])).rows.append(row)
    for page in found.values():
        page.rows.sort(key=lambda row: row.track != page.stored.entry.track)
    return found


def _write_some(pages: Sequence[tuple[Path, _Page]], index: str) -> None:
    for path, page in pages:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path.with_suffix(".json"), entry_json(page.stored))
        write_text(path, render_entry(page.stored, page.rows, index))


def _refuse_others(pages: Iterable[Path]) -> None:
    for page in pages:
        if page.exists() and not _is_ours(page):
            raise OutputExistsError(f"{page}: not a leaderboard page; choose another place with -o")


def _is_ours(page: Path) -> bool:
    with page.open(encoding="utf-8", errors="replace") as file:
        return GENERATOR in file.read(_HEAD_CHARACTERS)


def _remove_stale(root: Path, kept: set[str]) -> None:
    for kind in ("html", "json"):  # what a build that was stopped has left
        for left in (root / "entries").glob(f"*/.*.{kind}.????????.partial"):
            left.unlink(missing_ok=True)
    for page in (root / "entries").glob("*/*.html"):
        if page.relative_to(root).as_posix() not in kept and page.is_file() and _is_ours(page):
            page.with_suffix(".json").unlink(missing_ok=True)
            page.unlink()
            if not any(page.parent.iterdir()):
                page.parent.rmdir()
