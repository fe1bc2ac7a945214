"""``spikebench data join``: one spike file from several."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument(
    "files",
    metavar="FILE.h5 FILE.h5…",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The new file.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def join(files: tuple[Path, ...], output: Path, overwrite: bool) -> None:
    """Join spike files with the same encoder, seed and classes into one.

    For example shd-r_train.h5 and shd-r_test.h5 of 'spikebench data make' into the one file that training needs.
    Samples keep their splits, and are sorted by the names of their recordings.
    """
    from spikebench.records.whole_files import refuse_existing
    from spikebench.spike_files.joining import join_files

    if len(files) < 2:
        raise click.UsageError("give at least two spike files")
    refuse_existing(output, overwrite)
    n_samples = join_files(files, output, overwrite=overwrite)
    click.echo(f"{output}: {n_samples:,} samples")
