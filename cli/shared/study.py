"""What the commands of studies share: what they say at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click


def print_results(output: Path, folders: Sequence[Path]) -> None:
    """Name the results of a study that was tested on the test split.

    Parameters
    ----------
    output
        Folder of the study, as the user gave it.
    folders
        Folders of the results.
    """
    for folder in folders:
        click.echo(f"result: {output / folder.parent.name / folder.name}")
    if folders:
        click.echo("`spikebench submit RESULT` makes an entry of the leaderboard from a result.")
