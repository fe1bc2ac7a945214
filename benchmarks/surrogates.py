"""Compare surrogate derivatives by validation accuracy, with the presets of the spiking models.

    spikebench sweep benchmarks/surrogates.toml -o FOLDER
    python benchmarks/surrogates.py FOLDER

Writes ``benchmarks/results/surrogates.md``. The test split is not opened by a sweep.
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path

from scipy.stats import t

RESULTS = Path(__file__).parent / "results"
COMPACT = ("triangle", "boxcar")


def interval(mean: float, deviation: float, n: int) -> str:
    """Return the 95 % interval of a mean over seeds, in percent."""
    half = t.ppf(0.975, n - 1) * deviation / math.sqrt(n)
    return f"{100 * max(mean - half, 0):.1f} … {100 * min(mean + half, 1):.1f}"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="+", help="folder of a sweep")
    rows = []
    for folder in parser.parse_args().folder:
        with (folder / "sweep.csv").open(encoding="utf-8", newline="") as file:
            rows += list(csv.DictReader(file))
    rows.sort(key=lambda row: (row["model"], -float(row["validation_mean"])))
    lines = [
        "# Surrogate derivatives of the presets",
        "",
        "`spikebench sweep benchmarks/surrogates.toml -o FOLDER` and `python benchmarks/surrogates.py FOLDER`: the "
        "presets on `digits` (synthetic voices), of which only the surrogate differs; validation speakers, the test "
        "split is not opened. Gradients are sparse with a surrogate of compact support (triangle, boxcar), because "
        "only units near their threshold have one.",
        "",
        "| model | surrogate | slope | seeds | validation % | ± seeds | 95 % interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        mean, deviation = float(row["validation_mean"]), float(row["validation_std"])
        name = row["model.surrogate"].strip('"')
        lines.append(
            f"| {row['model']} | {name}{' (compact)' if name in COMPACT else ''} "
            f"| {row['model.surrogate_slope']} | {row['seeds']} | {100 * mean:.1f} | {100 * deviation:.1f} "
            f"| {interval(mean, deviation, int(row['seeds']))} |"
        )
    text = "\n".join(lines) + "\n"
    (RESULTS / "surrogates.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
