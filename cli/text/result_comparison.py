"""Compared results in a terminal: accuracies, costs, and which of them differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from spikebench.evaluation.comparison import ResultComparison, Value
    from spikebench.metrics.significance import Estimate

# key of a metric → head of its column, factor from its unit to that of the column
_COSTS = {
    "footprint_bytes": ("kB", 1e-3),
    "effective_ac": ("additions", 1.0),
    "effective_mac": ("MACs", 1.0),
    "dense_operations": ("dense", 1.0),
    "neuron_updates": ("updates", 1.0),
    "spikes_per_inference": ("spikes", 1.0),
    "activation_sparsity": ("sparsity %", 100.0),
    "latency_to_95_percent_s": ("ms to 95 %", 1e3),
}


def print_comparison(comparison: ResultComparison, console: Console | None = None) -> None:
    """Print a comparison as tables.

    Parameters
    ----------
    comparison
        The comparison.
    console
        Where to print; standard output by default.
    """
    from rich.console import Console
    from rich.text import Text

    from spikebench.records.text import printable

    console = console or Console(highlight=False)
    data = comparison.results[0].result.dataset
    synthetic = " (synthetic)" if data.synthetic else ""
    console.print(Text(printable(data.name) + synthetic, style="bold"))
    console.print(
        Text(
            f"protocol {printable(data.split.protocol)}, {comparison.samples:,} test samples, "
            f"data {data.identity[:12]}",
            style="dim",
        )
    )
    console.print(_results(comparison))
    console.print()
    costs, reasons = _costs(comparison)
    if costs is not None:
        console.print(Text("Cost per sample, as stored in the results", style="bold"))
        console.print(costs)
        console.print()
    console.print(_pairs(comparison))
    console.print()
    for note in [*reasons, *_notes(comparison)]:
        console.print(Text(note, style="dim"))


def _table(first: str, heads: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, overflow="fold", ratio=1)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _results(comparison: ResultComparison) -> Table:
    from rich.text import Text

    from spikebench.evaluation.comparison import mean_over_seeds
    from spikebench.records.text import printable

    table = _table(
        "result", ("seeds", "test %", "95 % interval", "validation %", "params", "spikes")
    )
    for one in comparison.results:
        kind = "" if one.result.model.spiking else " (conventional)"
        kind += "" if one.has_logs else " (no log)"
        validation = mean_over_seeds(one.result, "validation_accuracy")
        spikes = mean_over_seeds(one.result, "spikes_per_sample")
        table.add_row(
            Text(printable(one.name) + kind),
            str(len(one.result.seeds)),
            f"{100 * one.accuracy.value:.1f}",
            _interval(one.accuracy, ""),
            "–" if validation is None else f"{100 * validation:.1f}",
            f"{one.result.model.parameters:,}",
            "–" if spikes is None else f"{spikes:,.0f}",
        )
    return table


def _costs(comparison: ResultComparison) -> tuple[Table | None, list[str]]:
    """Return the table of costs that any result has, and the reasons for costs that are not applicable."""
    from rich.text import Text

    from spikebench.evaluation.comparison import mean_metrics
    from spikebench.metrics.record import NotApplicable
    from spikebench.records.text import printable

    found = [mean_metrics(one.result) for one in comparison.results]
    keys = [key for key in _COSTS if any(one.get(key) is not None for one in found)]
    energies = dict.fromkeys(key for one in found for key in one if key.startswith("energy"))
    if not keys and not energies:
        return None, []
    heads = {key: _COSTS[key] for key in keys}
    heads |= {key: (printable(key).replace("energy_picojoules", "pJ"), 1.0) for key in energies}
    # A line per cost: there are more of them than fit side by side.
    table = _table("cost", [printable(one.name) for one in comparison.results])
    reasons: dict[str, None] = {}
    for key, (head, factor) in heads.items():
        values = [metrics.get(key) for metrics in found]
        table.add_row(Text(head), *(Text(_cost(value, factor)) for value in values))
        for one, value in zip(comparison.results, values, strict=True):
            if isinstance(value, NotApplicable):
                reasons[f"n/a, {one.name}, {head}: {value.not_applicable}"] = None
    return table, [printable(reason) for reason in reasons]


def _cost(value: Value, factor: float) -> str:
    if value is None:
        return "–"
    if not isinstance(value, float):
        return "n/a"
    return f"{factor * value:,.0f}" if factor * value >= 100 else f"{factor * value:.3g}"


def _pairs(comparison: ResultComparison) -> Table:
    from rich.text import Text

    from spikebench.records.text import printable

    table = _table("difference", ("points", "95 % interval", "p", "McNemar p", ""))
    names = [printable(one.name) for one in comparison.results]
    for pair in comparison.pairs:
        table.add_row(
            Text(f"{names[pair.first]} − {names[pair.second]}"),
            f"{100 * pair.difference.value:+.1f}",
            _interval(pair.difference, "+"),
            _p(pair.p_adjusted),
            _p(pair.mcnemar_p_adjusted),
            "differ" if pair.differs else "",
        )
    return table


def _interval(one: Estimate, sign: str) -> str:
    if one.low is None or one.high is None:
        return "–"
    return f"{100 * one.low:{sign}.1f} … {100 * one.high:{sign}.1f}"


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def _notes(comparison: ResultComparison) -> list[str]:
    seeds = [len(one.result.seeds) for one in comparison.results]
    notes = [
        f"Intervals: {comparison.method}"
        + (", and the spread of the seeds." if max(seeds) > 1 else ".")
    ]
    if min(seeds) == 1:
        notes.append("One seed: the interval does not include the variation between seeds.")
    count = len(comparison.pairs)
    adjusted = f"; p-values adjusted for {count} pairs (Holm), intervals not" if count > 1 else ""
    notes.append(f"differ: p < 0.05{adjusted}.")
    notes.append("McNemar's test treats the samples of one speaker as independent; p decides.")
    refitted = [one.result.is_refitted for one in comparison.results]
    if any(refitted):
        notes.append(
            "Refitted: trained again with the validation speakers included; validation is from before the refit."
        )
    if len(set(refitted)) > 1:
        notes.append("Refitted results had more training data than the others.")
    if not all(one.has_logs for one in comparison.results):
        notes.append(
            "No log: the training data are stated by the result alone and cannot be checked."
        )
    if any(r.selected_on == "test" for one in comparison.results for r in one.result.seeds):
        notes.append("The epoch was selected on the test split: such accuracies are optimistic.")
    return notes
