"""The pages: readable without a script, harmless whatever an entry says, and small."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.leaderboard_results import make_metrics, make_result

from leaderboard.checks.breakdown import Breakdown, GroupAccuracy
from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import (
    StoredEntry,
    Withdrawal,
    make_entry,
    write_entry,
)
from leaderboard.claims.literature import read_literature
from leaderboard.claims.reading import read_entries
from leaderboard.claims.tier import SeedCheck, Verification
from leaderboard.pages.charts import latency_curve, shades, strip_plots, worst_confusions
from leaderboard.pages.entry_page import render_entry
from leaderboard.pages.index_page import render_index
from leaderboard.pages.site import build_site
from leaderboard.pages.templating import inert_json, seconds
from leaderboard.standings.ranking import build_boards
from leaderboard.standings.table import measured_rows
from spikebench.errors import OutputExistsError, ResultError
from spikebench.metrics.record import Latency, Metrics, NotApplicable

ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
FORMULA = '=HYPERLINK("http://a.example")'
VOID = {"meta", "link", "input", "img", "br", "path", "circle"}
DOWNLOADS = ["leaderboard.json", "leaderboard.csv", "literature.csv", "hardware.csv"]


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
        if not self.open or self.open[-1] not in ("script", "style"):
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
    entry = make_entry(result, name, authors, note)
    return StoredEntry(entry, result, folder, parameters_counted=True, labels_compared=True)


def changed(stored: StoredEntry, **changes: Any) -> StoredEntry:  # noqa: ANN401
    """The same entry, with other words in its entry.json."""
    entry = stored.entry.model_copy(update=changes)
    return replace(stored, entry=entry)


def verified(stored: StoredEntry, kind: str = "inference") -> StoredEntry:
    one = Verification.model_validate(
        {
            "kind": kind,
            "by": "The Lab",
            "when": "2026-02-03T04:05:06+00:00",
            "software": "spikebench 0.2",
            "environment": {"cpu": "an x86 of two cores"},
            "command": "spikebench verify --inference",
            "data_sha256": "ab" * 32,
            "result_sha256": stored.entry.result_sha256,
            "entry_sha256": stored.entry.sha256,
            "seeds": [SeedCheck(seed=0, accuracy=0.8, agreement=0.9995)],
            "mean": 0.8,
            "claimed_interval": stored.result.summary.test_interval,
        }
    )
    return replace(stored, verifications=(one,), signers=("lab@example.org",))


def render(*entries: StoredEntry) -> str:
    boards = build_boards(entries)
    return render_index(boards, measured_rows(boards), read_literature())


def data_of(page: str) -> Any:  # noqa: ANN401
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(text)


def entry_page(stored: StoredEntry, site: Path) -> str:
    build_site([stored], [], site)
    (path,) = (site / "entries").glob("*/*.html")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[StoredEntry]:
    folder = tmp_path_factory.mktemp("entries")
    shares = (
        GroupAccuracy("0", 20, 0.9),
        GroupAccuracy("4", 20, 0.65),
        GroupAccuracy("3", 20, 0.8),
    )
    alpha = store(
        folder / "a",
        name="Alpha",
        authors="A. Smith",
        note="a note",
        metrics=[make_metrics(1000 + k) for k in range(5)],
        time_step_ms=10.0,
    )
    alpha = changed(alpha, link="https://example.org/alpha", citation="Smith (2026)")
    groups = Breakdown(shares, (GroupAccuracy("English", 30, 0.75),), ())
    alpha = replace(alpha, breakdown=groups, flags=("speaker 4 stands out",))
    return [
        alpha,
        store(folder / "b", name="Beta", model="lstm", spiking=False, seeds=1, skill=0.5),
        store(folder / "c", name="Gamma", dataset="heidelberg-digits", data_sha256="cd" * 32),
        store(folder / "d", name="Delta", skill=0.7, protocol="speakers-v0"),
        verified(store(folder / "e", name="Epsilon", skill=0.6)),
        changed(
            store(folder / "f", name="Zeta", skill=0.9),
            withdrawn=Withdrawal(date="2026-03-04", reason="the data leaked"),
        ),
    ]


@pytest.fixture(scope="module")
def page(entries: list[StoredEntry]) -> str:
    return render(*entries)


@pytest.fixture(scope="module")
def site(entries: list[StoredEntry], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build_site(entries, read_literature(), folder)
    return folder


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def alpha_page(site: Path) -> str:
    (path,) = (p for p in pages(site) if ">Alpha</h1>" in p.read_text(encoding="utf-8"))
    return path.read_text(encoding="utf-8")


# ---- the index


def test_page_says_what_was_measured(page: str) -> None:
    text = Page(page).text
    for word in ("Alpha", "A. Smith", "Beta", "Gamma", "Student t over 5 seeds", "9,476"):
        assert word in text
    assert "bootstrap over 6 test speakers" in text
    assert "1 seed; a rank needs 5" in text
    assert "abababababab" in text


def test_tiers_and_tracks_have_their_own_tables(page: str) -> None:
    captions = re.findall(
        r'<caption id="caption-\d+"><b>(.*?)</b><span class="unseen">, (.*?)</', page
    )
    assert captions == [
        ("Spiking networks", "recomputed, heidelberg-digits, speakers-v1"),
        ("Spiking networks", "verified inference, toy-digits, speakers-v1"),
        ("Spiking networks", "recomputed, toy-digits, speakers-v1"),
        ("Conventional networks on spikes", "recomputed, toy-digits, speakers-v1"),
        (
            "Constrained: 100 steps of 10 ms, at most 100,000 parameters",
            "recomputed, toy-digits, speakers-v1",
        ),
        ("Spiking networks", "recomputed, toy-digits, speakers-v0"),
    ]
    tables = re.split(r'<table class="sortable measured"', page)[1:]
    found = [re.findall(r'<a href="entries/[^"]*">(.*?)</a>', table) for table in tables]
    names = [["Gamma"], ["Epsilon"], ["Zeta", "Alpha"], ["Beta"], ["Alpha"], ["Delta"]]
    assert found == names


def test_older_protocols_stand_under_their_own_heading(page: str) -> None:
    before, after = page.split('id="older-title"')
    assert "Delta</a>" not in before
    assert "Delta</a>" in after
    assert '<a href="#older">' in page
    assert "older" not in Page(render()).text.lower()


def test_withdrawn_entry_stays_without_rank_with_its_reason(page: str) -> None:
    row = page[page.index(">Zeta</a>") - 400 : page.index(">Zeta</a>") + 600]
    assert '<span class="unseen">no rank</span>' in row
    assert "withdrawn on 2026-03-04: the data leaked" in row


def test_flags_are_marked_in_the_row(page: str) -> None:
    assert page.count('<span class="flag">') == 2  # Alpha stands in two tracks
    assert "1 oddity, see its page" in Page(page).text
    assert "speaker 4 stands out" not in page


def test_index_has_rows_only(page: str) -> None:
    for word in ("hidden_units", "spikebench evaluate --model lif --seeds 5 -o result", "matrix"):
        assert word not in page


def test_synthetic_voices_are_called_so_at_the_data_and_in_every_row(page: str) -> None:
    measured = page[page.index('id="measured"') : page.index('id="older"')]
    recorded, digits = measured.split('id="group-1"')
    assert digits.count("synthetic voices</span>") == 1
    assert digits.count(", synthetic voices</small>") == 5
    assert "synthetic" not in recorded


def test_every_reported_number_is_on_the_page_outside_the_ranked_tables(page: str) -> None:
    before, after = page.split('id="literature"')
    parsed = Page(page)
    reported = [
        body for body in parsed.all("tbody") if body.get("data-dataset") in {"SHD", "SSC", "GSC"}
    ]
    assert len(reported) == 102
    assert before.count('data-dataset="SHD"') == 0
    assert 'class="rank"' not in after
    chosen_on_test = sum(r.selected_on == "test" for r in read_literature())
    assert sum(body["data-selected"] == "test" for body in reported) == chosen_on_test == 24
    text = parsed.text
    for report in read_literature():
        for words in (report.note, report.quote, report.read_by):
            assert re.sub(r"\s+", " ", words) in text


def test_rows_for_the_script_say_the_same(page: str, entries: list[StoredEntry]) -> None:
    data = data_of(page)
    assert [(board[1], board[2], len(board[3]) // 3) for board in data["boards"]] == [
        ("recomputed", "spiking", 1),
        ("verified-inference", "spiking", 1),
        ("recomputed", "spiking", 2),
        ("recomputed", "conventional-spikes", 1),
        ("recomputed", "constrained", 1),
        ("recomputed", "spiking", 1),
    ]
    assert [group[:3] for group in data["groups"]] == [
        ["heidelberg-digits", "speakers-v1", "cdcdcdcd"],
        ["toy-digits", "speakers-v1", "abababab"],
        ["toy-digits", "speakers-v0", "abababab"],
    ]
    assert data["tables"] == ["horowitz-45nm"]
    (alpha,) = (entry for entry in data["entries"] if entry[0] == "Alpha")
    assert alpha[1] == entries[0].entry.id
    assert alpha[6] == pytest.approx(entries[0].result.summary.test_mean, rel=1e-4)
    # Parameters, operations (1000 … 1004 additions), spikes, latency; energy at the end.
    assert alpha[12:16] == [9_476, 1002, 62.625, 0.75]
    assert alpha[-1] == pytest.approx(901.8)
    (beta,) = (entry for entry in data["entries"] if entry[0] == "Beta")
    assert beta[13:16] == [None, None, None]
    assert beta[-1] is None
    places = data["boards"][2][3]
    assert [data["entries"][number][0] for number in places[::3]] == ["Zeta", "Alpha"]
    assert places[1::3] == [0, 1]


def test_json_in_the_page_cannot_end_its_element() -> None:
    text = inert_json(["</script><!-- & \u2028 é"])
    assert str(text) == '["\\u003c/script\\u003e\\u003c!-- \\u0026 \\u2028 \\u00e9"]'
    assert json.loads(str(text)) == ["</script><!-- & \u2028 é"]


def test_many_entries_have_few_static_rows(tmp_path: Path) -> None:
    first = store(tmp_path / "r", seeds=1, test_samples=24)
    many = [
        changed(first, id=f"lif-1-seed-{k:08x}", name=f"Network {k} of a group with a long name")
        for k in range(300)
    ]
    page = render(*many)
    assert page.count('<th scope="row" class="name"><a href="entries/') == 10
    assert "290 more: see leaderboard.csv." in page
    assert len(data_of(page)["entries"]) == 300
    assert len(page.encode()) < 400_000


def test_empty_board_says_what_to_do() -> None:
    text = Page(render()).text
    assert "No entry yet." in text
    assert "spikebench submit" in text
    assert data_of(render())["entries"] == []


# ---- the page of an entry


def test_entry_page_says_all_of_it(site: Path) -> None:
    text = Page(alpha_page(site)).text
    for words in (
        "spikebench evaluate --model lif --seeds 5 -o result",
        "recomputed here from the predictions",
        "Smith (2026)",
        "a note",
        "speaker 4 stands out",
        '"hidden_units": [ 128 ]',
        "Needs the whole clip not stated",
        "100 steps of 10 ms",
        "Spiking networks rank 1",
        "Constrained: 100 steps of 10 ms, at most 100,000 parameters rank 1",
        "English 30 75.0",
        "4 no 20 65.0",
        "0 yes 20 90.0",
        "3 no (validation) 20 80.0",
        "torch 2.13.0",
        "Folder of the entry leaderboard/entries/",
        "Weights ",
        "Version spikebench",
    ):
        assert words in text, words


def test_energy_stands_beside_its_table_and_its_counts(site: Path) -> None:
    text = Page(alpha_page(site)).text
    assert "horowitz-45nm 902 1,002 0 45 nm; Horowitz (2014)" in text
    assert "hidden.weight AC 1,002 10,020 8,960" in text
    assert "Latency 0.75 s" in text
    assert 'class="curve"' in alpha_page(site)


def test_metric_without_meaning_has_its_reason(tmp_path: Path) -> None:
    reason = NotApplicable(not_applicable="the model has no spikes")
    metrics = [Metrics(spikes_per_inference=reason, latency=reason, energy=reason)] * 5
    page = entry_page(store(tmp_path / "r", metrics=metrics), tmp_path / "site")
    text = Page(page).text
    assert "Spikes per inference –" in text
    assert "not applicable: the model has no spikes" in text
    assert 'class="curve"' not in page
    assert "Memory footprint" not in text


def test_confusions_are_a_table_with_numbers(site: Path, entries: list[StoredEntry]) -> None:
    page = alpha_page(site)
    matrix = page[page.index('<table class="matrix">') :]
    matrix = matrix[: matrix.index("</table>")]
    counts = np.sum([seed.confusion for seed in entries[0].result.seeds], axis=0)
    found = [int(n) for n in re.findall(r"<td(?: class=\"shade\d\")?>(\d+)</td>", matrix)]
    assert found == counts.ravel().tolist()
    assert matrix.count('scope="row"') == matrix.count('scope="col"') == 4


def test_verification_names_who_when_and_with_what(site: Path) -> None:
    (page,) = (text for p in pages(site) if "The Lab" in (text := p.read_text()))
    text = Page(page).text
    for words in (
        "Verified inference",
        "2026-02-03 04:05 UTC",
        "spikebench 0.2; cpu an x86 of two cores",
        "least agreement of labels 99.95 %",
    ):
        assert words in text


def test_entry_pages_lead_back_to_the_page_that_was_asked_for(tmp_path: Path) -> None:
    stored = store(tmp_path / "r")
    build_site([stored], [], tmp_path / "here" / "board.html")
    (path,) = (tmp_path / "here" / "entries").glob("*/*.html")
    back = [link["href"] for link in Page(path.read_text()).all("a") if link.get("class") == "back"]
    assert back == ["../../board.html"] * 2
    assert (path.parent / back[0]).resolve() == tmp_path / "here" / "board.html"


def test_one_entry_cannot_swell_its_page(tmp_path: Path) -> None:
    stored = store(
        tmp_path / "r",
        seeds=30,
        classes=[f"class {k} " + "x" * 200 for k in range(90)],
        test_samples=180,
        config={"text": "y" * 100_000},
    )
    page = entry_page(stored, tmp_path / "site")
    assert len(page.encode()) < 60_000
    assert "the full text is in the JSON of this entry" in page
    assert "10 more seeds are in the JSON of this entry" in page
    assert len(render(stored).encode()) - len(render().encode()) < 6_000


# ---- all pages


def test_pages_ask_for_nothing_from_outside(site: Path) -> None:
    assert len(pages(site)) == 7
    for path in pages(site):
        page = path.read_text(encoding="utf-8")
        parsed = Page(page)
        for _, attributes in parsed.tags:
            assert not {"src", "srcset", "action", "formaction", "background"} & set(attributes)
        hrefs = [attributes["href"] for attributes in parsed.all("link")]
        assert hrefs == ["data:,"]
        style = page[page.index("<style>") : page.index("</style>")]
        assert "url(" not in style
        assert "@import" not in style


def test_policy_allows_this_style_and_this_script_only(site: Path) -> None:
    for path in pages(site):
        page = path.read_text(encoding="utf-8")
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


def test_links_lead_to_the_web_or_to_files_that_are_there(site: Path) -> None:
    for path in pages(site):
        parsed = Page(path.read_text(encoding="utf-8"))
        ids = {attributes["id"] for _, attributes in parsed.tags if "id" in attributes}
        for link in parsed.all("a"):
            href = link["href"] or ""
            if href.startswith("#"):
                assert href[1:] in ids, href
            elif not href.startswith("https://"):
                assert (path.parent / href).is_file(), href
            else:
                assert link["rel"] == "noopener noreferrer"


def test_markup_is_whole(site: Path) -> None:
    for path in pages(site):
        parsed = Page(path.read_text(encoding="utf-8"))
        assert [tag for tag in parsed.open if tag not in VOID] == []
        ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert parsed.all("html") == [{"lang": "en"}]
        for column in parsed.all("th"):
            assert column.get("scope") in {"col", "row"}
        for _, attributes in parsed.tags:
            for name in ("aria-labelledby", "data-copies"):
                assert name not in attributes or attributes[name] in ids


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
    stored = changed(
        stored, citation=ATTACK, withdrawn=Withdrawal(date="2026-01-01", reason=ATTACK)
    )
    index, own = render(stored), entry_page(stored, tmp_path / "site")
    for page, scripts in ((index, 2), (own, 1)):
        parsed = Page(page)
        assert len(parsed.all("script")) == scripts
        assert parsed.all("img") == []
        assert "javascript:" not in " ".join(link["href"] or "" for link in parsed.all("a"))
        assert "<script>alert(1)</script>" in parsed.text
        assert "\u202e" not in page
        assert "\x1b" not in page
    assert "{{ 7 * 7 }}" in Page(own).text
    assert data_of(index)["entries"][0][0] == ATTACK


# ---- files


def test_site_has_its_downloads(tmp_path: Path) -> None:
    stored = store(tmp_path / "r", name=FORMULA)
    written = build_site([stored], read_literature(), tmp_path / "site")
    names = ["index.html", *DOWNLOADS]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == sorted(
        [*names, "entries"]
    )
    own = tmp_path / "site" / "entries" / "toy-digits"
    assert sorted(path.name for path in own.iterdir()) == [
        f"{stored.entry.id}.html",
        f"{stored.entry.id}.json",
    ]
    whole = json.loads((own / f"{stored.entry.id}.json").read_text(encoding="utf-8"))
    assert whole["result"] == stored.result.model_dump(mode="json")


def test_site_is_the_same_every_time(tmp_path: Path) -> None:
    entries = [store(tmp_path / "r"), store(tmp_path / "s", skill=0.4)]
    for name, order in (("a", entries), ("b", entries[::-1])):
        build_site(order, read_literature(), tmp_path / name)
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*")]
    assert len(files) == 9
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_several_processes_write_the_same_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [store(tmp_path / "r"), store(tmp_path / "s", skill=0.4)]
    build_site(entries, [], tmp_path / "one")
    monkeypatch.setattr("leaderboard.pages.site.SEVERAL_PROCESSES_FROM", 2)
    monkeypatch.setattr("leaderboard.pages.site.available_cores", lambda: 2)
    build_site(entries, [], tmp_path / "two")
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*")]
    assert len(files) == 9
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0, "0"),
        (0.00123, "0.00123"),
        (0.4, "0.40"),
        (0.125, "0.13"),
        (1.005, "1.00"),
    ],
)
def test_seconds_as_the_script_shows_them(value: float | None, shown: str) -> None:
    assert seconds(value) == shown


def test_output_may_be_a_file_and_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "here" / "board.html"
    for _ in range(2):
        assert build_site([], read_literature(), page)[0] == page
    assert (tmp_path / "here" / "leaderboard.json").is_file()


def test_pages_of_entries_that_are_gone_go_and_others_stay(tmp_path: Path) -> None:
    old, new = store(tmp_path / "r"), store(tmp_path / "s", skill=0.4, dataset="other")
    site = tmp_path / "site"
    build_site([old], [], site)
    (page,) = (site / "entries").glob("*/*.html")
    (page.parent / "mine.html").write_text("<h1>My thesis</h1>")
    (page.parent / "mine.json").write_text("{}")
    build_site([new], [], site)
    assert sorted(p.name for p in page.parent.iterdir()) == ["mine.html", "mine.json"]
    (page.parent / "mine.html").unlink()
    (page.parent / "mine.json").unlink()
    (page.parent / f".{page.name}.0badbeef.partial").write_text("<h1>stopped in the mid")
    build_site([old], [], site)
    build_site([new], [], site)
    assert [p.name for p in (site / "entries").iterdir()] == ["other"]


def test_a_page_made_of_the_same_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "store"))
    for name in ("r", "s"):
        stored = store(tmp_path / name, model=name)
        write_entry(
            *(tmp_path / name, tmp_path / "entries", stored.entry, stored.result), overwrite=False
        )
    made: list[str] = []

    def render(stored: StoredEntry, *rest: object) -> str:
        made.append(stored.entry.name)
        return render_entry(stored, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("leaderboard.pages.site.render_entry", render)

    def build(flags: tuple[str, ...] = ()) -> dict[str, bytes]:
        made.clear()
        read = read_entries([tmp_path / "entries"], use_memory=True)
        entries = [replace(one, flags=flags if one.entry.name == "r" else ()) for one in read]
        build_site(entries, [], tmp_path / "site")
        return {path.name: path.read_bytes() for path in (tmp_path / "site").rglob("*.*")}

    first = build()
    assert sorted(made) == ["r", "s"]
    assert (build(), made) == (first, [])
    assert build(("odd",)) != first
    assert made == ["r"]
    next((tmp_path / "site").rglob("s-*.json")).unlink()
    assert (build(), made) == (first, ["r", "s"])
    next((tmp_path / "site").rglob("r-*.html")).unlink()
    assert (build(), made) == (first, ["r"])


def test_page_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>My thesis</h1>")
    with pytest.raises(OutputExistsError, match="not a leaderboard page"):
        build_site([], [], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_page_of_somebody_else_where_an_entry_belongs_is_not_replaced(tmp_path: Path) -> None:
    stored = store(tmp_path / "r")
    own = tmp_path / "site" / "entries" / "toy-digits" / f"{stored.entry.id}.html"
    own.parent.mkdir(parents=True)
    own.write_text("<h1>My thesis</h1>")
    with pytest.raises(OutputExistsError, match="not a leaderboard page"):
        build_site([stored], [], tmp_path / "site")
    assert [path.name for path in (tmp_path / "site").rglob("*.*")] == [own.name]


def test_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match="cannot be written: not a directory"):
        build_site([], [], tmp_path / "file" / "site")


# ---- pictures


def test_shades_by_hand() -> None:
    # Row 0: 1 of 4 wrong -> sqrt(1/4) = 0.5 -> shade 3; 3 of 4 -> 0.87 -> shade 5. Row 1 has none.
    assert shades(np.array([[3, 1], [0, 0]])).tolist() == [[5, 3], [0, 0]]


def test_worst_confusions_by_hand() -> None:
    confusion = np.array([[5, 2, 0], [7, 1, 0], [0, 1, 9]])
    assert worst_confusions(confusion, 2) == [(1, 0, 7, 8), (0, 1, 2, 7)]
    assert worst_confusions(np.eye(3, dtype=np.int64)) == []


def test_latency_curve_by_hand() -> None:
    def one(first: float, moment: float) -> Latency:
        return Latency(times_s=[0.5, 1.0], accuracy=[first, 1.0], to_95_percent_s=moment)

    curve = latency_curve([one(0.2, 0.5), one(0.4, 1.0)])
    assert curve.path == "M235.0 122.0L430.0 10.0"
    assert curve.table == [(0.5, pytest.approx(0.3)), (1.0, 1.0)]
    assert (curve.moment_s, curve.moment) == (0.75, 332.5)
    assert [label for _, label in curve.x_ticks] == ["0", "0.25", "0.5", "0.75", "1"]
    long = Latency(
        times_s=[k / 100 for k in range(5000)], accuracy=[0.5] * 5000, to_95_percent_s=0.0
    )
    assert latency_curve([long]).path.count("L") == 199


def test_strip_plot_has_every_number_once_at_its_place() -> None:
    reports = read_literature()
    plots = strip_plots(reports)
    assert [plot.dataset for plot in plots] == ["SHD", "SSC", "GSC"]
    marks = [mark for plot in plots for _, _, lane in plot.lanes for mark in lane]
    assert len(marks) == 102
    shd = plots[0]
    assert shd.ticks[0] == (96.0, "40")
    assert shd.ticks[-1] == (424.0, "100")
    (feed_forward,) = [mark for mark in marks if mark[2].startswith("Feed-forward LIF SNN")]
    assert feed_forward[0] == pytest.approx(96 + 328 * 8.3 / 60, abs=0.05)
