"""Progress of sweeps, in words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from cli.progress.runs import runs_progress
from spikebench.time_left import duration

if TYPE_CHECKING:
    from spikebench.sweeps.runner import SweepProgress


def sweep_progress(
    quiet: bool, check: Callable[[], None]
) -> AbstractContextManager[Callable[[SweepProgress], None]]:
    """Show the progress that :func:`spikebench.sweeps.runner.run_sweep` reports.

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
    return runs_progress("sweep", _words, quiet, check)


def _words(state: SweepProgress) -> str:
    parts = [f"{state.done}/{state.total} runs"]
    if state.failed:
        parts.append(f"{state.failed} failed")
    if state.best is not None:
        parts.append(f"best validation {state.best:.1%}")
    if state.seconds_left is not None and state.done < state.total:
        parts.append(f"{duration(state.seconds_left)} left")
    return ", ".join(parts)
