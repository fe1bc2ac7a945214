"""The page of finished studies, as Markdown.

The introduction is ``page.md`` in this folder; everything after it comes from the reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from spikebench.continual.permuted import NAME
from spikebench.errors import ResultError
from spikebench.pruning.report import PruningReport, PruningRow, epochs_text, table_lines
from spikebench.pruning.speed import LayerTime
from spikebench.records.strict_json import read_record
from spikebench.sweeps.study_folder import refuse_twice

__all__ = ["page_text", "picture_name", "read_studies"]

_OF_PAPER = 0.03  # the density of the finding
_FASTER = 0.8  # relative time below which a layer is said to be faster


def read_studies(folders: Sequence[Path]) -> list[tuple[PruningReport, str]]:
    """Read the reports of finished studies, and their commands.

    Parameters
    ----------
    folders
        Folders of studies.

    Returns
    -------
    list of (PruningReport, str)
        In the same order.

    Raises
    ------
    ResultError
        If a folder has no report or command, runs of it failed, or a study is given twice.
    """
    found: list[tuple[PruningReport, str]] = []
    for folder in folders:
        path, command = folder / "pruning.json", folder / "command.txt"
        if not (path.is_file() and command.is_file()):
            raise ResultError(
                f"{folder}: has no pruning.json and command.txt; finish the study first"
            )
        report = read_record(path, PruningReport)
        if report.failed:
            raise ResultError(f"{folder}: {len(report.failed)} runs failed; repeat the study first")
        found.append((report, command.read_text(encoding="utf-8").strip()))
    names = [[picture_name("", report, one.model) for one in report.models] for report, _ in found]
    refuse_twice(folders, names)
    return found


def picture_name(stem: str, report: PruningReport, model: str) -> str:
    """Name the picture of a model.

    Parameters
    ----------
    stem
        First part of the name.
    report, model
        The study and the model.

    Returns
    -------
    str
        A file name without characters that an address would have to escape.
    """
    parts = [stem, report.dataset.name, model]
    return (
        "-".join("".join(c if c.isalnum() or c in "-_" else "_" for c in part) for part in parts)
        + ".png"
    )


def page_text(studies: Sequence[tuple[PruningReport, str]], stem: str) -> str:
    """Write the page.

    Parameters
    ----------
    studies
        From :func:`read_studies`.
    stem
        First part of the names of the pictures, which are beside the page.

    Returns
    -------
    str
        Markdown.
    """
    source = resources.files("spikebench") / "pruning" / "page.md"
    lines = [source.read_text(encoding="utf-8").rstrip(), ""]
    for report, command in studies:
        lines += _study(report, command, stem)
    return "\n".join(lines).rstrip() + "\n"


def _study(report: PruningReport, command: str, stem: str) -> list[str]:
    data, ntt = report.dataset, report.settings.ntt
    synthetic = " (synthetic voices)" if data.synthetic else ""
    lines = [
        f"## Measured on {data.name}{synthetic}",
        "",
        f"`{command}`",
        "",
        f"{report.software}, {report.seeds} seeds, {report.train_samples:,} training samples, tested on "
        f"{report.tested_samples:,} {'held-out' if data.name == NAME else report.tested} samples, chance "
        f"{100 * report.chance:.1f} %; the test split was opened {report.test_opened} times. NTT: {ntt.steps:,} "
        f"steps of "
        f"{ntt.batch_size} samples, learning rate {ntt.learning_rate:g}, λ = {ntt.kernel_strength:g}, µ = "
        f"{ntt.norm_strength:g}, a new mask every {ntt.mask_every} steps, P = {ntt.projections}, kernel of "
        f"{'the kept' if ntt.kernel == 'kept' else 'all'} weights.",
        "",
    ]
    for model in report.models:
        rows = report.rows_of(model.model)
        training, preset = model.preset.training, model.preset.input
        kept = rows[0].kept
        tensors = " + ".join(f"{one.weights:,} (`{one.name}`)" for one in kept)
        inputs = model.preset.n_inputs(data.n_units)
        name = picture_name(stem, report, model.model)
        lines += [
            f"### {model.model}, {data.name}",
            "",
            f"{inputs} inputs, bins of {preset.time_step_ms:g} ms, weights {tensors}; {training.epochs} epochs, "
            f"batches of "
            f"{training.batch_size}, {training.optimizer} at {training.learning_rate:g}, schedule "
            f"{training.schedule}. Means in "
            "% with 95 % intervals over seeds; *weights kept* in the order of these tensors, of the first seed:",
            "",
            *table_lines(rows),
            "",
            *finding(rows),
            *_costs(rows),
            f"![accuracy against density and operations, {model.model}]({name})",
            "",
        ]
    return [*lines, *_speed(report.times)]


def finding(rows: Sequence[PruningRow]) -> list[str]:
    """Say whether the finding of the paper is confirmed: at 3 %, NTT is better than random masks, and faster.

    Parameters
    ----------
    rows
        The rows of a model.

    Returns
    -------
    list of str
        Lines of Markdown; empty without NTT and random masks.
    """
    pairs = {row.density: row for row in rows if row.method == "ntt" and row.gain is not None}
    if not pairs:
        return []
    density = min(pairs, key=lambda one: abs(one - _OF_PAPER))
    row = pairs[density]
    drawn = next(one for one in rows if (one.method, one.density) == ("random", density))
    assert row.gain is not None
    gain, part = 100 * row.gain.value, f"{100 * density:g} %"
    between = "no interval, too few seeds"
    if row.gain.low is not None and row.gain.high is not None:
        between = f"95 % interval {100 * row.gain.low:+.1f} … {100 * row.gain.high:+.1f}"
    verdict = "neither confirmed nor refuted: the interval includes 0"
    if row.gain.low is None:
        verdict = "not decided by these seeds"
    elif row.gain.low > 0:
        verdict = "confirmed for this network and data"
    elif row.gain.high is not None and row.gain.high < 0:
        verdict = "not confirmed: NTT is worse than random masks"
    others = [
        f"{100 * one.density:g} %: {100 * one.gain.value:+.1f}"
        for one in pairs.values()
        if one.gain is not None and one.density != density
    ]
    lines = [
        f"**The paper's finding** (with 3 % of the weights, NTT is more accurate than a random mask), here at "
        f"{part}: {verdict}. "
        f"Difference {gain:+.1f} points ({between})."
        + (f" At other densities: {', '.join(others)}." if others else ""),
        "",
        f"Epochs to 90 % of the dense accuracy at {part}: `ntt` {epochs_text(row)}, `random` {epochs_text(drawn)}."
        + _faster(row, drawn)
        + _best(rows, density),
        "",
    ]
    return [line.replace("-", "−") if line.startswith("**The") else line for line in lines]


def _faster(row: PruningRow, drawn: PruningRow) -> str:
    """Say what that means for the paper's second finding, that NTT learns faster."""
    if row.epochs is None and drawn.epochs is None:
        return " Neither reaches it, so this study does not show whether NTT learns faster."
    if row.reached != drawn.reached or row.epochs is None or drawn.epochs is None:
        return f" It is reached in {row.reached} and {drawn.reached} of the seeds."
    return ""


def _best(rows: Sequence[PruningRow], density: float) -> str:
    """Name the most accurate method at a density."""
    own = [row for row in rows if row.density == density and row.accuracy is not None]
    if not own:
        return ""
    best = max(own, key=lambda row: row.accuracy.value if row.accuracy else 0.0)
    assert best.accuracy is not None
    return f" The highest mean accuracy there is that of `{best.method}`, {100 * best.accuracy.value:.1f} %."


def _costs(rows: Sequence[PruningRow]) -> list[str]:
    """Write what NTT takes, and how near it comes to the teacher."""
    own = [row for row in rows if row.method == "ntt" and row.done]
    if not own:
        return []
    parts = []
    for row in own:
        last = [seed.distances[-1] for seed in row.done if seed.distances]
        if last:
            kernel, scores = (sum(one[k] for one in last) / len(last) for k in (1, 2))
            parts.append(f"{100 * row.density:g} %: {kernel:.2f} and {scores:.2f}")
    seconds = sum(row.choice_seconds for row in own) / len(own)
    training = sum(row.seconds for row in own) / len(own)
    return [
        f"NTT takes {seconds:.1f} s of processor time before training, training {training:.1f} s (means over "
        f"all densities). "
        "Distances of kernel and scores from the teacher after NTT, relative to those before: "
        f"{'; '.join(parts)}.",
        "",
    ]


def _speed(times: Sequence[LayerTime]) -> list[str]:
    if not times:
        return []
    first = times[0]
    lines = [
        "### Does the sparsity make a step faster?",
        "",
        f"Processor time of a layer of {first.units} neurons per time step of a batch of {first.batch_size}, "
        f"one thread, median of 21; "
        "the event kernels work on the spikes of the input and add whole rows of weights, zeros too. Both "
        "layers do the same "
        "work except for the zeros ([`speed.py`](../../spikebench/pruning/speed.py)).",
        "",
        "| layer | density | forward | relative | forward and gradients | relative |",
        "|---|---|---|---|---|---|",
    ]
    dense = {one.layer: one for one in times if one.density == 1}
    ratios = []
    for one in times:
        base = dense[one.layer]
        ratios.append(one.training_seconds / base.training_seconds)
        lines.append(
            f"| {one.layer}, {one.inputs} inputs | {100 * one.density:g} % | {1e6 * one.forward_seconds:.2f} µs | "
            f"{one.forward_seconds / base.forward_seconds:.2f} | {1e6 * one.training_seconds:.2f} µs | "
            f"{ratios[-1]:.2f} |"
        )
    low, high = min(ratios), max(ratios)
    verdict = (
        "Training is not faster: the kernels do not skip zero weights."
        if low > _FASTER
        else "Masked layers train faster here."
    )
    return [
        *lines,
        "",
        f"{verdict} Forward and gradients of masked layers take {low:.2f} to {high:.2f} of the time of the dense "
        "layer. A network can still train faster if it fires less. What sparsity saves is counted as effective "
        "operations, of which hardware that skips zeros can make use.",
        "",
    ]
