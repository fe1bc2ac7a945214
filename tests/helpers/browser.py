"""Pages in the Chromium of this machine, and everything that one did wrong while it was open."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, LocatorAssertions, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    # What a page asks of others is told, and goes nowhere; a server of a test is on this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
DESKTOP, PHONE = (1280, 900), (360, 740)
# A policy that refuses something says so in an event; the console then counts it as a fault.
LISTEN = """addEventListener('securitypolicyviolation',
  event => console.error(`policy ${event.violatedDirective}: ${event.blockedURI}`))"""


@contextlib.contextmanager
def launch() -> Iterator[Browser]:
    """Start the browser, or skip with the reason why there is none."""
    reason = "playwright is not installed"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason).sync_playwright
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        pytest.skip("this machine has no Chromium (Debian: apt-get install chromium)")
    with playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page; ``faults`` and ``requests`` grow while it is used."""

    page: Page
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def outside(self) -> list[str]:
        """List what was asked of anything but this machine's files."""
        return [url for url in self.requests if not url.startswith(("file:", "data:"))]


@contextlib.contextmanager
def opened(
    browser: Browser,
    address: str | Path,
    size: tuple[int, int] = DESKTOP,
    **options: Any,  # noqa: ANN401 — whatever a browser context takes
) -> Iterator[Opened]:
    """Open a page of its own, without cookies or storage of others, and close it."""
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    try:
        here = _watched(context)
        here.page.goto(address if isinstance(address, str) else address.as_uri())
        yield here
    finally:
        context.close()


def _watched(context: BrowserContext) -> Opened:
    context.set_default_timeout(20_000)  # slow machines load a page in seconds
    context.add_init_script(LISTEN)
    here = Opened(context.new_page())

    def tell(what: str) -> None:
        here.faults.append(what)

    context.on("request", lambda request: here.requests.append(request.url))
    context.on("page", lambda page: tell(f"another page: {page.url}"))
    here.page.on("pageerror", lambda error: tell(f"script: {error}"))
    here.page.on("download", lambda download: tell(f"download: {download.url}"))

    def dialog(box: Any) -> None:  # noqa: ANN401
        tell(f"dialog: {box.message}")
        box.dismiss()

    here.page.on("dialog", dialog)

    def console(message: Any) -> None:  # noqa: ANN401
        if message.type in ("error", "warning", "assert"):
            tell(f"console: {message.text}")

    here.page.on("console", console)
    return here


def soon(place: Locator) -> LocatorAssertions:
    """Expect something of a place within seconds: a page may still be at it when an act returns."""
    from playwright.sync_api import expect

    expect.set_options(timeout=10_000)
    return expect(place, place.page.url)


def serious_violations(page: Page) -> list[str]:
    """List what axe-core finds that shuts somebody out: rule, how bad, where."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {' '.join(map(str, node['target']))} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def overflow(page: Page) -> int:
    """Tell by how many pixels a page is wider than its window."""
    width: int = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
    return width
