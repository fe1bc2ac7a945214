"""Pictures of ``spikebench plot`` that compare: two spike files, or the results in a folder by accuracy and cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spikebench.plots.costs import Cost
    from spikebench.plots.panels import Figure
    from spikebench.protocol.results import Result

_MOST_RESULTS = 200


def draw_files(first: str, second: str) -> Figure:
    """Draw how close two spike files are, paired by their recordings; `spikebench data compare` has more options."""
    from spikebench.fidelity.alignment import pair_samples
    from spikebench.fidelity.comparison import compare_spikes
    from spikebench.plots.fidelity import draw_comparison
    from spikebench.spike_files.reader import SpikeFile
    from spikebench.store.locate import resolve

    (one, _), (other, _) = resolve(first), resolve(second)
    with SpikeFile(one) as a, SpikeFile(other) as b:
        comparison = compare_spikes(a, b, pair_samples(a, b))
    return draw_comparison(comparison, one.name, other.name)


def draw_pareto(folder: Path) -> Figure:
    """Draw the accuracies of all results below a folder against their costs."""
    from spikebench.errors import ResultError
    from spikebench.plots.costs import draw_costs
    from spikebench.protocol.results import RESULT_FILE, read_result
    from spikebench.records.text import printable

    name = printable(str(folder))
    if not folder.is_dir():
        raise ResultError(
            f"{name}: no such folder; give a result, or a folder of results or entries"
        )
    depths = (RESULT_FILE, f"*/{RESULT_FILE}", f"*/*/{RESULT_FILE}")
    files = sorted({path for depth in depths for path in folder.glob(depth)})
    if not files or len(files) > _MOST_RESULTS:
        raise ResultError(
            f"{name}: contains {'no' if not files else len(files)} results (spikebench evaluate writes them); give a "
            f"folder with 1 … {_MOST_RESULTS} results"
        )
    named = [one for path in files if (one := _named(path, read_result(path)))]
    if not named:
        raise ResultError(
            f"{name}: all its entries are withdrawn, or are of few-shot tasks or of one task after another"
        )
    results = [result for _, result in named]
    for result in results:
        if difference := result.dataset.first_difference(results[0].dataset):
            names = f"{printable(results[0].dataset.name)} and {printable(result.dataset.name)}"
            raise ResultError(
                f"{name}: contains results on different data ({names}, {difference} differs); give the folder of one "
                "data set"
            )
    return draw_costs([_cost(*one) for one in named], results[0].dataset.name)


def _named(path: Path, result: Result) -> tuple[str, Result] | None:
    """Return a result with the name of its entry or model; None for a withdrawn entry, and for another task."""
    from leaderboard.claims.entry import ENTRY_FILE, Entry
    from spikebench.protocol.studies import other_task
    from spikebench.records.strict_json import read_record

    if other_task(result.study):
        return None
    if not (path.parent / ENTRY_FILE).is_file():
        return result.model.name, result
    entry = read_record(path.parent / ENTRY_FILE, Entry)
    return None if entry.withdrawn else (entry.name, result)


def _cost(name: str, result: Result) -> Cost:
    from spikebench.plots.costs import Cost

    summary, interval = result.summary, result.summary.test_interval
    metrics = [seed.metrics for seed in result.seeds if seed.metrics is not None]
    operations: list[float] = []
    for one in metrics:
        if isinstance(one.effective_ac, float | int) and isinstance(one.effective_mac, float | int):
            operations.append(one.effective_ac + one.effective_mac)
    spikes = [s.spikes_per_sample for s in result.seeds if s.spikes_per_sample is not None]
    n = len(result.seeds)
    return Cost(
        name=name,
        spiking=result.model.spiking,
        accuracy=summary.test_mean,
        low=interval.low,
        high=interval.high,
        parameters=result.model.parameters,
        operations=sum(operations) / n if len(operations) == n else None,
        spikes=sum(spikes) / n if len(spikes) == n and result.model.spiking else None,
    )
