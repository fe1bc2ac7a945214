"""``spikebench data``: commands for whole data sets; one small file per command."""

from __future__ import annotations

import click

from cli.shared.lazy_group import LazyGroup

COMMANDS = {
    "list": ("cli.data.list:list_", "List the data sets and their local state."),
    "get": ("cli.data.get:get", "Download or make a data set."),
    "verify": ("cli.data.verify:verify", "Check the files of a data set again, hash by hash."),
    "path": ("cli.data.path:path", "Print where the spike files of a data set are."),
    "card": ("cli.data.card:card", "Print the data card of a data set, or its Croissant metadata."),
    "make": ("cli.data.make:make", "Regenerate SHD or SSC from their audio."),
    "join": ("cli.data.join:join", "Join spike files, such as one per split, into one."),
    "export": ("cli.data.export:export", "Write a data set for Hugging Face datasets."),
    "compare": ("cli.data.compare:compare", "Measure how close two spike files are."),
}


@click.group(cls=LazyGroup, registry=COMMANDS)
def data() -> None:
    """Get, check and describe data sets; regenerate SHD and SSC; compare spike files."""
