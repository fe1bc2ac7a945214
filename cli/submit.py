"""``spikebench submit``: check a result and write a leaderboard entry."""

from __future__ import annotations

from pathlib import Path

import click

_ENTRIES = Path("leaderboard/entries")
_OWN_ENTRIES = Path("leaderboard-entries")


@click.command()
@click.argument("result_dir", type=click.Path(path_type=Path))
@click.option("--name", default="", help="Name to display; by default the model's.")
@click.option("--authors", default="", help="Who made it, e.g. 'A. Smith, B. Jones'.")
@click.option("--note", default="", help="What a reader should know, in one line.")
@click.option(
    "--entries",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder of entries; by default {_ENTRIES} if it is here, else {_OWN_ENTRIES}.",
)
@click.option("--overwrite", is_flag=True, help="Replace the entry of the same result.")
@click.option("--json", "as_json", is_flag=True, help="Say what was written as JSON.")
def submit(
    result_dir: Path,
    name: str,
    authors: str,
    note: str,
    entries: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Check RESULT_DIR and write a leaderboard entry.

    RESULT_DIR is what `spikebench evaluate -o` wrote. Its files must be complete and unchanged,
    every accuracy, interval and confusion matrix must follow from the predictions, test must have
    been opened once per seed and must not have chosen the epoch. Nothing in it is executed.

    The entry holds the result and its predictions; of the weights it keeps the SHA-256.
    Exit code 1: a check failed or the entry is there already, and nothing was written.
    """
    from leaderboard.entry import make_entry, write_entry
    from leaderboard.ranking import why_unranked
    from leaderboard.verification import verify_result

    result = verify_result(result_dir)
    if entries is None:
        entries = _ENTRIES if _ENTRIES.is_dir() else _OWN_ENTRIES
    new = not entries.is_dir()
    entry = make_entry(result, name, authors, note)
    target = write_entry(result_dir, entries, entry, result, overwrite=overwrite)
    reason = why_unranked(result)
    if as_json:
        import json

        said: dict[str, object] = entry.model_dump() | {"entry": str(target)}
        said |= {"test_accuracy": result.summary.test_mean, "unranked_reason": reason}
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    count, size = len(result.seeds), result.dataset.split.test_samples
    click.echo(
        f"Checked: {count} seed{'s' if count > 1 else ''} with {size:,} predictions each; accuracies, "
        f"intervals and confusion matrices follow from them ({100 * result.summary.test_mean:.1f} %)."
    )
    if reason:
        click.echo(f"Shown without a rank: {reason}.")
    if new:
        click.echo(f"Created the folder {entries}.")
    click.echo(f"Wrote {target}. `spikebench leaderboard build` puts it on the page.")
