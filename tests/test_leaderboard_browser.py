"""The page in a real browser: offline, harmless, for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import DESKTOP, PHONE, launch, opened, overflow, serious_violations
from leaderboard_results import make_result

from leaderboard.entry import StoredEntry, make_entry
from leaderboard.literature import read_literature
from leaderboard.site import build_site
from leaderboard.verification import verify_result

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    entries = []
    for k, skill in enumerate((0.5, 0.8)):
        result = verify_result(make_result(folder / str(k), skill=skill, model=f"m{k}"))
        entries.append(StoredEntry(make_entry(result, f"name {k}"), result, folder))
    build_site(entries, read_literature(), folder / "site")
    return folder / "site"


BAD = f"""<!doctype html>
<meta http-equiv="Content-Security-Policy" content="script-src 'unsafe-inline'; style-src 'none'">
<style>p {{ color: red }}</style><img src="http://elsewhere.example/x.png">{"wide" * 200}<input>
<script>alert('ran'); throw Error('thrown')</script>"""


def test_faults_are_seen(browser: Browser, tmp_path: Path) -> None:
    """What the other tests look for is found where it is."""
    (tmp_path / "bad.html").write_text(BAD)
    with opened(browser, tmp_path / "bad.html", PHONE) as here:
        here.page.wait_for_load_state("load")
        said = "\n".join(here.faults)
        assert "dialog: ran" in said
        assert "script: thrown" in said
        assert "console: policy style-src" in said
        assert "ERR_NAME_NOT_RESOLVED" in said
        assert here.outside() == ["http://elsewhere.example/x.png"]
        assert overflow(here.page) > 2000
        assert any("label (critical): input" in one for one in serious_violations(here.page))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_for_axe(
    browser: Browser, site: Path, size: tuple[int, int], scheme: str
) -> None:
    with opened(browser, site / "index.html", size, color_scheme=scheme) as here:
        assert serious_violations(here.page) == []
        assert overflow(here.page) <= 0
        assert here.faults == []
        assert here.outside() == []
