"""The interface of all sources of labels, speakers and splits: folders, names and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spikebench.naming.conventions.convention import Facts
from spikebench.recordings.search import Clip

__all__ = ["NONE", "Source"]


@dataclass(frozen=True)
class Source:
    """A source of labels, speakers and splits.

    Attributes
    ----------
    name
        Name in notices and in the spike file.
    read
        Function that returns label, speaker and split of a clip; None if the clip is to be left out.
    keys
        Class names in their order, if they are fixed.
    rule
        Short description of how the splits are made.
    test_fold
        Fold that is the test split; None for the highest.
    misfit
        Reason for leaving a clip out.
    needs_class
        Whether a clip without a class is left out if this is the source of the labels.
    notices
        Lines for the user about how the source was read.
    """

    name: str
    read: Callable[[Clip], Facts | None]
    keys: tuple[str, ...] | None = None
    rule: str = ""
    test_fold: int | None = None
    misfit: str = ""
    needs_class: bool = False
    notices: tuple[str, ...] = ()

    def says(self, what: str, clips: Sequence[Clip]) -> bool:
        """Return whether the source gives a value for any clip.

        Parameters
        ----------
        what
            ``label``, ``speaker`` or ``split``.
        clips
            The clips.

        Returns
        -------
        bool
            Whether at least one clip has a value.
        """
        return any(
            getattr(facts, what) is not None or (what == "split" and facts.fold is not None)
            for facts in map(self.read, clips)
            if facts is not None
        )


NONE = Source("nothing", lambda clip: Facts())
