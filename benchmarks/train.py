"""Measure the cost of training a spiking network in spikebench and in other libraries, in one run.

    make peers
    python benchmarks/train.py DATA.h5

DATA is a spike file of 700 units (``spikebench convert RECORDINGS DATA.h5``), whose training and validation samples are
used; its test split is not opened. Every measurement is a separate process on the same batch of 128 samples, from
the same initial weights, as described in :mod:`train_peers` and :mod:`train_spikebench`. Contenders take turns in
several rounds; the fastest median of a process counts for each, and the page shows those of all rounds. Contenders
with ``torch.compile`` compile for up to a minute and have one round; one that fails, or takes more than ten minutes in
all, is listed with the reason. A bar is on the fastest of all contenders, compiled or not. The short training runs some
epochs on the training samples at T = 100, H = 128, and reports the validation accuracy, to check that all contenders
train the same model; for the models of spikebench, the page shows how far scores and losses of the peer differ.
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
from typing import Any, NamedTuple

import numpy as np
from train_models import build_model, initial_weights
from train_peers_common import BATCH, MODELS, draw_weights

from spikebench.events.batches import BinnedSamples
from spikebench.protocol.opening import SelectionData, open_selection

HERE = Path(__file__).parent
RESULTS = HERE / "results"
N_UNITS = 700
OURS = "spikebench"
SHORT = (100, 128)
PEERS = ("plain torch", "snnTorch", "SpikingJelly", "norse", "spyx")
COMPILED = " compiled"  # suffix of a name: the same through torch.compile
LONGEST_S = 600  # of one process on one batch


class Row(NamedTuple):
    """A network to measure.

    ``bar`` and ``aim``: how many times faster than the fastest peer; ``memory``: how many times less than the leanest.
    """

    n_steps: int
    n_hidden: int
    bar: float
    aim: float
    memory: float | None = None
    network: str = "lif"
    recurrent: bool = True
    peers: tuple[str, ...] = PEERS
    group_units: int = 1

    def compiled(self) -> list[str]:
        """Return the names of the peers through ``torch.compile``; spyx has a compiler of its own."""
        return [name + COMPILED for name in self.peers if name != "spyx"]

    def words(self) -> list[str]:
        """Return the arguments of a measurement of it."""
        shape = ["--steps", str(self.n_steps), "--hidden", str(self.n_hidden)]
        return shape + ([] if self.recurrent else ["--feed-forward"])


ROWS = {
    "recurrent LIF, T = 100, H = 128": Row(100, 128, bar=2, aim=3, memory=5.1),
    "recurrent LIF, T = 250, H = 256": Row(250, 256, bar=4, aim=6, memory=3.7),
    "recurrent LIF, T = 1000, H = 128": Row(1000, 128, bar=7, aim=10, memory=4.7),
    "feed-forward LIF, T = 250, H = 256": Row(250, 256, bar=3.3, aim=5, recurrent=False),
    "adLIF, 2 × 256 recurrent, T = 250": Row(
        *(250, 256), bar=4, aim=6, network="adlif", peers=("adLIF in plain torch",)
    ),
    "C-SiLIF, 2 × 256 with normalisation, T = 250, 140 inputs": Row(
        *(250, 256),
        bar=4,
        aim=6,
        network="c_silif",
        peers=("C-SiLIF in plain torch",),
        group_units=5,
    ),
    "delays per connection, 25 taps, 2 × 256, T = 100": Row(
        *(100, 256), bar=8, aim=20, network="delays", peers=("convolution over delays",)
    ),
}


def events(
    selection: SelectionData, which: str, n_steps: int, limit: int | None, group_units: int = 1
) -> dict[str, Any]:
    """Bin samples of a split in a fixed random order, the same for all contenders."""
    samples = getattr(selection, which)
    binned = BinnedSamples(samples, 1.0 / n_steps, n_steps, "counts", group_units)
    order = np.random.default_rng(0).permutation(len(binned))[:limit]
    batch = binned.batch(order)
    return {
        "offsets": batch.offsets.numpy(),
        "bins": batch.bins.numpy(),
        "units": batch.units.numpy(),
        "labels": batch.labels.numpy(),
    }


def run(python: str, name: str, words: list[str], longest_s: float | None) -> dict[str, Any] | str:
    """Measure one contender in a separate process; the reason if that is not possible."""
    script = ["train_spikebench.py"] if name == OURS else ["train_peers.py", name]
    interpreter = sys.executable if name == OURS else python
    command = [interpreter, str(HERE / script[0]), *script[1:], *words, "--json"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=longest_s,
            env=os.environ | {"TORCHINDUCTOR_COMPILE_THREADS": "1"},  # no pool of processes
        )
    except subprocess.TimeoutExpired:
        return f"took more than {longest_s:.0f} s"
    if done.returncode != 0:
        reasons = [line for line in done.stderr.splitlines() if "Error" in line.split(":")[0]]
        return reasons[-1] if reasons else f"ended with code {done.returncode}"
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def write_batch(file: Path, row: Row, selection: SelectionData) -> int:
    """Write the batch and the initial weights of a row; return the events of the batch."""
    batch = events(selection, "train", row.n_steps, BATCH, row.group_units)
    n_units, n_events = -(-selection.train.n_units // row.group_units), len(batch["bins"])
    if row.network in MODELS:
        rate = n_events / (len(batch["labels"]) * row.n_steps * n_units)
        model = build_model(row.network, row.n_steps, row.n_hidden, n_units, rate)
        weights: dict[str, Any] = initial_weights(model)
    else:
        weights = {**draw_weights(n_units, row.n_hidden, 0)}
    np.savez(file, n_steps=row.n_steps, n_units=n_units, **batch, **weights)
    return n_events


def speed(
    python: str,
    folder: Path,
    selection: SelectionData,
    rounds: int,
    repeat: int,
    only: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure every contender at every row, or at one."""
    report: dict[str, dict[str, Any]] = {}
    for title in [only] if only else ROWS:
        row = ROWS[title]
        file = folder / "batch.npz"
        n_events = write_batch(file, row, selection)
        words = [*row.words(), "--events", str(file), "--repeat", str(repeat)]
        found: dict[str, Any] = {}
        missing: dict[str, str] = {}
        for turn in range(rounds):
            for name in [OURS, *row.peers, *(row.compiled() if turn == 0 else [])]:
                more = ["--network", row.network] if name == OURS else []
                if name == OURS and row.network == "lif" and turn == rounds - 1:
                    more = [*more, "--profile"]
                one = run(python, name, words + more, LONGEST_S)
                if isinstance(one, str):
                    missing[name] = one
                    print(f"{title}  {name}: {one}", file=sys.stderr)
                    continue
                found[name] = merged(found.get(name), one)
                print(f"{title}  {name}: {one['median_s'] * 1e3:.0f} ms", file=sys.stderr)
        report[title] = {"events": n_events // BATCH, "rows": found, "missing": missing}
        if row.network in MODELS:
            report[title]["differences"] = differences(found)
        for one in found.values():
            del one["scores"], one["losses"]
    return report


def merged(before: dict[str, Any] | None, one: dict[str, Any]) -> dict[str, Any]:
    """Add the figures of one process to those of the earlier rounds."""
    medians = [*(before["medians_s"] if before else []), one["median_s"]]
    return {
        "version": one["version"],
        "medians_s": medians,
        "step_s": min(medians),
        "peak_mb": max(before["peak_mb"] if before else 0, one["peak_bytes"] / 2**20),
        "warm_up_s": one["warm_up_s"],
        "spikes": one["hidden_spikes"],
        **{key: one[key] for key in ("profile", "active", "scores", "losses") if key in one},
    }


def differences(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Compare scores and losses of each peer with those of spikebench."""
    ours = found[OURS]
    return {
        name: {
            "scores": float(np.abs(np.subtract(one["scores"], ours["scores"])).max()),
            "first_loss": abs(one["losses"][0] - ours["losses"][0]),
            "last_loss": abs(one["losses"][-1] - ours["losses"][-1]),
            "largest_score": float(np.abs(ours["scores"]).max()),
        }
        for name, one in found.items()
        if name != OURS
    }


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
    weights: dict[str, Any] = {**draw_weights(N_UNITS, n_hidden, 0)}
    np.savez(file, n_steps=n_steps, n_units=N_UNITS, **parts, **weights)
    words = ["--steps", str(n_steps), "--hidden", str(n_hidden), "--train", str(file)]
    found = {}
    for name in [OURS, *PEERS]:
        result = run(python, name, [*words, "--epochs", str(epochs)], None)
        if isinstance(result, str):
            print(f"{name}: {result}", file=sys.stderr)
            continue
        found[name] = result
        print(f"{name}: {result['test_accuracy']:.1%}", file=sys.stderr)
    return found


def bars(report: dict[str, Any]) -> list[tuple[str, str, str, str, bool]]:
    """List every bar: its name, the measured value, the bar, the aim, and whether the bar is passed."""
    lines = []
    for title, measured in report["speed"].items():
        row, found = ROWS[title], measured["rows"]
        there = [name for name in found if name != OURS]
        if OURS not in found or not there:
            lines.append((title, "not measured", f"≥ {row.bar:g} ×", f"{row.aim:g} ×", False))
            continue
        fastest = min(there, key=lambda name: found[name]["step_s"])
        ratio = found[fastest]["step_s"] / found[OURS]["step_s"]
        bar = f"{title}: faster than the fastest ({fastest})"
        lines.append(
            (bar, f"{ratio:.1f} ×", f"≥ {row.bar:g} ×", f"{row.aim:g} ×", ratio >= row.bar)
        )
        if row.memory:
            leanest = min(there, key=lambda name: found[name]["peak_mb"])
            share = found[leanest]["peak_mb"] / found[OURS]["peak_mb"]
            bar = f"{title}: peak memory against the leanest ({leanest})"
            lines.append((bar, f"1/{share:.1f}", f"≤ 1/{row.memory:g}", "", share >= row.memory))
    return lines


def section(title: str, measured: dict[str, Any]) -> str:
    """Write the figures of one row."""
    lines = [
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
    lines += [f"| {name} | {reason} | | | | | |" for name, reason in measured["missing"].items()]
    active = measured["rows"][OURS]["active"]
    lines += ["", f"Share of active neurons, within the support of the surrogate: {active:.1%}."]
    if "differences" in measured:
        lines += [
            "",
            "| largest difference to spikebench | scores | of | loss of the first step | of the last |",
            "|---|---|---|---|---|",
            *(
                f"| {name} | {one['scores']:.2g} | {one['largest_score']:.3g} | {one['first_loss']:.2g} | "
                f"{one['last_loss']:.2g} |"
                for name, one in measured["differences"].items()
            ),
        ]
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
    return "\n".join(lines)


def page(report: dict[str, Any]) -> str:
    """Write the report as a page."""
    lines = [
        "# Cost of training a spiking network",
        "",
        "Made by `python benchmarks/train.py DATA`; its docstring describes the measurements. The networks are defined "
        "in [`train_peers_common.py`](../train_peers_common.py), the variants tried for the other libraries are "
        "listed in [`train_peers_torch.py`](../train_peers_torch.py) and "
        "[`train_peers_jax.py`](../train_peers_jax.py). Batches of 128 samples. The surrogate of all is "
        "max(0, 1 − 4·|U − 1|), of C-SiLIF a box of width 1. A bar is on the fastest of all peers, compiled or not.",
        "",
        f"{report['machine']}. {report['date']}. {report['data']}.",
        "",
        "| bar | measured | bar | aim | |",
        "|---|---|---|---|---|",
        *(
            f"| {bar} | {got} | {want} | {aim} | {'pass' if good else 'MISSED'} |"
            for bar, got, want, aim, good in bars(report)
        ),
        "",
    ]
    for title, measured in report["speed"].items():
        lines += [section(title, measured), ""]
    lines += [
        f"## A short training: {report['epochs']} epochs, T = {SHORT[0]}, H = {SHORT[1]}",
        "",
        "One seed, the same initial weights and batches; no settings were tuned. spikebench, plain PyTorch and "
        "snnTorch train the same network up to rounding; the others have a different reset.",
        "",
        "| library | validation % | last loss |",
        "|---|---|---|",
        *(
            f"| {name} | {100 * row['test_accuracy']:.1f} | {row['loss']:.2f} |"
            for name, row in report["accuracy"].items()
        ),
        "",
        "The parts of the step were measured with PyTorch's profiler, which adds some time. Hidden spikes differ if a "
        "library has a different reset. Scores and losses of a model and its peer differ by rounding, and by the "
        "spikes that rounding moves.",
        "",
        "Limits: additions of rows at half the rate of this machine's small matrix products (a product counts two), "
        "products of active neurons at that rate, memory at the rate of a copy; cache misses and all other work "
        "are not included.",
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
        "--only", choices=[*ROWS], help="measure one row and print it, write nothing"
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
            print(section(options.only, found[options.only]))
            print("\n".join(str(line) for line in bars({"speed": found})))
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
        dict(zip(("name", "measured", "bar", "aim", "pass"), line, strict=True))
        for line in bars(report)
    ]
    (RESULTS / "train.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    text = page(report)
    (RESULTS / "train.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
