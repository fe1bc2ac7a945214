"""How long work will still take, said only when enough of it was seen.

The clock starts when the first piece is done: what came before it is start-up (workers begin, loops are compiled) and
says nothing about the rest. Nothing is said until some more pieces and some seconds have passed, for a rate from one
piece, or from a thousandth of a second, can be wrong by any factor.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TimeLeft", "duration"]


@dataclass
class TimeLeft:
    """Follow how much is done, and estimate rate and time left.

    Attributes
    ----------
    least_seconds
        How long it must be followed before anything is said [s].
    least_pieces
        How many times more must have been done in that time.
    has_start_up
        Whether the first piece takes longer than others, so that the clock starts after it.
    """

    least_seconds: float = 2.0
    least_pieces: int = 5
    has_start_up: bool = True

    def __post_init__(self) -> None:
        self._done: float | None = None
        self._since: tuple[float, float] | None = (
            None  # how much was done when the clock started, and when
        )
        self._seconds = 0.0
        self._pieces = 0

    def see(self, done: float, now: float) -> None:
        """Take down how much is done.

        Parameters
        ----------
        done
            In any unit. The first number is what was there already; one that falls begins anew.
        now
            Time [s], of a clock that never goes back.
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
        """Take down that something was found done, which took no time.

        Parameters
        ----------
        amount
            How much.
        """
        if self._done is not None:
            self._done += amount
        if self._since is not None:
            self._since = (self._since[0] + amount, self._since[1])

    @property
    def rate(self) -> float | None:
        """What is done per second; None until enough is known."""
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
            How much there is to do.

        Returns
        -------
        float or None
            Seconds; None until enough is known.
        """
        rate = self.rate
        return (total - self._done) / rate if rate and self._done is not None else None

    def words(self, total: float) -> str:
        """Say the time left.

        Parameters
        ----------
        total
            How much there is to do.

        Returns
        -------
        str
            ``0:16:28 left``; empty until enough is known.
        """
        seconds = self.seconds(total)
        return "" if seconds is None else f"{duration(seconds)} left"


def duration(seconds: float) -> str:
    """Write a time as h:mm:ss.

    Parameters
    ----------
    seconds
        The time [s].

    Returns
    -------
    str
        For people.
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
