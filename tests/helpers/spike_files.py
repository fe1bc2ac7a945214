"""Spike files of random spikes, and one in the layout of the published files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import ArrayLike

from spikebench.spike_files.writer import SpikeWriter

N_UNITS = 700


Train = tuple[ArrayLike, ArrayLike]


def write(
    path: Path,
    samples: Sequence[Train],
    keys: tuple[str, ...] = ("a", "ü"),
    time_dtype: str = "float32",
) -> Path:
    with SpikeWriter(path, N_UNITS, keys, {"seed": 1}, time_dtype, overwrite=True) as writer:
        for i, (times, units) in enumerate(samples):
            writer.append(times, units, i % len(keys) if keys else -1, speaker=i)
    return path


def published(path: Path, times: Sequence[list[float]] = ([0.0, 0.5], [1.5])) -> Path:
    """Write a file as SHD was published: float16, contiguous or plainly chunked, no attributes."""
    with h5py.File(path, "w") as file:
        for name, kind in (("times", np.float16), ("units", np.int64)):
            data = file.create_dataset(f"spikes/{name}", (len(times),), h5py.vlen_dtype(kind))
            for i, sample in enumerate(times):
                values = sample if name == "times" else np.arange(len(sample)) + 699 - len(sample)
                data[i] = np.array(values, dtype=kind)
        file["labels"] = np.array([3, 0], dtype=np.uint8)
        file["extra/speaker"] = np.array([11, 4], dtype=np.uint16)
        file["extra/keys"] = np.array([b"zero", b"one", b"two", b"three"])
        file["extra/meta_info/gender"] = np.array([b"male", b"female"])
        file["extra/meta_info/age"] = np.array([30, 31])
    return path
