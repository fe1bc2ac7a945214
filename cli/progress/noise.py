"""Progress of a study of noise: recordings that are converted, then runs that are trained or tested, in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.progress.runs import runs_progress
from cli.progress.study import study_words
from spikebench.time_left import TimeLeft

if TYPE_CHECKING:
    from spikebench.sweeps.study_watch import StudyProgress


@dataclass(frozen=True)
class _Conversions:
    """Recordings that are converted, and their total."""

    done: int
    total: int
    left: str

    @property
    def work(self) -> float:
        return self.done


@contextmanager
def noise_progress(
    quiet: bool, check: Callable[[], None]
) -> Iterator[tuple[Callable[[int, int], None], Callable[[StudyProgress], None]]]:
    """Show the progress of a study.

    Parameters
    ----------
    quiet
        Print nothing.
    check
        Called every time; it may raise.

    Yields
    ------
    converted : callable
        Takes the number of converted recordings and their total.
    runs : callable
        Takes the progress of the runs.
    """
    left = TimeLeft()
    with runs_progress("noise", _words, quiet, check) as show:

        def converted(done: int, total: int) -> None:
            left.see(done, time.monotonic())
            show(_Conversions(done, total, left.words(total)))

        yield converted, show


def _words(state: StudyProgress | _Conversions) -> str:
    if isinstance(state, _Conversions):
        said = f"{state.done:,}/{state.total:,} recordings converted"
        return f"{said}, {state.left}" if state.left and state.done < state.total else said
    return study_words(state)
