"""``spikebench models``: list the models and what can be done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from spikebench.deployment.catalogue import ModelFacts

_HEADINGS = ("model", "parameters", "own presets", "learning rules", "exports", "what it is")
_WIDEST = 200  # columns


@click.command()
@click.option(
    "--data",
    default="digits",
    show_default=True,
    help="The data set's name, or a spike file, for which parameters are counted and presets chosen.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def models(data: str, as_json: bool) -> None:
    """List the models: parameters on a data set, presets, learning rules, formats of export.

    Every model has a preset; the column "own presets" names the data sets with presets of their own. The first learning
    rule is that of the model, the others are for 'train --learning'. The models mel_… work on the recordings behind the
    spikes (--audio). Settings of a model: 'spikebench train --model NAME --print-preset'.
    """
    from spikebench.deployment.catalogue import catalogue

    facts = catalogue(data)
    if as_json:
        import json
        from dataclasses import asdict

        click.echo(json.dumps([asdict(one) for one in facts], ensure_ascii=False))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right" if heading == "parameters" else "left")
    for one in facts:
        table.add_row(*_cells(one))
    # As wide as its text, so that names can be copied; descriptions are last, where a terminal wraps.
    Console(highlight=False, markup=False, width=_WIDEST).print(table)
    click.echo(
        f"parameters: with the preset for {data}; of svm they depend on the training samples"
    )
    click.echo(
        "own presets: those for shd are used for shd-r and heidelberg-digits too, those for ssc for ssc-r and "
        "speech-commands"
    )
    click.echo("next: spikebench train --model NAME")


def _cells(one: ModelFacts) -> tuple[str, ...]:
    from spikebench.presets.preset import OWN_PRESETS

    return (
        one.name,
        "–" if one.parameters is None else f"{one.parameters:,}",
        ", ".join(dict.fromkeys(OWN_PRESETS[data] for data in one.own_presets)) or "–",
        ", ".join(one.learning),
        ", ".join(one.exports) or "–",
        one.about,
    )
