"""``spikebench leaderboard schema``: print the JSON Schema of a file of an entry."""

from __future__ import annotations

import click


@click.command()
@click.argument("name")
def schema(name: str) -> None:
    """Print the JSON Schema of NAME: entry, result, run, verification, form or hardware."""
    import json

    from leaderboard.claims.schemas import schema as find

    click.echo(json.dumps(find(name), indent=2, ensure_ascii=False))
