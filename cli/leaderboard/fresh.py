"""``spikebench leaderboard fresh``: test entries with weights on recordings that are in no data set."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.shared.device import training_device

if TYPE_CHECKING:
    from leaderboard.claims.entry import StoredEntry
    from spikebench.evaluation.fresh_comparison import Candidate, FreshOptions, Observer


@click.command()
@click.argument("entries", nargs=-1, metavar="[ENTRY]…", type=click.Path(path_type=Path))
@click.option(
    "--audio",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of recordings.",
)
@click.option(
    "--labels", default="auto", show_default=True, help="Source of the words: as in convert."
)
@click.option(
    "--speakers", default="auto", show_default=True, help="Source of the speakers: as in convert."
)
@click.option(
    "--without",
    multiple=True,
    metavar="FILE.h5|FOLDER",
    type=click.Path(path_type=Path, exists=True),
    help="More known recordings: a spike file of convert, or a folder; may be repeated.",
)
@click.option("--synthetic", is_flag=True, help="The voices are synthetic.")
@click.option(
    "--entries",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of entries, if no ENTRY is given; by default as for build.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("fresh-test"),
    show_default=True,
    help="Folder for spikes, predictions and fresh.json.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**63 - 1),
    help="Seed of the conversion.",
)
@click.option("--jobs", type=click.IntRange(1, 1024), help="Processes.  [default: one per core]")
@training_device
@click.option("--large", is_flag=True, help="Accept models and inputs beyond the usual bounds.")
@click.option("--quiet", is_flag=True, help="Print only errors and the outcome.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def fresh(
    entries: tuple[Path, ...],
    audio: Path,
    labels: str,
    speakers: str,
    without: tuple[Path, ...],
    synthetic: bool,
    folders: tuple[Path, ...],
    output: Path,
    seed: int,
    jobs: int | None,
    device: str,
    large: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Make a new test set from recordings that are in no data set, and run the entries that have weights on it.

    ENTRY is the folder of an entry; without one, all are used. Known recordings are left out: those in spike files
    of convert, in the data sets on this machine, and in the files of --without. Recordings are converted like the
    data of each entry, and each entry is tested on the words among its classes.

    Finished conversions are kept in the folder of -o; run the same command again to resume.
    """
    from cli.text.fresh_comparison import fresh_lines
    from spikebench.evaluation.fresh_comparison import FreshOptions, run_fresh_comparison
    from spikebench.records.whole_files import write_text
    from spikebench.training.inference import find_device

    find_device(device)
    options = FreshOptions(
        audio=audio,
        labels=labels,
        speakers=speakers,
        without=without,
        synthetic=synthetic,
        seed=seed,
        jobs=jobs,
        device=device,
        large=large,
    )
    candidates = [_candidate(one) for one in _read(entries, folders)]
    document = run_fresh_comparison(
        candidates, output, options, _command(options), _observer(quiet)
    )
    write_text(output / "fresh.json", json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        click.echo("\n".join([*fresh_lines(document), f"wrote {output / 'fresh.json'}"]))


def _read(entries: tuple[Path, ...], folders: tuple[Path, ...]) -> list[StoredEntry]:
    from cli.leaderboard.selection import usual_entries
    from leaderboard.claims.entry import read_entry
    from leaderboard.claims.reading import read_entries

    if entries:
        return [read_entry(folder) for folder in entries]
    return read_entries(folders or usual_entries())


def _candidate(stored: StoredEntry) -> Candidate:
    from leaderboard.checks.logs import read_logs
    from spikebench.evaluation.fresh_comparison import Candidate

    return Candidate(
        name=f"{stored.entry.dataset}/{stored.entry.id}",
        title=stored.entry.name,
        folder=stored.folder,
        result=stored.result,
        logs=read_logs(stored.folder),
        withdrawn=stored.entry.withdrawn is not None,
    )


def _observer(quiet: bool) -> Observer:
    from cli.shared.conversion import clip_lines, running
    from spikebench.evaluation.fresh_comparison import Observer

    return Observer(
        notify=lambda line: None if quiet else click.echo(line, err=True),
        sifted=(lambda done, total: None) if quiet else clip_lines(),
        converting=lambda path: running([path], quiet, None),
    )


def _command(options: FreshOptions) -> str:
    """Return the command that repeats the test."""
    words = ["spikebench", "leaderboard", "fresh", "--audio", str(options.audio)]
    words += ["--labels", options.labels] if options.labels != "auto" else []
    words += ["--speakers", options.speakers] if options.speakers != "auto" else []
    for path in options.without:
        words += ["--without", str(path)]
    words += ["--synthetic"] if options.synthetic else []
    return shlex.join([*words, *(["--seed", str(options.seed)] if options.seed else [])])
