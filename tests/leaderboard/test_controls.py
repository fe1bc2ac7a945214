"""What somebody does with the page in a real browser: sort, filter, follow links, keep the address."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers.browser import Opened, launch, opened, soon
from helpers.leaderboard_board import base_result, chosen_entries, few_reports

from leaderboard.claims.literature import Report
from leaderboard.pages.site import build_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

SPIKING = re.compile("^Spiking networks ?, recomputed, toy-digits, speakers-v1$")
ALL = ["Other", "Checked", "Alpha", "Gamma", "Gone", "Beta", "Delta", "Conv", "Beta", "Old"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as started:
        yield started


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("controls")
    build_site(chosen_entries(base_result(folder / "result")), few_reports(), folder / "site")
    return folder / "site" / "index.html"


@pytest.fixture(scope="module")
def desk(browser: Browser) -> Iterator[Opened]:
    with opened(browser, "about:blank") as page:
        yield page


@pytest.fixture
def here(desk: Opened, index: Path) -> Iterator[Opened]:
    """The page as it is at first; at the end of a test nothing may have gone wrong."""
    desk.page.goto("about:blank")  # else only what follows the # in the address would change
    desk.page.goto(index.as_uri())
    desk.faults.clear()
    desk.requests.clear()
    yield desk
    assert desk.faults == []
    assert desk.outside() == []


def links(page: Page, table: re.Pattern[str] | None = None) -> Locator:
    """Find the names in the rows that are shown, of one table or of all measured ones."""
    found = page.get_by_role("table", name=table) if table else page.locator("table.measured")
    return found.locator("tbody th a:visible")


def shows(page: Page, names: list[str], table: re.Pattern[str] | None = None) -> None:
    soon(links(page, table)).to_have_text(names)


def head(page: Page, column: str, table: re.Pattern[str] = SPIKING) -> Locator:
    return page.get_by_role("table", name=table, exact=True).get_by_role(
        "columnheader", name=column
    )


@pytest.mark.parametrize(
    ("column", "once", "twice"),
    [
        ("Rank", "Alpha Gamma Beta Gone Delta", "Beta Alpha Gamma Gone Delta"),
        ("Model", "Alpha Beta Delta Gamma Gone", "Gone Gamma Delta Beta Alpha"),
        ("Test accuracy", "Alpha Gamma Gone Beta Delta", "Delta Beta Gone Gamma Alpha"),
        ("Unseen", "Alpha Gamma Gone Beta Delta", "Delta Beta Gone Gamma Alpha"),
        ("Validation", "Alpha Gamma Gone Beta Delta", "Delta Beta Gone Gamma Alpha"),
        ("Parameters", "Delta Beta Gone Alpha Gamma", "Gamma Alpha Gone Beta Delta"),
        # What is not known comes last, up and down.
        ("Operations", "Delta Beta Alpha Gamma Gone", "Alpha Beta Delta Gamma Gone"),
        ("Spikes", "Delta Beta Alpha Gamma Gone", "Gamma Alpha Beta Delta Gone"),
        ("Latency", "Delta Beta Alpha Gamma Gone", "Alpha Beta Delta Gamma Gone"),
        ("Seeds", "Alpha Gamma Gone Beta Delta", "Delta Gamma Gone Beta Alpha"),
    ],
)
def test_every_column_sorts(here: Opened, column: str, once: str, twice: str) -> None:
    page = here.page
    shows(page, ["Alpha", "Gamma", "Gone", "Beta", "Delta"], SPIKING)
    numbers_first_down = column in ("Test accuracy", "Unseen", "Validation", "Seeds")
    orders = ["descending", "ascending"] if numbers_first_down else ["ascending", "descending"]
    for expected, order in zip((once, twice), orders, strict=True):
        head(page, column).get_by_role("button").click()
        shows(page, expected.split(), SPIKING)
        soon(head(page, column)).to_have_attribute("aria-sort", order)
        marked = page.get_by_role("table", name=SPIKING).locator("[aria-sort$=ending]")
        assert marked.count() == 1


def test_no_column_is_left_out(here: Opened) -> None:
    heads = here.page.get_by_role("table", name=SPIKING).get_by_role("columnheader")
    assert heads.count() == 10
    assert heads.get_by_role("button").count() == 10


@pytest.mark.parametrize(
    ("column", "key"),
    [("Method", "method"), ("Accuracy", "accuracy_percent"), ("Year", "year")],
)
def test_reported_numbers_sort(here: Opened, column: str, key: str) -> None:
    known = [getattr(report, key) for report in few_reports()]
    table = here.page.locator("table.reported")
    heads = table.locator("thead th").all_text_contents()
    place = next(number for number, text in enumerate(heads, 1) if text.startswith(column))
    button = table.get_by_role("columnheader", name=column).get_by_role("button")
    expected = sorted(known, key=lambda one: one.casefold() if isinstance(one, str) else one)
    for order in ("ascending", "descending") if key == "method" else ("descending", "ascending"):
        button.click()
        soon(table.locator("thead th").nth(place - 1)).to_have_attribute("aria-sort", order)
        values = table.locator(f"tbody tr:first-child > :nth-child({place})").evaluate_all(
            "all => all.map(cell => cell.dataset.value)"
        )
        wanted = expected if order == "ascending" else expected[::-1]
        assert [type(known[0])(value) for value in values] == wanted
    shows(here.page, ALL)


def test_keyboard_alone(here: Opened) -> None:
    page = here.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#measured$"))
    button = head(page, "Parameters").get_by_role("button")
    for _ in range(60):
        page.keyboard.press("Tab")
        if button.evaluate("button => button === document.activeElement"):
            break
    else:
        pytest.fail("the Tab key does not reach the button")
    page.keyboard.press("Enter")
    shows(page, ["Delta", "Beta", "Gone", "Alpha", "Gamma"], SPIKING)
    page.keyboard.press("Space")
    shows(page, ["Gamma", "Alpha", "Gone", "Beta", "Delta"], SPIKING)
    assert button.evaluate("button => button === document.activeElement")
    assert button.evaluate("button => getComputedStyle(button).outlineStyle") != "none"


def field(page: Page, label: str) -> Locator:
    found = page.get_by_role("search").locator("label").filter(has_text=re.compile(f"^{label}"))
    return found.locator("input, select")


def choose_in(label: str, option: str) -> Callable[[Page], object]:
    return lambda page: field(page, label).select_option(label=option)


def write_in(label: str, text: str) -> Callable[[Page], object]:
    return lambda page: field(page, label).fill(text)


# What is asked for, the names that are left, and which of the reported numbers are.
FILTERS: list[tuple[str, Callable[[Page], object], list[str], Callable[[Report], bool]]] = [
    ("Find", write_in("Find", "SMITH lif"), ["Beta", "Beta"], lambda _: False),
    ("Find", write_in("Find", "moths"), ["Gamma"], lambda _: False),
    ("Find", write_in("Find", "leaked"), ["Gone"], lambda _: False),
    ("Find", write_in("Find", "nobody at all"), [], lambda _: False),
    ("Data", choose_in("Data", "other-words"), ["Other"], lambda _: False),
    ("Data", choose_in("Data", "SHD"), [], lambda report: report.dataset == "SHD"),
    ("Tier", choose_in("Tier", "verified inference"), ["Checked"], lambda _: False),
    ("Tier", choose_in("Tier", "reported"), [], lambda _: True),
    (
        "Track",
        choose_in("Track", "conventional networks on spikes"),
        ["Other", "Conv"],
        lambda _: False,
    ),
    ("Protocol", choose_in("Protocol", "speakers-v0"), ["Old"], lambda _: False),
    (
        "Network",
        choose_in("Network", "conventional"),
        ["Other", "Conv"],
        lambda report: report.spiking == "no",
    ),
    (
        "Parameters at most",
        write_in("Parameters at most", "15000"),
        ["Checked", "Delta", "Old"],
        lambda report: report.parameters is not None and report.parameters <= 15000,
    ),
    (
        "Epoch selected on",
        choose_in("Epoch selected on", "none"),
        ["Old"],
        lambda report: report.selected_on == "none",
    ),
    (
        "Epoch selected on",
        choose_in("Epoch selected on", "all but test"),
        ALL,
        lambda report: report.selected_on != "test",
    ),
]


@pytest.mark.parametrize(("label", "act", "left", "kept"), FILTERS)
def test_every_filter(
    here: Opened,
    label: str,
    act: Callable[[Page], object],
    left: list[str],
    kept: Callable[[Report], bool],
) -> None:
    page = here.page
    shows(page, ALL)
    act(page)
    shows(page, left)
    reported = [report.method for report in few_reports() if kept(report)]
    bodies = page.locator("table.reported tbody:visible")
    soon(bodies).to_have_count(len(reported))
    shown = bodies.locator("tr:first-child th").evaluate_all("all => all.map(h => h.dataset.value)")
    assert sorted(shown) == sorted(reported)
    total = len(ALL) + len(few_reports())
    soon(page.get_by_role("status")).to_have_text(f"{len(left + reported)} of {total} rows")
    # Headings of what is empty go too, so that nobody reads through them.
    sections = page.locator("section.board:visible")
    assert sections.count() == page.locator("table.measured:visible").count()
    assert page.get_by_text("No entry matches the filter.").is_visible() == (left == [])
    page.get_by_role("button", name="Clear").click()
    shows(page, ALL)


def test_no_filter_is_left_out(here: Opened) -> None:
    labels = here.page.get_by_role("search").locator("label").all_text_contents()
    tested = {label for label, *_ in FILTERS}
    assert {next(one for one in tested if text.startswith(one)) for text in labels} == tested
    assert len(labels) == len(tested)


def address(page: Page) -> str:
    return str(page.evaluate("location.href"))


def test_the_address_keeps_and_restores(browser: Browser, here: Opened) -> None:
    page = here.page
    write_in("Find", "lif")(page)
    choose_in("Network", "spiking")(page)
    write_in("Parameters at most", "60000")(page)
    head(page, "Spikes").get_by_role("button").click()
    head(page, "Spikes").get_by_role("button").click()
    shows(page, ["Alpha", "Beta", "Delta", "Gone"], SPIKING)
    with opened(browser, address(page)) as other:
        shows(other.page, ["Checked", "Alpha", "Beta", "Delta", "Gone", "Beta", "Old"])
        assert field(other.page, "Find").input_value() == "lif"
        assert field(other.page, "Network").input_value() == "yes"
        assert field(other.page, "Parameters at most").input_value() == "60000"
        soon(head(other.page, "Spikes")).to_have_attribute("aria-sort", "descending")
        other.page.evaluate("location.hash = '#find=moths'")  # somebody follows a link of a text
        other.page.get_by_text("Gamma").first.wait_for()
        other.page.wait_for_function("document.getElementById('find').value === 'moths'")
        shows(other.page, ["Gamma"])
        assert other.faults == []
    page.get_by_role("button", name="Clear").click()
    head(page, "Rank").get_by_role("button").click()
    shows(page, ["Alpha", "Gamma", "Beta", "Gone", "Delta"], SPIKING)


@pytest.mark.parametrize(
    "state",
    [
        "find=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&sort-measured=constructor.up",
        "dataset=__proto__&tier=toString&parameters=1e999&sort-reported=__proto__.down",
        "x=__proto__&points=constructor&%ff=%00&=&&#=",
    ],
)
def test_a_hostile_address_is_only_text(browser: Browser, index: Path, state: str) -> None:
    with opened(browser, f"{index.as_uri()}#{state}") as here:
        assert field(here.page, "Find").is_visible()
        assert here.faults == []
        here.page.get_by_role("button", name="Clear").click()
        shows(here.page, ALL)
        assert here.faults == []


def test_to_an_entry_and_back_keeps_the_filter(here: Opened) -> None:
    page = here.page
    choose_in("Network", "spiking")(page)
    head(page, "Parameters").get_by_role("button").click()
    before = ["Checked", "Delta", "Beta", "Gone", "Alpha", "Gamma", "Beta", "Old"]
    shows(page, before)
    page.get_by_role("table", name=SPIKING).get_by_role("link", name="Beta", exact=True).click()
    page.get_by_role("heading", level=1, name="Beta").wait_for()
    assert "20,000" in page.locator("main").inner_text()
    page.get_by_role("link", name="All results").first.click()
    page.get_by_role("search").wait_for()
    shows(page, before)
    page.get_by_role("table", name=SPIKING).get_by_role("link", name="Delta").click()
    page.get_by_role("heading", level=1, name="Delta").wait_for()
    page.go_back()
    page.get_by_role("search").wait_for()
    shows(page, before)
    assert field(page, "Network").input_value() == "yes"


def test_every_link_to_an_entry_leads_to_its_page(here: Opened) -> None:
    page = here.page
    addresses = links(page).evaluate_all("all => all.map(a => a.href)")
    found = dict(zip(addresses, ALL, strict=True))
    assert len(found) == 9
    for place, name in found.items():
        page.goto(place)
        assert page.get_by_role("heading", level=1).text_content() == name


def drawn(page: Page, caption: str) -> list[str]:
    """Wait for a caption, then read what the points of the plot say of themselves."""
    page.locator("#plot figcaption").get_by_text(caption, exact=True).wait_for()
    points = page.locator("#plot").get_by_role("link")
    return points.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")


def test_the_plot_says_what_it_shows(here: Opened) -> None:
    assert drawn(here.page, "5 entries drawn, 1 withdrawn.") == [
        "Delta: 70.0 % (68.0–72.0), 11,000 parameters, spiking, no rank, on the front",
        "Beta: 80.0 % (78.0–82.0), 20,000 parameters, spiking, on the front",
        "Alpha: 90.0 % (88.0–92.0), 50,000 parameters, spiking, on the front",
        "Gamma: 89.0 % (87.0–91.0), 90,000 parameters, spiking",
        "Conv: 82.0 % (80.0–84.0), 200,000 parameters, conventional on spikes",
    ]


def test_points_and_intervals_lie_where_the_figures_say(here: Opened) -> None:
    drawn(here.page, "5 entries drawn, 1 withdrawn.")
    marks = (
        "all => all.map(a => a.querySelector(':not(.whisker):not(title)').getBoundingClientRect())"
    )
    bars = "all => all.map(a => a.querySelector('.whisker').getBoundingClientRect().height)"
    links = here.page.locator("#plot a")
    boxes = links.evaluate_all(marks)
    x = [box["x"] + box["width"] / 2 for box in boxes]
    y = [box["y"] + box["height"] / 2 for box in boxes]
    assert x == sorted(x)
    # Delta, Beta, Alpha, Gamma, Conv: one point of accuracy is the same length everywhere.
    point = (y[0] - y[2]) / 20
    assert point > 5
    for at, accuracy in zip(y, (70, 80, 90, 89, 82), strict=True):
        assert y[2] - at == pytest.approx((accuracy - 90) * point, abs=0.5)
    assert links.evaluate_all(bars) == pytest.approx([4 * point] * 5, abs=0.5)


@pytest.mark.parametrize(
    ("cost", "caption", "names_by_cost", "front"),
    [
        ("operations", "4 entries drawn, 1 without this figure, 1 withdrawn.", "DBAC", "DBA"),
        ("spikes", "4 entries drawn, 1 without this figure, 1 withdrawn.", "DBAG", "DBA"),
        ("latency", "3 entries drawn, 2 without this figure, 1 withdrawn.", "DBA", "DBA"),
        ("energy", "4 entries drawn, 1 without this figure, 1 withdrawn.", "DBAC", "DBA"),
    ],
)
def test_the_plot_against_every_cost(
    here: Opened, cost: str, caption: str, names_by_cost: str, front: str
) -> None:
    options = here.page.locator("#x option").evaluate_all("all => all.map(one => one.value)")
    (value,) = [option for option in options if option.startswith(cost)]
    here.page.locator("#x").select_option(value=value)
    said = drawn(here.page, caption)
    assert "".join(text[0] for text in said) == names_by_cost
    assert "".join(text[0] for text in said if "on the front" in text) == front
    assert f"x={value}" in address(here.page)


def test_the_plot_follows_the_filter(here: Opened) -> None:
    page = here.page
    choose_in("Network", "spiking")(page)
    assert [text[0] for text in drawn(page, "4 entries drawn, 1 withdrawn.")] == list("DBAG")
    write_in("Find", "beta")(page)
    assert [text[0] for text in drawn(page, "1 entry drawn.")] == ["B"]
    write_in("Find", "nobody at all")(page)
    assert drawn(page, "0 entries drawn.") == []
    page.get_by_role("button", name="Clear").click()
    assert len(drawn(page, "5 entries drawn, 1 withdrawn.")) == 5
    choose_in("Tier", "verified inference")(page)
    assert [text[0] for text in drawn(page, "1 entry drawn.")] == ["C"]


def test_the_address_keeps_the_plot(browser: Browser, here: Opened) -> None:
    page = here.page
    page.locator("#points").select_option(label="toy-digits, speakers-v1, verified inference")
    page.locator("#x").select_option(value="spikes")
    (said,) = drawn(page, "1 entry drawn.")
    assert said.startswith("Checked: 75.0 % (73.0–77.0), 300 spikes per inference")
    with opened(browser, address(page)) as other:
        assert drawn(other.page, "1 entry drawn.") == [said]
        assert other.page.locator("#x").input_value() == "spikes"


def test_points_lead_to_entries_by_mouse_and_keyboard(here: Opened) -> None:
    page = here.page
    choose_in("Network", "spiking")(page)
    drawn(page, "4 entries drawn, 1 withdrawn.")
    page.locator("#plot a", has_text="Alpha").locator("circle").click()
    page.get_by_role("heading", level=1, name="Alpha").wait_for()
    page.get_by_role("link", name="All results").first.click()
    drawn(page, "4 entries drawn, 1 withdrawn.")
    page.locator("#plot a", has_text="Delta").focus()
    page.keyboard.press("Tab")  # the next in the order of costs
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="Beta").wait_for()
