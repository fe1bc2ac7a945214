"""The page of finished studies, as Markdown.

The introduction is ``page.md`` in this folder; everything after it comes from the reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from spikebench.continual.permuted import NAME
from spikebench.continual.report import (
    ContinualReport,
    ContinualRow,
    ReportedModel,
    ReportedTasks,
    table_lines,
)
from spikebench.errors import ResultError
from spikebench.records.strict_json import read_record
from spikebench.sweeps.study_folder import refuse_twice

__all__ = ["page_text", "picture_name", "read_reports"]

# Mean accuracies in % after ten tasks of permuted MNIST in Zenke et al. 2017: the authors' published results.
_PAPER = {"none": 57.41, "si:0.01": 92.00, "si:0.02": 93.91, "si:0.1": 96.94}
_LITTLE = 0.2  # accuracy above chance below which a table says that little was learned
_SAYS = {
    "permutations": "ten orders of the pixels, one head, chance {chance}",
    "pairs": "pairs of classes, masked heads, chance {chance}",
    "pairs:single": "pairs of classes, one head for all classes, chance {chance}",
    "languages": "English, then German digits, masked heads, chance {chance}",
    "languages:single": "English, then German digits, one head for all classes, chance {chance}",
    "speakers": "speaker after speaker, one head, chance {chance}",
}


def read_reports(folders: Sequence[Path]) -> list[ContinualReport]:
    """Read the reports of finished studies.

    Parameters
    ----------
    folders
        Folders of studies.

    Returns
    -------
    list of ContinualReport
        In the same order.

    Raises
    ------
    ResultError
        If a folder has no report, runs of it failed, or a study is given twice.
    """
    found = []
    for folder in folders:
        path = folder / "continual.json"
        if not path.is_file():
            raise ResultError(f"{folder}: has no continual.json; finish the study first")
        report = read_record(path, ContinualReport)
        if report.failed:
            raise ResultError(f"{folder}: {len(report.failed)} runs failed; repeat the study first")
        found.append(report)
    names = [
        [
            picture_name("", report, tasks.name, model.model)
            for tasks in report.tasks
            for model in report.models
        ]
        for report in found
    ]
    refuse_twice(folders, names)
    return found


def picture_name(stem: str, report: ContinualReport, tasks: str, model: str) -> str:
    """Name the picture of a sequence and a model.

    Parameters
    ----------
    stem
        First part of the name.
    report, tasks, model
        The study, the sequence and the model.

    Returns
    -------
    str
        A file name without characters that an address would have to escape.
    """
    parts = [stem, report.dataset.name, tasks.replace(":", "-"), model]
    return (
        "-".join("".join(c if c.isalnum() or c in "-_" else "_" for c in part) for part in parts)
        + ".png"
    )


def page_text(reports: Sequence[ContinualReport], commands: Sequence[str], stem: str) -> str:
    """Write the page.

    Parameters
    ----------
    reports
        The studies.
    commands
        The command of each.
    stem
        First part of the names of the pictures, which are beside the page.

    Returns
    -------
    str
        Markdown.
    """
    source = resources.files("spikebench") / "continual" / "page.md"
    lines = [source.read_text(encoding="utf-8").rstrip(), ""]
    for report, command in zip(reports, commands, strict=True):
        lines += _study(report, command, stem)
    return "\n".join(lines).rstrip() + "\n"


def _study(report: ContinualReport, command: str, stem: str) -> list[str]:
    data = report.dataset
    synthetic = " (synthetic voices)" if data.synthetic else ""
    settings = report.settings
    part = (
        ""
        if settings.train_fraction == 1
        else f" {100 * settings.train_fraction:.0f} % of the training samples of each task are used."
    )
    lines = [
        f"## Measured on {data.name}{synthetic}",
        "",
        f"`{command}`",
        "",
        f"{report.software}, {report.seeds} seeds, tested on "
        + ("held-out" if data.name == NAME else report.tested)
        + f" samples; the test split was opened {report.test_opened} times. ξ = {settings.damping:g}, "
        f"{settings.fisher_samples} Fisher samples, optimiser {settings.optimizer_state} at the start of a task.{part}",
        "",
    ]
    for tasks in report.tasks:
        for model in report.models:
            lines += _section(report, tasks, model, stem)
    if report.costs:
        lines += _costs(report)
    return lines


def _section(
    report: ContinualReport, tasks: ReportedTasks, model: ReportedModel, stem: str
) -> list[str]:
    rows = report.rows_of(tasks.name, model.model)
    training, preset = model.preset.training, model.preset.input
    inputs = model.preset.n_inputs(report.dataset.n_units)
    says = _SAYS[tasks.name].format(chance=f"{100 * tasks.chance:.1f} %")
    lines = [
        f"### {tasks.name}, {model.model}",
        "",
        f"{len(tasks.tasks)} tasks: {says}. Per task {_range(tasks.train_samples)} training and "
        f"{_range(tasks.tested_samples)} tested samples; {inputs} inputs, bins of {preset.time_step_ms:g} ms, "
        f"{rows[0].parameters:,} parameters, {training.epochs} epochs a task, batches of {training.batch_size}, "
        f"{training.optimizer} at {training.learning_rate:g}. Means in % with 95 % intervals over seeds:",
        "",
        *table_lines(rows),
        "",
        *_finding(rows, tasks.chance),
    ]
    kept = [row for row in rows if row.kept_samples]
    if kept:
        words = [
            f"`{row.method}` keeps {row.kept_samples} samples with {row.kept_spikes:,} spikes"
            for row in kept
        ]
        lines += ["; ".join(words) + " after the last task.", ""]
    if report.dataset.name == NAME:
        lines += _paper(report, tasks.name, model.model)
    name = picture_name(stem, report, tasks.name, model.model)
    return [*lines, f"![accuracy on every task after every task, {tasks.name}]({name})", ""]


def _finding(rows: Sequence[ContinualRow], chance: float) -> list[str]:
    """Say whether the average accuracy of synaptic intelligence differs from that of fine-tuning."""
    held = [row for row in rows if row.kind == "si" and row.strength and row.change]
    plain = next((row for row in rows if row.kind == "none"), None)
    if not held or plain is None or plain.forgetting is None:
        return []
    words = []
    if plain.forgetting.low is None or plain.forgetting.low <= 0:
        words.append("No forgetting of fine-tuning is significant: its interval includes 0.")
    if plain.learned is not None and plain.learned.value < chance + _LITTLE:
        words.append(
            f"Directly after their training, tasks are at {100 * plain.learned.value:.1f} %, with chance at "
            f"{100 * chance:.1f} %: little is learned that could be forgotten."
        )
    better = [row for row in held if row.change and (row.change.low or 0.0) > 0]
    worse = [row for row in held if row.change and (row.change.high or 0.0) < 0]
    for found, what in ((better, "above"), (worse, "below")):
        if found:
            best = max(found, key=lambda row: abs(row.change.value) if row.change else 0.0)
            assert best.change is not None
            change = 100 * best.change.value
            words.append(
                f"The average accuracy of synaptic intelligence is {what} that of fine-tuning, by {abs(change):.1f} "
                f"points with `{best.method}`."
            )
    if not better and not worse:
        words.append(
            "No difference between synaptic intelligence and fine-tuning is significant: the intervals of the change "
            "include 0."
        )
    return [" ".join(words), ""]


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _paper(report: ContinualReport, tasks: str, model: str) -> list[str]:
    """Write a table of the accuracies and those of the paper on permuted MNIST."""
    lines = [
        "For comparison, the authors' published results on permuted MNIST (784-2000-2000-10, 60,000 training samples "
        "a task; mean after the tenth task). A strength c is not comparable: data, network and number of steps differ.",
        "",
        "| method | permuted MNIST, authors | here |",
        "|---|---|---|",
    ]
    for row in report.rows_of(tasks, model):
        if row.kind in ("none", "si") and row.average is not None:
            theirs = f"{_PAPER[row.method]:.1f}" if row.method in _PAPER else "–"
            lines.append(f"| `{row.method}` | {theirs} | {100 * row.average.value:.1f} |")
    return [*lines, ""]


def _costs(report: ContinualReport) -> list[str]:
    lines = [
        f"### Costs of a step on {report.dataset.name}",
        "",
        "Processor time of one step on one thread, the methods in turn on the same batch (median of 30), and of "
        "computing the importances after a task; numbers kept between steps and operations added to a step, counted "
        "from the equations.",
        "",
        "| tasks | model | method | step | relative | after a task | kept numbers | added operations |",
        "|---|---|---|---|---|---|---|---|",
    ]
    plain = {
        (cost.tasks, cost.model): cost.step_seconds for cost in report.costs if cost.kind == "none"
    }
    for cost in report.costs:
        base = plain.get((cost.tasks, cost.model))
        ratio = f"{cost.step_seconds / base:.2f}" if base else "–"
        lines.append(
            f"| {cost.tasks} | {cost.model} | `{cost.kind}` | {1e3 * cost.step_seconds:.2f} ms | {ratio} | "
            f"{1e3 * cost.consolidation_seconds:.1f} ms | {cost.kept_numbers:,} | {cost.added_operations:,} |"
        )
    return [*lines, ""]
