"""``spikebench validate``: check a spike file against the published layout."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("data", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def validate(ctx: click.Context, data: str, as_json: bool) -> None:
    """Check all of FILE: layout, links, storage, types, counts, every spike.

    FILE is a spike file or the name of a data set. Prints one line per problem. Exit codes: 0 no
    problem, 1 at least one.

    Remarks do not change the exit code. They list recordings that are copies of others, in particular in different
    splits, and samples without a spike.
    """
    from spikebench.records.text import printable
    from spikebench.spike_files.reader import SpikeFile
    from spikebench.spike_files.remarks import find_remarks
    from spikebench.spike_files.report import find_problems
    from spikebench.store.locate import resolve

    file, _ = resolve(data)
    problems = find_problems(file)
    remarks: list[str] = []
    if not problems:
        with SpikeFile(file) as spikes:
            remarks = find_remarks(spikes)
    if as_json:
        report = {
            "file": str(file),
            "valid": not problems,
            "problems": problems,
            "remarks": remarks,
        }
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        for problem in problems:
            click.echo(problem)
        for remark in remarks:
            click.echo(f"{printable(str(file))}: {remark}")
        if not problems:
            click.echo(f"{file}: no problem found")
    ctx.exit(1 if problems else 0)
