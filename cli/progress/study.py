"""Progress of a study, in words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from cli.progress.runs import runs_progress
from spikebench.time_left import duration

if TYPE_CHECKING:
    from spikebench.sweeps.study_watch import StudyProgress


def study_progress(
    quiet: bool, check: Callable[[], None], title: str
) -> AbstractContextManager[Callable[[StudyProgress], None]]:
    """Show the progress that the ``run_study`` of a kind of studies reports.

    Parameters
    ----------
    quiet
        Print nothing.
    check
        Called every time; it may raise.
    title
        First word.

    Returns
    -------
    context manager
        Gives the callable to pass as ``progress``.
    """
    return runs_progress(title, study_words, quiet, check)


def study_words(state: StudyProgress) -> str:
    """Put the progress of a study in words.

    Parameters
    ----------
    state
        The progress.

    Returns
    -------
    str
        Runs that are done and failed, their rate, and the time left.
    """
    parts = [f"{state.done}/{state.total} runs"]
    if state.failed:
        parts.append(f"{state.failed} failed")
    if state.rate and state.done < state.total:
        parts.append(f"{_rate(state.rate)}")
    if state.seconds_left is not None and state.done < state.total:
        parts.append(f"{duration(state.seconds_left)} left")
    return ", ".join(parts)


def _rate(per_second: float) -> str:
    per_minute = 60 * per_second
    return f"{per_minute:.3g} per minute" if per_minute >= 1 else f"{60 * per_minute:.3g} per hour"
