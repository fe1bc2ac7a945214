"""Recordings of three kinds of tones by several speakers, converted by an encoder: small, and quick to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import convert

RATE = 16_000
PITCHES = {"low": 300.0, "middle": 900.0, "high": 2400.0}  # Hz
NAMES = "s{speaker}_{label}_{take}"


def write_voices(folder: Path, takes: int = 2, speakers: int = 8) -> Path:
    """Write the recordings."""
    rng = np.random.default_rng(3)
    folder.mkdir(parents=True)
    for speaker in range(speakers):
        for label, pitch in PITCHES.items():
            for take in range(takes):
                time = np.arange(round(RATE * rng.uniform(0.08, 0.14))) / RATE
                tone = np.sin(2 * np.pi * pitch * rng.uniform(0.9, 1.1) * time)
                sound = 0.3 * tone + 0.003 * rng.standard_normal(time.size)
                soundfile.write(
                    folder / f"s{speaker}_{label}_{take}.wav", sound, RATE, subtype="PCM_16"
                )
    return folder


def convert_voices(voices: Path, path: Path, encoder: str = "mel_rate", **options: object) -> Path:
    """Convert them to a spike file."""
    asked = ConversionOptions(encoder=encoder, n_channels=16, labels=NAMES, **options)  # type: ignore[arg-type]
    convert(voices, path, asked, jobs=1)
    return path
