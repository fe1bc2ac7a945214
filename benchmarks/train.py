"""Measure the cost of training a spiking network in spikebench and in other libraries, in one run.

    make peers
    python benchmarks/train.py DATA.h5

DATA is a spike file of 700 units (``spikebench convert RECORDINGS DATA.h5``), whose training and validation samples are
used; its test split is not opened. Every measurement is a separate process on the same batch of 128 samples, from
the same initial weights, as described in :mod:`train_peers` and :mod:`train_spikebench`. Contenders take turns in
several rounds; the fastest median of a process counts for each, and the page shows those of all rounds. Contenders
with ``torch.compile`` compile for up to half a minute and have one round. The short training runs some epochs on
the training samples at T = 100, H = 128, and reports the validation accuracy, to check that all contenders train
the same model.
Writes ``benchmarks/results/train.json`` and ``train.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from train_peers_common import BATCH, draw_weights

from spikebench.events.batches import BinnedSamples
from spikebench.protocol.opening import SelectionData, open_selection

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SHAPES = {  # steps, hidden, recurrent; how many times faster, and what part of the memory, was asked for
    "T = 100, H = 128": (100, 128, True, 2.5, 2),
    "T = 250, H = 256": (250, 256, True, 3.0, 3),
    "T = 1000, H = 128": (1000, 128, True, 4.0, 4),
    "feed-forward, T = 250, H = 256": (250, 256, False, 4.0, None),
}
# Networks of other equations: steps, hidden, words for spikebench, libraries, compiled ones; how many times faster
# than the fastest library was asked for.
OTHERS: dict[str, tuple[int, int, list[str], list[str], list[str], float]] = {
    "delays per connection, 25 taps, 2 × 256, T = 100": (
        *(100, 256, ["--delays"]),
        *(["convolution over delays"], ["convolution over delays compiled"], 8.0),
    ),
}
PEERS = ["plain torch", "snnTorch", "SpikingJelly", "norse", "spyx"]
COMPILED = ["plain torch compiled", "SpikingJelly compiled"]
OURS = "spikebench"
SHORT = (100, 128)


def events(selection: SelectionData, which: str, n_steps: int, limit: int | None) -> dict[str, Any]:
    """Bin samples of a split in a fixed random order, the same for all contenders."""
    samples = getattr(selection, which)
    binned = BinnedSamples(samples, 1.0 / n_steps, n_steps, "counts")
    order = np.random.default_rng(0).permutation(len(binned))[:limit]
    batch = binned.batch(order)
    return {
        "offsets": batch.offsets.numpy(),
        "bins": batch.bins.numpy(),
        "units": batch.units.numpy(),
        "labels": batch.labels.numpy(),
    }


def run(python: str, name: str, words: list[str]) -> dict[str, Any] | None:
    """Measure one contender in a separate process; None if it is not available."""
    script = ["train_spikebench.py"] if name == OURS else ["train_peers.py", name]
    interpreter = sys.executable if name == OURS else python
    command = [interpreter, str(HERE / script[0]), *script[1:], *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"{name}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def network(title: str) -> tuple[int, int, list[str], list[str], list[str], list[str]]:
    """Return steps, hidden, words for all and for spikebench, other libraries and compiled ones of a row."""
    if title in OTHERS:
        n_steps, n_hidden, words, peers, compiled, _ = OTHERS[title]
        return n_steps, n_hidden, [], words, peers, compiled
    n_steps, n_hidden, recurrent, _, _ = SHAPES[title]
    return n_steps, n_hidden, [] if recurrent else ["--feed-forward"], [], PEERS, COMPILED


def speed(
    python: str,
    folder: Path,
    selection: SelectionData,
    rounds: int,
    repeat: int,
    only: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure every contender at every shape, or at one."""
    report: dict[str, dict[str, Any]] = {}
    for title in [only] if only else [*SHAPES, *OTHERS]:
        n_steps, n_hidden, for_all, for_ours, peers, compiled = network(title)
        file = folder / f"batch-{n_steps}-{n_hidden}.npz"
        batch = events(selection, "train", n_steps, BATCH)
        weights = draw_weights(700, n_hidden, 0)
        np.savez(file, n_steps=n_steps, n_units=700, **batch, **weights)
        words = ["--steps", str(n_steps), "--hidden", str(n_hidden), "--events", str(file)]
        words += ["--repeat", str(repeat), *for_all]
        rows: dict[str, Any] = {}
        for turn in range(rounds):
            for name in [OURS, *peers, *(compiled if turn == 0 else [])]:
                more = for_ours if name == OURS else []
                if name == OURS and title in SHAPES and turn == rounds - 1:
                    more = [*more, "--profile"]
                found = run(python, name, words + more)
                if found is None:
                    continue
                row = rows.setdefault(name, {"medians_s": [], "version": found["version"]})
                row["medians_s"].append(found["median_s"])
                row |= {
                    "step_s": min(row["medians_s"]),
                    "peak_mb": max(row.get("peak_mb", 0), found["peak_bytes"] / 2**20),
                    "warm_up_s": found["warm_up_s"],
                    "spikes": found["hidden_spikes"],
                }
                row |= {key: found[key] for key in ("profile",) if key in found}
                print(f"{title}  {name}: {found['median_s'] * 1e3:.0f} ms", file=sys.stderr)
        report[title] = {"events": int(batch["offsets"][-1]) // BATCH, "rows": rows}
    return report


def accuracy(
    python: str, folder: Path, selection: SelectionData, epochs: int
) -> dict[str, dict[str, Any]]:
    """Run the short training with every contender."""
    n_steps, n_hidden = SHORT
    file = folder / "short.npz"
    parts = {
        f"{split}_{name}": array
        for split, which in (("train", "train"), ("test", "validation"))
        for name, array in events(selection, which, n_steps, None).items()
    }
    np.savez(file, n_steps=n_steps, n_units=700, **parts, **draw_weights(700, n_hidden, 0))
    words = ["--steps", str(n_steps), "--hidden", str(n_hidden), "--train", str(file)]
    found = {}
    for name in [OURS, *PEERS]:
        result = run(python, name, [*words, "--epochs", str(epochs)])
        if result is not None:
            found[name] = result
            print(f"{name}: {result['test_accuracy']:.1%}", file=sys.stderr)
    return found


def bars(report: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """List every bar with the measured and the required value, and whether it is passed."""
    rows = []
    for title, measured in report["speed"].items():
        found = measured["rows"]
        times, part = (OTHERS[title][-1], None) if title in OTHERS else SHAPES[title][3:]
        *_, peers, compiled = network(title)
        for kind, names in (("", peers), (", torch.compile included", peers + compiled)):
            there = [name for name in names if name in found]
            fastest = min(there, key=lambda name: found[name]["step_s"])
            ratio = found[fastest]["step_s"] / found[OURS]["step_s"]
            bar = f"{title}: faster than the fastest ({fastest}){kind}"
            rows.append((bar, f"{ratio:.1f} ×", f"≥ {times:g} ×", ratio >= times))
        if part:
            leanest = min(there, key=lambda name: found[name]["peak_mb"])
            share = found[leanest]["peak_mb"] / found[OURS]["peak_mb"]
            bar = f"{title}: peak memory against the leanest ({leanest})"
            rows.append((bar, f"1/{share:.1f}", f"≤ 1/{part}", share >= part))
    return rows


def page(report: dict[str, Any]) -> str:
    """Write the report as a page."""
    lines = [
        "# Cost of training a spiking network",
        "",
        "Made by `python benchmarks/train.py DATA`; its docstring describes the measurements. The networks are defined "
        "in [`train_peers_common.py`](../train_peers_common.py), the variants tried for the other libraries are "
        "listed in [`train_peers_torch.py`](../train_peers_torch.py) and "
        "[`train_peers_jax.py`](../train_peers_jax.py).",
        "",
        f"{report['machine']}. {report['date']}. {report['data']}.",
        "",
        "| bar | measured | asked | |",
        "|---|---|---|---|",
        *(
            f"| {bar} | {got} | {want} | {'pass' if good else 'MISSED'} |"
            for bar, got, want, good in bars(report)
        ),
        "",
    ]
    for title, measured in report["speed"].items():
        lines += [
            f"## {title}, {measured['events']:,} events per sample",
            "",
            "| library | ms per step | relative | every round | peak MiB | hidden spikes per sample | first steps, s |",
            "|---|---|---|---|---|---|---|",
        ]
        ours = measured["rows"][OURS]["step_s"]
        for name, row in sorted(measured["rows"].items(), key=lambda item: item[1]["step_s"]):
            rounds = ", ".join(f"{seconds * 1e3:.1f}" for seconds in row["medians_s"])
            lines.append(
                f"| {name} {row['version']} | {row['step_s'] * 1e3:.1f} | {row['step_s'] / ours:.1f} × | "
                f"{rounds} | {row['peak_mb']:.0f} | {row['spikes']:,.0f} | {row['warm_up_s']:.1f} |"
            )
        profile = measured["rows"][OURS].get("profile")
        if profile:
            step, limit = profile["step_s"], profile["limit"]
            lines += [
                "",
                "| part of the step of spikebench | ms | share |",
                "|---|---|---|",
                *(
                    f"| {part} | {seconds * 1e3:.1f} | {seconds / step:.0%} |"
                    for part, seconds in profile["parts_s"].items()
                ),
                "",
                "| lower limit | ms |",
                "|---|---|",
                *(f"| {part} | {s * 1e3:.1f} |" for part, s in limit["seconds"].items()),
                f"| sum | {limit['sum_s'] * 1e3:.1f}, of {step * 1e3:.1f} |",
            ]
        lines.append("")
    lines += [
        f"## A short training: {report['epochs']} epochs, T = {SHORT[0]}, H = {SHORT[1]}",
        "",
        "One seed, the same initial weights and batches; no settings were tuned. spikebench, plain PyTorch and "
        "snnTorch train the same network up to rounding; the others have a different reset or surrogate.",
        "",
        "| library | validation % | last loss |",
        "|---|---|---|",
        *(
            f"| {name} | {100 * row['test_accuracy']:.1f} | {row['loss']:.2f} |"
            for name, row in report["accuracy"].items()
        ),
        "",
        "The parts of the step were measured with PyTorch's profiler, which adds some time. Hidden spikes differ if a "
        "library has a different reset or surrogate.",
        "",
        "Limits: additions of rows at half the rate of this machine's small matrix products (a product counts two), "
        "products at that rate, memory at the rate of a copy; cache misses and all other work are not included.",
        "",
    ]
    return "\n".join(lines)


def machine() -> str:
    """Describe where this ran."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        name = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    return f"{name}, {os.cpu_count()} cores; python {platform.python_version()}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a spike file of 700 units, or the name of a data set")
    parser.add_argument(
        "--python", default=".venv-peers/bin/python", help="interpreter with the other libraries"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument(
        "--only", choices=[*SHAPES, *OTHERS], help="measure one row and print it, write nothing"
    )
    parser.add_argument(
        "--accuracy-only", action="store_true", help="keep the times of the earlier measurement"
    )
    options = parser.parse_args()
    selection = open_selection(options.data)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if options.only:
            found = speed(
                *(options.python, folder, selection, options.rounds, options.repeat), options.only
            )
            print("\n".join(str(row) for row in bars({"speed": found})))
            return
        if options.accuracy_only:
            report = json.loads((RESULTS / "train.json").read_text(encoding="utf-8"))
            report["epochs"] = options.epochs
            report["accuracy"] = accuracy(options.python, folder, selection, options.epochs)
            write(report)
            return
        report = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine(),
            "data": f"{Path(options.data).name}: {len(selection.train):,} training and "
            f"{len(selection.validation):,} validation samples, SHA-256 `{selection.dataset.sha256[:16]}…`",
            "epochs": options.epochs,
            "speed": speed(options.python, folder, selection, options.rounds, options.repeat),
            "accuracy": accuracy(options.python, folder, selection, options.epochs),
        }
    write(report)


def write(report: dict[str, Any]) -> None:
    """Write the report as JSON and as a page."""
    report["bars"] = [
        dict(zip(("bar", "measured", "asked", "pass"), row, strict=True)) for row in bars(report)
    ]
    (RESULTS / "train.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    text = page(report)
    (RESULTS / "train.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
