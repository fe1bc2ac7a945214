"""The page: complete without a script, harmless whatever an entry says, and small."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from leaderboard_results import make_result

from leaderboard.charts import heat_map, strip_plots, worst_confusions
from leaderboard.entry import StoredEntry, make_entry
from leaderboard.literature import read_literature
from leaderboard.ranking import build_boards
from leaderboard.site import build_site, render_page
from leaderboard.verification import verify_result
from spikebench.errors import OutputExistsError, ResultError

ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
FORMULA = '=HYPERLINK("http://a.example")'
VOID = {"meta", "link", "input", "img", "br", "path", "circle"}


class Page(HTMLParser):
    """What a browser would find: tags with attributes, text, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open[-1] != tag and self.open[-1] in VOID:
            self.open.pop()
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def store(
    folder: Path,
    name: str = "",
    authors: str = "",
    note: str = "",
    **options: Any,  # noqa: ANN401
) -> StoredEntry:
    result = verify_result(make_result(folder, **options))
    return StoredEntry(make_entry(result, name, authors, note), result, folder)


def render(*entries: StoredEntry) -> str:
    return render_page(build_boards(entries), read_literature())


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    return render(
        store(folder / "a", name="Alpha", authors="A. Smith"),
        store(folder / "b", name="Beta", model="lstm", spiking=False, seeds=1, skill=0.5),
        store(folder / "c", name="Gamma", dataset="heidelberg-digits", data_sha256="cd" * 32),
    )


def test_page_says_what_was_measured(page: str) -> None:
    text = Page(page).text
    for word in ("Alpha", "A. Smith", "Beta", "Gamma", "Student t over 5 seeds", "11,540"):
        assert word in text
    assert "bootstrap over 6 test speakers" in text
    assert "a rank needs 5" in text
    assert "spikebench evaluate --model lstm --seeds 1 -o result" in text
    assert "abababababab" in text


def test_synthetic_voices_are_called_so_at_the_board_and_in_every_row(page: str) -> None:
    measured = page[page.index('id="measured"') : page.index('id="literature"')]
    recorded, digits = measured.split('id="board-2"')
    assert digits.count("synthetic voices</span>") == 1
    assert digits.count(", synthetic voices</small>") == 2
    assert "synthetic" not in recorded


def test_every_reported_number_is_on_the_page_outside_the_ranked_tables(page: str) -> None:
    before, after = page.split('id="literature"')
    parsed = Page(page)
    reported = [body for body in parsed.all("tbody") if body.get("data-dataset") in {"SHD", "SSC"}]
    assert len(reported) == 78
    assert before.count('data-dataset="SHD"') == 0
    assert 'class="rank"' not in after
    chosen_on_test = sum(r.selected_on == "test" for r in read_literature())
    assert sum(body["data-selected"] == "test" for body in reported) == chosen_on_test == 23
    for report in read_literature():
        assert re.sub(r"\s+", " ", report.note) in parsed.text


def test_page_asks_for_nothing_from_outside(page: str) -> None:
    parsed = Page(page)
    for _, attributes in parsed.tags:
        assert not {"src", "srcset", "action", "formaction", "background"} & set(attributes)
    hrefs = [attributes["href"] for attributes in parsed.all("link")]
    assert hrefs == ["data:,"]
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_policy_allows_this_style_and_this_script_only(page: str) -> None:
    (policy,) = [
        meta["content"]
        for meta in Page(page).all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    for _, attributes in Page(page).tags:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]


def test_links_lead_to_the_web_to_this_page_or_to_the_downloads(page: str) -> None:
    parsed = Page(page)
    ids = {attributes["id"] for _, attributes in parsed.tags if "id" in attributes}
    for link in parsed.all("a"):
        href = link["href"] or ""
        local = href in {"leaderboard.json", "leaderboard.csv", "literature.csv"}
        assert local or href.startswith("https://") or href.removeprefix("#") in ids, href


def test_markup_is_whole(page: str) -> None:
    parsed = Page(page)
    assert [tag for tag in parsed.open if tag not in VOID] == []
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert parsed.all("html") == [{"lang": "en"}]
    for column in parsed.all("th"):
        assert column.get("scope") in {"col", "row"}


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    stored = store(
        tmp_path / "r",
        name=ATTACK,
        authors="javascript:alert(1)",
        note=FORMULA,
        model=ATTACK,
        dataset=ATTACK,
        classes=[ATTACK, "</script>", "{{ 7 * 7 }}", "\u202e\x1b[2J"],
        config={"</code><script>": ATTACK, "deep": [[[ATTACK]]]},
    )
    page = render(stored)
    parsed = Page(page)
    assert len(parsed.all("script")) == 1
    assert parsed.all("img") == []
    assert "javascript:" not in " ".join(link["href"] or "" for link in parsed.all("a"))
    assert "<script>alert(1)</script>" in parsed.text
    assert "{{ 7 * 7 }}" in parsed.text
    assert "\u202e" not in page
    assert "\x1b" not in page


def test_one_entry_cannot_swell_the_page(tmp_path: Path) -> None:
    stored = store(
        tmp_path / "r",
        seeds=30,
        classes=[f"class {k} " + "x" * 200 for k in range(90)],
        test_samples=180,
        config={"text": "y" * 100_000},
    )
    page = render(stored)
    assert len(page.encode()) - len(render().encode()) < 40_000
    assert "the rest is in leaderboard.json" in page
    assert "10 more seeds are in leaderboard.json" in page


def test_page_with_twenty_entries_is_below_400_kilobytes(tmp_path: Path) -> None:
    classes = [f"word {k}" for k in range(20)]
    entries = [
        store(tmp_path / str(k), skill=0.3 + 0.03 * k, model=f"m{k}", classes=classes)
        for k in range(20)
    ]
    assert len(render(*entries).encode()) < 400_000


def test_empty_board_says_what_to_do() -> None:
    text = Page(render()).text
    assert "No entry yet." in text
    assert "spikebench submit" in text


def test_site_has_its_downloads(tmp_path: Path) -> None:
    stored = store(tmp_path / "r", name=FORMULA)
    written = build_site([stored], read_literature(), tmp_path / "site")
    names = ["index.html", "leaderboard.json", "leaderboard.csv", "literature.csv"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == sorted(names)
    content = json.loads((tmp_path / "site" / "leaderboard.json").read_text(encoding="utf-8"))
    assert content["measured"][0]["test_accuracy"] == stored.result.summary.test_mean
    assert content["measured"][0]["result"] == stored.result.model_dump(mode="json")
    assert len(content["literature"]) == 78
    with (tmp_path / "site" / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["name"] == "'" + FORMULA
    assert row["synthetic"] == "yes"
    assert row["rank"] == "1"
    assert float(row["test_accuracy"]) == stored.result.summary.test_mean


def test_site_is_the_same_every_time(tmp_path: Path) -> None:
    entries = [store(tmp_path / "r"), store(tmp_path / "s", skill=0.4)]
    first = [path.read_bytes() for path in build_site(entries, read_literature(), tmp_path / "a")]
    again = [
        path.read_bytes() for path in build_site(entries[::-1], read_literature(), tmp_path / "b")
    ]
    assert first == again


def test_output_may_be_a_file_and_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "here" / "board.html"
    for _ in range(2):
        assert build_site([], read_literature(), page)[0] == page
    assert (tmp_path / "here" / "leaderboard.json").is_file()


def test_page_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>My thesis</h1>")
    with pytest.raises(OutputExistsError, match="not a leaderboard page"):
        build_site([], [], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match="cannot be written: Not a directory"):
        build_site([], [], tmp_path / "file" / "site")


def test_heat_map_by_hand() -> None:
    # Row 0: 1 of 4 wrong -> sqrt(1/4) = 0.5 -> shade 3; 3 of 4 -> 0.87 -> shade 5. Row 1 has none.
    shades = heat_map(np.array([[3, 1], [0, 0]]))
    assert shades == ["", "", "M1 0h1v1h-1z", "", "M0 0h1v1h-1z"]


def test_worst_confusions_by_hand() -> None:
    confusion = np.array([[5, 2, 0], [7, 1, 0], [0, 1, 9]])
    assert worst_confusions(confusion, 2) == [(1, 0, 7, 8), (0, 1, 2, 7)]
    assert worst_confusions(np.eye(3, dtype=np.int64)) == []


def test_strip_plot_has_every_number_once_at_its_place() -> None:
    reports = read_literature()
    plots = strip_plots(reports)
    assert [plot.dataset for plot in plots] == ["SHD", "SSC"]
    marks = [mark for plot in plots for _, _, lane in plot.lanes for mark in lane]
    assert len(marks) == 78
    shd = plots[0]
    assert shd.ticks[0] == (96.0, "40")
    assert shd.ticks[-1] == (424.0, "100")
    (feed_forward,) = [mark for mark in marks if mark[2].startswith("Feed-forward LIF SNN")]
    assert feed_forward[0] == pytest.approx(96 + 328 * 8.3 / 60, abs=0.05)
