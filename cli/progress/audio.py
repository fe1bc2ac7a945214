"""Progress of computing mel features."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from cli.progress.counted import counted_progress


def mel_progress(quiet: bool) -> AbstractContextManager[Callable[[int, int], None]]:
    """Show how many recordings have their mel features; nothing if the features are stored already.

    Parameters
    ----------
    quiet
        Print nothing.

    Returns
    -------
    context manager
        Yields a function that takes the number of finished recordings and their total.
    """
    return counted_progress("mel features", "recordings", quiet)
