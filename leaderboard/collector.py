"""Pausing Python's collector of reference cycles while thousands of records are made that hold none."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector in the block: it would look through all records again and again, and find nothing.

    Yields
    ------
    None
        Afterwards it runs again, if it did before.
    """
    ran = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if ran:
            gc.enable()
