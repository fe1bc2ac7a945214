"""Ten permutations of the pixels of scikit-learn's digits, a small version of permuted MNIST.

The 1,797 pictures of handwritten digits (8 × 8 pixels with values 0 … 16, 10 classes; Alpaydin, Kaynak 1998,
doi:10.24432/C50P49, part of scikit-learn) become spikes: a pixel of value v is a unit with v spikes, so that a model
on counts sees the pixels. Task k shows all pictures with their pixels in the order of a permutation of its own. One
picture in five is held out, the same ones in all tasks.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spikebench.events.cache import FlatEvents
from spikebench.events.dataset import SpikeDataset
from spikebench.protocol.results import DatasetRecord, Split

__all__ = ["NAME", "N_TASKS", "permuted_digits", "record"]

NAME = "permuted-digits"
N_TASKS = 10
_SECONDS = 0.5  # all spikes of a picture are at this time
_HELD_OUT_ONE_IN = 5


@lru_cache(maxsize=1)
def _pictures() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return pixels, shape (pictures, 64), classes, and which pictures are held out."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(labels.size)
    held_out = np.zeros(labels.size, dtype=bool)
    held_out[order[: labels.size // _HELD_OUT_ONE_IN]] = True
    return pixels.astype(np.int64), labels.astype(np.int64), held_out


def _as_spikes(pixels: NDArray[np.int64], labels: NDArray[np.int64]) -> SpikeDataset:
    n, n_units = pixels.shape
    units = np.tile(np.arange(n_units, dtype=np.uint16), n)
    events = FlatEvents(
        offsets=np.concatenate([[0], np.cumsum(pixels.sum(1))]).astype(np.int64),
        times=np.full(int(pixels.sum()), _SECONDS, np.float32),
        units=np.repeat(units, pixels.ravel()),
        positions=np.arange(n),
        labels=labels,
        speakers=np.full(n, -1),
        durations=np.full(n, 2 * _SECONDS),
        n_units=n_units,
        keys=tuple(map(str, range(10))),
    )
    return SpikeDataset(events)


def permuted_digits() -> list[tuple[SpikeDataset, SpikeDataset]]:
    """Make the tasks.

    Returns
    -------
    list of (SpikeDataset, SpikeDataset)
        Training and held-out samples of each task.
    """
    pixels, labels, held_out = _pictures()
    generator = np.random.default_rng(1)
    found = []
    for _ in range(N_TASKS):
        shown = pixels[:, generator.permutation(pixels.shape[1])]
        found.append(
            (
                _as_spikes(shown[~held_out], labels[~held_out]),
                _as_spikes(shown[held_out], labels[held_out]),
            )
        )
    return found


def record() -> DatasetRecord:
    """Describe the data.

    Returns
    -------
    DatasetRecord
        With the SHA-256 of pixels and classes.
    """
    pixels, labels, held_out = _pictures()
    digest = hashlib.sha256(pixels.astype("<i8").tobytes() + labels.astype("<i8").tobytes())
    return DatasetRecord(
        name=NAME,
        sha256=digest.hexdigest(),
        n_units=pixels.shape[1],
        classes=list(map(str, range(10))),
        synthetic=False,
        split=Split(
            protocol=NAME,
            rule="one picture in five is held out at random, the same ones in all tasks",
            train_samples=int((~held_out).sum()),
            validation_samples=int(held_out.sum()),
            test_samples=0,
            validation_speakers=[],
            test_only_speakers=[],
        ),
    )
