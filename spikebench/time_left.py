"""Estimating the remaining time, once enough work has been observed.

The clock starts when the first item is done: the time before it is start-up (workers start, loops are compiled) and
not representative. There is no estimate until several more items are done and some seconds have passed, since a rate
from one item, or from a millisecond, can be wrong by any factor.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TimeLeft", "duration"]


@dataclass
class TimeLeft:
    """Track progress, and estimate rate and time left.

    Attributes
    ----------
    least_seconds
        Shortest time of observation before an estimate is given [s].
    least_pieces
        Least number of increases of progress in that time.
    has_start_up
        Whether the first item takes longer than the others; the clock then starts after it.
    """

    least_seconds: float = 2.0
    least_pieces: int = 5
    has_start_up: bool = True

    def __post_init__(self) -> None:
        self._done: float | None = None
        # Progress at the start of the clock, and its time.
        self._since: tuple[float, float] | None = None
        self._seconds = 0.0
        self._pieces = 0

    def see(self, done: float, now: float) -> None:
        """Record how much is done.

        Parameters
        ----------
        done
            Progress in any unit. The first value is earlier work; a smaller value restarts the estimate.
        now
            Time of a monotonic clock [s].
        """
        before = self._done
        self._done = done
        if before is None or done < before:
            self._seconds, self._pieces = 0.0, 0
            self._since = None if self.has_start_up else (done, now)
        elif done > before:
            if self._since is None:
                self._since = (done, now)
            else:
                self._seconds = now - self._since[1]
                self._pieces += 1

    def skip(self, amount: float) -> None:
        """Record work that was already done and took no time.

        Parameters
        ----------
        amount
            Progress, in the same unit.
        """
        if self._done is not None:
            self._done += amount
        if self._since is not None:
            self._since = (self._since[0] + amount, self._since[1])

    @property
    def rate(self) -> float | None:
        """Progress per second; None until there is an estimate."""
        if self._since is None or self._done is None:
            return None
        if self._pieces < self.least_pieces or self._seconds < max(self.least_seconds, 1e-9):
            return None
        return (self._done - self._since[0]) / self._seconds

    def seconds(self, total: float) -> float | None:
        """Estimate the time left.

        Parameters
        ----------
        total
            Progress at the end of the work.

        Returns
        -------
        float or None
            Time left [s]; None until there is an estimate.
        """
        rate = self.rate
        return (total - self._done) / rate if rate and self._done is not None else None

    def words(self, total: float) -> str:
        """Format the time left.

        Parameters
        ----------
        total
            Progress at the end of the work.

        Returns
        -------
        str
            E.g. ``0:16:28 left``; empty until there is an estimate.
        """
        seconds = self.seconds(total)
        return "" if seconds is None else f"{duration(seconds)} left"


def duration(seconds: float) -> str:
    """Format a time as h:mm:ss.

    Parameters
    ----------
    seconds
        The time [s].

    Returns
    -------
    str
        E.g. ``0:16:28``.
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
