"""A toy data set with recordings: three classes of tones, and a spike file that names them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import soundfile

from spikebench.spike_files.writer import SpikeWriter

RATE = 8000
PITCHES = {"low": 300.0, "middle": 900.0, "high": 2400.0}  # Hz


def write_spoken_toy(folder: Path, takes: int = 3, speakers: int = 8) -> tuple[Path, Path]:
    """Write ``voices/`` and ``toy.h5``, whose spikes are all alike; returns the file and the folder of recordings."""
    rng = np.random.default_rng(3)
    voices, path = folder / "voices", folder / "toy.h5"
    with SpikeWriter(path, 4, list(PITCHES), {}) as writer:
        for speaker in range(speakers):
            (voices / f"s{speaker}").mkdir(parents=True)
            for label, pitch in enumerate(PITCHES.values()):
                for take in range(takes):
                    name = f"s{speaker}/{label}-{take}.wav"
                    seconds = rng.uniform(0.08, 0.14)
                    time = np.arange(round(RATE * seconds)) / RATE
                    tone = np.sin(2 * np.pi * pitch * rng.uniform(0.9, 1.1) * time)
                    sound = 0.3 * tone + 0.05 * rng.standard_normal(time.size)
                    soundfile.write(voices / name, sound, RATE, subtype="PCM_16")
                    writer.append(
                        np.array([0.01, 0.02]),
                        np.array([0, 3]),
                        label=label,
                        speaker=speaker,
                        source=name,
                        sha256=hashlib.sha256((voices / name).read_bytes()).hexdigest(),
                        sample_rate_hz=RATE,
                        duration_s=time.size / RATE,
                        audio_channels=1,
                    )
    return path, voices
