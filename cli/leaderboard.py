"""``spikebench leaderboard``: the static page, and the same in the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from cli.leaderboard_check import check, schema, withdraw
from cli.leaderboard_entries import entries_option, read_checked
from cli.leaderboard_fresh import fresh
from cli.leaderboard_serve import serve

_json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


@click.group()
def leaderboard() -> None:
    """Build, show or serve the leaderboard.

    Every entry is checked again first: its numbers must follow from its predictions.
    Exit code 1: an entry fails, and nothing is written.
    """


@leaderboard.command()
@entries_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("leaderboard-site"),
    show_default=True,
    help="Folder for index.html, or a file that ends in .html.",
)
@_json_option
def build(entries: tuple[Path, ...], output: Path, as_json: bool) -> None:
    """Write a static page that works from file:// and makes no outside request.

    Beside it lie a page per entry (entries/), leaderboard.json, leaderboard.csv and literature.csv.
    """
    from leaderboard.literature import read_literature
    from leaderboard.site import build_site

    stored, reports = read_checked(entries), read_literature()
    page, *downloads = build_site(stored, reports, output)
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
        f"Wrote {page} ({size / 1000:.0f} kB) and beside it a page per entry and the downloads."
    )


@leaderboard.command()
@entries_option
@click.option("--dataset", default="", help="Only this data set.")
@click.option("--literature", is_flag=True, help="Also what papers report.")
@_json_option
def show(entries: tuple[Path, ...], dataset: str, literature: bool, as_json: bool) -> None:
    """Show the leaderboard in the terminal."""
    from leaderboard.literature import read_literature
    from leaderboard.ranking import build_boards
    from leaderboard.table import measured_rows, to_json

    boards = build_boards(read_checked(entries))
    reports = read_literature()
    if dataset:
        known = {board.dataset for board in boards} | {report.dataset for report in reports}
        if dataset not in known:
            from spikebench.errors import UnknownNameError

            raise UnknownNameError("data set on the leaderboard", dataset, known)
        boards = [board for board in boards if board.dataset == dataset]
        reports = [report for report in reports if report.dataset == dataset]
    if as_json:
        click.echo(to_json(measured_rows(boards), reports), nl=False)
        return
    from leaderboard.terminal import print_boards, print_literature

    print_boards(boards)
    if literature:
        print_literature(reports)


leaderboard.add_command(check)
leaderboard.add_command(fresh)
leaderboard.add_command(schema)
leaderboard.add_command(serve)
leaderboard.add_command(withdraw)
