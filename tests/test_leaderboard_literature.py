"""The literature: every fact of the reference list, in a file that refuses nonsense."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from leaderboard.literature import LITERATURE_FILE, Report, read_literature
from spikebench.errors import ResultError

# Rows whose name in the reference list makes no sense without the row above.
RENAMED = {
    "Same, single run of stork example notebook 03": "Recurrent conv SNN, fluctuation-driven init: "
    "single run of stork example notebook 03",
    "Same network, temporal propagation removed (NoTD)": "STBP LIF baseline with temporal "
    "propagation removed (NoTD)",
}
# The reference list says "unknown" of a row that is about choosing the epoch on test.
CORRECTED = {"DCLS-Delays official code, BEST epoch on test": "test"}


def test_every_reported_number_is_here(reference: Path) -> None:
    with (reference / "reported_results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 78
    expected = [
        (
            row["dataset"],
            RENAMED.get(row["method"], row["method"]),
            row["authors"],
            int(row["year"]),
            row["url"],
            float(row["accuracy_percent"]),
            float(row["std_percent"]) if row["std_percent"] else None,
            int(row["parameters"]) if row["parameters"] else None,
            CORRECTED.get(row["method"], row["selected_on"]),
            row["evidence"],
        )
        for row in rows
    ]
    found = [
        (
            report.dataset,
            report.method,
            report.authors,
            report.year,
            report.url,
            report.accuracy_percent,
            report.spread_percent,
            report.parameters,
            report.selected_on,
            report.evidence,
        )
        for report in read_literature()
    ]
    assert found == expected
    for report, row in zip(read_literature(), rows, strict=True):
        assert bool(report.evidence_source) == bool(row["evidence_source"])
        assert report.note or not row["note"], f"{report.method}: the note was lost"


def test_shipped_file_stands_alone() -> None:
    text = LITERATURE_FILE.read_text(encoding="utf-8")
    assert ",/" not in text  # no path of the machine that made it
    assert len(read_literature()) == 78


def test_interval_is_not_called_a_standard_deviation() -> None:
    (published,) = [r for r in read_literature() if r.method == "DCLS-Delays 2L-1KC (published)"]
    assert (published.spread_percent, published.spread_kind) == (0.24, "ci95")


def write(path: Path, edit: Callable[[list[str], list[str]], None]) -> Path:
    with LITERATURE_FILE.open(encoding="utf-8", newline="") as file:
        header, row = list(csv.reader(file))[:2]
    edit(header, row)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, row])
    return path


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("url", "javascript:alert(1)", "row 2: url"),
        ("url", 'https://a.example/" onclick=alert(1)', "row 2: url"),
        ("accuracy_percent", "nan", "row 2: accuracy_percent"),
        ("accuracy_percent", "101", "row 2: accuracy_percent"),
        ("accuracy_percent", "", "row 2: accuracy_percent"),
        ("parameters", "9" * 400, "row 2: parameters"),
        ("parameters", "1.5", "row 2: parameters"),
        ("selected_on", "luck", "row 2: selected_on"),
        ("recurrent", "", "row 2: recurrent"),
        ("evidence", "hearsay", "row 2: evidence"),
        ("spread_percent", "1", "row 2: .* belong together"),
        ("schema_version", "2", "row 2: schema_version"),
        ("dataset", "../x", "row 2: dataset"),
    ],
)
def test_row_that_does_not_fit_is_refused(
    tmp_path: Path, column: str, value: str, message: str
) -> None:
    def edit(header: list[str], row: list[str]) -> None:
        row[header.index(column)] = value

    with pytest.raises(ResultError, match=message) as caught:
        read_literature(write(tmp_path / "l.csv", edit))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda header, row: (header.append("more"), row.append("x")), "more: Extra inputs"),
        (lambda header, row: row.append("x"), "Extra inputs"),
        (lambda header, row: row.pop(), "note: "),
        (lambda header, row: header.__setitem__(2, "name"), "method: Field required"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    tmp_path: Path, edit: Callable[[list[str], list[str]], None], message: str
) -> None:
    with pytest.raises(ResultError, match=message):
        read_literature(write(tmp_path / "l.csv", edit))


def test_the_same_number_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "l.csv", lambda header, row: None)
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    with pytest.raises(ResultError, match=r"row 3: .* stands there twice"):
        read_literature(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"l\.csv"):
        read_literature(tmp_path / "l.csv")


def test_columns_are_documented_by_the_schema() -> None:
    with LITERATURE_FILE.open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == list(Report.model_fields)
