"""A toy data set whose classes differ in when units fire, not in how often; quick to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spikebench.spike_files.writer import SpikeWriter

N_UNITS, N_CLASSES, N_SPEAKERS = 12, 3, 8


def write_toy(
    path: Path,
    takes: int = 4,
    speakers: int = N_SPEAKERS,
    marked: bool = False,
    known_speakers: bool = True,
    labelled: bool = True,
    synthetic: bool = False,
    seed: int = 0,
    classes: int = N_CLASSES,
) -> Path:
    """Write it: every sample has 4 spikes of each unit, in an order that its class decides."""
    rng = np.random.default_rng(seed)
    order = [
        np.arange(N_UNITS),
        np.arange(N_UNITS)[::-1],
        np.roll(np.arange(N_UNITS), N_UNITS // 2),
        *(np.roll(np.arange(N_UNITS)[::-1], 2 * k + 1) for k in range(classes - N_CLASSES)),
    ]
    names = ["up", "down", "shift", *(f"turn{k}" for k in range(classes - N_CLASSES))]
    with SpikeWriter(path, N_UNITS, names, {"synthetic_voices": int(synthetic)}) as writer:
        for speaker in range(speakers):
            for label in range(classes):
                for _ in range(takes):
                    units = np.repeat(order[label], 4)
                    times = 0.02 * np.repeat(np.arange(N_UNITS), 4) + 0.018 * rng.random(units.size)
                    sort = np.lexsort((units, times))
                    writer.append(
                        times[sort],
                        units[sort],
                        label=label if labelled else -1,
                        speaker=speaker if known_speakers else -1,
                        split=("test" if speaker in (4, 5) else "train") if marked else "",
                    )
    return path
