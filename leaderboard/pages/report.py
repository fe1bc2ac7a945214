"""A report of the measured entries in Markdown, for reading in a repository: a table per data set, the costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from leaderboard.claims.declaration import TRACKS
from leaderboard.claims.literature import Report
from leaderboard.standings.table import Row

_HEAD = (
    "| model | track | test [%] | seen | unseen | validation | parameters | AC | MAC | spikes | seeds |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
)
_NOTES = """\
Test: mean over the seeds and 95 % interval. Seen and unseen: test samples of speakers with and without training data.
AC and MAC: effective synaptic operations per sample, additions and multiply-accumulates; the pictures show their sum.
Spikes: of hidden neurons, per sample. An empty cell is not applicable or not known."""
# Figures of a paper beside ours on the same kind of data: our model -> the method in the literature.
_PAPER = "Cramer et al."
_IN_PAPER = {
    "lif": "Feed-forward LIF SNN (1-3 layers)",
    "rlif": "Recurrent LIF SNN, 128 units",
    "lstm": "LSTM (ANN)",
    "cnn": "CNN on spatio-temporal spike image (ANN)",
}
_LIKE_SHD = ("shd", "shd-r")


def unique_rows(rows: Sequence[Row]) -> list[Row]:
    """Select the first row of every entry that counts: not withdrawn, and with a protocol in use.

    Parameters
    ----------
    rows
        Rows of all boards; an entry may have one per track.

    Returns
    -------
    list of Row
        By data set, then by falling test accuracy.
    """
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        if not row.withdrawn and row.protocol_in_use:
            first.setdefault((row.dataset, row.id), row)
    return sorted(first.values(), key=lambda row: (row.dataset, -row.test_accuracy, row.id))


def report_markdown(
    rows: Sequence[Row], reports: Sequence[Report], pictures: Mapping[str, str]
) -> str:
    """Write the report.

    Parameters
    ----------
    rows
        From :func:`unique_rows`.
    reports
        The literature.
    pictures
        Path of the picture of costs, relative to the report, for each data set.

    Returns
    -------
    str
        Markdown.
    """
    parts = [
        "# Results",
        "Generated from the entries by `spikebench leaderboard report -o docs/results.md`; do not edit. Every row is "
        "an entry that anyone can recompute from its predictions (`spikebench leaderboard check`) and train again with "
        "the command on its page (`spikebench leaderboard build`).",
        _NOTES,
    ]
    for dataset, group in groupby(rows, key=lambda row: row.dataset):
        parts.extend(_section(dataset, list(group), reports, pictures.get(dataset)))
    return "\n\n".join(parts) + "\n"


def _section(
    dataset: str, rows: Sequence[Row], reports: Sequence[Report], picture: str | None
) -> list[str]:
    first = rows[0]
    voices = ", synthetic voices" if first.synthetic else ""
    parts = [
        f"## {_cell(dataset)}",
        f"{first.test_samples:,} test samples{voices}; protocol {_cell(first.protocol)}, data "
        f"`{(first.data_fingerprint or first.data_sha256)[:12]}`.",
        "\n".join([*_HEAD, *map(_line, rows)]),
    ]
    if picture is not None:
        parts.append(f"![Test accuracy against costs on {_cell(dataset)}]({picture})")
    beside = _beside_paper(rows, reports) if dataset in _LIKE_SHD else []
    return [*parts, *(["\n".join(beside)] if beside else [])]


def _line(row: Row) -> str:
    half = 100 * (row.test_high - row.test_low) / 2
    cells = [
        f"{_cell(row.name)}{' (refitted)' if row.refitted else ''}",
        TRACKS[row.track].partition(":")[0],
        f"{100 * row.test_accuracy:.1f} ± {half:.1f}",
        *(_percent(value) for value in (row.seen_accuracy, row.unseen_accuracy)),
        _percent(row.validation_accuracy),
        f"{row.parameters:,}",
        _short(row.effective_ac),
        _short(row.effective_mac),
        _short(row.spikes_per_sample) if row.spiking else "",
        str(row.seeds),
    ]
    return "| " + " | ".join(cells) + " |"


def _beside_paper(rows: Sequence[Row], reports: Sequence[Report]) -> list[str]:
    """Compare with the paper that introduced the data set, on its own spikes."""
    said = {
        report.method: report.accuracy_percent
        for report in reports
        if report.dataset == "SHD" and report.authors == _PAPER
    }
    best = {row.model: row for row in reversed(rows)}
    lines = [
        f"| {model} | {said[method]:.1f} | {100 * best[model].test_accuracy:.1f} | "
        f"{100 * best[model].test_accuracy - said[method]:+.1f} |"
        for model, method in _IN_PAPER.items()
        if model in best and method in said
    ]
    if not lines:
        return []
    head = [
        "| model | Cramer et al. (2020), SHD [%] | here [%] | difference |",
        "|---|---|---|---|",
    ]
    return [*head, *lines]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _short(value: float | None) -> str:
    if value is None:
        return ""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _cell(text: str) -> str:
    """Escape what would end a cell or start a link, tag or emphasis."""
    return "".join(f"\\{letter}" if letter in "\\|<>[]`*_" else letter for letter in text)
