"""``spikebench data path``: where the spike files of a data set lie."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def path(name: str, as_json: bool) -> None:
    """Print the paths of the spike files of the data set NAME, one a line.

    Nothing is downloaded and nothing is read. --json prints dataset and files: each with file, split (empty
    where the file marks its samples itself) and path.

    Exit codes: 0 all are there, 1 they are not.
    """
    from spikebench.datasets import load_spec
    from spikebench.errors import DataError
    from spikebench.records.text import printable
    from spikebench.store.folder import part_paths

    spec = load_spec(name)
    paths = part_paths(spec)
    for missing in (one for one in paths if not one.is_file()):
        raise DataError(
            f"{printable(str(missing))}: is not here; 'spikebench data get {name}' gets it"
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
