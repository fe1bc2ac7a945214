"""``spikebench data export``: a data set for other libraries."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("data", metavar="NAME|FILE.h5")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The new folder.",
)
@click.option(
    "--test",
    "with_test",
    is_flag=True,
    help="Also write the test samples, without labels and speakers, for predictions that submit scores.",
)
@click.option("--quiet", is_flag=True, help="Print no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def export(data: str, output: Path, with_test: bool, quiet: bool, as_json: bool) -> None:
    """Write a data set as a folder that datasets.load_from_disk of Hugging Face opens.

    Splits are those of the protocol (docs/protocol.md): train, and validation, which selects. The test split is left
    out; --test writes its samples without labels, to be read once, after everything has been selected. Their
    predictions are scored by 'spikebench submit' (docs/own_model.md, "With any other program").

    Columns: times_s, units, label, speaker, index (position in the spike file), duration_s. Needs the package pyarrow.
    """
    from cli.progress.counted import counted_progress
    from spikebench import __version__
    from spikebench.datasets import DATASETS, load_spec
    from spikebench.events.arrow_folder import write_arrow_folder
    from spikebench.protocol.opening import open_selection, open_test

    selection = open_selection(data)
    splits = {"train": selection.train, "validation": selection.validation}
    if with_test:
        splits["test"] = open_test(selection)
    record = selection.dataset
    about = {
        "description": f"{record.name}, fingerprint {record.fingerprint}, protocol {record.split.protocol}; "
        f"exported by spikebench {__version__}"
    }
    if record.name in DATASETS:
        spec = load_spec(record.name)
        about |= {"license": spec.licence, "citation": spec.citation}
    with counted_progress("export", "samples", quiet or as_json) as progress:
        write_arrow_folder(output, splits, without_labels=("test",), about=about, progress=progress)
    counts = {name: len(samples) for name, samples in splits.items()}
    if as_json:
        found = {"dataset": record.name, "folder": str(output), "samples": counts}
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    said = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    click.echo(f"{output}: {said} samples" + (" (test without labels)" if with_test else ""))
    click.echo(f"open it: datasets.load_from_disk({str(output)!r})")
