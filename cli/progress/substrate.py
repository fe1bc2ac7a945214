"""Progress of a study with a substrate in the loop, in words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from cli.progress.runs import runs_progress
from spikebench.time_left import duration

if TYPE_CHECKING:
    from spikebench.substrate.runner import LoopProgress


def substrate_progress(
    quiet: bool, check: Callable[[], None]
) -> AbstractContextManager[Callable[[LoopProgress], None]]:
    """Show the progress that :func:`spikebench.substrate.runner.run_study` reports.

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
    return runs_progress("substrate", _words, quiet, check)


def _words(state: LoopProgress) -> str:
    parts = [f"{state.done}/{state.total} runs"]
    if state.rate and state.done < state.total:
        parts.append(f"{60 * state.rate:.3g} per minute")
    if state.seconds_left is not None and state.done < state.total:
        parts.append(f"{duration(state.seconds_left)} left")
    return ", ".join(parts)
