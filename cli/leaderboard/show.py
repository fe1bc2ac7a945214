"""``spikebench leaderboard show``: print the tables in the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from cli.leaderboard.selection import entries_option, json_option, read_checked


@click.command()
@entries_option
@click.option("--dataset", default="", help="Only this data set.")
@click.option("--literature", is_flag=True, help="Also show the figures reported in papers.")
@json_option
def show(entries: tuple[Path, ...], dataset: str, literature: bool, as_json: bool) -> None:
    """Show the leaderboard in the terminal."""
    from leaderboard.claims.literature import read_literature
    from leaderboard.standings.chips import chip_rows, split_boards
    from leaderboard.standings.ranking import build_boards
    from leaderboard.standings.table import measured_rows, to_json

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
        software, _ = split_boards(boards)
        chips = [vars(row) for row in chip_rows(boards)]
        click.echo(to_json(measured_rows(software), reports, chips), nl=False)
        return
    from leaderboard.pages.terminal import print_boards, print_literature

    print_boards(boards)
    if literature:
        print_literature(reports)
