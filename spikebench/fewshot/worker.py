"""One run: meta-train a network, then adapt it to new tasks.

The folder of a run::

    run.json                what was trained, and how often the test split was opened
    state.safetensors       weights, state of Adam, best weights; continued when the run is started again
    history.csv             meta-loss and accuracy in validation tasks, by iteration
    curve-validation.json   accuracy in every task after every number of inner steps; curve-test.json with --test
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from torch.nn.functional import cross_entropy

from spikebench.errors import ProtocolError, ResultError, TrainingError
from spikebench.events.batches import BinnedSamples
from spikebench.events.dataset import SpikeDataset
from spikebench.fewshot.settings import FewShotInput, FewShotSettings
from spikebench.fewshot.tasks import Pool, Tasks, TaskSource
from spikebench.kernels.choice import choose_kernels
from spikebench.learning.maml import (
    IGNORED,
    SECOND_ORDER,
    Method,
    adapted_names,
    check_class,
    check_model,
    inner_step,
    query_loss,
    readout_names,
    start,
)
from spikebench.learning.task_batches import Weights, runs_at_once, task_scores
from spikebench.models.base import Classifier, DataShape, model_class
from spikebench.models.configs.base import ModelConfig
from spikebench.presets.preset import make_lists, read_preset
from spikebench.protocol.few_shot import FIRST_EVALUATED, Kind, Purpose, usable_samples
from spikebench.protocol.opening import SelectionData, open_test
from spikebench.protocol.results import DatasetRecord
from spikebench.records.csv_text import csv_text
from spikebench.records.fields import Count, Fraction, Name, NonNegative, Record
from spikebench.records.problems import first_problem
from spikebench.records.strict_json import read_record
from spikebench.records.whole_files import file_sha256, write_text
from spikebench.sweeps.worker import FAILURES, open_once, reason
from spikebench.training.inference import one_thread, seed_of
from spikebench.training.run import load_tensors, locked, save_tensors

__all__ = ["Curve", "FewShotJob", "Outcome", "RunFile", "build", "open_tasks", "run_job"]

Tested = Literal["validation", "test"]
RUN, STATE, HISTORY = "run.json", "state.safetensors", "history.csv"
_AT_ONCE = 20  # tasks of the evaluation in one pass
MAX_CURVE_BYTES = 256 * 1024 * 1024


class RunFile(Record):
    """Contents of ``run.json``: what is trained on which data.

    ``opened_for`` is the SHA-256 of the weights and settings for which the test split was opened last: the same test,
    repeated after an interruption, counts once.
    """

    format_version: Literal[1] = 1
    kind: Kind
    model: Name
    method: Method
    bits: Count
    seed: Count
    settings: FewShotSettings
    dataset: DatasetRecord
    test_opened: Count = 0
    opened_for: str = Field(default="", exclude_if=lambda opening: not opening)

    def is_same(self, other: RunFile) -> bool:
        """Whether both are the same training."""
        # The number of evaluated tasks may differ: only the curve is then computed again.
        mine, its = (
            one.model_dump(
                exclude={
                    "test_opened": True,
                    "opened_for": True,
                    "settings": {"evaluation"},
                    "dataset": True,
                }
            )
            for one in (self, other)
        )
        return mine == its and not self.dataset.first_difference(other.dataset)


class Curve(Record):
    """Contents of ``curve-validation.json`` or ``curve-test.json``.

    ``accuracies`` has one row per task, with the accuracy in its queries after 0 … J inner steps. ``steps`` and
    ``step_size`` were selected in validation tasks. ``seconds`` is the median processor time of a meta-batch (a batch
    for ``finetune``), ``graph_bytes`` the memory of the values kept for the gradients of one task (one batch).
    """

    format_version: Literal[1] = 1
    evaluation: dict[str, Any]
    accuracies: list[list[Fraction]]
    steps: Count
    step_size: NonNegative
    chance: Fraction
    n_parameters: Count
    seconds: NonNegative
    graph_bytes: Count
    iteration: Count = Field(description="of the selected weights")
    validation_accuracy: Fraction | None = Field(
        default=None, exclude_if=lambda found: found is None
    )
    label: list[list[Count]] = Field(default=[], exclude_if=lambda labels: not labels)
    predicted: list[list[Count]] = Field(default=[], exclude_if=lambda answers: not answers)


@dataclass(frozen=True)
class FewShotJob:
    """One run as sent to a worker; every path is absolute."""

    folder: Path
    run: RunFile
    data: str
    tested: Tested


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run: its curve and how often the test split was opened; or the reason why it failed."""

    curve: Curve | None
    test_opened: int = 0
    failed: str = ""


@dataclass
class _State:
    """State of a training: iterations that are done, weights, Adam, the best weights, and the history."""

    iteration: int
    optimizer: torch.optim.Optimizer
    best: Weights
    best_iteration: int
    history: list[tuple[int, float, float]]
    seconds: list[float]
    graph_bytes: int = 0


def open_tasks(
    selection: SelectionData, settings: FewShotSettings, kind: Kind, purpose: Purpose
) -> TaskSource:
    """Open the tasks for a purpose; the test split is opened for ``test`` only.

    Parameters
    ----------
    selection
        The data.
    settings
        Bins and tasks.
    kind, purpose
        Kind of the tasks and what they are for.

    Returns
    -------
    TaskSource
        The tasks.

    Raises
    ------
    ProtocolError
        If there are too few classes, speakers or samples.
    """
    tasks = getattr(settings, kind)
    duration = tasks.duration_ms or settings.input.duration_ms
    n_steps = max(round(duration / settings.input.time_step_ms), 1)
    dataset = selection.dataset
    if purpose == "test":
        samples = open_test(selection)
        only = dataset.split.test_only_speakers
        samples = samples.subset(usable_samples(kind, purpose, samples.speakers, only))
        pool = _pool_of(samples, settings.input, n_steps)
    else:
        pool = _pool(selection.data, dataset.sha256, purpose, settings.input, n_steps)
    if -1 in pool.speakers:
        raise ProtocolError(
            f"{dataset.name}: some samples have no speaker, which few-shot tasks need; convert them with speakers"
        )
    return TaskSource(pool, kind, purpose, tasks, len(dataset.classes), dataset.name)


@lru_cache(maxsize=4)
def _pool(data: str, sha256: str, purpose: Purpose, settings: FewShotInput, n_steps: int) -> Pool:
    selection = open_once(data, sha256)
    samples = selection.train if purpose == "train" else selection.validation
    return _pool_of(samples, settings, n_steps)


def _pool_of(samples: SpikeDataset, settings: FewShotInput, n_steps: int) -> Pool:
    binned = BinnedSamples(
        samples,
        time_step=settings.time_step_ms * 1e-3,
        n_steps=settings.n_steps,
        mode=settings.mode,
        group_units=settings.group_units,
    )
    return Pool(binned, n_steps, settings.most_takes)


def build(run: RunFile, data: str, tasks: TaskSource, n_outputs: int) -> Classifier:
    """Build the network of a run with its initial weights, which are determined by the seed.

    Parameters
    ----------
    run
        The run.
    data
        Name of the data set, whose preset has the configuration that ``settings`` does not change.
    tasks
        Tasks for meta-training, which have the shape of the input.
    n_outputs
        Outputs of the network.

    Returns
    -------
    Classifier
        In the mode of inference: without dropout.

    Raises
    ------
    TrainingError
        If the model or its configuration cannot be used.
    """
    kind, pool, config = model_class(run.model), tasks.pool, config_of(run, data)
    shape = DataShape(
        n_units=pool.n_units,
        n_classes=n_outputs,
        n_steps=pool.n_steps,
        time_step=pool.time_step,
        input_rate=pool.input_rate,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(run.seed, 0))
        model = kind(config, shape)
    check_model(run.model, model, run.method, run.settings.meta.kernels)
    return model.eval()


def config_of(run: RunFile, data: str) -> ModelConfig:
    """Read the configuration of the network of a run.

    Parameters
    ----------
    run, data
        As for :func:`build`.

    Returns
    -------
    ModelConfig
        That of the preset, with the changes of the settings.

    Raises
    ------
    TrainingError
        If the model or its configuration cannot be used.
    """
    kind = model_class(run.model)
    check_class(run.model, kind)
    table = read_preset(run.model, None, (), data).model | run.settings.network(run.model).config
    make_lists(table, kind.Config)
    try:
        return kind.Config.model_validate(table)
    except ValidationError as error:
        raise TrainingError(f"model {run.model}: {first_problem(error, kind.Config)}") from None


def run_job(job: FewShotJob, look: Callable[[], None] = lambda: None) -> Outcome:
    """Train a run to its end, if it is not trained, and evaluate it.

    Parameters
    ----------
    job
        The run.
    look
        Called after every iteration.

    Returns
    -------
    Outcome
        A failed run raises no exception.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(job.folder), one_thread():
            return _run(job, look)
    except FAILURES as error:
        return Outcome(None, failed=reason(error))


def _run(job: FewShotJob, look: Callable[[], None]) -> Outcome:
    path = job.folder / RUN
    run = read_record(path, RunFile) if path.exists() else job.run
    counted = {"test_opened": run.test_opened, "opened_for": run.opened_for}
    run = job.run.model_copy(update=counted)
    write_text(path, run.model_dump_json(indent=2) + "\n")
    selection = open_once(job.data, run.dataset.sha256)
    train = open_tasks(selection, run.settings, run.kind, "train")
    n_outputs = len(train.classes) if run.method == "finetune" else train.n_outputs
    model = build(run, job.data, train, n_outputs)
    state = _resume(job.folder, model, run)
    total = (
        run.settings.pretrain.iterations
        if run.method == "finetune"
        else run.settings.meta.iterations
    )
    validation = open_tasks(selection, run.settings, run.kind, "validation")
    while state.iteration < total:
        began = time.process_time()
        loss = _iteration(model, state, run, train)
        state.seconds.append(time.process_time() - began)
        if not np.isfinite(loss):
            raise TrainingError(
                f"the loss is not finite in iteration {state.iteration}; reduce the step size of {run.model} or "
                "meta.learning_rate"
            )
        if state.iteration % run.settings.meta.validate_every == 0 or state.iteration == total:
            _validate(model, state, run, validation, loss)
            _save(job.folder, model, state)
        look()
    kept = job.folder / f"curve-{job.tested}.json"
    evaluation = run.settings.evaluation.model_dump(mode="json")
    try:
        found = read_record(kept, Curve, MAX_CURVE_BYTES)
    except ResultError:
        found = None
    if found is None or found.evaluation != evaluation or found.iteration != state.best_iteration:
        tasks = validation
        if job.tested == "test":
            run = _counted(job.folder, run, evaluation)
            tasks = open_tasks(selection, run.settings, run.kind, "test")
        found = _evaluate(model, state, run, job.data, train, validation, tasks)
        write_text(kept, found.model_dump_json() + "\n")
    return Outcome(found, run.test_opened)


def _counted(folder: Path, run: RunFile, evaluation: dict[str, Any]) -> RunFile:
    """Count an opening of the test split, unless it was opened for the same weights and settings before."""
    said = f"{file_sha256(folder / STATE)} {json.dumps(evaluation, sort_keys=True)}"
    opening = hashlib.sha256(said.encode()).hexdigest()
    if run.opened_for == opening:
        return run
    update = {"test_opened": run.test_opened + 1, "opened_for": opening}
    counted = run.model_copy(update=update)
    write_text(folder / RUN, counted.model_dump_json(indent=2) + "\n")
    return counted


def _iteration(model: Classifier, state: _State, run: RunFile, tasks: TaskSource) -> float:
    """Take one step of Adam; return the mean loss before it."""
    settings = run.settings
    state.optimizer.zero_grad(set_to_none=True)
    size = 0

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal size
        size += tensor.numel() * tensor.element_size()
        return tensor

    # Only the first one is measured: hooks take time.
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with nullcontext() if state.graph_bytes else hooks:
        weights: Weights = dict(model.named_parameters())
        loss = _loss(model, weights, state.iteration, run, tasks)
    if not state.graph_bytes:
        state.graph_bytes = size // (1 if run.method == "finetune" else settings.meta.tasks)
    loss.backward()  # type: ignore[no-untyped-call]
    if settings.meta.gradient_norm:
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.meta.gradient_norm)
    state.optimizer.step()
    state.iteration += 1
    return float(loss.detach())


def _loss(
    model: Classifier, weights: Weights, iteration: int, run: RunFile, tasks: TaskSource
) -> torch.Tensor:
    settings = run.settings
    if run.method == "finetune":
        model.kernels = choose_kernels("cpu", "events")
        batch = tasks.labelled(run.seed, iteration, settings.pretrain.batch_size)
        return cross_entropy(model(batch).scores, batch.labels)
    second = run.method in SECOND_ORDER
    model.kernels = choose_kernels("cpu", settings.meta.kernels if second else "events")
    first = iteration * settings.meta.tasks
    drawn = tasks.draw(run.seed, range(first, first + settings.meta.tasks))
    return query_loss(
        model,
        weights,
        drawn.support,
        drawn.query,
        drawn.n_tasks,
        run.method,
        settings.step_size(run.model, run.kind),
        settings.inner.steps,
        run.bits,
        at_once=settings.meta.kernels == "reference" and runs_at_once(model),
    )


def _validate(
    model: Classifier, state: _State, run: RunFile, tasks: TaskSource, loss: float
) -> None:
    """Keep the weights with the best accuracy in validation tasks; the baseline keeps the last ones."""
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    if run.method == "finetune":
        state.best, state.best_iteration = weights, state.iteration
        state.history.append((state.iteration, loss, 0.0))
        return
    numbers = range(run.settings.meta.validation_tasks)
    size = run.settings.step_size(run.model, run.kind)
    curves = _accuracies(*_adapt_all(model, weights, run, tasks, numbers, size))
    accuracy = float(curves.mean(0).max())
    if accuracy > max((one[2] for one in state.history), default=-1.0):
        state.best, state.best_iteration = weights, state.iteration
    state.history.append((state.iteration, loss, accuracy))


def _adapt_all(
    model: Classifier,
    weights: Weights,
    run: RunFile,
    tasks: TaskSource,
    numbers: range,
    step_size: float,
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Adapt to tasks; return labels (query,) and predictions (1 + steps, query) of every task, int64."""
    model.kernels = choose_kernels("cpu", "events")
    names, steps = adapted_names(model, run.method), run.settings.evaluation.steps
    at_once = runs_at_once(model)
    labels: list[NDArray[np.int64]] = []
    predicted: list[NDArray[np.int64]] = []
    for first in range(numbers.start, numbers.stop, _AT_ONCE):
        drawn = tasks.draw(run.seed, range(first, min(first + _AT_ONCE, numbers.stop)))
        now = _leaves(start(weights, drawn.n_tasks, run.bits))
        answers = [_answers(model, now, drawn, at_once)]
        for _ in range(steps):
            after = inner_step(
                model, now, drawn.support, names, step_size, run.bits, at_once=at_once
            )
            now = _leaves(after)
            answers.append(_answers(model, now, drawn, at_once))
        asked = drawn.query.labels.view(drawn.n_tasks, -1).numpy()
        for number, row in enumerate(asked):
            is_query = row != IGNORED
            labels.append(row[is_query])
            predicted.append(np.stack([one[number, is_query] for one in answers]))
    return labels, predicted


def _leaves(weights: Weights) -> Weights:
    return {name: weight.detach().requires_grad_() for name, weight in weights.items()}


@torch.no_grad()
def _answers(model: Classifier, weights: Weights, drawn: Tasks, at_once: bool) -> NDArray[np.int64]:
    """Answer the queries of every task, int64, shape (task, query)."""
    predicted: NDArray[np.int64] = (
        task_scores(model, weights, drawn.query, at_once).argmax(2).numpy()
    )
    return predicted


def _accuracies(
    labels: list[NDArray[np.int64]], predicted: list[NDArray[np.int64]]
) -> NDArray[np.float64]:
    """Compute the accuracy of every task after every step, float64, shape (task, 1 + steps)."""
    both = zip(labels, predicted, strict=True)
    return np.stack([(answers == label).mean(axis=1) for label, answers in both])


def _evaluate(
    model: Classifier,
    state: _State,
    run: RunFile,
    data: str,
    train: TaskSource,
    validation: TaskSource,
    tasks: TaskSource,
) -> Curve:
    """Select the number of steps (for the baseline their size too) in validation tasks; adapt to the tasks."""
    settings, weights = run.settings, state.best
    sizes: tuple[float, ...] = (settings.step_size(run.model, run.kind),)
    if run.method == "finetune":
        sizes = settings.evaluation.finetune_step_sizes
        if run.kind != "speaker":  # new classes: a new read-out, whose weights start at 0
            model = build(run, data, train, train.ways)
            new: Weights = dict(model.named_parameters())
            readout = readout_names(model)
            weights = {
                name: torch.zeros_like(p) if name in readout else weights[name]
                for name, p in new.items()
            }
    selecting = range(settings.meta.validation_tasks)
    best = (-1.0, 0.0, 0)
    for size in sizes:
        found = _adapt_all(model, weights, run, validation, selecting, size)
        means = _accuracies(*found).mean(0)
        steps = int(means.argmax())
        best = max(best, (float(means[steps]), size, steps), key=lambda one: one[0])
    numbers = range(FIRST_EVALUATED, FIRST_EVALUATED + settings.evaluation.tasks)
    labels, predicted = _adapt_all(model, weights, run, tasks, numbers, best[1])
    is_test = tasks.purpose == "test"
    return Curve(
        evaluation=settings.evaluation.model_dump(mode="json"),
        accuracies=_accuracies(labels, predicted).tolist(),
        steps=best[2],
        step_size=best[1],
        chance=tasks.chance,
        n_parameters=sum(weight.numel() for weight in weights.values()),
        seconds=float(np.median(state.seconds)),
        graph_bytes=state.graph_bytes,
        iteration=state.best_iteration,
        validation_accuracy=best[0] if is_test else None,
        label=[row.tolist() for row in labels] if is_test else [],
        predicted=[rows[best[2]].tolist() for rows in predicted] if is_test else [],
    )


def _resume(folder: Path, model: Classifier, run: RunFile) -> _State:
    """Continue from the state in the folder, or start."""
    rate = (
        run.settings.pretrain.learning_rate
        if run.method == "finetune"
        else run.settings.meta.learning_rate
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    state = _State(0, optimizer, {}, 0, [], [])
    if not (folder / STATE).exists():
        return state
    tensors, note = load_tensors(folder / STATE)
    try:
        parts: dict[str, dict[str, torch.Tensor]] = {"now": {}, "best": {}}
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            if part == "adam":
                number, _, slot = rest.partition(".")
                slots.setdefault(int(number), {})[slot] = tensor
            else:
                parts[part][rest] = tensor
        model.load_state_dict(parts["now"])
        optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})
        state.best = parts["best"]
        state.iteration, state.best_iteration = int(note["iteration"]), int(note["best"])
        state.history = [(int(i), float(a), float(b)) for i, a, b in note["history"]]
        state.seconds = [float(one) for one in note["seconds"]]
        state.graph_bytes = int(note["graph_bytes"])
    except (KeyError, ValueError, TypeError, RuntimeError):
        raise TrainingError(
            f"{folder / STATE}: is damaged or of another version; remove the folder and run again"
        ) from None
    return state


def _save(folder: Path, model: Classifier, state: _State) -> None:
    tensors: Weights = {f"now.{name}": p for name, p in model.named_parameters()}
    tensors |= {f"best.{name}": tensor for name, tensor in state.best.items()}
    tensors |= {
        f"adam.{number}.{slot}": value
        for number, slots in state.optimizer.state_dict()["state"].items()
        for slot, value in slots.items()
    }
    note = {
        "iteration": state.iteration,
        "best": state.best_iteration,
        "history": state.history,
        "seconds": state.seconds,
        "graph_bytes": state.graph_bytes,
    }
    save_tensors(folder / STATE, tensors, note)
    columns = ("iteration", "loss", "validation_accuracy")
    write_text(folder / HISTORY, csv_text([columns, *state.history]))
