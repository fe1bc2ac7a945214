"""The static site: a page of all entries, a page per entry, and the downloads; no outside requests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.claims.entry import StoredEntry
from leaderboard.claims.literature import Report
from leaderboard.pages.entry_page import render_entry
from leaderboard.pages.index_page import render_index
from leaderboard.pages.templating import GENERATOR
from leaderboard.program import program_sha256
from leaderboard.standings.chips import chip_rows, chip_tables, chips_csv, split_boards
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
from spikebench.records.text import os_error_text
from spikebench.records.whole_files import remove_partials, write_text
from spikebench.workers import available_cores, worker_pool

PAGE = "index.html"
DOWNLOADS = ("leaderboard.json", "leaderboard.csv", "literature.csv", "hardware.csv")
_HEAD_BYTES = 4096
SEVERAL_PROCESSES_FROM, _PER_CALL = 1000, 50


@dataclass(frozen=True)
class _Page:
    """An entry, its rows on all boards, and the name of the page of all entries."""

    stored: StoredEntry
    rows: list[Row]
    index: str

    @property
    def source(self) -> str:
        """SHA-256 of all inputs of the page; empty if the contents of the entry were not looked up."""
        contents = self.stored.contents_sha256
        if not contents:
            return ""
        made_of = [program_sha256(), contents, self.index, self.stored.flags, self.rows]
        return hashlib.sha256(json.dumps(made_of, default=vars).encode()).hexdigest()


def build_site(
    entries: Sequence[StoredEntry],
    reports: Sequence[Report],
    output: Path,
    report_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Write the page, a page per entry, and the downloads.

    Pages of entries that no longer exist are removed, if this function wrote them. A page that was made from
    the same inputs by this version is not rewritten.

    Parameters
    ----------
    entries
        Verified entries.
    reports
        The literature.
    output
        A folder (created if it does not exist), or a file that ends in ``.html``.
    report_progress
        Called now and then with the number of pages written and their total.

    Returns
    -------
    list of Path
        The page, then the files of ``DOWNLOADS`` beside it. The page of an entry
        is ``entries/<dataset>/<id>.html``, with all its data as JSON beside it.

    Raises
    ------
    OutputExistsError
        If a page to be written would replace a file that is not a leaderboard page.
    ResultError
        If a page cannot be written.
    """
    page = page_path(output)
    root = page.parent
    boards = build_boards(entries)
    rows = measured_rows(boards)
    pages = _by_page(boards, rows, page.name)
    software, _ = split_boards(boards)
    counted, chips = measured_rows(software), chip_rows(boards)
    if root.exists() and not root.is_dir():
        raise ResultError(f"{root}: is not a folder; give one, or a file that ends in .html")
    try:
        _refuse_other(page)
        own = [
            (root / name, one) for name, one in pages.items() if not _is_current(root / name, one)
        ]
        root.mkdir(parents=True, exist_ok=True)
        jobs = available_cores() if len(own) >= SEVERAL_PROCESSES_FROM else 1
        with worker_pool(jobs, preload=__name__) as pool:
            parts = [own[i : i + _PER_CALL] for i in range(0, len(own), _PER_CALL)]
            written = [pool.submit(_write_some, part) for part in parts]
            texts = (
                to_json(counted, reports, [vars(chip) for chip in chips]),
                measured_csv(counted),
                literature_csv(reports),
                chips_csv(chips),
            )
            index = render_index(software, counted, reports, chip_tables(chips))
            for number, future in enumerate(written, 1):
                future.result()
                report_progress(min(number * _PER_CALL, len(own)), len(own))
        _remove_stale(root, set(pages))
        for name, text in zip(DOWNLOADS, texts, strict=True):
            write_text(root / name, text)
        write_text(page, index)
    except OSError as error:
        raise ResultError(f"{page}: cannot be written: {os_error_text(error)}") from None
    return [page, *(root / name for name in DOWNLOADS)]


def page_path(output: Path) -> Path:
    """Return the path of the index page.

    Parameters
    ----------
    output
        A folder, or a file that ends in ``.html``.

    Returns
    -------
    Path
        The file.
    """
    return output if output.suffix.lower() in {".html", ".htm"} else output / PAGE


def _by_page(boards: Sequence[Board], rows: Sequence[Row], index: str) -> dict[str, _Page]:
    """Collect the rows of each page, the entry's own track first."""
    found: dict[str, _Page] = {}
    ranked = (one for board in boards for one in board.entries)
    for one, row in zip(ranked, rows, strict=True):
        found.setdefault(row.page, _Page(one.stored, [], index)).rows.append(row)
    for page in found.values():
        page.rows.sort(key=lambda row: row.track != page.stored.entry.track)
    return found


def _write_some(pages: Sequence[tuple[Path, _Page]]) -> None:
    for path, page in pages:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path.with_suffix(".json"), entry_json(page.stored))
        write_text(path, render_entry(page.stored, page.rows, page.index, page.source))


def _is_current(path: Path, page: _Page) -> bool:
    """Return whether a page exists and has the same inputs; refuse to replace a page of another program."""
    head = _refuse_other(path)
    source = page.source
    return bool(source and source in head and path.with_suffix(".json").is_file())


def _refuse_other(page: Path) -> str:
    """Read the head of a page, if it exists; it must be a leaderboard page."""
    head = _head(page) if page.exists() else GENERATOR
    if GENERATOR not in head:
        raise OutputExistsError(f"{page}: not a leaderboard page; choose another place with -o")
    return head


def _head(page: Path) -> str:
    with page.open("rb") as file:
        return file.read(_HEAD_BYTES).decode(errors="replace")


def _remove_stale(root: Path, kept: set[str]) -> None:
    for folder in (root, *(root / "entries").glob("*")):
        remove_partials(folder)
    for page in (root / "entries").glob("*/*.html"):
        if (
            page.relative_to(root).as_posix() not in kept
            and page.is_file()
            and GENERATOR in _head(page)
        ):
            page.with_suffix(".json").unlink(missing_ok=True)
            page.unlink()
            if not any(page.parent.iterdir()):
                page.parent.rmdir()
