"""What says something about clips: folders, names or tables, all of one shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spikebench.audio import Clip
from spikebench.conventions.convention import Facts

__all__ = ["NONE", "Source"]


@dataclass(frozen=True)
class Source:
    """A way to know clips.

    Attributes
    ----------
    name
        For notices and for the file.
    read
        What it says about a clip; None if that clip is to be left out.
    keys
        Class names in their order, where they are fixed.
    rule
        Who is in which split, in a few words.
    test_fold
        Fold that is the test split; None is the highest.
    misfit
        Why a clip is left out.
    needs_class
        Whether a clip without a class is left out when labels come from here.
    notices
        What was decided on the way.
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
        """Tell whether it says something about any clip.

        Parameters
        ----------
        what
            ``label``, ``speaker`` or ``split``.
        clips
            The clips.

        Returns
        -------
        bool
            Whether it does.
        """
        return any(
            getattr(facts, what) is not None or (what == "split" and facts.fold is not None)
            for facts in map(self.read, clips)
            if facts is not None
        )


NONE = Source("nothing", lambda clip: Facts())
