"""``spikebench compare``: compare results on the same test samples, with a test for every pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from spikebench.evaluation.comparison import ResultComparison, Value
    from spikebench.metrics.significance import Estimate


@click.command()
@click.argument(
    "results", nargs=-1, required=True, metavar="RESULT RESULT...", type=click.Path(path_type=Path)
)
@click.option(
    "-o",
    "--plot",
    "picture",
    type=click.Path(path_type=Path),
    help="Picture to make: .png, .pdf or .svg.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, costs included.")
def compare(
    results: tuple[Path, ...], picture: Path | None, overwrite: bool, as_json: bool
) -> None:
    """Compare results on the same test samples: accuracy, cost, and whether they differ.

    RESULT is the folder of a result or of a leaderboard entry. All must have the same data, protocol and
    test samples; accuracies are computed from the predictions.

    Every pair is tested twice. The first test decides: it tests the difference between the means over seeds by a
    bootstrap over speakers and the spread of the seeds. The second is McNemar's test, which treats the samples of
    one speaker as independent.
    """
    from spikebench.evaluation.comparison import compare_results
    from spikebench.records.whole_files import refuse_existing

    if picture is not None:
        from spikebench.plots.sample import FORMATS

        if picture.suffix.lower() not in FORMATS:
            raise click.BadParameter(
                f"the suffix of a figure must be one of {', '.join(FORMATS)}", param_hint="'--plot'"
            )
        refuse_existing(picture, overwrite)
    comparison = compare_results(results)
    if picture is not None:
        from spikebench.plots.results import draw_results
        from spikebench.plots.sample import write_figure

        write_figure(draw_results(comparison), picture)
    if as_json:
        report = _report(comparison)
        report["picture"] = None if picture is None else str(picture)
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        from cli.text.result_comparison import print_comparison

        print_comparison(comparison)


def _report(comparison: ResultComparison) -> dict[str, object]:
    from spikebench.evaluation.comparison import mean_metrics, mean_over_seeds

    data = comparison.results[0].result.dataset
    names = [one.name for one in comparison.results]
    return {
        "dataset": data.name,
        "data_sha256": data.sha256,
        "data_fingerprint": data.fingerprint,
        "synthetic": data.synthetic,
        "protocol": data.split.protocol,
        "test_samples": comparison.samples,
        "interval": f"{comparison.method}, and the spread of several seeds; Student t, 95 %",
        "results": [
            {
                "name": one.name,
                "folder": str(one.folder),
                "has_logs": one.has_logs,
                "model": one.result.model.name,
                "spiking": one.result.model.spiking,
                "seeds": [record.seed for record in one.result.seeds],
                "refitted": one.result.is_refitted,
                "selected_on": sorted({record.selected_on for record in one.result.seeds}),
                "test_accuracy": _estimate(one.accuracy),
                "validation_accuracy": mean_over_seeds(one.result, "validation_accuracy"),
                "parameters": one.result.model.parameters,
                "spikes_per_sample": mean_over_seeds(one.result, "spikes_per_sample"),
                "metrics": {key: _value(value) for key, value in mean_metrics(one.result).items()},
            }
            for one in comparison.results
        ],
        "pairs": [
            {
                "first": names[pair.first],
                "second": names[pair.second],
                "difference": _estimate(pair.difference),
                "p": pair.difference.p,
                "p_holm": pair.p_adjusted,
                "differs": pair.differs,
                "mcnemar": {
                    "only_first_right": pair.mcnemar.only_first,
                    "only_second_right": pair.mcnemar.only_second,
                    "pairs_of_networks": pair.mcnemar.pairs,
                    "p": pair.mcnemar.p,
                    "p_holm": pair.mcnemar_p_adjusted,
                },
            }
            for pair in comparison.pairs
        ],
    }


def _estimate(one: Estimate) -> dict[str, float | None]:
    return {"value": one.value, "low": one.low, "high": one.high}


def _value(value: Value) -> object:
    return value if value is None or isinstance(value, float) else value.model_dump()
