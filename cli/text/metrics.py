"""Cost metrics in a terminal: means over the seeds, counts per sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spikebench.metrics.record import Metrics


def metric_lines(metrics: Sequence[Metrics]) -> list[str]:
    """Format the metrics of some seeds as text.

    Parameters
    ----------
    metrics
        One per seed, of the same model and groups; empty if none were asked for.

    Returns
    -------
    list of str
        Lines; an energy is given with the name of its table, below the counts from which it is computed.
    """
    if not metrics:
        return []
    lines = []
    for label, field, write in (
        ("footprint", "footprint_bytes", lambda x: f"{x:,.0f} bytes"),
        ("zero weights", "connection_sparsity", _percent),
        ("silent outputs", "activation_sparsity", lambda x: f"{_percent(x)} of the hidden ones"),
        ("silent inputs", "input_sparsity", _percent),
        ("additions", "effective_ac", lambda x: f"{x:,.0f} per sample"),
        ("multiply-adds", "effective_mac", lambda x: f"{x:,.0f} per sample"),
        ("dense operations", "dense_operations", lambda x: f"{x:,.0f} per sample"),
        ("neuron updates", "neuron_updates", lambda x: f"{x:,.0f} per sample"),
        ("  event-driven", "neuron_updates_event", lambda x: f"{x:,.0f} per sample"),
        ("spikes", "spikes_per_inference", lambda x: f"{x:,.1f} per sample"),
        ("  per neuron", "spikes_per_neuron", lambda x: f"{x:,.2f} per sample"),
    ):
        if getattr(metrics[0], field) is not None:
            values = [getattr(one, field) for one in metrics]
            lines.append(_line(label, values, write))
    if metrics[0].latency is not None:
        known = [getattr(m.latency, "to_95_percent_s", m.latency) for m in metrics]
        lines.append(_line("latency", known, lambda x: f"95 % of the accuracy after {x:.3g} s"))
    return lines + _energy_lines(metrics)


def _energy_lines(metrics: Sequence[Metrics]) -> list[str]:
    given = [m.energy for m in metrics]
    if given[0] is None:
        return []
    if not all(isinstance(tables, list) for tables in given):
        return [_line("energy", given, str)]
    lines = []
    for column in zip(*given, strict=True):
        table = column[0]
        lines.append(
            _line(
                f"energy ({table.table})",
                [one.picojoules for one in column],
                lambda x, table=table: f"{x / 1e6:,.4g} µJ per sample; {table.technology}",
            )
        )
    return lines


def _line(label: str, values: list[Any], write: Any) -> str:  # noqa: ANN401
    reason = next((v.not_applicable for v in values if hasattr(v, "not_applicable")), None)
    said = f"n/a: {reason}" if reason else write(sum(values) / len(values))
    return f"  {label:<20} {said}"


def _percent(share: float) -> str:
    return f"{share:.2%}"
