"""The static page: one file without outside requests, its downloads beside it.

Everything that people wrote goes through Jinja's autoescaping. The content security policy allows
the one style sheet and the one script by their SHA-256 and nothing else, so that even a slip there
could not run anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from leaderboard.charts import heat_map, strip_plots, worst_confusions
from leaderboard.entry import StoredEntry, printable
from leaderboard.literature import Report
from leaderboard.ranking import MIN_SEEDS, Board, RankedEntry, build_boards
from leaderboard.table import (
    Row,
    literature_csv,
    measured_csv,
    measured_row,
    to_json,
)
from spikebench.errors import OutputExistsError, ResultError
from spikebench.results import SeedRecord, write_text

TEMPLATES = Path(__file__).with_name("templates")
PAGE = "index.html"
GENERATOR = '<meta name="generator" content="spikebench leaderboard">'
MAX_SHOWN_SEEDS = 20
MAX_SHOWN_CHARACTERS = 4000
MAX_HEAT_MAP_CLASSES = 64


@dataclass(frozen=True)
class _Details:
    """What opens below a row; text is cut so that no entry can swell the page."""

    row: Row
    rule: str
    command: str
    settings: list[tuple[str, str]]
    environment: list[tuple[str, str]]
    seeds: list[SeedRecord]
    hidden_seeds: int
    n_classes: int
    recalls: list[tuple[str, float]]
    heat_map: list[str]
    mistakes: list[tuple[str, str, int, int]]


def build_site(
    entries: Sequence[StoredEntry], reports: Sequence[Report], output: Path
) -> list[Path]:
    """Write the page and its downloads.

    Parameters
    ----------
    entries
        Verified entries.
    reports
        The literature.
    output
        A folder (made if it is not there), or a file that ends in ``.html``.

    Returns
    -------
    list of Path
        The page, then ``leaderboard.json``, ``leaderboard.csv`` and ``literature.csv`` beside it.

    Raises
    ------
    OutputExistsError
        If a page that is not a leaderboard stands there.
    ResultError
        If the place cannot be written.
    """
    page = output if output.suffix.lower() in {".html", ".htm"} else output / PAGE
    boards = build_boards(entries)
    files = {
        "leaderboard.json": to_json(boards, reports),
        "leaderboard.csv": measured_csv(boards),
        "literature.csv": literature_csv(reports),
    }
    try:
        if page.exists() and GENERATOR not in page.read_text(encoding="utf-8", errors="replace"):
            raise OutputExistsError(f"{page}: not a leaderboard page; choose another place with -o")
        page.parent.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_text(page.parent / name, text)
        write_text(page, render_page(boards, reports))
    except OSError as error:
        raise ResultError(f"{page}: cannot be written: {error.strerror or error}") from None
    return [page, *(page.parent / name for name in files)]


def render_page(boards: Sequence[Board], reports: Sequence[Report]) -> str:
    """Render the page.

    Parameters
    ----------
    boards
        The ranked entries.
    reports
        The literature.

    Returns
    -------
    str
        HTML with style and script inside.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "number": _number, "clean": printable}
    style, script = (
        (TEMPLATES / name).read_text(encoding="utf-8") for name in ("style.css", "script.js")
    )
    order = {name: index for index, name in enumerate(dict.fromkeys(r.dataset for r in reports))}
    return environment.get_template("page.html.j2").render(
        generator=Markup(GENERATOR),
        style=Markup(style),
        script=Markup(script),
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
        boards=[(board, [_details(board, ranked) for ranked in board.entries]) for board in boards],
        reports=sorted(reports, key=lambda r: (order[r.dataset], -r.accuracy_percent)),
        plots=strip_plots(reports),
        datasets=sorted({printable(board.dataset) for board in boards}) + list(order),
        min_seeds=MIN_SEEDS,
    )


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _details(board: Board, ranked: RankedEntry) -> _Details:
    result = ranked.stored.result
    classes = [printable(name)[:40] for name in result.dataset.classes]
    confusion = np.sum([np.array(seed.confusion) for seed in result.seeds], axis=0)
    return _Details(
        row=measured_row(board, ranked),
        rule=_cut(printable(result.dataset.split.rule)),
        command=_cut(printable(result.command)),
        settings=[
            (title, _cut(json.dumps(value, indent=2, ensure_ascii=True)))
            for title, value in [("Model", result.model.config), ("Training", result.training)]
            if value
        ],
        environment=[
            (printable(key)[:60], printable(value)[:200])
            for key, value in list(result.environment.items())[:MAX_SHOWN_SEEDS]
        ],
        seeds=result.seeds[:MAX_SHOWN_SEEDS],
        hidden_seeds=max(len(result.seeds) - MAX_SHOWN_SEEDS, 0),
        n_classes=len(classes),
        recalls=_recalls(classes, confusion),
        heat_map=heat_map(confusion) if len(classes) <= MAX_HEAT_MAP_CLASSES else [],
        mistakes=[
            (classes[label], classes[said], times, of)
            for label, said, times, of in worst_confusions(confusion)
        ],
    )


def _recalls(classes: list[str], confusion: np.ndarray) -> list[tuple[str, float]]:
    return [
        (name, float(confusion[k, k] / confusion[k].sum()))
        for k, name in enumerate(classes)
        if k < MAX_HEAT_MAP_CLASSES and confusion[k].sum()
    ]


def _cut(text: str) -> str:
    if len(text) <= MAX_SHOWN_CHARACTERS:
        return text
    return text[:MAX_SHOWN_CHARACTERS] + "\n… (the rest is in leaderboard.json)"
