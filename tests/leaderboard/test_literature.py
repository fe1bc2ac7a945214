"""The literature: every fact of the reference list, in a file that refuses nonsense."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from leaderboard.claims.literature import LITERATURE_FILE, Report, read_literature
from spikebench.errors import ResultError

# Rows whose name in the reference list makes no sense without the row above.
RENAMED = {
    "Same, single run of stork example notebook 03": "Recurrent conv SNN, fluctuation-driven init: "
    "single run of stork example notebook 03",
    "Same network, temporal propagation removed (NoTD)": "STBP LIF baseline with temporal "
    "propagation removed (NoTD)",
}
# What chose the epoch where the source was read and the reference list says something else; the
# first is a row that is about choosing on test. Keys: data set, method as it stands here.
CORRECTED = {
    ("SHD", "DCLS-Delays official code, BEST epoch on test"): "test",
    ("SHD", "Heterogeneous-tau RSNN"): "none",
    ("SHD", RENAMED["Same, single run of stork example notebook 03"]): "none",
    ("SHD", "Feed-forward LIF 3x128 (stork example 02)"): "none",
    ("SHD", "Recurrent LIF 200 units (SpyTorch tutorial 4)"): "none",
    ("SHD", "EventProp with learned delays"): "none",
    ("SHD", "Adaptive SRNN (multi-Gaussian surrogate)"): "test",
    ("SHD", "STSC-SNN"): "test",
    ("SHD", "Adaptive axonal delays (feed-forward)"): "test",
    ("SHD", "SpikeSCR 1L (T=100)"): "test",
    ("SHD", "DH-SNN 2L"): "test",
    ("SHD", "STBP LIF baseline in Neuromorphic Sequential Arena"): "test",
    ("SHD", RENAMED["Same network, temporal propagation removed (NoTD)"]): "test",
    ("SSC", "DH-SNN 3L"): "test",
    ("SSC", "Catalyst N3 adLIF 1024 rec + 512"): "test",
    ("SSC", "RadLIF 3x1024"): "validation",
    ("SSC", "GRU 3x512 (ANN)"): "validation",
    ("SSC", "liBRU/LiGRU 3x512 (ANN)"): "validation",
    ("SSC", "SE-adLIF 2x720"): "validation",
    ("SSC", "Event-SSM (v1)"): "validation",
    ("SSC", "EventProp RSNN"): "validation",
    ("SSC", "SiLIF 4 ms"): "validation",
    ("SSC", "C-SiLIF 4 ms"): "validation",
    ("SSC", "SiLIF 10 ms"): "validation",
    ("SSC", "DelRec recurrent delays only, 3x256"): "validation",
    ("SSC", "DelRec recurrent + feed-forward delays"): "validation",
}
# The number of parameters of the code, where the reference list has the rounded one of the text.
PARAMETERS = {("SHD", "C-SiLIF, hidden 128"): 38460}
# Second-hand in the reference list; paper or code were read since.
READ_SINCE = {
    ("SHD", "Adaptive SRNN (multi-Gaussian surrogate)"),
    ("SHD", "RadLIF 3x128"),
    ("SHD", "adLIF 3x128"),
    ("SHD", "GRU 3x128 (ANN)"),
    ("SHD", "liBRU/LiGRU 3x128 (ANN)"),
    ("SHD", "DCLS-Delays re-run with 80/20 validation"),
    ("SHD", "SpikeSCR 1L (T=100)"),
    ("SHD", "DH-SNN 2L"),
    ("SHD", "STBP LIF baseline in Neuromorphic Sequential Arena"),
    ("SHD", RENAMED["Same network, temporal propagation removed (NoTD)"]),
    ("SSC", "RadLIF 3x1024"),
    ("SSC", "GRU 3x512 (ANN)"),
    ("SSC", "liBRU/LiGRU 3x512 (ANN)"),
    ("SSC", "DH-SNN 3L"),
    ("SSC", "DelRec recurrent + feed-forward delays"),
}


def test_every_reported_number_is_here(reference: Path) -> None:
    with (reference / "reported_results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 78
    keys = [(row["dataset"], RENAMED.get(row["method"], row["method"])) for row in rows]
    assert set(CORRECTED) | READ_SINCE <= set(keys)
    for key, row in zip(keys, rows, strict=True):
        assert CORRECTED.get(key, "") != row["selected_on"], f"{key}: nothing to correct"
        assert key not in READ_SINCE or row["evidence"] == "second-hand"
    expected = [
        (
            *key,
            row["authors"],
            int(row["year"]),
            row["url"],
            float(row["accuracy_percent"]),
            float(row["std_percent"]) if row["std_percent"] else None,
            PARAMETERS.get(key, int(row["parameters"]) if row["parameters"] else None),
            CORRECTED.get(key, row["selected_on"]),
            "first-hand" if key in READ_SINCE else row["evidence"],
        )
        for key, row in zip(keys, rows, strict=True)
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
    assert found[: len(rows)] == expected
    for report, row in zip(read_literature(), rows, strict=False):
        assert bool(report.evidence_source) == (report.evidence == "first-hand")
        assert report.note or not row["note"], f"{report.method}: the note was lost"


def test_shipped_file_stands_alone() -> None:
    text = LITERATURE_FILE.read_text(encoding="utf-8")
    assert ",/" not in text  # no path of the machine that made it
    assert len(read_literature()) == 102


def test_quotes_are_counted() -> None:
    reports = read_literature()
    assert sum(report.evidence == "first-hand" for report in reports) == 58
    assert sum(bool(report.quote) for report in reports) == 58
    assert {report.read_by for report in reports} == {"the spikebench developers", ""}


def test_who_selected_on_test_is_quoted_unless_second_hand() -> None:
    unquoted = {r.method for r in read_literature() if r.selected_on == "test" and not r.quote}
    assert unquoted == {
        "DCLS-Delays official code, BEST epoch on test",
        "Catalyst N3 recurrent adLIF 1536",
    }


def test_quoted_code_is_named_by_its_commit() -> None:
    for report in read_literature():
        if report.quote_url.startswith("https://github.com/"):
            assert re.search(r"/blob/[0-9a-f]{40}/", report.quote_url), report.quote_url


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
        ("spread_percent", "1", "row 2: .* must be given together"),
        ("schema_version", "1", "row 2: schema_version"),
        ("url", "https://a.example/\u202egpj", "row 2: url: .* printable"),
        ("method", "two\nlines", "row 2: method: .* printable"),
        ("note", "a\x1b[31mred", "row 2: note: .* printable"),
        ("read_by", "\u202ereversed", "row 2: read_by: .* printable"),
        ("quote", "two\nlines", "row 2: quote: .* printable"),
        ("quote", "x" * 301, "row 2: quote: .* 300"),
        ("quote", "71.4 %", "row 2: .*quote and quote_url must be given together"),
        ("quote_url", "https://a.example/", "row 2: .*quote and quote_url must be given together"),
        ("quote_url", "http://a.example/", "row 2: quote_url"),
        ("quote_url", "javascript:alert(1)", "row 2: quote_url"),
        ("read_by", "somebody", "row 2: .*read_by"),
        ("evidence", "first-hand", "row 2: .*read_by"),
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


def quoted(header: list[str], row: list[str]) -> None:
    row[header.index("quote")] = "x" * 300
    row[header.index("quote_url")] = "https://a.example/"


def test_quote_makes_a_row_first_hand(tmp_path: Path) -> None:
    def read(header: list[str], row: list[str]) -> None:
        quoted(header, row)
        row[header.index("evidence")] = "first-hand"
        row[header.index("read_by")] = "somebody"

    with pytest.raises(ResultError, match=r"row 2: .*a quote requires first-hand evidence"):
        read_literature(write(tmp_path / "second.csv", quoted))
    (report,) = read_literature(write(tmp_path / "first.csv", read))
    assert (report.quote, report.read_by) == ("x" * 300, "somebody")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda header, row: (header.append("more"), row.append("x")), "more: unknown key"),
        (lambda header, row: row.append("x"), "None: unknown key"),
        (lambda header, row: row.pop(), "note: "),
        (lambda header, row: header.__setitem__(2, "name"), "method: is missing"),
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
    with pytest.raises(ResultError, match=r"row 3: .* is listed twice"):
        read_literature(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"l\.csv"):
        read_literature(tmp_path / "l.csv")


def test_columns_are_documented_by_the_schema() -> None:
    with LITERATURE_FILE.open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == list(Report.model_fields)
