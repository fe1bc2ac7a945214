"""What a leaderboard of many entries costs: reading them with every check, and building the page.

    python benchmarks/leaderboard_entries.py [--entries 200 1000 10000] [--rounds 2]

The entries are **synthetic by construction**: nobody trained anything. Their predictions are drawn (right with a
probability of the entry's own), and everything else follows from them, as for a real entry: 5 seeds, 20 classes, 2,264
test samples of 12 speakers (the size of SHD's test split). They lie in a temporary folder.

* **read**: ``leaderboard.entry.read_entries``, as the commands call it: every file is read, every SHA-256 compared,
  every claim recomputed. Seconds of the wall, files warm; of ``--rounds`` rounds the fastest counts.
* **one process**: the same in this process alone, and the CPU time that it takes, which other work on the machine
  lengthens less.
* **build**: ``leaderboard.site.build_site`` on the entries that were read; ``--no-build`` leaves it out.

A bar: 10,000 entries are read, checked and built in less than 30 s. Walls mean little on a machine that
does other work: the load at the start is said, and above one per core only the CPU time tells.

Writes ``benchmarks/results/leaderboard.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from leaderboard.entry import ENTRY_FILE, StoredEntry, make_entry, read_entries
from leaderboard.literature import read_literature
from leaderboard.site import build_site
from spikebench.metrics.classification import (
    accuracy,
    confusion_matrix,
    seed_interval,
    speaker_groups,
    speaker_interval,
)
from spikebench.results import (
    DatasetRecord,
    Interval,
    ModelRecord,
    Result,
    SeedRecord,
    Split,
    Summary,
    file_sha256,
    write_result,
    write_text,
)
from spikebench.workers import available_cores, worker_pool

RESULTS = Path(__file__).parent / "results"
SEEDS, CLASSES, SAMPLES, SPEAKERS = 5, 20, 2264, 12
TEST_ONLY, VALIDATION = [4, 5], [0, 2]
BAR_ENTRIES, BAR_S = 10_000, 30.0


def make_entries(folder: Path, numbers: Sequence[int]) -> None:
    """Make entries of drawn predictions; see the head of this file."""
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


def fastest(work: Callable[[], Any], rounds: int) -> tuple[float, float, Any]:
    """Seconds of the fastest round, its CPU time in this process, and what it gave."""
    seconds = []
    for _ in range(rounds):
        began, busy = time.perf_counter(), time.process_time()
        found = work()
        seconds.append((time.perf_counter() - began, time.process_time() - busy))
    return *min(seconds), found


def measure(folder: Path, pages: Path, rounds: int, *, build: bool) -> dict[str, Any]:
    """Measure one number of entries."""
    several, _, entries = fastest(lambda: read_entries([folder]), rounds)
    one, busy, again = fastest(lambda: read_entries([folder], jobs=1), rounds)
    assert again == entries
    row: dict[str, Any] = {"read_s": several, "one_process_s": one, "one_process_cpu_s": busy}
    row["build_s"] = None
    if build:
        row |= _build(entries, pages)
    return row


def _build(entries: list[StoredEntry], pages: Path) -> dict[str, Any]:
    reports = read_literature()
    seconds, _, _ = fastest(lambda: build_site(entries, reports, pages), 1)
    files = [path for path in pages.rglob("*") if path.is_file()]
    return {"build_s": seconds, "site_bytes": sum(path.stat().st_size for path in files)}


def write(report: dict[str, Any]) -> None:
    """Write the report as JSON and as a page."""
    (RESULTS / "leaderboard.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    lines = [
        "# What a leaderboard of many entries costs",
        "",
        "Made by `python benchmarks/leaderboard_entries.py`, whose head says what is measured. The entries are "
        f"synthetic by construction: drawn predictions, {SEEDS} seeds, {CLASSES} classes, {SAMPLES:,} test samples of "
        f"{SPEAKERS} speakers.",
        "",
        f"{report['machine']}. {report['date']}.",
        "",
        "| entries | read and checked, s | ms per entry | one process, s | its CPU, s | page built, s | together, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for count, row in report["entries"].items():
        build = row["build_s"]
        cells = [
            f"{row['read_s']:.2f}",
            f"{1e3 * row['read_s'] / int(count):.2f}",
            f"{row['one_process_s']:.2f}",
            f"{row['one_process_cpu_s']:.2f}",
            "–" if build is None else f"{build:.2f}",
            "–" if build is None else f"{row['read_s'] + build:.2f}",
        ]
        lines.append(f"| {int(count):,} | {' | '.join(cells)} |")
    largest = report["entries"].get(str(BAR_ENTRIES))
    if largest:
        spent = largest["read_s"] + (largest["build_s"] or 0.0)
        what = "Read, checked and built" if largest["build_s"] is not None else "Read and checked"
        verdict = "pass" if spent < BAR_S else "MISSED"
        lines += [
            "",
            f"{what}: {spent:.1f} s for {BAR_ENTRIES:,} entries, asked < {BAR_S:.0f} s: {verdict}.",
        ]
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
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--no-build", action="store_true")
    options = parser.parse_args()
    report: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "entries": {},
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder, made = Path(temporary) / "entries", 0
        for count in sorted(options.entries):
            numbers = range(made, count)
            with worker_pool(available_cores(), preload="leaderboard.entry") as pool:
                parts = [numbers[i : i + 50] for i in range(0, len(numbers), 50)]
                for part in [pool.submit(make_entries, folder, part) for part in parts]:
                    part.result()
            made = count
            pages = Path(temporary) / f"site-{count}"
            report["entries"][str(count)] = measure(
                folder, pages, options.rounds, build=not options.no_build
            )
            print(count, report["entries"][str(count)], flush=True)
    write(report)


if __name__ == "__main__":
    main()
