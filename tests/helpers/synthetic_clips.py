"""Short sounds for tests."""

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray


def tone(
    rate: int = 16_000, seconds: float = 0.1, frequency: float = 500.0, channels: int = 1
) -> NDArray[np.float64]:
    """Return a tone, shape (n, channels)."""
    time = np.arange(round(rate * seconds)) / rate
    return np.repeat(0.3 * np.sin(2 * np.pi * frequency * time)[:, None], channels, axis=1)


def write_clip(
    path: Path,
    samples: NDArray[np.float64] | None = None,
    rate: int = 16_000,
    subtype: str | None = None,
) -> Path:
    """Write a clip, by default a tone, with the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(rate) if samples is None else samples, rate, subtype=subtype)
    return path
