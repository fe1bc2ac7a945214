"""Imported by the fork server before it makes workers: compile and design once, for all of them.

A worker that is forked afterwards shares the compiled loops and the designed coefficients with the others,
which each would have for itself otherwise, and starts at once.
"""

from __future__ import annotations

import gc
import json
import os

from spikebench.encoders import clip as clip_encoding
from spikebench.encoders.encoder import Encoder, make_encoder
from spikebench.workers import PRELOAD_NOTE

__all__ = ["note"]


def note(encoder: Encoder) -> str:
    """Say with what the workers are going to encode.

    Parameters
    ----------
    encoder
        Of the conversion.

    Returns
    -------
    str
        For :func:`spikebench.workers.worker_pool`.
    """
    native_rate = encoder.input_rate is None
    return json.dumps([encoder.name, encoder.preset, encoder.n_units, native_rate])


def _warm_up(name: str, preset: str, n_units: int, native_rate: bool) -> None:
    make_encoder(name, preset, n_units, native_rate=native_rate).warm()


assert clip_encoding  # imported for the workers
if os.environ.get(PRELOAD_NOTE):
    _warm_up(*json.loads(os.environ[PRELOAD_NOTE]))
    # The collector writes to every object it looks at, and a page that is written to is shared no more.
    gc.collect()
    gc.freeze()
