"""One thing that was looked at: what was found, whether it is wrong, and the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "broken"]


@dataclass(frozen=True)
class Finding:
    """What was found.

    Attributes
    ----------
    name : str
        What was looked at.
    state : {"ok", "note", "broken"}
        ``note`` is worth knowing; with ``broken``, something does not work.
    found : str
        One line.
    remedy : str
        What to do; empty if there is nothing to do.
    """

    name: str
    state: State
    found: str
    remedy: str = ""
