"""``spikebench leaderboard withdraw``: withdraw an entry without removing it."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("entry", type=click.Path(path_type=Path, file_okay=False))
@click.option("--reason", required=True, help="Reason in one line; it is shown on the page.")
def withdraw(entry: Path, reason: str) -> None:
    """Withdraw ENTRY (its folder): it stays on the page without a rank, with the reason."""
    from leaderboard.claims.entry import withdraw as take_back

    taken = take_back(entry, reason)
    assert taken.withdrawn is not None
    click.echo(f"{taken.id}: withdrawn on {taken.withdrawn.date}.")
