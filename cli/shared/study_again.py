"""The part of ``spikebench verify`` for entries of studies: what cannot be repeated, and training again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from leaderboard.claims.entry import StoredEntry
    from leaderboard.claims.verifying import Kind
    from spikebench.protocol.results import Predictions
    from spikebench.sweeps.study_watch import StudyProgress

__all__ = ["refuse_study", "train_study"]


def refuse_study(
    stored: StoredEntry, kinds: list[Kind], audio: Path | None, weights: Path | None, device: str
) -> None:
    """Refuse what cannot be done with the entry of a study.

    Parameters
    ----------
    stored
        The entry.
    kinds
        What is verified.
    audio, weights, device
        Options that are for entries of classifiers.

    Raises
    ------
    ResultError
        If the study cannot be repeated.
    click.UsageError
        If an option has no effect.
    """
    from leaderboard.claims.verifying import find_lacks
    from spikebench.errors import ResultError

    lacks = find_lacks(stored)
    for kind in kinds:
        if lacks[kind]:
            raise ResultError(f"{stored.folder}: {lacks[kind]}")
    unused = {"--audio": audio, "--weights": weights, "--device": device != "cpu"}
    for option, given in unused.items():
        if given:
            raise click.UsageError(
                f"{option} is not for entries of studies, which are trained again on the CPU; leave it out"
            )


def train_study(
    stored: StoredEntry,
    folder: Path,
    data: str | None,
    go_on: str,
    *,
    large: bool,
    quiet: bool,
) -> list[Predictions]:
    """Train every seed of a study again.

    Parameters
    ----------
    stored
        The entry.
    folder
        Folder of the runs.
    data
        Name or path of its data, if they are not those of the claimed name.
    go_on
        The command that resumes it; empty if the runs are not kept.
    large, quiet
        Options of the command.

    Returns
    -------
    list of Predictions
        One per seed.
    """
    from spikebench.protocol.studies import PruningStudy

    result, place = stored.result, folder / f"again-{stored.entry.id}"
    if isinstance(result.study, PruningStudy):
        from spikebench.pruning import again as pruning

        pruned = pruning.plan_again(result, place, data, large=large)
        with _progress(go_on, quiet) as progress:
            kept = result.study.kept
            return pruning.train_again(pruned, kept, large=large, progress=progress)
    from spikebench.continual import again as continual

    study = continual.plan_again(result, place, data, large=large)
    with _progress(go_on, quiet) as progress:
        return continual.train_again(study, large=large, progress=progress)


@contextmanager
def _progress(go_on: str, quiet: bool) -> Iterator[Callable[[StudyProgress], None]]:
    """Show progress; on Ctrl-C say how to resume, if the runs are kept."""
    from cli.progress.study import study_progress
    from cli.shared.conversion import stop_cleanly
    from cli.shared.study import running

    if go_on:
        with running("verify", shlex.split(go_on), quiet) as progress:
            yield progress
    else:
        with stop_cleanly(()) as check, study_progress(quiet, check, "verify") as progress:
            yield progress
