"""Naming conventions of published corpora: one module each, listed as strings so that nothing is imported early.

A module holds one constant, ``CONVENTION``, a :class:`~spikebench.naming.conventions.convention.Convention`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from spikebench.errors import UnknownNameError

if TYPE_CHECKING:
    from spikebench.naming.conventions.convention import Convention

__all__ = ["CONVENTIONS", "load_convention"]

CONVENTIONS = {
    "heidelberg-digits": "spikebench.naming.conventions.heidelberg_digits:CONVENTION",
    "speech-commands": "spikebench.naming.conventions.speech_commands:CONVENTION",
    "fsdd": "spikebench.naming.conventions.fsdd:CONVENTION",
    "audiomnist": "spikebench.naming.conventions.audiomnist:CONVENTION",
    "tidigits": "spikebench.naming.conventions.tidigits:CONVENTION",
    "common-voice": "spikebench.naming.conventions.common_voice:CONVENTION",
    "esc50": "spikebench.naming.conventions.esc50:CONVENTION",
    "urbansound8k": "spikebench.naming.conventions.urbansound8k:CONVENTION",
}


def load_convention(name: str) -> Convention:
    """Look up a naming convention.

    Parameters
    ----------
    name
        Name of the convention, as in :data:`CONVENTIONS`.

    Returns
    -------
    Convention
        The convention.

    Raises
    ------
    UnknownNameError
        If there is no such convention.
    """
    if name not in CONVENTIONS:
        raise UnknownNameError("naming convention", name, CONVENTIONS)
    module, _, attribute = CONVENTIONS[name].partition(":")
    convention: Convention = getattr(importlib.import_module(module), attribute)
    return convention
