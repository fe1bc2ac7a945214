"""``spikebench data verify``: check the files of a data set against its hashes and its layout."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.argument("files", nargs=-1, metavar="[FILE]…", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def verify(ctx: click.Context, name: str, files: tuple[Path, ...], as_json: bool) -> None:
    """Read and check all local files of the data set NAME.

    Every spike file is compared with its published hash, or with the SHA-256 that was pinned when it was first
    downloaded or made, and checked as by 'spikebench validate'; every recording is compared with SHA256SUMS in the
    data set's folder. Prints the comparisons that were made, then one line per problem.

    A data set that users make themselves (shd-r) is compared with its registered fingerprints: 'this is shd-r', or
    how many of its recordings are missing, different or extra, and which. FILE… are spike files to compare instead
    of those in the folder of the data set, for example those that 'spikebench data make' wrote elsewhere.

    --json prints dataset, valid, compared (the former lines), problems and registered (every recording that
    differs; null if no fingerprint is registered).

    Exit codes: 0 no problem, 1 at least one, or no local file.
    """
    from spikebench.datasets import load_spec
    from spikebench.datasets.recipe import RECIPES, load_recipe
    from spikebench.errors import DataError
    from spikebench.spike_files.report import find_problems
    from spikebench.store.contents import verify as check
    from spikebench.store.folder import part_paths
    from spikebench.store.registered import compare_fingerprint, find_differences

    spec = load_spec(name)
    recipe = load_recipe(name) if name in RECIPES else None
    compared: list[str] = []
    is_registered = recipe is not None and recipe.registered is not None
    if files and not (is_registered or spec.fingerprint):
        raise DataError(
            f"{name}: has no registered fingerprint to compare files with; leave FILE out"
        )
    problems = (
        [problem for file in files for problem in find_problems(file)]
        if files
        else check(spec, compared.append)
    )
    found = None
    if problems and files:
        pass
    elif recipe is not None:
        found = find_differences(
            recipe, files or [one for one in part_paths(spec) if one.is_file()]
        )
    elif files:
        found = compare_fingerprint(spec, files)
    if found is not None:
        (compared if found.is_registered else problems).extend(found.lines())
    if as_json:
        report = {
            "dataset": name,
            "valid": not problems,
            "compared": compared,
            "problems": problems,
            "registered": None if found is None else found.as_json(),
        }
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        for line in (*compared, *problems):
            click.echo(line)
        if not problems:
            click.echo(f"{name}: no problem found")
    ctx.exit(1 if problems else 0)
