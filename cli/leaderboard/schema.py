"""``spikebench leaderboard schema``: what the files of an entry may hold."""

from __future__ import annotations

import click


@click.command()
@click.argument("name")
def schema(name: str) -> None:
    """Print the JSON Schema of NAME: entry, result, run, verification or form."""
    import json

    from leaderboard.claims.schemas import schema as find

    click.echo(json.dumps(find(name), indent=2, ensure_ascii=False))
