"""``spikebench leaderboard check``: check every entry, as for a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.progress.leaderboard import entries_progress
from spikebench.records.text import printable

if TYPE_CHECKING:
    from leaderboard.claims.changes import Changes
    from leaderboard.claims.entry import StoredEntry


@click.command()
@click.argument("entries", nargs=-1, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--new",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A submitted entry (dataset/id below ENTRIES), may be given several times: it must not contain "
    "verifications, and its mistakes are compared with those of all others.",
)
@click.option(
    "--changes",
    nargs=2,
    metavar="BASE HEAD",
    help="Check what a pull request does: the entries as they are after HEAD is merged into BASE (commits of the git "
    "repository in this folder). It may add entries and withdraw entries, and nothing else.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(
    entries: tuple[Path, ...],
    new: tuple[Path, ...],
    changes: tuple[str, str] | None,
    as_json: bool,
) -> None:
    """Check every entry below ENTRIES, as for a pull request.

    Checked are schemas, hashes, every number that follows from the predictions, the logs of the runs, and
    labels and speakers if the data set is on this machine. Entries that were checked before are checked again.
    No file of an entry is executed or unpickled.

    Oddities are reported and do not make an entry fail: equal predictions, copied mistakes, outlying
    speakers or languages, a test accuracy far above validation.

    Exit code 1: at least one entry fails; all of these are listed.
    """
    from cli.leaderboard.selection import usual_entries

    if changes is None:
        _check(entries or usual_entries(), new, None, as_json)
        return
    from leaderboard.checks.git_tree import Repository
    from leaderboard.claims.changes import read_changes, write_files
    from spikebench.store.folder import temporary_folder

    if entries or new:
        raise click.UsageError("--changes reads the entries from the two commits; give no others")
    repository = Repository(Path())
    asked = read_changes(repository, *changes)
    with temporary_folder("entries") as folder:
        write_files(repository, asked.files, folder)
        _check([folder], [folder / one for one in asked.added], asked, as_json)


def _check(
    folders: Sequence[Path], new: Sequence[Path], changes: Changes | None, as_json: bool
) -> None:
    from leaderboard.claims.changes import refuse_backdated, refuse_withdrawn
    from leaderboard.claims.reading import read_entries
    from leaderboard.claims.tier import VERIFICATION_FILE
    from leaderboard.standings.oddities import flag, flag_copies
    from spikebench.errors import ResultError

    with entries_progress("reading") as report:
        stored = flag(read_entries(folders, report=report))
    looked_at = [one for one in stored if _is_one_of(one.folder, new)]
    if len(looked_at) < len(new):
        raise ResultError(
            f"--new: {len(new)} entries were given, {len(looked_at)} of them are below "
            + ", ".join(map(str, folders))
        )
    for one in looked_at:
        if one.verifications:
            raise ResultError(
                f"{one.folder / VERIFICATION_FILE}: a new entry must not contain verifications; remove the file (the "
                "maintainers of the leaderboard run spikebench verify)"
            )
    refuse_withdrawn(looked_at, stored)
    refuse_backdated(changes.withdrawn if changes else (), stored)
    flags = {one.entry.id: list(one.flags) for one in stored}
    for name, more in flag_copies(looked_at, stored).items():
        flags[name] += more
    if as_json:
        import json

        said: dict[str, object] = {
            "entries": [_fields(one, flags[one.entry.id], one in looked_at) for one in stored]
        }
        if changes:
            said["withdrawn"], said["elsewhere"] = changes.withdrawn, changes.elsewhere
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    for one in looked_at or stored:
        for text in flags[one.entry.id]:
            click.echo(f"oddity in {one.entry.dataset}/{one.entry.id}: {text}")
    if refitted := sum(1 for one in looked_at or stored if one.result.is_refitted):
        click.echo(f"{refitted} refitted: trained again with the validation speakers included.")
    if changes:
        _print_changes(changes, stored)
    noun = "entry passes" if len(stored) == 1 else "entries pass"
    odd = sum(1 for one in looked_at or stored if flags[one.entry.id])
    click.echo(f"{len(stored)} {noun}; {odd or 'none'} with oddities.")


def _print_changes(changes: Changes, stored: list[StoredEntry]) -> None:
    reasons = {
        f"{one.entry.dataset}/{one.entry.id}": one.entry.withdrawn.reason
        for one in stored
        if one.entry.withdrawn
    }
    for name in changes.added:
        click.echo(f"new: {name}")
    for name in changes.withdrawn:
        click.echo(f"withdrawn: {name}: {reasons[name]}; only its authors may withdraw an entry")
    if changes.elsewhere:
        click.echo(
            f"{len(changes.elsewhere)} changed files outside of the entries, to be reviewed:"
        )
        for path in changes.elsewhere:
            click.echo(f"  {printable(path)}")


def _is_one_of(folder: Path, new: Sequence[Path]) -> bool:
    return any(folder.resolve() == one.resolve() for one in new)


def _fields(stored: StoredEntry, flags: list[str], is_new: bool) -> dict[str, object]:
    return {
        "entry": str(stored.folder),
        "id": stored.entry.id,
        "dataset": stored.entry.dataset,
        "tier": stored.tier,
        "tracks": stored.tracks,
        "refitted": stored.result.is_refitted,
        "new": is_new,
        "flags": flags,
    }
