"""The class of a network in a file of the user, ``my_net.py:MyNet``.

A file is run only if the user names it on the command line. A run, a result or an entry holds the name of the file and
of the class, and the SHA-256 of the file; none of them holds code, and nothing that they name is searched for.
:func:`class_of` finds the class of such a run if the file that the user named has that SHA-256.

The class is made by ``MyNet(n_units, n_classes, **settings)`` with the settings of the table ``[model]``. A constructor
with parameters of the names ``n_steps`` and ``time_step`` [s] gets these too. The rest of the contract is that of
:mod:`spikebench.models.own`.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from torch import nn

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.models.base import Classifier, DataShape, model_class
from spikebench.models.configs.base import ModelConfig
from spikebench.models.own import OwnModel, guarded
from spikebench.records.text import os_error_text, printable

MAX_BYTES = 4 * 1024 * 1024
MAX_NAME = 200  # of a model in a result
_ARGUMENT = re.compile(r"(?P<path>.*\.py)(?::(?P<name>.*))?", re.DOTALL)


@dataclass(frozen=True)
class OwnCode:
    """A class of a file that the user named.

    Attributes
    ----------
    name : str
        ``my_net.py:MyNet``, without folders.
    sha256 : str
        Of the file.
    """

    name: str
    sha256: str


# What the user named in this process: class and SHA-256 of its file → the class, and the path of the file.
_NAMED: dict[tuple[str, str], tuple[type[nn.Module], str]] = {}


def load_code(model: str, expected: str | None = None) -> OwnCode:
    """Run a file of the user and keep its class for :func:`class_of`.

    Parameters
    ----------
    model
        ``FILE.py:CLASS``.
    expected
        SHA-256 that the file must have; a file with another one is not run.

    Returns
    -------
    OwnCode
        Name and SHA-256.

    Raises
    ------
    TrainingError
        If there is no such file or class, the class is not a ``torch.nn.Module``, the file raises an exception, or it
        has another SHA-256.
    """
    match = _ARGUMENT.fullmatch(model)
    if match is None:
        raise TrainingError(f"{printable(model)}: must have the form FILE.py:CLASS")
    path, name = Path(match["path"]), match["name"] or ""
    content = _read(path)
    sha256 = hashlib.sha256(content).hexdigest()
    shown, file = printable(str(path)), str(path.absolute())
    if expected is not None and sha256 != expected:
        raise TrainingError(
            f"{shown}: not run, because its SHA-256 is {sha256[:16]}…, not {expected[:16]}…; use the original file"
        )
    module = ModuleType(f"spikebench_own_{sha256[:16]}")
    module.__file__ = file
    sys.modules[module.__name__] = module  # where dataclasses look for their annotations
    guarded(
        *(shown, "running it", file),
        lambda: exec(compile(content, file, "exec", dont_inherit=True), module.__dict__),
    )
    kinds = {
        key: kind
        for key, kind in vars(module).items()
        if isinstance(kind, type)
        and issubclass(kind, nn.Module)
        and kind.__module__ == module.__name__
    }
    if name not in kinds:
        there = f"it has {', '.join(kinds)}" if kinds else "it has no torch.nn.Module of its own"
        what = (
            f"no class {printable(name)!r} that is a torch.nn.Module"
            if name
            else "no class is named"
        )
        raise TrainingError(f"{shown}: {what}; {there}: give --model {shown}:CLASS")
    whole = f"{printable(path.name)}:{name}"
    if len(whole) > MAX_NAME:
        raise TrainingError(
            f"{shown}: the names of file and class have more than {MAX_NAME} characters"
        )
    _NAMED[name, sha256] = (kinds[name], file)
    return OwnCode(whole, sha256)


def _read(path: Path) -> bytes:
    shown = printable(str(path))
    try:
        if not path.is_file():
            raise TrainingError(
                f"{shown}: {'not a file' if path.exists() else 'no such file'}; --model takes FILE.py:CLASS"
            )
        if path.stat().st_size > MAX_BYTES:
            raise TrainingError(
                f"{shown}: larger than {MAX_BYTES} bytes; not the code of a network"
            )
        return path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{shown}: cannot be read: {os_error_text(error)}") from None


def class_of(model: str, code_sha256: str | None) -> type[Classifier]:
    """Return the class of the model of a run.

    Parameters
    ----------
    model, code_sha256
        Name of the model, and the SHA-256 of its file; None for a built-in model.

    Returns
    -------
    type
        For a file, the class that the user has named.

    Raises
    ------
    UnknownNameError
        If there is no such built-in model.
    TrainingError
        If the user has not named the file, or it has another SHA-256.
    """
    if code_sha256 is None:
        return model_class(model)
    name = model.rpartition(":")[2]
    if (name, code_sha256) not in _NAMED:
        raise TrainingError(_not_named(model, name, code_sha256))
    kind, file = _NAMED[name, code_sha256]
    return type("FileModel", (_FileModel,), {"kind": kind, "file": file, "called": model})


def _not_named(model: str, name: str, code_sha256: str) -> str:
    """Say why the file of a run is not run."""
    needed = f"SHA-256 {code_sha256[:16]}…"
    others = [sha256 for known, sha256 in _NAMED if known == name]
    if others:
        return (
            f"model {model}: the file given with --model has SHA-256 {others[-1][:16]}…, not {needed}; name the "
            "original file"
        )
    return (
        f"model {model} is a network in a file of its authors, which is run only if the command line names it: "
        f"give --model {model} with the path of the file ({needed}); only train, evaluate and verify take it"
    )


class _FileModel(OwnModel):
    """A network whose class is in a file; what its code raises is reported in one line."""

    kind: ClassVar[type[nn.Module]]
    file: ClassVar[str]
    called: ClassVar[str]

    def __init__(self, config: ModelConfig, shape: DataShape) -> None:
        settings = config.model_dump()
        for name in ("n_steps", "time_step"):
            if name in _parameters(self.kind) and name not in settings:
                settings[name] = getattr(shape, name)
        module = guarded(
            *(self.called, "its constructor", self.file),
            lambda: self.kind(shape.n_units, shape.n_classes, **settings),
        )
        guarded(
            *(self.called, "its state", self.file),
            lambda: OwnModel.__init__(self, module, shape, self.called),
        )

    def run(self, batch: EventBatch) -> Any:  # noqa: ANN401
        """Call the network with what it takes."""
        return guarded(self.called, "its forward", self.file, lambda: OwnModel.run(self, batch))


def _parameters(kind: type[nn.Module]) -> list[str]:
    try:
        return list(inspect.signature(kind).parameters)
    except (TypeError, ValueError):  # not written in Python
        return []
