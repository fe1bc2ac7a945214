"""The precision in which products are computed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def products_in(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Return a context that computes products in a precision; weights and gradient sums stay in float32.

    Parameters
    ----------
    precision
        ``float32`` or ``bfloat16``.
    device
        Device of the computation.

    Returns
    -------
    context manager
        To be entered around the forward pass.
    """
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
