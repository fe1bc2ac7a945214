"""Compare the genuine SHD sample with every variant of the conversion, as one table.

    python benchmarks/driven_spikes.py AUDIO REFERENCE [--seeds 12] [--recordings 60]

AUDIO holds the Heidelberg Digits (FLAC), REFERENCE holds ``shd_genuine_sample.csv``. Writes
``benchmarks/results/driven-spikes.json`` and ``….md``; ``docs/driven-spikes.md`` draws the conclusions.
Takes about ten minutes on one core.

The evidence is one genuine sample, so every figure is compared with the variation of the conversion
over seeds. *Deviance* is −2·log-likelihood, less that of level 0.3, of three statistics of the sample,
each Gaussian with mean and variance over seeds: the driven spikes of each channel, the number of
spontaneous spikes, and the number of intervals of 1 ms. Below 0 fits better than level 0.3.
*Own z* compares the log-likelihood of the genuine sample with that of the conversion's own samples:
below −2 or −3 this conversion is unlikely to have made the genuine sample.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from conversion_variants import (
    CHANNELS,
    LEVELS,
    SHD,
    Floats,
    Variant,
    membrane,
    prepare,
    release,
    runs,
    variants,
)
from numpy.typing import NDArray

import cochlea

RESULTS = Path(__file__).parent / "results"
RECORDING = "lang-german_speaker-04_trial-14_digit-1.flac"
SAMPLE = "shd_genuine_sample.csv"
DRIVEN_MS = 500  # end of the word; later spikes are spontaneous
WIDTH_MS = 800
LAGS_MS = np.arange(-4.0, 0.01, 0.25)  # the published times start at the first spike
FINE = np.round(np.arange(0.28, 0.3601, 0.0005), 4)
FILE_LEVELS = (0.30, 0.31, 0.32, 0.33, 0.34, 0.36)
# The published layout with 7,800 ± 2,200 spikes per sample, by its writer: h5py 3.16, and PyTables 3.11
# with the arrays of all samples one after the other. Which one the authors used is not known.
BYTES_PER_SPIKE = {"h5py": 4.24, "PyTables": 4.31}
UNITS = {"MB": 1e6, "MiB": 2.0**20}
PUBLISHED = {"train": (8156, 268), "test": (2264, 79)}  # samples, quoted size
WHOLE_SET = {"train": 7530, "test": 7900}  # spikes per sample, all recordings at level 0.3


Timed = tuple[Floats, NDArray[np.int64]]  # spikes: ms from the start of the clip, channel


class Sample(NamedTuple):
    """Spikes of one sample: time from its origin in whole ms, channel."""

    ms: NDArray[np.int64]
    units: NDArray[np.int64]


# ---------------------------------------------------------------- against the genuine sample


def read_sample(path: Path) -> Sample:
    """Read ``time_ms, unit``."""
    rows = np.loadtxt(path, delimiter=",", dtype=np.int64, ndmin=2)
    if rows.shape[1] != 2 or rows.min() < 0 or rows[:, 1].max() >= CHANNELS:
        raise ValueError(f"{path}: expected lines of 'time in ms, unit', units 0 … {CHANNELS - 1}")
    return Sample(rows[:, 0], rows[:, 1])


def shifted(run: Timed, lag: float) -> Sample:
    """Return times from ``−lag`` in whole ms, as in the genuine sample."""
    ms = np.floor(run[0] + lag).astype(np.int64)
    return Sample(ms[ms >= 0], run[1][ms >= 0])


def raster(sample: Sample) -> Floats:
    """Count spikes in bins of 1 ms × 10 channels."""
    cell = np.minimum(sample.ms, WIDTH_MS - 1) * (CHANNELS // 10) + sample.units // 10
    return np.bincount(cell, minlength=WIDTH_MS * CHANNELS // 10).astype(np.float64)


def features(sample: Sample) -> dict[str, Any]:
    """Measure one sample."""
    driven = sample.ms < DRIVEN_MS
    order = np.lexsort((sample.ms, sample.units))
    same = np.diff(sample.units[order]) == 0
    return {
        "driven per channel": np.bincount(sample.units[driven], minlength=CHANNELS),
        "per channel": np.bincount(sample.units, minlength=CHANNELS),
        "total": sample.ms.size,
        "driven": int(driven.sum()),
        "spontaneous": int((~driven).sum()),
        "1 ms intervals": int((np.diff(sample.ms[order])[same] <= 1).sum()),
    }


def smooth(x: Floats, width: int = 41) -> Floats:
    """Average over neighbouring channels."""
    averaged: Floats = np.convolve(
        np.pad(x, width // 2, mode="edge"), np.ones(width) / width, "valid"
    )
    return averaged


def log_likelihood(one: dict[str, Any], many: list[dict[str, Any]]) -> float:
    """Log-likelihood of a sample, given others of one conversion; see the docstring of the module."""
    total = 0.0
    for key in ("driven per channel", "spontaneous", "1 ms intervals"):
        values = np.array([other[key] for other in many], dtype=np.float64)
        variance = values.var(axis=0, ddof=1)
        # One number from few seeds: half way to the variance of a Poisson count.
        variance = smooth(variance) if values.ndim == 2 else (variance + values.mean()) / 2
        variance = np.maximum(variance, 0.2) * (1 + 1 / len(many))  # the mean has an error, too
        square = (one[key] - values.mean(axis=0)) ** 2
        total -= 0.5 * float(np.sum(square / variance + np.log(variance)))
    return total


def judge(found: list[Timed], genuine: Sample) -> dict[str, float]:
    """Compare the runs of one variant with the genuine sample."""
    target = raster(genuine)
    match = [
        np.mean([np.corrcoef(raster(shifted(r, lag)), target)[0, 1] for r in found[:4]])
        for lag in LAGS_MS
    ]
    lag = float(LAGS_MS[np.argmax(match)])
    samples = [shifted(run, lag) for run in found]
    pairs = [(i, j) for i in range(len(samples)) for j in range(i)]
    rasters = [raster(sample) for sample in samples[:4]]
    measured, true = [features(sample) for sample in samples], features(genuine)
    counts = [m["per channel"] for m in measured]
    own = [log_likelihood(m, measured[:i] + measured[i + 1 :]) for i, m in enumerate(measured)]
    likelihood = log_likelihood(true, measured)
    result = {
        f"{key} {name}": float(f([m[key] for m in measured]))
        for key in ("total", "driven", "spontaneous", "1 ms intervals")
        for name, f in (("mean", np.mean), ("sd", partial(np.std, ddof=1)))
    }
    return result | {
        "lag ms": lag,
        "correlation": float(max(match)),
        "correlation of seeds": float(
            np.mean([np.corrcoef(rasters[i], rasters[j])[0, 1] for i in range(4) for j in range(i)])
        ),
        "L1": float(np.mean([np.abs(c - true["per channel"]).sum() for c in counts])),
        "L1 of seeds": float(np.mean([np.abs(counts[i] - counts[j]).sum() for i, j in pairs])),
        "log likelihood": likelihood,
        "own z": float((likelihood - np.mean(own)) / np.std(own, ddof=1)),
    }


# ---------------------------------------------------------------- which level, from the sample alone


class Emulator(NamedTuple):
    """Driven spikes per channel as a function of level: parabolas, and variance over mean."""

    polynomials: Floats  # (3, channels), of level − 0.32
    fano: Floats  # (channels,)


def emulate(levels: Floats, counts: Floats) -> Emulator:
    """Fit every channel's mean count over all levels at once; counts (runs, channels)."""
    polynomials = np.polyfit(levels - 0.32, counts, 2)
    expected = np.maximum(predict(polynomials, levels), 0.5)
    residual = (counts - expected) ** 2
    return Emulator(polynomials, smooth(residual.mean(axis=0)) / smooth(expected.mean(axis=0)))


def predict(polynomials: Floats, levels: Floats) -> Floats:
    """Mean counts, shape (levels, channels)."""
    x = levels[:, None] - 0.32
    counts: Floats = polynomials[0] * x * x + polynomials[1] * x + polynomials[2]
    return counts


def profile(counts: Floats, emulator: Emulator) -> tuple[float, tuple[float, float], float]:
    """Best level, its 95 % interval (fall of the log-likelihood by 1.92), and −2·log-likelihood there."""
    expected = np.maximum(predict(emulator.polynomials, FINE), 0.5)
    variance = expected * emulator.fano
    value = -0.5 * ((counts - expected) ** 2 / variance + np.log(variance)).sum(axis=1)
    inside = FINE[value > value.max() - 1.92]
    return (
        float(FINE[value.argmax()]),
        (float(inside[0]), float(inside[-1])),
        float(-2 * value.max()),
    )


def best_level(recording: Floats, genuine: Sample, seeds: int) -> dict[str, Any]:
    """Profile the level, and check the method on new samples of level 0.32."""
    unit, rate = membrane(prepare(recording, replace(SHD, level=1.0)), 48000, SHD.basilar_membrane)
    hair = cochlea.design_hair_cell(rate, SHD.hair_cell)

    def driven(level: float, chosen: range) -> list[Floats]:
        found = runs(cochlea.run_hair_cell(level * unit, hair), rate, Variant("", ""), chosen)
        return [
            features(shifted(run, -1.75))["driven per channel"].astype(np.float64) for run in found
        ]

    counts = {level: driven(level, range(1000, 1000 + seeds)) for level in LEVELS}
    levels = np.repeat(LEVELS, seeds)
    emulator = emulate(levels, np.concatenate([np.array(c) for c in counts.values()]))
    level, interval, deviance = profile(
        features(genuine)["driven per channel"].astype(np.float64), emulator
    )
    check = [profile(c, emulator) for c in driven(0.32, range(5000, 5000 + 2 * seeds))]
    own = np.array([c[0] for c in check])
    totals = np.array([[c.sum() for c in counts[at]] for at in LEVELS])
    slope = np.polyfit(totals.mean(axis=1), LEVELS, 2)
    from_total = float(np.polyval(slope, features(genuine)["driven"]))
    gradient = float(np.polyval(np.polyder(slope), features(genuine)["driven"]))
    return {
        "level": level,
        "interval": interval,
        "check: samples of level 0.32, mean": float(own.mean()),
        "check: samples of level 0.32, sd": float(own.std(ddof=1)),
        "check: intervals that hold 0.32": float(
            np.mean([c[1][0] <= 0.32 <= c[1][1] for c in check])
        ),
        "check: samples that fit worse than the genuine one": float(
            np.mean([c[2] > deviance for c in check])
        ),
        "level from the total of driven spikes": from_total,
        "its sd": abs(gradient) * float(totals.std(axis=1, ddof=1).mean()),
    }


# ---------------------------------------------------------------- against the published file sizes


def recordings(audio: Path, each: int) -> dict[str, list[Path]]:
    """Draw recordings evenly: of the sorted names, every k-th of speakers 4 and 5 (test) and of the others (train)."""
    names = sorted(audio.glob("lang-*.flac"))
    test = [path for path in names if path.name.split("speaker-")[1][:2] in ("04", "05")]
    train = [path for path in names if path not in set(test)]
    return {
        split: of[:: max(len(of) // each, 1)][:each]
        for split, of in (("train", train), ("test", test))
    }


def count_spikes(path: Path, hair: cochlea.HairCellCoeffs) -> list[int]:
    """Spikes at every level of ``FILE_LEVELS``, then with 120 ms of silence in the root mean square."""
    x, rate = soundfile.read(path, dtype="float64")
    velocity, half = membrane(prepare(x, replace(SHD, level=1.0)), rate, SHD.basilar_membrane)
    gains = [*FILE_LEVELS, 0.3 * np.sqrt(1 + 0.120 * rate / x.size)]
    found = (
        runs(cochlea.run_hair_cell(g * velocity, hair), half, Variant("", ""), range(1))[0]
        for g in gains
    )
    return [times.size for times, _ in found]


def file_sizes(audio: Path, each: int) -> dict[str, Any]:
    """Relative change of the mean spikes with the level, and the levels that give the quoted sizes."""
    hair = cochlea.design_hair_cell(24000, SHD.hair_cell)
    result: dict[str, Any] = {"levels": FILE_LEVELS, "wanted": {}}
    for split, chosen in recordings(audio, each).items():
        counts = np.array([count_spikes(path, hair) for path in chosen], dtype=np.float64)
        ratio = counts.mean(axis=0) / counts[:, 0].mean()
        spread = (
            (counts - ratio * counts[:, :1]).std(axis=0, ddof=1)
            / np.sqrt(len(chosen))
            / counts[:, 0].mean()
        )
        result[split] = {
            "recordings": len(chosen),
            "ratio": ratio.tolist(),
            "standard error": spread.tolist(),
        }
        samples, size = PUBLISHED[split]
        for unit, byte in UNITS.items():
            for writer, per_spike in BYTES_PER_SPIKE.items():
                spikes = [(size + half) * byte / per_spike / samples for half in (-0.5, 0.0, 0.5)]
                level = [np.interp(n / WHOLE_SET[split], ratio[:-1], FILE_LEVELS) for n in spikes]
                wanted = {"spikes per sample": spikes, "level": [float(value) for value in level]}
                result["wanted"][f"{split}, {unit}, {writer}"] = wanted
    return result


# ---------------------------------------------------------------- the run


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Format a Markdown table."""
    return [
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(r) + " |" for r in rows),
    ]


def report(result: dict[str, Any]) -> str:
    """Write the page of figures."""
    genuine, best, files = result["genuine"], result["best level"], result["file sizes"]
    header = ["stage", "what", "spikes", "driven", "spontaneous", "1 ms intervals", "L1 (of seeds)"]
    header += ["correlation (of seeds)", "lag ms", "own z", "deviance"]
    rows = [
        [
            "**genuine**",
            "",
            *(
                f"**{genuine[key]:,}**"
                for key in ("total", "driven", "spontaneous", "1 ms intervals")
            ),
        ]
    ]
    rows[0] += [""] * 5
    for v in result["variants"]:
        cells = [
            f"{v[f'{key} mean']:,.0f} ± {v[f'{key} sd']:.0f}"
            for key in ("total", "driven", "spontaneous", "1 ms intervals")
        ]
        cells += [
            f"{v['L1']:,.0f} ({v['L1 of seeds']:,.0f})",
            f"{v['correlation']:.3f} ({v['correlation of seeds']:.3f})",
        ]
        rows.append(
            [
                v["group"],
                v["name"],
                *cells,
                f"{v['lag ms']:.2f}",
                f"{v['own z']:.1f}",
                f"{round(v['deviance']):,}",
            ]
        )
    lines = [
        "# Driven spikes: every variant compared with the genuine SHD sample",
        "",
        f"`python benchmarks/driven_spikes.py AUDIO REFERENCE --seeds {result['seeds']}`; mean ± sd over the seeds.",
        "The docstring of the script defines the columns, `docs/driven-spikes.md` draws the conclusions.",
        "All other parameters are those of preset `shd` at level 0.30.",
        "",
        *table(header, rows),
        "",
        "## Best level, from the driven spikes of each channel",
        "",
        *(
            f"* {key}: {' … '.join(format(one, '.4g') for one in np.atleast_1d(value))}"
            for key, value in best.items()
        ),
        "",
        "## Spikes of a whole set relative to level 0.30",
        "",
        *table(
            [
                "split",
                "recordings",
                *(f"{level:.2f}" for level in FILE_LEVELS),
                "120 ms of silence in the rms",
            ],
            [
                [split, str(files[split]["recordings"])]
                + [
                    f"{r:.3f} ± {e:.3f}"
                    for r, e in zip(
                        files[split]["ratio"], files[split]["standard error"], strict=True
                    )
                ]
                for split in PUBLISHED
            ],
        ),
        "",
        "## Level that gives the quoted file sizes",
        "",
        *table(
            [
                "file, unit, writer",
                "spikes per sample",
                "level",
                "level for half a unit less … more",
            ],
            [
                [
                    key,
                    f"{w['spikes per sample'][1]:,.0f}",
                    f"{w['level'][1]:.3f}",
                    f"{w['level'][0]:.3f} … {w['level'][2]:.3f}",
                ]
                for key, w in files["wanted"].items()
            ],
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path, help="folder of the Heidelberg Digits")
    parser.add_argument("reference", type=Path, help=f"folder of {SAMPLE}")
    parser.add_argument("--seeds", type=int, default=12, help="per variant, at least 4")
    parser.add_argument("--recordings", type=int, default=60, help="per split, for the file sizes")
    options = parser.parse_args()
    if options.seeds < 4 or options.recordings < 2:
        parser.error("at least 4 seeds and 2 recordings are needed")
    try:
        genuine = read_sample(options.reference / SAMPLE)
        recording, rate = soundfile.read(options.audio / RECORDING, dtype="float64")
    except (OSError, ValueError, soundfile.SoundFileError) as error:
        parser.error(f"cannot read the evidence: {error}")
    if rate != 48000 or recording.ndim != 1:
        parser.error(f"{RECORDING} must be mono at 48 kHz")
    work = [(v, recording) for v in variants()]
    for path in sorted(options.audio.glob(RECORDING.replace("trial-14", "trial-*"))):
        if path.name != RECORDING:
            other, _ = soundfile.read(path, dtype="float64")
            work.append((Variant("recording", path.stem.split("_")[2]), other))
    judged: list[dict[str, Any]] = []
    for v, x in work:
        p_fire, rate = release(x, v)
        judged.append(
            {"group": v.group, "name": v.name}
            | judge(runs(p_fire, rate, v, range(options.seeds)), genuine)
        )
        print(
            f"{v.group:10s} {v.name:34s} {judged[-1]['driven mean']:7.0f} {judged[-1]['own z']:8.1f}",
            flush=True,
        )
    base = next(j["log likelihood"] for j in judged if j["name"] == "0.30")
    for j in judged:
        j["deviance"] = 2 * (base - j["log likelihood"])
    per_channel = ("per channel", "driven per channel")
    result = {
        "recording": RECORDING,
        "seeds": options.seeds,
        "genuine": {
            key: value for key, value in features(genuine).items() if key not in per_channel
        },
        "variants": judged,
        "best level": best_level(recording, genuine, 2 * options.seeds),
        "file sizes": file_sizes(options.audio, options.recordings),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "driven-spikes.json").write_text(json.dumps(result, indent=1) + "\n")
    (RESULTS / "driven-spikes.md").write_text(report(result))


if __name__ == "__main__":
    main()
