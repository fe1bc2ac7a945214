"""``spikebench leaderboard check``: every entry, as for a pull request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.progress.leaderboard import entries_progress

if TYPE_CHECKING:
    from leaderboard.claims.entry import StoredEntry


@click.command()
@click.argument("entries", nargs=-1, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--new",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="An entry (dataset/id below ENTRIES) that a stranger hands in, may be given several times: it may not "
    "bring verifications of its own, and its mistakes are compared with those of all others.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def check(entries: tuple[Path, ...], new: tuple[Path, ...], as_json: bool) -> None:
    """Check every entry below ENTRIES, as for a pull request.

    Schemas, hashes, and every number that follows from the predictions; the logs of the runs; labels
    and speakers of the data sets that are here. Entries that were checked before are checked again.
    Nothing that was handed in is executed or unpickled.

    What looks odd is told and refuses nothing: equal predictions, copied mistakes, speakers or
    languages that stand out, a test accuracy far above validation.

    Exit code 1: an entry fails; all that do are named.
    """
    from cli.leaderboard.selection import usual_entries
    from leaderboard.claims.reading import read_entries
    from leaderboard.claims.tier import VERIFICATION_FILE
    from leaderboard.standings.oddities import flag, flag_copies
    from spikebench.errors import ResultError

    folders = entries or usual_entries()
    with entries_progress("reading") as tell:
        stored = flag(read_entries(folders, tell=tell))
    looked_at = [one for one in stored if _is_one_of(one.folder, new)]
    if len(looked_at) < len(new):
        raise ResultError(
            f"--new: {len(new)} entries were named, {len(looked_at)} of them lie below "
            + ", ".join(map(str, folders))
        )
    for one in looked_at:
        if one.verifications:
            raise ResultError(
                f"{one.folder / VERIFICATION_FILE}: a new entry brings no verifications; whoever looks after the "
                "leaderboard runs spikebench verify"
            )
    flags = {one.entry.id: list(one.flags) for one in stored}
    for name, more in flag_copies(looked_at, stored).items():
        flags[name] += more
    if as_json:
        import json

        said = [_fields(one, flags[one.entry.id], one in looked_at) for one in stored]
        click.echo(json.dumps({"entries": said}, ensure_ascii=False))
        return
    for one in looked_at or stored:
        for text in flags[one.entry.id]:
            click.echo(f"look at {one.entry.dataset}/{one.entry.id}: {text}")
    if refitted := sum(1 for one in looked_at or stored if one.result.is_refitted):
        click.echo(f"{refitted} refitted: trained again with the validation speakers included.")
    noun = "entry holds" if len(stored) == 1 else "entries hold"
    odd = sum(1 for one in looked_at or stored if flags[one.entry.id])
    click.echo(f"{len(stored)} {noun}; {odd or 'none'} to be looked at.")


def _is_one_of(folder: Path, new: tuple[Path, ...]) -> bool:
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
