"""``spikebench leaderboard withdraw``: an entry is taken back and stays."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("entry", type=click.Path(path_type=Path, file_okay=False))
@click.option("--reason", required=True, help="Why, in one line; it stays on the page.")
def withdraw(entry: Path, reason: str) -> None:
    """Take ENTRY (its folder) back: it stays, without a rank, with the reason."""
    from leaderboard.claims.entry import withdraw as take_back

    taken = take_back(entry, reason)
    assert taken.withdrawn is not None
    click.echo(f"{taken.id}: withdrawn on {taken.withdrawn.date}.")
