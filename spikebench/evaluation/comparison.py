"""Results on the same test samples side by side: read, checked against each other, tested in pairs.

The files are untrusted. Their size is limited and their contents are checked: predictions and run logs must have the
SHA-256 recorded in the result, accuracies are recomputed from the predictions, and a log must belong to the data of the
result. Values that do not follow from these files (parameters, spikes, costs, validation) are taken from the result;
:mod:`leaderboard.checks.recomputation` checks more.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import ResultError
from spikebench.metrics.record import Energy, Latency, Metrics, NotApplicable
from spikebench.metrics.significance import Estimate, McNemar, compare_predictions, holm
from spikebench.protocol.results import (
    RESULT_FILE,
    Predictions,
    Result,
    SeedRecord,
    read_predictions,
    read_result,
)
from spikebench.protocol.studies import FewShotStudy, NoiseStudy, other_task
from spikebench.records.whole_files import check_sha256, plain_file
from spikebench.training.result_logs import read_logs

__all__ = [
    "ComparedResult",
    "Pair",
    "ResultComparison",
    "Value",
    "compare_results",
    "mean_metrics",
    "mean_over_seeds",
]

MAX_RESULTS = 20  # 190 pairs: as many as a table and a plot can show
MAX_TOTAL_BYTES = 64 * 1024 * 1024
LEVEL = 0.05

Value = float | NotApplicable | None


@dataclass(frozen=True)
class ComparedResult:
    """One result with a unique name, its recorded values, and its accuracy recomputed.

    ``has_logs`` is true if the logs of its runs are present. Without them, the training data are known only from the
    result itself.
    """

    name: str
    folder: Path
    result: Result
    accuracy: Estimate
    has_logs: bool


@dataclass(frozen=True)
class Pair:
    """Two results by index; ``difference`` is first minus second, p-values are Holm-adjusted over all pairs."""

    first: int
    second: int
    difference: Estimate
    p_adjusted: float | None
    mcnemar: McNemar
    mcnemar_p_adjusted: float

    @property
    def differs(self) -> bool:
        """Whether the two differ significantly by the test over speakers, among all pairs."""
        return self.p_adjusted is not None and self.p_adjusted < LEVEL


@dataclass(frozen=True)
class ResultComparison:
    """Results in the order in which they were given, and every pair of them."""

    results: tuple[ComparedResult, ...]
    pairs: tuple[Pair, ...]
    samples: int
    method: str


def compare_results(folders: Sequence[Path]) -> ResultComparison:
    """Compare results on the same test samples.

    Parameters
    ----------
    folders
        Result folders or entries of the leaderboard, at least two: each holds ``result.json`` and the predictions.

    Returns
    -------
    ResultComparison
        Accuracies with intervals, differences with tests.

    Raises
    ------
    ResultError
        If a file is missing, damaged or does not match its result, or two results differ in data, protocol or
        test samples.
    """
    if not 2 <= len(folders) <= MAX_RESULTS:
        raise ResultError(f"compare takes 2 to {MAX_RESULTS} results, not {len(folders)}")
    read = [(folder, *_read(folder)) for folder in folders]
    (first_folder, first, samples, _), *others = read
    for folder, result, theirs, _ in others:
        _check_same((first_folder, first, samples), (folder, result, theirs))
    found = compare_predictions([right for *_, right in read], samples.speaker)
    adjusted = holm([one.p for one in found.differences])
    adjusted_mcnemar = holm([one.p for one in found.mcnemar])
    pairs = []
    for place, (a, b) in enumerate(combinations(range(len(read)), 2)):
        other = adjusted_mcnemar[place]
        assert other is not None  # McNemar's test always has a p-value
        difference, mcnemar = found.differences[place], found.mcnemar[place]
        pairs.append(Pair(a, b, difference, adjusted[place], mcnemar, other))
    names = _names([(folder, result) for folder, result, *_ in read])
    return ResultComparison(
        results=tuple(
            ComparedResult(name, folder, result, accuracy, _check_logs(folder, result))
            for name, (folder, result, *_), accuracy in zip(
                names, read, found.accuracies, strict=True
            )
        ),
        pairs=tuple(pairs),
        samples=samples.index.size,
        method=found.method,
    )


def _read(folder: Path) -> tuple[Result, Predictions, NDArray[np.bool_]]:
    """Read a result, its samples in the order of their index, and the mask of correct predictions per seed."""
    if not folder.is_dir():
        raise ResultError(f"{folder}: not a folder; give the folder of a result or of an entry")
    result = read_result(plain_file(folder, RESULT_FILE))
    where = f"{folder / RESULT_FILE}"
    if isinstance(result.study, FewShotStudy):
        raise ResultError(
            f"{where}: is of few-shot tasks, which every seed draws anew; spikebench leaderboard show compares entries"
        )
    if isinstance(result.study, NoiseStudy):
        raise ResultError(
            f"{where}: is of recordings under several conditions; spikebench leaderboard show compares entries"
        )
    seeds = [record.seed for record in result.seeds]
    if len(set(seeds)) != len(seeds):
        raise ResultError(f"{where}: a seed appears twice; each may count once")
    samples: Predictions | None = None
    right, total = [], 0
    for record in result.seeds:
        path = plain_file(folder, record.predictions_file)
        total += path.stat().st_size
        if total > MAX_TOTAL_BYTES:
            raise ResultError(f"{path}: all predictions together exceed {MAX_TOTAL_BYTES} bytes")
        one = read_predictions(path, record.predictions_sha256).in_order()
        samples = one if samples is None else samples
        if not samples.same_samples(one):
            raise ResultError(
                f"{where}: seeds {seeds[0]} and {record.seed} were tested on different samples"
            )
        right.append(one.label == one.predicted)
        _check_accuracy(record, float(right[-1].mean()), f"{where}, seed {record.seed}")
    assert samples is not None  # a result has at least one seed
    return result, samples, np.stack(right)


def _check_logs(folder: Path, result: Result) -> bool:
    """Compare the run logs with the result: SHA-256, seed and data; false if they are not there."""
    logs = read_logs(folder, result)
    if logs is None:
        return False
    if len(logs) != len(result.seeds):
        raise ResultError(f"{folder}: holds {len(logs)} run logs for {len(result.seeds)} seeds")
    for record, (path, sha256, log) in zip(result.seeds, logs, strict=True):
        check_sha256(path, sha256, record.run_sha256)
        where = f"{path}, seed {record.seed}"
        if log.run.seed != record.seed:
            raise ResultError(f"{where}: is the log of seed {log.run.seed}")
        if field := log.run.dataset.first_difference(result.dataset):
            raise ResultError(f"{where}: dataset.{field} differs from that of the result")
    return True


def _check_accuracy(record: SeedRecord, found: float, where: str) -> None:
    if not math.isclose(record.test_accuracy, found, rel_tol=1e-9):
        raise ResultError(
            f"{where}: test_accuracy is claimed {record.test_accuracy}, the predictions give {found}"
        )


def _check_same(
    one: tuple[Path, Result, Predictions], other: tuple[Path, Result, Predictions]
) -> None:
    (folder, result, samples), (folder2, result2, samples2) = one, other
    data, data2 = result.dataset, result2.dataset
    both = f"{folder} and {folder2} cannot be compared"
    field = data.first_difference(data2)
    if field in ("fingerprint", "sha256"):
        one, two = getattr(data, field), getattr(data2, field)
        raise ResultError(
            f"{both}: different data, {data.name!r} ({field} {one[:12]}…) and {data2.name!r} ({two[:12]}…)"
        )
    if data.split.protocol != data2.split.protocol:
        raise ResultError(
            f"{both}: different protocols, {data.split.protocol!r} and {data2.split.protocol!r}"
        )
    tasks = other_task(result.study), other_task(result2.study)
    if tasks[0] != tasks[1]:
        said = " and ".join(task or "classification of all classes" for task in tasks)
        raise ResultError(f"{both}: different tasks, {said}")
    if not samples.same_samples(samples2):
        raise ResultError(
            f"{both}: they were tested on different samples (index, label or speaker differ)"
        )


def _names(results: Sequence[tuple[Path, Result]]) -> list[str]:
    """Name each result by its model, and whether it was refitted.

    Equal names get the name of the folder appended; a folder that is given twice also gets its position.
    """
    models = [
        ", ".join(
            [
                result.model.name,
                *([result.study.name] if result.study else []),
                *(["refitted"] if result.is_refitted else []),
            ]
        )
        for _, result in results
    ]
    names = [
        model if models.count(model) == 1 else f"{model} ({folder.resolve().name})"
        for model, (folder, _) in zip(models, results, strict=True)
    ]
    times = Counter(names)
    return [name if times[name] == 1 else f"{name} #{place}" for place, name in enumerate(names, 1)]


def mean_over_seeds(
    result: Result, field: Literal["validation_accuracy", "spikes_per_sample"]
) -> float | None:
    """Return the mean over seeds of a value recorded in a result.

    Parameters
    ----------
    result
        The result.
    field
        A field of :class:`spikebench.protocol.results.SeedRecord`.

    Returns
    -------
    float or None
        None if a seed does not have the value.
    """
    mean = _mean([getattr(record, field) for record in result.seeds])
    return mean if isinstance(mean, float) else None


def mean_metrics(result: Result) -> dict[str, Value]:
    """Return the mean over seeds of each cost metric recorded in a result.

    Parameters
    ----------
    result
        The result.

    Returns
    -------
    dict
        Key with its unit → mean; :class:`NotApplicable` where a seed records that; None where a seed has no value.
        Energies have one key per cost table.
    """
    seeds = [record.metrics for record in result.seeds]
    found = {
        name: _mean([getattr(one, name) if one else None for one in seeds])
        for name in Metrics.model_fields
        if name not in ("operations", "latency", "energy")
    }
    found["latency_to_95_percent_s"] = _mean(
        [
            one.latency.to_95_percent_s
            if one and isinstance(one.latency, Latency)
            else one.latency
            if one
            else None
            for one in seeds
        ]
    )
    return found | _energies(seeds)


def _energies(seeds: Sequence[Metrics | None]) -> dict[str, Value]:
    recorded = [one.energy if one else None for one in seeds]
    if all(one is None or isinstance(one, NotApplicable) for one in recorded):
        return {"energy_picojoules": _mean(recorded)} if any(recorded) else {}
    lists: list[list[Energy]] = [one if isinstance(one, list) else [] for one in recorded]
    tables = dict.fromkeys(energy.table for one in lists for energy in one)
    return {
        f"energy_picojoules ({table})": _mean(
            [next((e.picojoules for e in one if e.table == table), None) for one in lists]
        )
        for table in tables
    }


def _mean(values: Sequence[object]) -> Value:
    """Take the mean, if every seed has a number."""
    for value in values:
        if isinstance(value, NotApplicable):
            return value
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return math.fsum(numbers) / len(numbers) if len(numbers) == len(values) else None
