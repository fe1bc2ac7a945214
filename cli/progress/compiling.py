"""Telling the user that loops are compiled, once per machine and version, before the work begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def announce_compilation(quiet: bool) -> Iterator[None]:
    """Print one line on standard error when the first loop is compiled, and nothing if all are in the cache.

    Parameters
    ----------
    quiet
        Print nothing.

    Yields
    ------
    None
    """
    if quiet:
        yield
        return
    from spikebench.compiled import watch_compilation

    def say() -> None:
        click.echo(
            "compiling loops for this processor: once after an installation, it can take a minute or two; they are "
            "kept for later runs",
            err=True,
        )

    with watch_compilation(say):
        yield
