"""``spikebench validate``: check a spike file against the published layout."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def validate(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Check everything in FILE: layout, links, storage, types, counts, every spike.

    Prints one line per problem. Exit codes: 0 no problem, 1 at least one.
    """
    from spikebench.spike_report import find_problems

    problems = find_problems(file)
    if as_json:
        report = {"file": str(file), "valid": not problems, "problems": problems}
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        for problem in problems:
            click.echo(problem)
        if not problems:
            click.echo(f"{file}: no problem found")
    ctx.exit(1 if problems else 0)
