"""``spikebench data``: what is done with data sets as a whole; one small file per command."""

from __future__ import annotations

import click

from cli.lazy_group import LazyGroup

COMMANDS = {
    "compare": ("cli.data_compare:compare", "Tell how close two spike files are."),
}


@click.group(cls=LazyGroup, registry=COMMANDS)
def data() -> None:
    """Compare spike files."""
