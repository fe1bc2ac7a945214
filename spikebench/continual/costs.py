"""What a method adds to a step of training: processor time [s], operations, and numbers that are kept.

Every method trains the same network on the same batches, one step each in turn, so that the load of the machine
affects all alike. Times are those of the processor, on one thread; the median of the steps after the first ones.

Counted from the equations, per parameter: between steps, ``si`` keeps Ω, θ̃ and ω, and ``ewc`` Ω and θ̃ (4 bytes
each; Adam keeps two numbers). A step adds 4 operations for the gradient of the penalty (subtract, multiply twice,
add), and with ``si`` 3 for the path integral (subtract, multiply, add).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spikebench.continual.run import Job
from spikebench.continual.tasks import TaskSequence
from spikebench.continual.training import make_model, make_rule, offered_classes
from spikebench.errors import ResultError
from spikebench.learning.bptt import BackPropagation
from spikebench.learning.quadratic_penalty import ConsolidatingRule
from spikebench.records.fields import Count, Name, NonNegative, Record
from spikebench.records.strict_json import read_record
from spikebench.records.whole_files import write_text
from spikebench.training.inference import bin_samples, one_thread

__all__ = ["MEASURED", "StepCost", "measured_costs"]

MEASURED = ("none", "si", "ewc")  # the kinds whose steps differ
_KEPT = {"none": 0, "si": 3, "ewc": 2}  # numbers per parameter
_OPERATIONS = {"none": 0, "si": 7, "ewc": 4}  # per parameter and step
_FIRST, _STEPS = 3, 30


class StepCost(Record):
    """Cost of a method for a model on a sequence of tasks.

    ``step_seconds`` is the processor time of a step, ``consolidation_seconds`` that of computing the importances
    after a task.
    """

    tasks: Name
    model: Name
    kind: Name
    parameters: Count
    batch_size: Count
    step_seconds: NonNegative
    consolidation_seconds: NonNegative
    kept_numbers: Count
    added_operations: Count


class _Kept(Record):
    identity: list[str]
    costs: list[StepCost]


def measured_costs(path: Path, jobs: Sequence[tuple[Job, TaskSequence]]) -> list[StepCost]:
    """Measure the costs of some runs, or read them if they were measured before.

    Parameters
    ----------
    path
        File in which they are kept.
    jobs
        One run per sequence, model and kind of method, in any order, with its tasks.

    Returns
    -------
    list of StepCost
        One per run of a kind in :data:`MEASURED`.
    """
    chosen = [(job, tasks) for job, tasks in jobs if job.method.kind in MEASURED]
    identity = [job.identity for job, _ in chosen]
    try:
        kept = read_record(path, _Kept)
        if kept.identity == identity:
            return kept.costs
    except ResultError:
        pass
    costs: list[StepCost] = []
    groups: dict[tuple[str, str], list[tuple[Job, TaskSequence]]] = {}
    for job, tasks in chosen:
        groups.setdefault((job.sequence, job.model), []).append((job, tasks))
    with one_thread():
        for group in groups.values():
            costs += _measure([job for job, _ in group], group[0][1])
    write_text(path, _Kept(identity=identity, costs=costs).model_dump_json(indent=2) + "\n")
    return costs


def _measure(jobs: Sequence[Job], sequence: TaskSequence) -> list[StepCost]:
    samples = bin_samples(sequence.tasks[0].train, jobs[0].preset)
    size = min(jobs[0].preset.training.batch_size, len(samples))
    batch, rate = samples.batch(np.arange(size)), jobs[0].preset.training.learning_rate
    rules = [make_rule(job, make_model(job, samples)[0]) for job in jobs]
    seconds: list[list[float]] = [[] for _ in jobs]
    after = [0.0 for _ in jobs]
    for step in range(_FIRST + _STEPS):
        for k, rule in enumerate(rules):
            with offered_classes(rule.model, sequence.offered):
                if step == _FIRST and isinstance(rule, ConsolidatingRule):
                    began = time.process_time()
                    rule.end_task(samples)
                    after[k] = time.process_time() - began
                began = time.process_time()
                rule.update(batch, rate)
                seconds[k].append(time.process_time() - began)
    return [
        _cost(job, rule, statistics.median(taken[_FIRST:]), last, size)
        for job, rule, taken, last in zip(jobs, rules, seconds, after, strict=True)
    ]


def _cost(job: Job, rule: BackPropagation, step: float, after: float, size: int) -> StepCost:
    parameters, kind = rule.model.n_parameters(), job.method.kind
    return StepCost(
        tasks=job.sequence,
        model=job.model,
        kind=kind,
        parameters=parameters,
        batch_size=size,
        step_seconds=step,
        consolidation_seconds=after,
        kept_numbers=_KEPT[kind] * parameters,
        added_operations=_OPERATIONS[kind] * parameters,
    )
