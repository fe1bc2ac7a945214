"""``spikebench leaderboard``: commands for leaderboard entries; one small file per command."""

from __future__ import annotations

import click

from cli.shared.lazy_group import LazyGroup

COMMANDS = {
    "build": ("cli.leaderboard.build:build", "Write the static page."),
    "show": ("cli.leaderboard.show:show", "Show the tables in the terminal."),
    "report": ("cli.leaderboard.report:report", "Write the results as Markdown with pictures."),
    "serve": ("cli.leaderboard.serve:serve", "Serve the page on this machine until Ctrl-C."),
    "check": ("cli.leaderboard.check:check", "Check every entry, as for a pull request."),
    "fresh": ("cli.leaderboard.fresh:fresh", "Run entries with weights on recordings of your own."),
    "withdraw": ("cli.leaderboard.withdraw:withdraw", "Withdraw an entry, with the reason."),
    "schema": ("cli.leaderboard.schema:schema", "Print the JSON Schema of a file of an entry."),
}


@click.group(cls=LazyGroup, registry=COMMANDS)
def leaderboard() -> None:
    """Build, show or serve the leaderboard; check its entries.

    Every entry is checked first: its numbers must follow from its predictions.
    Exit code 1: an entry fails its checks; nothing is written.
    """
