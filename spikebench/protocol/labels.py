"""Mapping labels of other files to the class numbers of a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def number_labels(
    labels: NDArray[np.int64], keys: Sequence[str], classes: Sequence[str]
) -> NDArray[np.int64]:
    """Convert labels of other data to the class numbers of the model.

    Parameters
    ----------
    labels
        int64, shape (samples,); -1 is unknown.
    keys
        Names of the classes of ``labels``.
    classes
        Names of the classes of the model.

    Returns
    -------
    ndarray of int64, shape (samples,)
        The model's numbers; -1 for classes that it does not have.
    """
    known = {name: number for number, name in enumerate(classes)}
    table = np.array([known.get(key, -1) for key in keys] + [-1], dtype=np.int64)
    inside = np.where((labels >= 0) & (labels < len(keys)), labels, len(keys))
    return table[inside]
