"""Make the synthetic data set ``digits``: spoken digits from synthetic voices, then their spikes.

::

    python data/make_digits.py audio     recordings and splits.csv into data/digits; needs espeak-ng
    python data/make_digits.py spikes    spikebench/datasets/digits.h5 and its pinned SHA-256

No human voice is in it. Fourteen voices of the formant synthesiser espeak-ng, each with its own
vocal tract, accent, pitch and tempo, speak zero … nine and null … neun. Every clip draws tempo,
pitch, intonation and a small change of tract length from a generator seeded by the SHA-256 of its
own name, so neither order nor other clips matter. ``data/README.md`` describes the result.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "data" / "digits"
SPLITS = FOLDER / "splits.csv"
SPIKES = ROOT / "spikebench" / "datasets" / "digits.h5"
SPEC = ROOT / "spikebench" / "datasets" / "digits.py"

WORDS = {
    "english": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "german": (
        "null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun",
    ),
}  # fmt: skip
TRIALS = 3
TEST_ONLY = (4, 5)  # as in SHD
TEST_FRACTION = 0.08  # of the other voices' clips
SAMPLE_RATE = 16_000  # Hz
BITS = 12  # of 16; FLAC leaves the empty low bits out
LEAD, TAIL, FADE = 0.030, 0.040, 0.010  # s before and after the word; faded at both ends
AUDIBLE = 10 ** (-42 / 20)  # of the loudest 5 ms: where a word begins and ends


@dataclass(frozen=True)
class Voice:
    """One synthetic speaker.

    ``variant`` is espeak-ng's set of formant frequencies, amplitudes, bandwidths and glottal
    source; ``accent`` its English; ``pitch`` 0 … 99 (50 is the variant's own); ``speed`` in words
    per minute; ``tract`` scales every frequency (above 1 a shorter vocal tract).
    """

    variant: str
    accent: str
    pitch: int
    speed: int
    tract: float


# The index is the speaker's number. Even: male variants, odd: female ones.
VOICES = (
    Voice("m1", "en-gb", 50, 150, 1.00),
    Voice("f1", "en-us", 50, 140, 1.00),
    Voice("m3", "en-us", 60, 165, 1.03),
    Voice("f2", "en-gb-x-rp", 45, 155, 0.98),
    Voice("m7", "en-gb", 55, 150, 0.99),
    Voice("f4", "en-us", 45, 160, 0.97),
    Voice("adam", "en-us", 50, 145, 1.02),
    Voice("f5", "en-gb-scotland", 55, 135, 1.02),
    Voice("croak", "en-gb-scotland", 40, 130, 0.95),
    Voice("linda", "en-gb", 35, 150, 0.96),
    Voice("m5", "en-gb-x-rp", 65, 170, 1.05),
    Voice("Andrea", "en-us-nyc", 40, 160, 1.00),
    Voice("klatt4", "en-gb-x-gbclan", 45, 155, 0.97),
    Voice("f3", "en-gb-x-gbcwmd", 60, 145, 1.04),
)


def clip_name(language: str, speaker: int, trial: int, digit: int) -> str:
    """Name a clip as Heidelberg Digits does."""
    return f"lang-{language}_speaker-{speaker:02d}_trial-{trial}_digit-{digit}.flac"


def synthesise(voice: Voice, language: str, digit: int, name: str) -> NDArray[np.float64]:
    """Speak one word.

    Parameters
    ----------
    voice
        Who speaks.
    language, digit
        The word.
    name
        Name of the clip; seeds tempo, pitch, intonation and tract length.

    Returns
    -------
    ndarray of float64, shape (samples,)
        The word at ``SAMPLE_RATE``, trimmed, faded and scaled, on a grid of ``BITS`` bits.
    """
    generator = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
    speed = round(voice.speed * generator.uniform(0.78, 1.28))
    pitch = int(np.clip(voice.pitch + generator.integers(-12, 13), 0, 99))
    mark = generator.choice([".", "!", "?", ","])  # falling, lively, rising, level
    tract = voice.tract * generator.uniform(0.97, 1.03)
    peak = 10 ** (generator.uniform(-6, -1) / 20)
    language_code = voice.accent if language == "english" else "de"
    with tempfile.TemporaryDirectory() as folder:
        wave = Path(folder) / "word.wav"
        subprocess.run(
            [
                "espeak-ng", "-v", f"{language_code}+{voice.variant}", "-s", str(speed),
                "-p", str(pitch), "-w", str(wave), WORDS[language][digit] + mark,
            ],
            check=True,
        )  # fmt: skip
        samples, rate = soundfile.read(wave, dtype="float64")
    samples = soxr.resample(samples, rate * tract, SAMPLE_RATE, quality="VHQ")
    samples = _trim(samples)
    samples *= peak / np.abs(samples).max()
    return np.round(samples * 2 ** (BITS - 1)) / 2 ** (BITS - 1)


def _trim(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut a word out of the silence around it, with faded margins of fixed length."""
    frame = SAMPLE_RATE // 200
    padded = np.pad(samples, (0, -len(samples) % frame))
    level = np.sqrt(np.mean(padded.reshape(-1, frame) ** 2, axis=1))
    audible = np.flatnonzero(level > AUDIBLE * level.max())
    lead, tail, fade = (round(seconds * SAMPLE_RATE) for seconds in (LEAD, TAIL, FADE))
    around = np.pad(samples, (lead, tail + frame))
    word = around[audible[0] * frame : (audible[-1] + 1) * frame + lead + tail].copy()
    ramp = np.sin(0.5 * np.pi * np.arange(fade) / fade) ** 2
    word[:fade] *= ramp
    word[-fade:] *= ramp[::-1]
    return word


def split_of(speaker: int, name: str) -> str:
    """Say whether a clip is for training or testing: by voice, else by the SHA-256 of its name."""
    draw = int.from_bytes(hashlib.sha256(b"split:" + name.encode()).digest()[:8], "big") / 2**64
    return "test" if speaker in TEST_ONLY or draw < TEST_FRACTION else "train"


def make_audio() -> None:
    """Render every clip and write the table of splits."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = []
    for speaker, voice in enumerate(VOICES):
        for language, words in WORDS.items():
            for trial in range(TRIALS):
                for digit, word in enumerate(words):
                    name = clip_name(language, speaker, trial, digit)
                    samples = synthesise(voice, language, digit, name)
                    soundfile.write(
                        FOLDER / name, samples, SAMPLE_RATE, "PCM_16", compression_level=1.0
                    )
                    rows.append((name, word, f"{speaker:02d}", split_of(speaker, name)))
        print(f"voice {speaker:2d} {voice.variant}", flush=True)
    with SPLITS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "label", "speaker", "split"))
        writer.writerows(sorted(rows))
    for stale in set(FOLDER.glob("*.flac")) - {FOLDER / row[0] for row in rows}:
        stale.unlink()


def make_spikes() -> None:
    """Convert the recordings with ``spikebench convert`` and pin the file's SHA-256."""
    command = [
        sys.executable, "-m", "cli.main", "convert", "data/digits", str(SPIKES.relative_to(ROOT)),
        "--preset", "shd", "--channels", "70", "--seed", "0",
        "--labels", "heidelberg-digits", "--speakers", "heidelberg-digits",
        "--split", "data/digits/splits.csv", "--overwrite",
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True)
    digest = hashlib.sha256(SPIKES.read_bytes()).hexdigest()
    text = SPEC.read_text(encoding="utf-8")
    SPEC.write_text(re.sub(r'sha256="[0-9a-f]*"', f'sha256="{digest}"', text), encoding="utf-8")
    print(f"{SPIKES.name}: {SPIKES.stat().st_size} bytes, SHA-256 {digest}")


def main() -> None:
    """Run one of the two steps."""
    parser = argparse.ArgumentParser(description="Make the synthetic data set 'digits'.")
    parser.add_argument("step", choices=("audio", "spikes"))
    if parser.parse_args().step == "audio":
        make_audio()
    else:
        make_spikes()


if __name__ == "__main__":
    main()
