"""``spikebench doctor``: check the installation, and say how to mend what is wrong."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from spikebench.doctor.finding import Finding

_MARKS = {"ok": "ok    ", "note": "note  ", "broken": "BROKEN"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> None:
    """Check the installation: versions, threads, BLAS, GPU, folders, free space, and a self-test.

    The self-test encodes a click and a tone, and trains a small network for some steps; it takes a few seconds, and
    longer in the first run on a machine, which compiles loops. Every problem is printed with its remedy.

    Exit code 1: something is broken.
    """
    findings = _examine(quiet=as_json)
    broken = sum(one.state == "broken" for one in findings)
    if as_json:
        import json

        said = {"ok": not broken, "findings": [asdict(one) for one in findings]}
        click.echo(json.dumps(said, ensure_ascii=False))
    else:
        width = max(len(one.name) for one in findings)
        for one in findings:
            click.echo(_line(one, width))
        click.echo(f"{broken} broken, see above" if broken else "everything works")
    click.get_current_context().exit(1 if broken else 0)


def _examine(quiet: bool) -> list[Finding]:
    """Look at the packages first: the other checks import them."""
    from spikebench.doctor.packages import check_packages

    findings = check_packages()
    if any(one.state == "broken" for one in findings):
        return findings
    from cli.progress.compiling import announce_compilation
    from spikebench.doctor.machine import check_machine
    from spikebench.doctor.self_test import run_self_test

    trains = any((one.name, one.state) == ("torch", "ok") for one in findings)
    findings += check_machine()
    with announce_compilation(quiet):
        return findings + run_self_test(trains=trains)


def _line(one: Finding, width: int) -> str:
    from spikebench.records.text import printable

    remedy = f"\n{'':{width + 10}}→ {one.remedy}" if one.remedy else ""
    return f"{_MARKS[one.state]}  {one.name:<{width}}  {printable(one.found)}{remedy}"
