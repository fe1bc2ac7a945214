"""Tasks of rising difficulty, learned with every kind of feedback; resumable.

Every run is one JSON file. A run whose file exists, with the same settings, is not repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spikebench.errors import ResultError, TrainingError
from spikebench.patterns.network import PatternNetwork
from spikebench.patterns.task import (
    Feedback,
    Kind,
    PatternSettings,
    Trains,
    draw_inputs,
    draw_targets,
)
from spikebench.records.problems import first_problem
from spikebench.records.strict_json import read_json
from spikebench.records.whole_files import write_text
from spikebench.sweeps.study_folder import note_study, refuse_other_study

FEEDBACK: tuple[Feedback, ...] = ("symmetric", "random", "uniform")
_MOST_POINTS = 200  # of a curve
_LAST = 0.05  # part of the presentations whose mean is the final distance


class Task(NamedTuple):
    """A task: its kind, and the number of outputs."""

    kind: Kind
    outputs: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.outputs}"


TASKS = (Task("random", 1), Task("random", 8), Task("random", 64), Task("picture", 64))
Spike = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class PatternRun(BaseModel):
    """One run: distances relative to that of a silent network, and output spikes before and after learning.

    ``presentation`` and ``distance`` are the learning curve, means over pieces of it; spikes are (step, output).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    settings: PatternSettings
    kind: Kind
    outputs: int
    feedback: Feedback
    seed: int
    presentation: list[float]
    distance: list[float]
    initial: float
    final: float
    targets: list[Spike]
    before: list[Spike]
    after: list[Spike]


def parse_task(text: str) -> Task:
    """Parse a task like ``random:8`` or ``picture:64``.

    Parameters
    ----------
    text
        Kind and number of outputs.

    Returns
    -------
    Task
        The task.

    Raises
    ------
    TrainingError
        If it is not one.
    """
    kind, colon, number = text.partition(":")
    if not (colon and kind in ("random", "picture") and number.isascii() and number.isdigit()):
        raise TrainingError(f"task {text!r}: must be random:OUTPUTS or picture:OUTPUTS")
    if not 1 <= len(number) <= 4 or not 1 <= int(number) <= 1000:
        raise TrainingError(f"task {text!r}: 1 to 1000 outputs")
    return Task("random" if kind == "random" else "picture", int(number))


def learn(
    settings: PatternSettings,
    task: Task,
    feedback: Feedback,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
) -> PatternRun:
    """Learn one task.

    Parameters
    ----------
    settings, task, feedback, seed
        The run.
    progress
        Called with the number of presentations so far.

    Returns
    -------
    PatternRun
        The run.

    Raises
    ------
    TrainingError
        If the distance is no longer finite.
    """
    inputs, targets = draw_inputs(settings, seed), draw_targets(settings, *task, seed)
    network = PatternNetwork(settings, task.outputs, feedback, seed)
    silent = network.distance_of_silence(targets)
    distances = np.empty(settings.presentations)
    network.present(inputs, targets, learns=False)
    before = _listed(network.spikes[1])
    for k in range(settings.presentations):
        distances[k] = network.present(inputs, targets) / silent
        if not np.isfinite(distances[k]):
            raise TrainingError(
                f"patterns: the distance is no longer finite after {k + 1} presentations; try a lower learning_rate"
            )
        progress(k + 1)
    network.present(inputs, targets, learns=False)
    pieces = np.array_split(np.arange(distances.size), min(_MOST_POINTS, distances.size))
    last = max(round(_LAST * distances.size), 1)
    return PatternRun(
        settings=settings,
        kind=task.kind,
        outputs=task.outputs,
        feedback=feedback,
        seed=seed,
        presentation=[float(piece.mean() + 1) for piece in pieces],
        distance=[float(distances[piece].mean()) for piece in pieces],
        initial=float(distances[0]),
        final=float(distances[-last:].mean()),
        targets=_listed(targets),
        before=before,
        after=_listed(network.spikes[1]),
    )


def run_study(
    folder: Path,
    settings: PatternSettings,
    tasks: Sequence[Task] = TASKS,
    feedback: Sequence[Feedback] = FEEDBACK,
    seeds: int = 3,
    progress: Callable[[float, int], None] = lambda done, total: None,
) -> list[PatternRun]:
    """Learn all tasks with all kinds of feedback; runs that are in the folder are read.

    Parameters
    ----------
    folder
        Folder of the study.
    settings
        Settings of all runs.
    tasks, feedback
        What is combined.
    seeds
        Number of seeds, 0 … seeds − 1, each with weights, inputs and targets of its own.
    progress
        Called with the number of finished runs, with the fraction of the current one, and their total.

    Returns
    -------
    list of PatternRun
        By task, feedback, seed.

    Raises
    ------
    TrainingError
        If the folder contains another study, or a run with other settings, or a run fails.
    """
    refuse_other_study(folder, "patterns", None)
    folder.mkdir(parents=True, exist_ok=True)
    note_study(folder, "patterns", None)
    plan = [(task, kind, seed) for task in tasks for kind in feedback for seed in range(seeds)]
    found: list[PatternRun] = []
    for number, (task, kind, seed) in enumerate(plan):
        path = folder / f"{task.kind}-{task.outputs}-{kind}-seed{seed}.json"
        if path.exists():
            found.append(_read(path, settings, task, kind, seed))
        else:
            every = max(settings.presentations // 50, 1)

            def report(done: int, number: int = number, every: int = every) -> None:
                if done % every == 0:
                    progress(number + done / settings.presentations, len(plan))

            run = learn(settings, task, kind, seed, report)
            write_text(path, run.model_dump_json() + "\n")
            found.append(run)
        progress(number + 1, len(plan))
    return found


def _read(
    path: Path, settings: PatternSettings, task: Task, feedback: Feedback, seed: int
) -> PatternRun:
    try:
        run = PatternRun.model_validate(read_json(path))
    except ResultError as error:
        raise TrainingError(f"{error}; delete the file to compute it again") from None
    except ValidationError as error:
        raise TrainingError(
            f"{path}: {first_problem(error)}; delete the file to compute it again"
        ) from None
    same = (run.settings, run.kind, run.outputs, run.feedback, run.seed)
    if same != (settings, task.kind, task.outputs, feedback, seed):
        raise TrainingError(f"{path}: a run with other settings; choose another folder with -o")
    return run


def _listed(spikes: Trains) -> list[Spike]:
    return [(int(step), int(unit)) for step, unit in np.argwhere(spikes)]
