"""What a leaderboard of many entries costs: reading them with every check, and building the page.

    python benchmarks/leaderboard_entries.py [--entries 200 1000 10000] [--rounds 1]

The entries are **synthetic by construction**: nobody trained anything. Their predictions are drawn (right with a
probability of the entry's own), and everything else follows from them, as for a real entry: 5 seeds, 20 classes, 2,264
test samples of 12 speakers (the size of SHD's test split), logs of 100 epochs per seed. They lie in a temporary folder.

* **read**: ``leaderboard.entry.read_entries``: every file is read, every SHA-256 compared, every claim recomputed.
  Seconds of the wall, files warm; of ``--rounds`` rounds the fastest counts.
* **one process**: the same without other processes.
* **build**: ``leaderboard.site.build_site`` on the entries that were read.

A bar: 10,000 entries are read, checked and built in less than 30 s.

Writes ``benchmarks/results/leaderboard.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import leaderboard.entry as entry_module
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
    Predictions,
    Result,
    SeedRecord,
    Split,
    Summary,
    file_sha256,
    write_predictions,
    write_result,
    write_text,
)

RESULTS = Path(__file__).parent / "results"
SEEDS, CLASSES, SAMPLES, SPEAKERS = 5, 20, 2264, 12
TEST_ONLY, VALIDATION = [4, 5], [0, 2]
BAR_ENTRIES, BAR_S = 10_000, 30.0


def make_entries(folder: Path, count: int) -> None:
    """Make entries of drawn predictions; see the head of this file."""
    samples = np.random.default_rng(0)
    label = samples.integers(0, CLASSES, SAMPLES)
    speaker = samples.integers(0, SPEAKERS, SAMPLES)
    for number in range(count):
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
        (folder / made.dataset).mkdir(exist_ok=True)
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
    write_predictions(
        path,
        Predictions(index=np.arange(SAMPLES), label=label, predicted=predicted, speaker=speaker),
    )
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
