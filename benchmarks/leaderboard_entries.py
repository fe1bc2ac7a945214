"""Measure the cost of a leaderboard of many entries: reading them with every check, building the page.

    python benchmarks/leaderboard_entries.py [--entries 200 1000 10000] [--rounds 3]

The entries are **synthetic by construction**: no model was trained. Their predictions are drawn at random (right with
a probability that differs between entries), and everything else follows from them, as for a real entry: 5 seeds, 20
classes, 2,264 test samples of 12 speakers (the size of SHD's test split). They are in a temporary folder.

* **first**: ``spikebench leaderboard build``, as a user runs it, without remembered checks, into a new folder: every
  file is read, every SHA-256 compared, every claim recomputed, a page per entry written.
* **one new**: the same command with one more entry: every file is read and its SHA-256 computed.
* **unchanged**: the same command again, without changes: sizes and times of all files are compared.
* **one core**: checking in one process: milliseconds of its CPU time per entry, of up to 1,000 entries.

Wall time in seconds, files warm; the fastest of ``--rounds`` rounds counts, and all are reported. **CPU** is the time
of the first process of the command, without that of its workers.

These entries have no training logs and no cost metrics, like those trained with other software. The time for
the entries in the package, with logs and metrics and some with weights, is given below the table.

Bars on 2 cores, for 10,000 entries: 90 s for the first, 10 s for the unchanged one.

Writes ``benchmarks/results/leaderboard.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from leaderboard.claims.entry import (
    ENTRY_FILE,
    SHIPPED_ENTRIES,
    make_entry,
    read_entry,
)
from spikebench.metrics.classification import (
    accuracy,
    confusion_matrix,
    seed_interval,
    speaker_groups,
    speaker_interval,
)
from spikebench.protocol.results import (
    DatasetRecord,
    Interval,
    ModelRecord,
    Result,
    SeedRecord,
    Split,
    Summary,
    write_result,
)
from spikebench.records.whole_files import file_sha256, write_text
from spikebench.workers import available_cores, worker_pool

RESULTS = Path(__file__).parent / "results"
SEEDS, CLASSES, SAMPLES, SPEAKERS = 5, 20, 2264, 12
TEST_ONLY, VALIDATION = [4, 5], [0, 2]
BAR_ENTRIES, BARS_S = 10_000, {"first": 90.0, "unchanged": 10.0}


def make_entries(folder: Path, numbers: Sequence[int]) -> None:
    """Make entries of random predictions; see the docstring of the module."""
    samples = np.random.default_rng(0)
    label = samples.integers(0, CLASSES, SAMPLES)
    speaker = samples.integers(0, SPEAKERS, SAMPLES)
    for number in numbers:
        generator = np.random.default_rng([1, number])
        skill = generator.uniform(0.4, 0.98)
        partial = folder / f".{number}"
        partial.mkdir(parents=True)
        records = [
            _seed(partial, seed, skill + 0.01 * generator.normal(), label, speaker, generator)
            for seed in range(SEEDS)
        ]
        result = _result(number, records, generator)
        made = make_entry(
            result, name=f"synthetic {number}", authors="benchmarks/leaderboard_entries.py"
        )
        write_result(partial, result)
        write_text(partial / ENTRY_FILE, made.model_dump_json(indent=2) + "\n")
        (folder / made.dataset).mkdir(parents=True, exist_ok=True)
        partial.rename(folder / made.dataset / made.id)


def _seed(
    folder: Path,
    seed: int,
    skill: float,
    label: np.ndarray,
    speaker: np.ndarray,
    generator: np.random.Generator,
) -> SeedRecord:
    guess = generator.integers(0, CLASSES, SAMPLES)
    predicted = np.where(generator.random(SAMPLES) < skill, label, guess)
    path = folder / f"predictions-seed{seed}.csv"
    rows = zip(label.tolist(), predicted.tolist(), speaker.tolist(), strict=True)
    lines = [f"{index},{a},{b},{c}\n" for index, (a, b, c) in enumerate(rows)]
    path.write_text("index,label,predicted,speaker\n" + "".join(lines), encoding="utf-8")
    correct = label == predicted
    seen, unseen = speaker_groups(speaker, TEST_ONLY, VALIDATION)
    low, high, method = speaker_interval(correct, speaker)
    return SeedRecord(
        seed=seed,
        validation_accuracy=min(max(skill, 0.0), 1.0),
        test_accuracy=accuracy(label, predicted),
        test_interval=Interval(low=low, high=high, method=method),
        seen_accuracy=float(correct[seen].mean()),
        unseen_accuracy=float(correct[unseen].mean()),
        confusion=confusion_matrix(label, predicted, CLASSES).tolist(),
        spikes_per_sample=float(generator.uniform(100, 5000)),
        epochs=100,
        selected_epoch=80,
        selected_on="validation",
        test_opened=1,
        train_seconds=600.0,
        test_seconds=1.0,
        predictions_file=path.name,
        predictions_sha256=file_sha256(path),
        weights_file=None,
        weights_sha256=None,
    )


def _result(number: int, records: list[SeedRecord], generator: np.random.Generator) -> Result:
    test = np.array([record.test_accuracy for record in records])
    low, high, method = seed_interval(test)
    return Result(
        created="2026-01-02T03:04:05+00:00",
        software="benchmarks/leaderboard_entries.py",
        command="python benchmarks/leaderboard_entries.py",
        dataset=DatasetRecord(
            name="synthetic",
            sha256="ab" * 32,
            n_units=700,
            classes=[f"class {label}" for label in range(CLASSES)],
            synthetic=True,
            split=Split(
                protocol="shd-v1",
                rule="drawn",
                train_samples=7000,
                validation_samples=1156,
                test_samples=SAMPLES,
                validation_speakers=VALIDATION,
                test_only_speakers=TEST_ONLY,
            ),
        ),
        model=ModelRecord(
            name=f"drawn {number}",
            spiking=number % 3 > 0,
            parameters=int(generator.integers(10_000, 1_000_000)),
            config={"hidden_units": [128], "tau_mem_ms": 20.0, "tau_syn_ms": 10.0},
        ),
        training={
            "input": {"time_step_ms": 10.0, "duration_ms": 1000.0, "mode": "binary"},
            "training": {"epochs": 100, "optimizer": "adam", "learning_rate": 1e-3},
        },
        seeds=records,
        summary=Summary(
            seeds=SEEDS,
            validation_mean=float(np.mean([record.validation_accuracy for record in records])),
            test_mean=float(test.mean()),
            test_std=float(test.std(ddof=1)),
            test_interval=Interval(low=low, high=high, method=method),
        ),
        environment={"device": "none: drawn"},
    )


def measure(folder: Path, place: Path, rounds: int) -> dict[str, Any]:
    """Measure one number of entries."""
    first, unchanged, one_new = [], [], []
    before = set(folder.glob("*/*"))
    for number in range(rounds):
        memory, site = place / f"memory-{number}", place / f"site-{number}"
        first.append(build(folder, site, memory))
        unchanged.append(build(folder, site, memory))
        make_entries(folder, range(10**6 + number, 10**6 + number + 1))
        one_new.append(build(folder, site, memory))
        for added in set(folder.glob("*/*")) - before:
            shutil.rmtree(added)
    site = place / "site-0"
    files = [path for path in site.rglob("*") if path.is_file()]
    return {
        "first": first,
        "unchanged": unchanged,
        "one new": one_new,
        "one_core_ms": milliseconds(sorted(folder.glob("*/*"))[:1000], 1),
        "site_bytes": sum(path.stat().st_size for path in files),
        "index_bytes": (site / "index.html").stat().st_size,
    }


def build(folder: Path, output: Path, memory: Path) -> dict[str, float]:
    """Run the command; return its wall time and the CPU time of its first process [s]."""
    command = ["leaderboard", "build", "--entries", str(folder), "-o", str(output)]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "spikebench", *command],
        check=True,
        env=os.environ | {"SPIKEBENCH_DATA": str(memory)},
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"wall_s": wall, "cpu_s": used}


def milliseconds(folders: Sequence[Path], rounds: int) -> float:
    """Return the mean CPU time to read and check an entry, of the fastest of several rounds."""
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        for folder in folders:
            read_entry(folder)
        spent.append(time.process_time() - began)
    return 1e3 * min(spent) / len(folders)


def write(report: dict[str, Any]) -> None:
    """Write the report as JSON and as a page."""
    (RESULTS / "leaderboard.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    rounds = max(len(row["first"]) for row in report["entries"].values())
    lines = [
        "# Cost of a leaderboard of many entries",
        "",
        f"Made by `python benchmarks/leaderboard_entries.py --rounds {rounds}`; its docstring describes the "
        f"measurements. The entries are synthetic by construction: random predictions, {SEEDS} seeds, "
        f"{CLASSES} classes, {SAMPLES:,} test samples of "
        f"{SPEAKERS} speakers.",
        "",
        f"{report['machine']}. {report['date']}. {report['note']}".rstrip(),
        "",
        "| entries | build | wall, s | all rounds, s | CPU of the first process, s |",
        "|---|---|---|---|---|",
    ]
    for count, row in report["entries"].items():
        for kind in ("first", "unchanged", "one new"):
            walls = [one["wall_s"] for one in row[kind]]
            best = min(row[kind], key=lambda one: one["wall_s"])
            rounds_s = ", ".join(f"{seconds:.1f}" for seconds in walls)
            cells = [kind, f"{best['wall_s']:.1f}", rounds_s, f"{best['cpu_s']:.1f}"]
            lines.append(f"| {int(count):,} | {' | '.join(cells)} |")
    lines += [
        "",
        "| entries | one core, ms per entry | site, MB | index, kB |",
        "|---|---|---|---|",
    ]
    for count, row in report["entries"].items():
        cells = [
            f"{row['one_core_ms']:.2f}",
            f"{row['site_bytes'] / 1e6:.1f}",
            f"{row['index_bytes'] / 1e3:.0f}",
        ]
        lines.append(f"| {int(count):,} | {' | '.join(cells)} |")
    lines += [
        "",
        f"The {report['shipped']} entries in the package take {report['shipped_ms']:.2f} ms of one "
        "core each to check.",
        "",
    ]
    largest = report["entries"].get(str(BAR_ENTRIES), {})
    for kind, bar in BARS_S.items() if largest else ():
        spent = min(one["wall_s"] for one in largest[kind])
        lines.append(
            f"* `spikebench leaderboard build` of {BAR_ENTRIES:,} entries, {kind}: {spent:.1f} s, asked at most "
            f"{bar:.0f} s: {'pass' if spent <= bar else 'MISSED'}."
        )
    lines.append("")
    (RESULTS / "leaderboard.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


def machine() -> str:
    """Describe where this ran."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        name = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    packages = ", ".join(f"{package} {version(package)}" for package in ("numpy", "pydantic"))
    load = os.getloadavg()[0]
    return (
        f"{name}, {os.cpu_count()} cores (load {load:.1f} at the start); "
        f"python {platform.python_version()}, {packages}"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, nargs="+", default=[200, 1000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--note", default="", help="Remark on the machine.")
    options = parser.parse_args()
    shipped = sorted(path.parent for path in SHIPPED_ENTRIES.glob(f"*/*/{ENTRY_FILE}"))
    report: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "note": options.note,
        "shipped": len(shipped),
        "shipped_ms": milliseconds(shipped, 20),
        "entries": {},
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder, made = Path(temporary) / "entries", 0
        for count in sorted(options.entries):
            numbers = range(made, count)
            with worker_pool(available_cores(), preload="leaderboard.claims.entry") as pool:
                parts = [numbers[i : i + 50] for i in range(0, len(numbers), 50)]
                for part in [pool.submit(make_entries, folder, part) for part in parts]:
                    part.result()
            made = count
            place = Path(temporary) / f"builds-{count}"
            report["entries"][str(count)] = measure(folder, place, options.rounds)
            print(count, report["entries"][str(count)], flush=True)
    write(report)


if __name__ == "__main__":
    main()
