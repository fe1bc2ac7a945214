"""``spikebench data``: what is done with data sets as a whole; one small file per command."""

from __future__ import annotations

import click

from cli.lazy_group import LazyGroup

COMMANDS = {
    "make": ("cli.data_make:make", "Make SHD or SSC again from their audio."),
    "compare": ("cli.data_compare:compare", "Tell how close two spike files are."),
}


@click.group(cls=LazyGroup, registry=COMMANDS)
def data() -> None:
    """Make data sets again from their audio; compare spike files."""
