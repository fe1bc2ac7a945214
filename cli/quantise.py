"""``spikebench quantise``: round the weights of trained models to few bits."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from spikebench.deployment.quantisation import RoundedTensor


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--bits", required=True, type=click.IntRange(2, 8), help="Bits per weight.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the new runs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was rounded as JSON.")
def quantise(run: Path, bits: int, output: Path, as_json: bool) -> None:
    """Round the weights of RUN to a few bits.

    RUN is a finished run, a folder of runs (of all seeds), a result with its weights, or a leaderboard entry with
    weights.

    The weights of connections become integer multiples of one step per tensor, symmetric about 0; biases, time
    constants, delays and normalisations stay as they are. RUN is not changed and no data are opened. To train with
    rounded weights instead: spikebench train --model MODEL --set training.weight_bits=4

    Next step: spikebench evaluate --checkpoint FOLDER
    """
    from spikebench.deployment.quantisation import quantise as round_run
    from spikebench.deployment.restored import runs_or_restored
    from spikebench.errors import OutputExistsError
    from spikebench.training.run import RUN_FILE

    with runs_or_restored(run) as runs:
        folders = [output if one == run else output / one.name for one in runs]
        for folder in [output, *folders]:
            if (folder / RUN_FILE).exists():
                raise OutputExistsError(
                    f"{folder}: contains a run already; choose another folder with -o"
                )
        done = [round_run(one, folder, bits) for one, folder in zip(runs, folders, strict=True)]
    if as_json:
        said = [
            {"run": str(folder), "seed": record.seed, "tensors": [asdict(one) for one in tensors]}
            for folder, (record, tensors) in zip(folders, done, strict=True)
        ]
        click.echo(json.dumps({"bits": bits, "runs": said}, ensure_ascii=False, indent=2))
        return
    for folder, (record, tensors) in zip(folders, done, strict=True):
        click.echo(
            f"{record.model} on {record.dataset.name}, seed {record.seed}: {bits} bits, {folder}"
        )
        for line in _lines(tensors):
            click.echo(line)
    click.echo(f"next: spikebench evaluate --checkpoint {shlex.quote(str(output))}")


def _lines(tensors: list[RoundedTensor]) -> list[str]:
    width = max(len(one.name) for one in tensors)
    return [
        f"  {one.name:<{width}}  {one.weights:>9,} weights, {one.values:>3} values, "
        f"error {one.error:.2%} (root mean square, of that of the weights)"
        for one in tensors
    ]
