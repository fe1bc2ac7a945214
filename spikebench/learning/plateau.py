"""The schedule ``plateau``: the learning rate is reduced when validation no longer improves."""

from __future__ import annotations

import math
from collections.abc import Iterable

_LEAST_GAIN = 1e-4  # part of the best value so far by which an epoch must be better


def plateaus(values: Iterable[float], patience: int) -> list[int]:
    """Find the epochs after which a learning rate is reduced.

    An epoch is better if its value exceeds the best one so far by more than 0.01 % of the best. After more than
    ``patience`` epochs in sequence that are not better, the rate is reduced, and the count starts again. The rule, and
    the 0.01 %, are those of ``torch.optim.lr_scheduler.ReduceLROnPlateau``.

    Parameters
    ----------
    values
        One number per epoch, of which larger ones are better: an accuracy, or a loss with its sign changed.
    patience
        Number of epochs in sequence without improvement that are tolerated.

    Returns
    -------
    list of int
        Epochs, counted from 1.
    """
    best, waited, found = -math.inf, 0, []
    for epoch, value in enumerate(values, 1):
        least = best + _LEAST_GAIN * abs(best) if math.isfinite(best) else best
        if value > least:
            best, waited = value, 0
        else:
            waited += 1
        if waited > patience:
            found.append(epoch)
            waited = 0
    return found
