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
import itertools
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from spikebench.spike_files.fingerprint import Part, fingerprint

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "data" / "digits"
SPLITS = FOLDER / "splits.csv"
SPIKES = ROOT / "spikebench" / "datasets" / "digits.h5"
SPEC = ROOT / "spikebench" / "datasets" / "digits.py"

WORDS = {
    "english": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "german": ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
}
TRIALS = 3
TEST_ONLY = (4, 5)  # as in SHD
TEST_FRACTION = 0.08  # of the other voices' clips
ESPEAK_VERSION = "1.51"  # another version synthesises other waveforms
SAMPLE_RATE = 16_000  # Hz
BITS = 12  # of 16; FLAC leaves the empty low bits out
LEAD, TAIL, FADE = 0.030, 0.040, 0.010  # s before and after the word; faded at both ends
AUDIBLE = 10 ** (-42 / 20)  # of the loudest 5 ms: where a word begins and ends

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Voice:
    """One synthetic speaker.

    ``variant`` is espeak-ng's set of formant frequencies, heights, widths and glottal source;
    ``accent`` its English (``en`` is British; with ``en-gb`` espeak-ng ignores the variant);
    ``pitch`` 0 … 99 (50 is the variant's own); ``speed`` in words per minute.
    """

    variant: str
    accent: str
    pitch: int
    speed: int


# The index is the speaker's number. Even: male variants, odd: female ones.
VOICES = (
    Voice("m1", "en", 50, 180),
    Voice("f1", "en-us", 50, 170),
    Voice("m3", "en-us", 60, 190),
    Voice("f2", "en-gb-x-rp", 45, 180),
    Voice("m7", "en", 55, 175),
    Voice("f4", "en-us", 45, 190),
    Voice("adam", "en-us", 50, 170),
    Voice("f5", "en-gb-scotland", 45, 160),
    Voice("croak", "en-gb-scotland", 40, 155),
    Voice("linda", "en", 35, 175),
    Voice("m5", "en-gb-x-rp", 65, 195),
    Voice("Andrea", "en-us-nyc", 40, 185),
    Voice("klatt4", "en-gb-x-gbclan", 45, 180),
    Voice("f3", "en-gb-x-gbcwmd", 50, 165),
)


def clip_name(language: str, speaker: int, trial: int, digit: int) -> str:
    """Name a clip as Heidelberg Digits does."""
    return f"lang-{language}_speaker-{speaker:02d}_trial-{trial}_digit-{digit}.flac"


def synthesise(data: Path, speaker: int, language: str, digit: int, name: str) -> Samples:
    """Speak one word.

    Parameters
    ----------
    data
        The folder that :func:`lay_out` made.
    speaker
        Index into ``VOICES``; seeds this speaker's own vocal tract.
    language, digit
        The word.
    name
        Name of the clip; seeds what differs from one rendering to the next.

    Returns
    -------
    ndarray of float64, shape (samples,)
        The word at ``SAMPLE_RATE``, trimmed, faded and scaled, on a grid of ``BITS`` bits.
    """
    voice, draw = VOICES[speaker], _generator(name)
    speed = round(voice.speed * draw.uniform(0.9, 1.32))
    pitch = int(np.clip(voice.pitch + draw.integers(-15, 16), 0, 99))
    mark = draw.choice([".", "!", "?", ","])  # falling, lively, rising, level
    peak = 10 ** (draw.uniform(-6, -1) / 20)
    variant = data / "espeak-ng-data" / "voices" / "!v" / "clip"
    variant.write_text(_variant(voice.variant, _generator(f"speaker-{speaker}"), draw), "utf-8")
    accent = voice.accent if language == "english" else "de"
    wave = data / "word.wav"
    options = ["-v", f"{accent}+clip", "-s", str(speed), "-p", str(pitch), "-w", str(wave)]
    word = WORDS[language][digit] + mark
    subprocess.run(["espeak-ng", f"--path={data}", *options, word], check=True)  # noqa: S603 - words above
    samples, rate = soundfile.read(wave, dtype="float64")
    samples = _trim(soxr.resample(samples, rate, SAMPLE_RATE, quality="VHQ"))
    samples *= peak / np.abs(samples).max()
    grid = 2 ** (BITS - 1)
    quantised: Samples = np.round(samples * grid) / grid
    return quantised


def _generator(seed: str) -> np.random.Generator:
    return np.random.default_rng(list(hashlib.sha256(seed.encode()).digest()))


def _variant(base: str, own: np.random.Generator, draw: np.random.Generator) -> str:
    """Describe a voice to espeak-ng: a variant of its own, modified per speaker and per rendering.

    Formants of one tract do not scale together from person to person, nor from one utterance to
    the next; vowels stretch more than consonants. Without this the mean spectrum alone would tell
    the words apart.
    """
    text = (_espeak_data() / "voices" / "!v" / base).read_text(encoding="utf-8")
    tract = draw.uniform(0.98, 1.02)
    for formant in range(1, 6):
        found = re.search(rf"^formant {formant}\s+(\d+)\s+(\d+)\s+(\d+)", text, re.MULTILINE)
        frequency, height, width = map(float, found.groups()) if found else (100.0, 100.0, 100.0)
        frequency *= tract * own.uniform(0.95, 1.05) * draw.uniform(0.985, 1.015)
        height *= own.uniform(0.8, 1.25) * draw.uniform(0.9, 1.1)
        width *= own.uniform(0.8, 1.3) * draw.uniform(0.9, 1.15)
        text += f"\nformant {formant} {frequency:.0f} {height:.0f} {width:.0f}"
    unvoiced, voiced = draw.uniform(85, 118, size=2)
    stretch = round(draw.uniform(-40, 50))  # on top of 220 … 280, espeak-ng's stressed vowels
    text += f"\nconsonants {unvoiced:.0f} {voiced:.0f}\nstressAdd" + f" {stretch}" * 8
    return text + "\n"


@cache
def _espeak_data() -> Path:
    """Find the data of espeak-ng, and refuse a version that synthesises other waveforms."""
    try:
        said = subprocess.run(
            ["espeak-ng", "--version"], check=True, capture_output=True, text=True
        ).stdout
    except FileNotFoundError:
        sys.exit("espeak-ng is not installed (Debian, Ubuntu: apt-get install espeak-ng)")
    found = re.search(r": (\S+)\s+Data at: (.+)", said)
    if found is None or found[1] != ESPEAK_VERSION:
        sys.exit(f"the recordings need espeak-ng {ESPEAK_VERSION} to come out the same: {said}")
    return Path(found[2].strip())


def _trim(samples: Samples) -> Samples:
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
    """Return the split of a clip, train or test: by voice, else by the SHA-256 of its name."""
    draw = int.from_bytes(hashlib.sha256(b"split:" + name.encode()).digest()[:8], "big") / 2**64
    return "test" if speaker in TEST_ONLY or draw < TEST_FRACTION else "train"


def lay_out(folder: Path) -> None:
    """Lay out a data folder for ``espeak-ng --path``: its own data, and room for one variant."""
    data = folder / "espeak-ng-data"
    (data / "voices" / "!v").mkdir(parents=True)
    for entry in _espeak_data().iterdir():
        if entry.name != "voices":
            (data / entry.name).symlink_to(entry)


def make_audio() -> None:
    """Render every clip and write the table of splits."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder))
        clips = itertools.product(range(len(VOICES)), WORDS, range(TRIALS), range(10))
        for speaker, language, trial, digit in clips:
            name = clip_name(language, speaker, trial, digit)
            samples = synthesise(Path(folder), speaker, language, digit, name)
            write_flac(FOLDER / name, samples)
            rows.append((name, WORDS[language][digit], speaker, split_of(speaker, name)))
            if len(rows) % (TRIALS * 20) == 0:
                print(f"voice {speaker:2d}: {len(rows)} clips", flush=True)
    with SPLITS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "label", "speaker", "split"))
        writer.writerows(sorted(rows))
    for stale in set(FOLDER.glob("*.flac")) - {FOLDER / row[0] for row in rows}:
        stale.unlink()


def write_flac(path: Path, samples: Samples) -> None:
    """Write a clip with a comment that marks it as synthetic."""
    with soundfile.SoundFile(
        path, "w", SAMPLE_RATE, 1, "PCM_16", format="FLAC", compression_level=1.0
    ) as file:
        file.comment = f"synthetic voice, espeak-ng {ESPEAK_VERSION}; CC BY 4.0"
        file.write(samples)


def make_spikes() -> None:
    """Convert the recordings with ``spikebench convert``; pin the SHA-256 of the file and its fingerprint."""
    command = [
        sys.executable, "-m", "cli.main", "convert", "data/digits", str(SPIKES.relative_to(ROOT)),
        "--preset", "shd", "--channels", "70", "--seed", "0",
        "--labels", "heidelberg-digits", "--speakers", "heidelberg-digits",
        "--split", "data/digits/splits.csv", "--synthetic", "--overwrite",
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603 - fixed words
    digest = hashlib.sha256(SPIKES.read_bytes()).hexdigest()
    text = SPEC.read_text(encoding="utf-8")
    text = re.sub(r'sha256="[0-9a-f]*"', f'sha256="{digest}"', text)
    mark = fingerprint([Part(SPIKES)])
    text = re.sub(r'fingerprint="[0-9a-f]*"', f'fingerprint="{mark}"', text)
    SPEC.write_text(text, encoding="utf-8")
    print(f"{SPIKES.name}: {SPIKES.stat().st_size} bytes, SHA-256 {digest}, fingerprint {mark}")


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
