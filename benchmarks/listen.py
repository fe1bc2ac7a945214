"""Measure how much of a recording a sound of its spikes keeps.

    python benchmarks/listen.py FOLDER

The argument is a folder of Heidelberg Digits. Evenly chosen words are converted by the cochlea (preset ``shd``, 700 and
70 channels) and by every other encoder with its first preset and its default number of units, and turned back into
sounds as ``spikebench listen`` does. The correlation of spectrograms (``spikebench/resynthesis/similarity.py``) is
measured with the recording itself and with the recording of the next chosen word of another class. Writes
``benchmarks/results/listen.md`` and ``listen.json``.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from spikebench.encoders import ENCODERS
from spikebench.encoders.encoder import make_encoder
from spikebench.recordings.decoding import Recording, read_clip
from spikebench.recordings.search import find_clips
from spikebench.resynthesis.decoded import sound_of_spikes
from spikebench.resynthesis.similarity import spectrogram_correlation

RESULTS = Path(__file__).parent / "results"
ROWS = (
    ("cochlea", 700),
    ("cochlea", 70),
    *((name, None) for name in ENCODERS if name != "cochlea"),
)


def choose(folder: Path, words: int) -> list[tuple[str, Recording]]:
    """Choose words evenly; return the class and the recording of each."""
    clips, _ = find_clips(folder)
    chosen = [clips[k] for k in np.linspace(0, len(clips) - 1, words).astype(int)]
    return [(_word(clip.path.stem), read_clip(clip.path)) for clip in chosen]


def _word(stem: str) -> str:
    """Return language and digit of a name such as lang-english_speaker-00_trial-0_digit-0."""
    language, _, _, digit = stem.split("_")
    return f"{language} {digit}"


def measure(
    words: list[tuple[str, Recording]], name: str, n_units: int | None
) -> dict[str, object]:
    """Measure all words with an encoder."""
    encoder = make_encoder(name, None, n_units)
    frequencies = encoder.characteristic_frequencies()
    assert frequencies is not None
    own, other, counts = [], [], []
    for k, (label, recording) in enumerate(words):
        spikes = encoder.encode(recording.samples, recording.sample_rate, [0, k])
        sound = sound_of_spikes(spikes, frequencies, recording.duration, encoder.decode)
        counts.append(spikes.times.size)
        following = [*words[k + 1 :], *words[:k]]
        unrelated = next(one for name, one in following if name != label)
        for against, into in ((recording, own), (unrelated, other)):
            into.append(
                spectrogram_correlation(against.samples, against.sample_rate, sound, 16_000)
            )
    row = {"encoder": name, "units": encoder.n_units, "spikes": float(np.mean(counts))}
    return {**row, "own": own, "other": other}


def page(report: dict[str, object]) -> str:
    """Write the report as a page."""
    lines = [
        "# Sounds of spikes",
        "",
        f"Made by `python benchmarks/listen.py FOLDER`; its docstring describes the measurement. {report['date']}, "
        f"{report['words']} Heidelberg Digits.",
        "",
        "| encoder | units | spikes per word | correlation with the recording, mean (5 to 95 % of words) "
        "| with another word |",
        "|---|---|---|---|---|",
    ]
    for row in report["rows"]:  # type: ignore[attr-defined]
        cells = []
        for name in ("own", "other"):
            values = np.asarray(row[name])
            low, high = np.quantile(values, [0.05, 0.95])
            cells.append(f"{values.mean():.2f} ({low:.2f} to {high:.2f})")
        what = f"{row['encoder']} | {row['units']} | {row['spikes']:,.0f}"
        lines.append(f"| {what} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", type=int, default=200)
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    words = choose(given.folder, given.words)
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "words": len(words),
        "rows": [measure(words, *row) for row in ROWS],
    }
    (given.output / "listen.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (given.output / "listen.md").write_text(page(report), encoding="utf-8")
    print(page(report))


if __name__ == "__main__":
    main()
