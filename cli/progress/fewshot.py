"""Progress of a study of few-shot learning, in words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from cli.progress.runs import runs_progress
from spikebench.time_left import duration

if TYPE_CHECKING:
    from spikebench.fewshot.runner import FewShotProgress


def fewshot_progress(
    quiet: bool, check: Callable[[], None]
) -> AbstractContextManager[Callable[[FewShotProgress], None]]:
    """Show the progress that :func:`spikebench.fewshot.runner.run_study` reports.

    Parameters
    ----------
    quiet
        Print nothing.
    check
        Called every time; it may raise.

    Returns
    -------
    context manager
        Gives the callable to pass as ``progress``.
    """
    return runs_progress("fewshot", _words, quiet, check)


def _words(state: FewShotProgress) -> str:
    parts = [f"{state.done}/{state.total} runs"]
    if state.failed:
        parts.append(f"{state.failed} failed")
    if state.rate and state.done < state.total:
        parts.append(f"{3600 * state.rate:.3g} per hour")
    if state.seconds_left is not None and state.done < state.total:
        parts.append(f"{duration(state.seconds_left)} left")
    return ", ".join(parts)
