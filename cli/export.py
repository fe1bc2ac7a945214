"""``spikebench export``: write a trained model as NIR or ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from spikebench.deployment.export import Exported

_READ = {
    "nir": "nir.read({!r}), then its metadata",
    "onnx": "onnxruntime.InferenceSession({!r}), float32 raster (batch, time, unit) in",
}


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--nir",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a spiking model as NIR, for other simulators and neuromorphic chips.",
)
@click.option(
    "--onnx",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a conventional model as ONNX.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def export(run: Path, nir: Path | None, onnx: Path | None, overwrite: bool, as_json: bool) -> None:
    """Write the trained model of RUN as NIR or ONNX.

    RUN is a folder that `spikebench train` wrote, a result of `spikebench evaluate`, or one of its seeds if it has
    several.
    The metadata of the file hold classes, bins, data set and whatever NIR cannot express; docs/export.md
    describes them. A model that the format cannot express is refused. Needs 'spikebench[export]'.
    """
    if (nir is None) == (onnx is None):
        raise click.UsageError(
            "give --nir FILE for a spiking model, or --onnx FILE for a conventional one"
        )
    from spikebench.deployment.export import export_run

    if nir is not None:
        exported = export_run(run, "nir", nir, overwrite=overwrite)
    else:
        assert onnx is not None
        exported = export_run(run, "onnx", onnx, overwrite=overwrite)
    if as_json:
        import json

        said = {
            "path": str(exported.path),
            "sha256": exported.sha256,
            "format": exported.format,
            "model": exported.record.model,
        }
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    click.echo(_summary(exported))


def _summary(exported: Exported) -> str:
    from spikebench.records.text import printable

    record, path = exported.record, str(exported.path)
    voices = " (synthetic voices)" if record.dataset.synthetic else ""
    oracle = ", ORACLE: chosen on the test split" if record.selected_on == "test" else ""
    lines = [
        f"Wrote {path}: {record.model} on {record.dataset.name}{voices}, seed {record.seed}, "
        f"as {exported.format.upper()}{oracle}",
        f"  SHA-256  {exported.sha256}",
        f"  read it  {_READ[exported.format].format(path)}; docs/export.md describes the contents",
    ]
    return "\n".join(printable(line) for line in lines)
