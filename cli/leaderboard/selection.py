"""Folders of entries for the commands on the leaderboard, and reading entries with remembered checks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.progress.leaderboard import entries_progress

if TYPE_CHECKING:
    from leaderboard.claims.entry import StoredEntry

entries_option = click.option(
    "--entries",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of entries, may be given several times; by default leaderboard/entries or "
    "leaderboard-entries in this folder, else the entries in the package.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def usual_entries() -> tuple[Path]:
    """Find the default folder of entries.

    Returns
    -------
    tuple of Path
        One folder.
    """
    from leaderboard.claims.entry import SHIPPED_ENTRIES

    usual = (Path("leaderboard/entries"), Path("leaderboard-entries"))
    return (next((path for path in usual if path.is_dir()), SHIPPED_ENTRIES),)


def read_checked(folders: tuple[Path, ...]) -> list[StoredEntry]:
    """Read and check the entries below some folders, and flag oddities.

    Parameters
    ----------
    folders
        The values of ``--entries``; the default folder if empty.

    Returns
    -------
    list of StoredEntry
        Verified entries.

    Raises
    ------
    ResultError
        If an entry fails its checks.
    """
    from leaderboard.claims.reading import read_entries
    from leaderboard.standings.oddities import flag

    with entries_progress("reading") as report:
        return flag(read_entries(folders or usual_entries(), report=report, use_memory=True))
