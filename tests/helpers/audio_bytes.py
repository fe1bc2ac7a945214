"""Bytes of audio files for tests, and what recorders and transfers do to them."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 16_000


def noisy_tone(seconds: float = 1.0, rate: int = RATE) -> NDArray[np.float64]:
    """Return a tone with a little noise, shape (n,)."""
    time = np.arange(round(rate * seconds)) / rate
    noise = np.random.default_rng(0).standard_normal(time.size)
    return 0.3 * np.sin(2 * np.pi * 500 * time) + 0.01 * noise


def encoded(
    file_format: str,
    subtype: str | None = None,
    samples: NDArray[np.float64] | None = None,
    rate: int = RATE,
    **options: object,
) -> bytes:
    """Write a recording, by default a second of a tone, into memory."""
    file = io.BytesIO()
    sound = noisy_tone() if samples is None else samples
    soundfile.write(file, sound, rate, format=file_format, subtype=subtype, **options)
    return file.getvalue()


def patched(data: bytes, *changes: tuple[int, bytes]) -> bytes:
    """Overwrite some bytes."""
    copy = bytearray(data)
    for at, value in changes:
        copy[at : at + len(value)] = value
    return bytes(copy)


def le32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def be32(number: int) -> bytes:
    return number.to_bytes(4, "big")
