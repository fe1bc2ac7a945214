"""The exceptions of the package, one for every kind of failure that a user can cause, with their exit codes.

::

    SpikebenchError                1
    ├── AudioError                 1   a recording that cannot be used (broken, empty, silent, too long)
    ├── SpikeFileError             1   an HDF5 file that is damaged, hostile or not in the published layout
    ├── ConversionStateError       1   an unfinished conversion that cannot be resumed, or a recording that changed
    ├── DataError                  1   a file of a data set that is missing, cannot be downloaded or has changed
    ├── OutputError                1   an output that cannot be written to the given path
    │   └── OutputExistsError      1   an output that exists already, without --overwrite
    ├── UnknownNameError           1   a name that is not registered; lists the known names and suggests the closest
    ├── ProtocolError              1   data that cannot be split, or a test split opened when it must stay closed
    ├── TrainingError              1   a loss that is no longer finite, a run that cannot be resumed
    ├── ResultError                1   a result or an entry that fails its checks
    ├── ExportError                1   a model that a format cannot express, or a format whose package is missing
    ├── PartialConversionError     3   some recordings were left out, the others are in the file
    └── NothingConvertedError      4   no recording was usable, no file was written

Click's own usage errors exit with 2, an interrupt with 130.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable

__all__ = [
    "NEEDS_TORCH",
    "AudioError",
    "ConversionStateError",
    "DataError",
    "ExportError",
    "NothingConvertedError",
    "OutputError",
    "OutputExistsError",
    "PartialConversionError",
    "ProtocolError",
    "ResultError",
    "SpikeFileError",
    "SpikebenchError",
    "TrainingError",
    "UnknownNameError",
    "out_of_memory",
]

NEEDS_TORCH = "models and the leaderboard need PyTorch, which is not installed: pip install 'spikebench[train]'"


class SpikebenchError(Exception):
    """Base class of the errors that the command line reports in one line, without a traceback.

    ``details`` are further lines, printed after the message.
    """

    details: tuple[str, ...] = ()

    exit_code = 1


class AudioError(SpikebenchError):
    """A recording that cannot be used; the message gives the reason."""


class SpikeFileError(SpikebenchError):
    """A spike file that is damaged, hostile or not in the published layout."""


class ConversionStateError(SpikebenchError):
    """An unfinished conversion that cannot be resumed, or whose recordings have changed."""


class DataError(SpikebenchError):
    """A file of a data set that is missing, cannot be downloaded, or differs from the published or pinned one."""


class OutputError(SpikebenchError):
    """An output that cannot be written to the given path."""


class OutputExistsError(OutputError):
    """An output that exists already and may not be replaced."""


class ProtocolError(SpikebenchError):
    """Data that cannot be split by the protocol, or a test split opened when it must stay closed."""


class TrainingError(SpikebenchError):
    """Training that cannot start, continue or be resumed."""


class ResultError(SpikebenchError):
    """A result or a leaderboard entry that fails its checks."""


class ExportError(SpikebenchError):
    """A model that the requested format cannot express, or a format whose package is not installed."""


class PartialConversionError(SpikebenchError):
    """Some recordings were left out; the file holds the others."""

    exit_code = 3


class NothingConvertedError(SpikebenchError):
    """No recording was usable; no file was written."""

    exit_code = 4


class UnknownNameError(SpikebenchError):
    """A name that is not in a registry.

    Parameters
    ----------
    kind
        Kind of the name, e.g. ``"model"``.
    name
        The unknown name.
    known
        The registered names.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        known_names = f"known: {', '.join(names)}" if names else f"no {kind} is known here"
        super().__init__(f"unknown {kind} {name!r}; {known_names}.{hint}")
        self.kind, self.name, self.known = kind, name, names


def out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means that an allocation failed for lack of memory.

    PyTorch raises ``torch.OutOfMemoryError`` on a GPU. On a CPU it raises a plain ``RuntimeError``, which is recognised
    by its message. An illegal access to the memory of a GPU does not count.

    Parameters
    ----------
    error
        The exception.

    Returns
    -------
    bool
        True for a ``MemoryError`` and for both errors of PyTorch.
    """
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get(
        "torch"
    )  # not imported here: if one of its exceptions was raised, it is loaded
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "memory: you tried to allocate" in str(error)
