"""Imported by the fork server before it forks workers: compile and design once for all of them.

Workers that are forked afterwards share the compiled loops and the designed coefficients, and start at once.
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
    """Return the note that describes the encoder of the workers.

    Parameters
    ----------
    encoder
        Encoder of the conversion.

    Returns
    -------
    str
        The argument ``note`` of :func:`spikebench.workers.worker_pool`.
    """
    native_rate = encoder.input_rate is None
    return json.dumps([encoder.name, encoder.preset, encoder.n_units, native_rate])


def _warm_up(name: str, preset: str, n_units: int, native_rate: bool) -> None:
    make_encoder(name, preset, n_units, native_rate=native_rate).warm()


assert clip_encoding  # imported for the workers
if os.environ.get(PRELOAD_NOTE):
    _warm_up(*json.loads(os.environ[PRELOAD_NOTE]))
    # The collector writes to every object it visits, and a written page is no longer shared.
    gc.collect()
    gc.freeze()
