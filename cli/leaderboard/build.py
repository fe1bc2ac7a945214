"""``spikebench leaderboard build``: write the static page."""

from __future__ import annotations

from pathlib import Path

import click

from cli.leaderboard.selection import entries_option, json_option, read_checked, usual_entries
from cli.progress.leaderboard import MANY, entries_progress


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

    Also writes a page per entry (entries/), leaderboard.json, leaderboard.csv and literature.csv beside it.
    """
    if sum(1 for folder in entries or usual_entries() for _ in folder.glob("*/*")) >= MANY:
        from spikebench.workers import prepare_workers

        prepare_workers("leaderboard.pages.site")
    from leaderboard.claims.literature import read_literature
    from leaderboard.pages.site import build_site

    stored, reports = read_checked(entries), read_literature()
    with entries_progress("writing") as report_progress:
        page, *downloads = build_site(stored, reports, output, report_progress)
    size = page.stat().st_size
    if as_json:
        import json

        said: dict[str, object] = {"page": str(page), "bytes": size}
        said["downloads"] = [str(path) for path in downloads]
        said |= {"entries": len(stored), "literature": len(reports)}
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    noun = "entry" if len(stored) == 1 else "entries"
    click.echo(f"{len(stored)} {noun} measured here, {len(reports)} numbers from the literature.")
    click.echo(
        f"Wrote {page} ({size / 1000:.0f} kB), and beside it a page per entry and the downloads."
    )
