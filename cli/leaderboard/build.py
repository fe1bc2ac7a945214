"""``spikebench leaderboard build``: write the static page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.leaderboard.selection import entries_option, json_option, read_checked, usual_entries
from cli.progress.leaderboard import MANY, entries_progress

if TYPE_CHECKING:
    from leaderboard.pages.up_to_date import Built


@click.command()
@entries_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("leaderboard-site"),
    show_default=True,
    help="Folder for index.html, or a file that ends in .html.",
)
@json_option
def build(entries: tuple[Path, ...], output: Path, as_json: bool) -> None:
    """Write a static page that works from file:// and loads nothing from other addresses.

    Also writes a page per entry (entries/), leaderboard.json, leaderboard.csv, literature.csv and hardware.csv beside
    it. If nothing that it was built from has changed since the last build, the page is left as it is.
    """
    from leaderboard.pages.site import DOWNLOADS, page_path
    from leaderboard.pages.up_to_date import identify_inputs, recall_build, remember_build

    folders, page = entries or usual_entries(), page_path(output)
    inputs = identify_inputs(folders)
    if not inputs and _is_large(folders):
        # They changed less than two seconds ago, which a build of minutes can wait for to be remembered.
        time.sleep(2)
        inputs = identify_inputs(folders)
    built = recall_build(page, inputs)
    is_current = built is not None
    if built is None:
        built = _build(entries, output)
        remember_build(page, inputs, built)
    size = page.stat().st_size
    if as_json:
        import json

        said: dict[str, object] = {"page": str(page), "bytes": size, "unchanged": is_current}
        said["downloads"] = [str(page.with_name(name)) for name in DOWNLOADS]
        said |= {"entries": built.entries, "literature": built.literature}
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    noun = "entry" if built.entries == 1 else "entries"
    click.echo(
        f"{built.entries} {noun} measured here, {built.literature} numbers from the literature."
    )
    if is_current:
        click.echo(f"{page} is up to date ({size / 1000:.0f} kB): nothing has changed.")
        return
    click.echo(
        f"Wrote {page} ({size / 1000:.0f} kB), and beside it a page per entry and the downloads."
    )


def _is_large(folders: tuple[Path, ...]) -> bool:
    return sum(1 for folder in folders for _ in folder.glob("*/*")) >= MANY


def _build(entries: tuple[Path, ...], output: Path) -> Built:
    from leaderboard.claims.literature import read_literature
    from leaderboard.pages.site import build_site
    from leaderboard.pages.up_to_date import Built

    if _is_large(entries or usual_entries()):
        from spikebench.workers import prepare_workers

        prepare_workers("leaderboard.pages.site")
    stored, reports = read_checked(entries), read_literature()
    with entries_progress("writing") as report_progress:
        build_site(stored, reports, output, report_progress)
    return Built(len(stored), len(reports))
