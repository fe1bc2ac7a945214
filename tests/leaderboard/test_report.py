"""The report in Markdown: one row per entry, the best first, names that cannot break a table, the file in docs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.leaderboard_board import base_result, choose

from leaderboard.claims.literature import read_literature
from leaderboard.claims.reading import read_entries
from leaderboard.pages.report import by_data, report_markdown, unique_rows
from leaderboard.standings.ranking import build_boards
from leaderboard.standings.table import Row, measured_rows
from spikebench.plots.costs import Cost, draw_costs

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    base = base_result(tmp_path_factory.mktemp("report") / "of")
    entries = [
        choose(base, "small", 0.71, 9_476, half=0.03, operations=1200.0, spikes=60.0),
        choose(base, "best", 0.93, 12_345_678, spiking=False, model="lstm", operations=2.5e6),
        choose(base, "gone", 0.97, 10, withdrawn=True),
    ]
    return unique_rows(measured_rows(build_boards(entries)))


def test_every_entry_has_one_row_and_withdrawn_ones_have_none(rows: list[Row]) -> None:
    assert [row.name for row in rows] == ["best", "small"]
    lines = report_markdown(rows, [], {"toy-digits": "images/toy.png"}).splitlines()
    named = [line for line in lines if line.startswith(("| best", "| small"))]
    best, small, best_cost, small_cost = named
    assert best.split(" | ")[:3] == ["| best", "conventional networks on spikes", "recomputed"]
    assert "| 93.0 (91.0 – 95.0) |" in best
    assert best.endswith(" | 5 |")
    assert best_cost.startswith("| best | 12,345,678 | ")
    assert " | 0 | 2.5 M | " in best_cost
    assert small.startswith("| small | spiking networks | recomputed | 71.0 (68.0 – 74.0) |")
    assert small_cost.startswith("| small | 9,476 | ")
    assert " | 1.2 k | 0 | " in small_cost
    assert " | 60 | " in small_cost
    sizes = {line.count(" | ") for line in (best_cost, small_cost)}
    head = next(line for line in lines if line.startswith("| model | parameters"))
    assert sizes == {head.count(" | ")}
    titles = next(line for line in lines if line.startswith("| model | track"))
    assert titles.count(" | ") == best.count(" | ")
    assert "![Test accuracy against costs on toy-digits](images/toy.png)" in lines


def test_names_cannot_break_the_table(rows: list[Row]) -> None:
    bad = replace(rows[0], name="a | b [x](javascript:y) <img> `c`")
    text = report_markdown([bad], [], {})
    assert r"| a \| b \[x\](javascript:y) \<img\> \`c\` |" in text


def test_other_data_of_the_same_name_have_their_own_table(rows: list[Row]) -> None:
    other = replace(rows[0], data_fingerprint="1234" * 16)
    assert list(by_data(unique_rows([*rows, other]))) == ["toy-digits", "toy-digits-1"]
    assert report_markdown(unique_rows([*rows, other]), [], {}).count("## toy-digits") == 2


def test_the_paper_is_beside_the_same_models_on_its_recordings(rows: list[Row]) -> None:
    at_shd = [replace(row, dataset="shd-r") for row in rows]
    text = report_markdown(at_shd, read_literature(), {})
    assert "| lstm | 89.0 | 93.0 | +4.0 |" in text
    assert "| lif | 48.3 | 71.0 | +22.7 |" in text
    assert "Cramer" not in report_markdown(rows, read_literature(), {})


def test_costs_are_drawn_where_there_are_any() -> None:
    one = Cost("a", True, 0.5, 0.4, 0.6, parameters=100, operations=None, spikes=10.0)
    two = replace(one, name="$b$", spiking=False, parameters=1000, spikes=None)
    panels = draw_costs([one, two], "toy").axes
    assert [panel.get_xlabel() for panel in panels] == ["parameters", "hidden spikes per sample"]
    assert [text.get_text() for text in panels[0].texts] == ["a", r"\$b\$"]
    assert [text.get_text() for text in panels[1].texts] == ["a"]


def test_the_results_in_the_documentation_are_those_of_the_entries() -> None:
    shown = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    rows = unique_rows(
        measured_rows(build_boards(read_entries([ROOT / "leaderboard" / "entries"])))
    )
    pictures = {name: f"images/results-{name}.png" for name in by_data(rows)}
    assert shown == report_markdown(rows, read_literature(), pictures)
    assert all((ROOT / "docs" / path).is_file() for path in pictures.values())
