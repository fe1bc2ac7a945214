"""Imported by the fork server before it makes workers: compile and design once, for all of them.

A worker that is forked afterwards shares the compiled loops and the transfer function with the others,
which each would have for itself otherwise, and starts at once.
"""

from __future__ import annotations

import gc
import json
import os

import numpy as np

import cochlea
from spikebench.encoders import clip as clip_encoding
from spikebench.workers import PRELOAD_NOTE

__all__ = ["note"]


def note(params: cochlea.CochleaParams, n_channels: int) -> str:
    """Say what the workers are going to encode.

    Parameters
    ----------
    params
        Of the conversion.
    n_channels
        Channels along the membrane.

    Returns
    -------
    str
        For :func:`spikebench.workers.worker_pool`.
    """
    return json.dumps([params.input_rate or 0, n_channels])


def _warm_up(rate: int, n_channels: int) -> None:
    # At the rates of the recordings, which are not known yet, there is nothing to design.
    if rate:
        cochlea.design_basilar_membrane(rate, n_channels, None, cochlea.BasilarMembraneParams())
    cochlea.encode(np.sin(np.arange(2000.0)), rate or 16_000, n_channels=min(n_channels, 16))


assert clip_encoding  # imported for the workers
if os.environ.get(PRELOAD_NOTE):
    _warm_up(*json.loads(os.environ[PRELOAD_NOTE]))
    # The collector writes to every object it looks at, and a page that is written to is shared no more.
    gc.collect()
    gc.freeze()
