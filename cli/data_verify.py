"""``spikebench data verify``: whether a data set is what was published, and sound."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def verify(ctx: click.Context, name: str, as_json: bool) -> None:
    """Read everything of the data set NAME that is here, and check it.

    Every spike file is compared with its published hash, or with the SHA-256 that was pinned when it first came
    or was made, and checked as 'spikebench validate' does; every recording is compared with SHA256SUMS of the data
    set's folder. Prints what was compared with what, then one line per problem.

    --json prints dataset, valid, compared (the former lines) and problems.

    Exit codes: 0 no problem, 1 at least one, or nothing is here.
    """
    from spikebench.datasets import load_spec
    from spikebench.store.contents import verify as check

    compared: list[str] = []
    problems = check(load_spec(name), compared.append)
    if as_json:
        report = {
            "dataset": name,
            "valid": not problems,
            "compared": compared,
            "problems": problems,
        }
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        for line in (*compared, *problems):
            click.echo(line)
        if not problems:
            click.echo(f"{name}: no problem found")
    ctx.exit(1 if problems else 0)
