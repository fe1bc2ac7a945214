"""The exception tree: every failure that a user can cause, with its exit code.

::

    SpikebenchError                1
    ├── AudioError                 1   a recording that cannot be used (broken, empty, silent, too long)
    ├── SpikeFileError             1   an HDF5 file that is damaged, hostile or not in the published layout
    ├── ConversionStateError       1   an unfinished conversion that cannot go on, or a source that changed under it
    ├── DataError                  1   a data set's file that is not here, cannot be had or is not what it was
    ├── OutputError                1   an output that cannot be written at the place that was asked for
    │   └── OutputExistsError      1   an output is there already and --overwrite was not given
    ├── UnknownNameError           1   a name that no registry holds; lists the known ones, offers the closest
    ├── ProtocolError              1   data that cannot be split, or a test split opened out of turn
    ├── TrainingError              1   a loss that is no longer finite, a run that cannot be resumed
    ├── ResultError                1   a result or an entry that fails its checks
    ├── ExportError                1   a model that a format cannot express, or a format that is not installed
    ├── PartialConversionError     3   some recordings were left out, the rest is in the file
    └── NothingConvertedError      4   no recording was usable, no file was written

Click's own usage errors exit with 2, an interrupt with 130.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable

__all__ = [
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


class SpikebenchError(Exception):
    """A failure to be told in one line, without a traceback; ``details`` may follow, a line each."""

    details: tuple[str, ...] = ()

    exit_code = 1


class AudioError(SpikebenchError):
    """A recording that cannot be used; the message says why."""


class SpikeFileError(SpikebenchError):
    """A spike file that is damaged, hostile or not in the published layout."""


class ConversionStateError(SpikebenchError):
    """An unfinished conversion that cannot go on, or whose recordings have changed."""


class DataError(SpikebenchError):
    """A file of a data set that is not here, cannot be had, or is not what was published or pinned."""


class OutputError(SpikebenchError):
    """An output that cannot be written at the place that was asked for."""


class OutputExistsError(OutputError):
    """An output that is there already and may not be replaced."""


class ProtocolError(SpikebenchError):
    """Data that cannot be split honestly, or a test split opened out of turn."""


class TrainingError(SpikebenchError):
    """Training that cannot start, go on or be resumed."""


class ResultError(SpikebenchError):
    """A result or a leaderboard entry that fails its checks."""


class ExportError(SpikebenchError):
    """A model that the asked format cannot express, or a format whose package is not installed."""


class PartialConversionError(SpikebenchError):
    """Some recordings were left out; the file holds the others."""

    exit_code = 3


class NothingConvertedError(SpikebenchError):
    """No recording was usable; no file was written."""

    exit_code = 4


class UnknownNameError(SpikebenchError):
    """A name that a registry does not hold.

    Parameters
    ----------
    kind
        What was asked for, e.g. ``"model"``.
    name
        The name that is not known.
    known
        The names that are.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(f"unknown {kind} {name!r}; known: {', '.join(names)}.{hint}")
        self.kind, self.name, self.known = kind, name, names


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception means that an allocation failed for lack of memory.

    PyTorch raises ``torch.OutOfMemoryError`` on a GPU and a plain ``RuntimeError`` on a CPU, which only the message of
    its allocator tells from others. An illegal access to the memory of a GPU is none.

    Parameters
    ----------
    error
        What was raised.

    Returns
    -------
    bool
        True for a ``MemoryError`` and for both of PyTorch.
    """
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get(
        "torch"
    )  # not imported here; whatever raises its exceptions has imported it
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "memory: you tried to allocate" in str(error)
