"""What the commands of studies share: options, the list of runs, progress, and what they say at the end."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from cli.progress.study import study_progress
from cli.shared.conversion import stop_cleanly

if TYPE_CHECKING:
    from spikebench.sweeps.study_watch import StudyProgress

Function = TypeVar("Function", bound=Callable[..., Any])


class FailedRun(Protocol):
    """A run of a report that failed: its folder, and the reason."""

    @property
    def run(self) -> str:
        """Folder of the run in that of the study."""

    @property
    def failed(self) -> str:
        """Why it failed."""


class Report(Protocol):
    """The report of a study."""

    @property
    def failed(self) -> Sequence[FailedRun]:
        """Runs that failed."""

    @property
    def test_opened(self) -> int:
        """How often the test split was opened."""


output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the study.  [default: runs/…]",
)
_WORKERS = click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    help="Processes, each with one thread of torch.  [default: one per core]",
)
_ENDING = (
    click.option(
        "--dry-run", is_flag=True, help="Check everything and list the runs; train nothing."
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the report as JSON."),
    click.option("--quiet", is_flag=True, help="Print only errors and the table."),
)


def study_options(function: Function) -> Function:
    """Add the options ``-o``, ``--workers``, ``--dry-run``, ``--json`` and ``--quiet``."""
    for option in reversed((output_option, _WORKERS, *_ENDING)):
        function = option(function)
    return function


def serial_study_options(function: Function) -> Function:
    """Add the options of :func:`study_options` but ``--workers``."""
    for option in reversed((output_option, *_ENDING)):
        function = option(function)
    return function


def repeated(options: Mapping[str, Sequence[object]]) -> list[str]:
    """Write options that were given several times as words of a command.

    Parameters
    ----------
    options
        Name → values.

    Returns
    -------
    list of str
        ``--name value`` for every value.
    """
    return [str(word) for name, given in options.items() for one in given for word in (name, one)]


def list_runs(rows: Sequence[Mapping[str, object]], as_json: bool, done: str = "done") -> None:
    """List the runs of a study.

    Parameters
    ----------
    rows
        What each run is: its ``folder``, and its ``status`` if that is known.
    as_json
        Whether to print JSON.
    done
        Status of a run that is finished.
    """
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    known = any("status" in row for row in rows)
    for row in rows:
        status = f"{row['status']:<{max(6, len(done) + 1)}}  " if known else ""
        click.echo(f"{status}{row['folder']}")
    n_done = sum(row.get("status") == done for row in rows)
    click.echo(f"{len(rows)} runs" + (f", {n_done} {done}" if known else ""))


@contextmanager
def running(
    title: str, again: Sequence[str], quiet: bool
) -> Iterator[Callable[[StudyProgress], None]]:
    """Show the progress of a study, and print on Ctrl-C how to resume it.

    Parameters
    ----------
    title
        First word of the progress.
    again
        Words of the command that resumes it.
    quiet
        Whether to show nothing.

    Yields
    ------
    callable
        To pass as ``progress``.
    """
    from cli.shared.training_session import resume_hint

    with (
        resume_hint(shlex.join(again)),
        stop_cleanly(()) as check,
        study_progress(quiet, check, title) as progress,
    ):
        yield progress


def print_files(
    output: Path,
    report: Report,
    table: str,
    pictures: Sequence[Path],
    results: Sequence[Path] = (),
) -> None:
    """Name what a study has written, and the runs that failed.

    Parameters
    ----------
    output
        Folder of the study, as the user gave it.
    report
        Its report.
    table
        Name of the table in this folder.
    pictures
        The pictures.
    results
        Folders of results for the leaderboard.
    """
    for failed in report.failed:
        click.echo(f"failed: {output / failed.run}: {failed.failed}")
    click.echo(f"table: {output / table}")
    for picture in pictures:
        click.echo(f"picture: {picture}")
    print_results(output, results)
    click.echo(f"test split opened: {report.test_opened} times")


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


def refuse_failed(report: Report, n_runs: int) -> None:
    """Raise if runs failed, after everything else was printed.

    Parameters
    ----------
    report
        The report.
    n_runs
        Number of runs of the study.

    Raises
    ------
    TrainingError
        With the first reason.
    """
    if report.failed:
        from spikebench.errors import TrainingError

        raise TrainingError(
            f"{len(report.failed)} of {n_runs} runs failed, the first: {report.failed[0].failed}"
        )
