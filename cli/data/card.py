"""``spikebench data card``: print the data card of a data set, or its Croissant metadata."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("name", metavar="NAME")
@click.option(
    "--croissant",
    "as_croissant",
    is_flag=True,
    help="MLCommons Croissant metadata (JSON-LD) with responsible-AI fields.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write to this file instead of printing.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def card(name: str, as_croissant: bool, output: Path | None, overwrite: bool) -> None:
    """Print the data card of the data set NAME: samples, splits, files, hashes, licence, limits.

    Nothing is downloaded; 'spikebench data list' lists the names.
    """
    from spikebench.datasets import load_spec

    spec = load_spec(name)
    if as_croissant:
        import json

        from spikebench.datasets.croissant import croissant

        text = json.dumps(croissant(spec), indent=2, ensure_ascii=False) + "\n"
    else:
        from spikebench.datasets.card import data_card

        text = data_card(spec)
    if output is None:
        click.echo(text, nl=False)
        return
    from spikebench.records.whole_files import refuse_existing, write_text

    refuse_existing(output, overwrite)
    write_text(output, text)
