"""The page in a real browser: ten thousand samples, one of 20,000 spikes, names that try to be more than text."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from helpers.browser import (
    DESKTOP,
    PHONE,
    Opened,
    launch,
    opened,
    overflow,
    serious_violations,
    soon,
)

from spikebench.errors import SpikebenchError
from spikebench.recordings.decoding import Recording
from spikebench.spike_files.reader import SpikeFile
from spikebench.viewer.application import Application
from spikebench.viewer.server import PageServer
from spikebench.viewer.sounds import Sounds

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

N, N_UNITS, DENSE, DENSE_SPIKES = 10_000, 700, 4321, 20_000
ATTACK = """</script>"'><img src=x onerror=alert(1)><script>alert(2)</script>"""
BIDI = "abc\u202edcba\u2066\x07"
CLASSES = ["zero", ATTACK, BIDI, "W" * 90, "five"]
FREQUENCIES = np.geomspace(8000, 100, N_UNITS)


def write_many(path: Path) -> Path:
    """Write 10,000 samples at once, in the published layout with names of splits and recordings."""
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 12, N)
    sizes[DENSE] = DENSE_SPIKES
    with h5py.File(path, "w") as file:
        for name, kind in (("times", np.float32), ("units", np.uint16)):
            values = np.empty(N, dtype=object)
            for k, size in enumerate(sizes):
                drawn = (
                    np.sort(rng.random(size)) if name == "times" else rng.integers(0, N_UNITS, size)
                )
                values[k] = drawn.astype(kind)
            file.create_dataset(f"spikes/{name}", data=values, dtype=h5py.vlen_dtype(kind))
        file["labels"] = np.arange(N) % len(CLASSES)
        file["extra/speaker"] = np.arange(N) // 500
        file["extra/keys"] = np.array([name.encode() for name in CLASSES])
        splits = [("train", "test")[k % 4 == 3].encode() for k in range(N)]
        file["extra/split"] = np.array(splits)
        file["extra/source"] = np.array(
            [f"{ATTACK if k == 1 else k}.wav".encode() for k in range(N)]
        )
    return path


class Model:
    """A model that is surer of a class, the longer it listens."""

    model = "toy"
    classes = ("zero", "five", ATTACK)

    def refusal(self, index: int) -> str:
        return "it is a secret" if index == 2 else ""

    def over_time(self, index: int) -> dict[str, Any]:
        times = [0.25, 0.5, 0.75, 1.0]
        shares = [[0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0.8, 0.1, 0.1], [0.9, 0.05, 0.05]]
        return {"times": times, "shares": shares, "decided": 0.5}


def find(index: int) -> Recording:
    if index == 0:
        tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
        return Recording(tone, 16_000, 1, "")
    raise SpikebenchError(f"no recording of {index}")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    spikes = SpikeFile(write_many(tmp_path_factory.mktemp("page") / "many.h5"))
    with PageServer(0) as server:
        sounds = Sounds(spikes, FREQUENCIES, find)
        server.application = Application(spikes, FREQUENCIES, sounds, Model())  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server.address
        server.shutdown()
        thread.join()
    spikes.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as started:
        yield started


@pytest.fixture(scope="module")
def desk(browser: Browser) -> Iterator[Opened]:
    with opened(browser, "about:blank") as page:
        yield page


@pytest.fixture
def here(desk: Opened, address: str) -> Iterator[Opened]:
    """The page as it is at first; at the end of a test nothing may have gone wrong."""
    desk.page.goto("about:blank")
    desk.page.goto(address)
    desk.faults.clear()
    desk.requests.clear()
    soon(desk.page.locator("#readout")).to_contain_text("spikes shown")
    yield desk
    assert desk.faults == []
    assert [url for url in desk.requests if not url.startswith((address, "blob:", "data:"))] == []


def selected(page: Page) -> str:
    return page.locator("[role=option][aria-selected=true]").inner_text()


def test_ten_thousand_samples(here: Opened) -> None:
    page = here.page
    soon(page.locator("#count")).to_have_text("10,000 samples")
    assert page.locator("[role=option]").count() < 60
    page.locator("#list").evaluate("box => box.scrollTop = box.scrollHeight")
    last = page.locator("[role=option][aria-posinset='10000']")
    soon(last).to_contain_text("sample 9,999")
    assert last.get_attribute("aria-setsize") == "10000"
    assert page.locator("[role=option]").count() < 60
    last.click()
    soon(page.locator("#facts")).to_contain_text("sample 9,999 · speaker 19 · split test")
    assert page.evaluate("location.hash") == "#9999"
    assert len([url for url in here.requests if "api/samples" in url]) < 6


def test_choices(here: Opened) -> None:
    page = here.page
    page.get_by_role("combobox", name="Class").select_option(label="five (2,000)")
    soon(page.locator("#count")).to_have_text("2,000 of 10,000 samples")
    soon(page.locator("#name")).to_have_text("five")
    page.get_by_role("combobox", name="Speaker").select_option("3")
    page.get_by_role("combobox", name="Split").select_option(label="test (2,500)")
    soon(page.locator("#count")).to_have_text("25 of 10,000 samples")
    soon(page.locator("#facts")).to_contain_text("sample 1,519 · speaker 3 · split test")
    for name in ("Class", "Speaker", "Split"):
        page.get_by_role("combobox", name=name).select_option("")
    page.get_by_role("combobox", name="Order").select_option("most")
    soon(page.locator("#count")).to_have_text("10,000 samples")
    soon(page.locator("[role=option][aria-posinset='1519']")).to_have_count(0)
    assert "sample 1,519" in page.locator("#facts").inner_text()  # still chosen


def test_single_spikes_of_twenty_thousand(here: Opened, address: str) -> None:
    page = here.page
    page.goto("about:blank")
    page.goto(f"{address}#{DENSE}")
    soon(page.locator("#readout")).to_contain_text("20,000 of 20,000 spikes shown: 0.00 to 1.05 s")
    assert f"sample {DENSE:,}" in selected(page)
    box = page.locator("#raster").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40)
    page.mouse.up()
    soon(page.locator("#readout")).not_to_contain_text("20,000 of 20,000")
    for _ in range(3):
        page.keyboard.press("+")
        page.keyboard.press("u")
    soon(page.locator("#readout")).to_contain_text(" of 20,000 spikes shown: 0.5")
    shown = page.locator("#readout").inner_text().split(" of ")[0]
    assert 0 < int(shown) < 60
    assert "units" in (page.locator("#raster").get_attribute("aria-label") or "")
    painted = painted_pixels(page)
    page.keyboard.press("0")
    soon(page.locator("#readout")).to_contain_text("20,000 of 20,000")
    assert 0 < painted < painted_pixels(page)


def test_the_strip_chooses_the_part_in_view(here: Opened) -> None:
    page = here.page
    box = page.locator("#overview").bounding_box()
    assert box
    page.mouse.move(box["x"] + 200, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 20)
    page.mouse.up()
    readout = page.locator("#readout")
    soon(readout).not_to_contain_text(": 0.00 to")
    before = readout.inner_text()
    page.mouse.click(box["x"] + 600, box["y"] + 20)
    soon(readout).not_to_have_text(before)
    assert readout.inner_text().endswith("units 0 to 699")


def painted_pixels(page: Page) -> int:
    """Count the pixels of the raster that are painted."""
    counted = page.evaluate(
        """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
          const canvas = document.getElementById('raster'), { width, height } = canvas;
          const context = new OffscreenCanvas(width, height).getContext('2d');
          context.drawImage(canvas, 0, 0);
          const { data } = context.getImageData(50, 10, width - 110, height - 60);
          let n = 0;
          for (let k = 3; k < data.length; k += 4) n += data[k] > 128;
          done(n);
        })))"""
    )
    assert isinstance(counted, int)
    return counted


def test_keys(here: Opened) -> None:
    page = here.page
    page.keyboard.press("ArrowDown")
    soon(page.locator("#facts")).to_contain_text("sample 1 ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    soon(page.locator("#facts")).to_contain_text("sample 2 ")
    page.keyboard.press("ArrowRight")
    soon(page.locator("#clock")).to_have_text(re.compile(r"^0\.0\d*[1-9] of "))
    page.get_by_role("button", name="Zoom in on units").click()
    soon(page.locator("#readout")).to_contain_text("units 175 to 524")
    page.keyboard.press("Shift+ArrowDown")
    soon(page.locator("#readout")).to_contain_text("units 245 to 594")
    page.keyboard.press("Shift+U")
    soon(page.locator("#readout")).to_contain_text("units 0 to 699")


def test_sound_with_a_moving_cursor(here: Opened) -> None:
    page = here.page
    page.keyboard.press(" ")
    soon(page.locator("#play")).to_have_text("Pause")
    soon(page.locator("#clock")).to_have_text(re.compile(r"^0\.[1-9]"))
    page.keyboard.press(" ")
    soon(page.locator("#play")).to_have_text("Play")
    page.keyboard.press("ArrowDown")
    soon(page.locator("#silent")).to_have_text("No recording: no recording of 1.")
    soon(page.locator("#play")).to_be_disabled()
    page.keyboard.press("s")
    soon(page.locator("#play")).to_be_enabled()
    page.locator("#play").click()
    soon(page.locator("#clock")).not_to_have_text(re.compile(r"^0\.000"))
    fetched = [url.rsplit("/api/")[1] for url in here.requests if "/api/" in url]
    assert fetched.count("recording/0") == 1
    assert fetched.count("sound/1") == 1


def test_answers_of_a_model(here: Opened) -> None:
    page = here.page
    answer = page.locator("#answer")
    soon(answer).to_have_text("At the end: zero (90 %), unchanged since 0.50 s; right.")
    assert page.locator("#legend").inner_text().split("\n")[:2] == ["zero", "five"]
    page.locator("#raster").click(position={"x": 300, "y": 100})
    soon(answer).to_contain_text(". Up to 0.25 s: five (70 %).")
    page.keyboard.press("ArrowDown")
    soon(answer).to_contain_text("; wrong")
    page.keyboard.press("ArrowDown")
    soon(answer).to_have_text("No answer: it is a secret.")
    soon(page.locator("#answers")).to_be_hidden()


def test_names_are_only_text(here: Opened) -> None:
    page = here.page
    page.keyboard.press("ArrowDown")
    soon(page.locator("#name")).to_have_text(ATTACK)
    soon(page.locator("#facts")).to_contain_text(f"{ATTACK}.wav")
    assert page.locator("img, body script, h2 *").count() == 0
    page.keyboard.press("ArrowDown")
    soon(page.locator("#name")).to_have_text("abc\\u202edcba\\u2066\\x07")
    assert "\u202e" not in page.content()


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_for_everybody(browser: Browser, address: str, size: tuple[int, int], scheme: Any) -> None:  # noqa: ANN401
    with opened(browser, address, size, color_scheme=scheme) as there:
        soon(there.page.locator("#readout")).to_contain_text("spikes shown")
        there.page.get_by_text("Keys and mouse").click()
        assert overflow(there.page) <= 0
        assert serious_violations(there.page) == []
        assert there.faults == []
