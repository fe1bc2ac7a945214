"""``spikebench data list``: list the registered data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from spikebench.datasets import DatasetSpec

_HEADINGS = ("name", "kind", "train", "validation", "test", "classes", "licence", "state", "title")
_WIDEST = 200  # columns
_NUMBERS = ("train", "validation", "test", "classes")


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def list_(as_json: bool) -> None:
    """List the registered data sets and their local state.

    'spikebench data card NAME' prints the description of one.
    """
    from spikebench.datasets import DATASETS, load_spec

    rows = [_row(load_spec(name)) for name in DATASETS]
    if as_json:
        import json

        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right" if heading in _NUMBERS else "left")
    for row in rows:
        table.add_row(*(_cell(row[heading]) for heading in _HEADINGS))
    # As wide as its text, so that names can be copied; titles are last, where a terminal wraps.
    Console(highlight=False, markup=False, width=_WIDEST).print(table)


def _row(spec: DatasetSpec) -> dict[str, Any]:
    from spikebench.store.contents import state

    return {
        "name": spec.name,
        "kind": spec.kind,
        **{split: spec.sizes.get(split, 0) for split in ("train", "validation", "test")},
        "classes": spec.n_classes,
        "licence": spec.licence,
        "state": state(spec),
        "title": spec.title,
    }


def _cell(value: object) -> str:
    return str(value) if not isinstance(value, int) else f"{value:,}" if value else "–"
