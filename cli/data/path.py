"""``spikebench data path``: print the paths of the spike files of a data set."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def path(name: str, as_json: bool) -> None:
    """Print the paths of the spike files of the data set NAME, one per line.

    Nothing is downloaded and nothing is read. --json prints dataset and files: each with file, split (empty
    if the file marks the split of each sample) and path.

    Exit codes: 0 all files exist, 1 at least one does not.
    """
    from spikebench.datasets import load_spec
    from spikebench.errors import DataError
    from spikebench.records.text import printable
    from spikebench.store.folder import part_paths

    spec = load_spec(name)
    paths = part_paths(spec)
    for missing in (one for one in paths if not one.is_file()):
        raise DataError(
            f"{printable(str(missing))}: does not exist; 'spikebench data get {name}' gets it"
        )
    if as_json:
        files = [
            {"file": part.file, "split": part.split, "path": str(one)}
            for part, one in zip(spec.parts, paths, strict=True)
        ]
        click.echo(json.dumps({"dataset": name, "files": files}, ensure_ascii=False))
    else:
        for one in paths:
            click.echo(printable(str(one)))
