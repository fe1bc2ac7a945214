"""Moments at which a network is evaluated: evenly spread time steps, and events up to one of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spikebench.events.batches import EventBatch


def spread_moments(n_steps: int, n_moments: int) -> NDArray[np.int64]:
    """Spread moments evenly over a clip.

    Parameters
    ----------
    n_steps
        Number of bins of the clip.
    n_moments
        Number of moments; limited to the number of bins.

    Returns
    -------
    ndarray of int64, shape (moment,)
        Number of bins up to each moment; the last is ``n_steps``.
    """
    n_moments = min(n_moments, n_steps)
    return -(-np.arange(1, n_moments + 1) * n_steps // n_moments)


def up_to(batch: EventBatch, step: int) -> EventBatch:
    """Remove all events from a step on.

    Parameters
    ----------
    batch
        Whole clips.
    step
        The first bin that is left out.

    Returns
    -------
    EventBatch
        The same number of bins, empty from that step on.
    """
    return replace(batch.window(0, step), n_steps=batch.n_steps)
