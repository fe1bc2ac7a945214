"""JSON from untrusted sources: bounded size and depth, unique keys, finite numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from spikebench.errors import ResultError
from spikebench.records.problems import first_problem
from spikebench.records.text import os_error_text

MAX_JSON_BYTES = 16 * 1024 * 1024
MAX_JSON_DEPTH = 32
_CONTAINERS = {dict, list}

Kind = TypeVar("Kind", bound=BaseModel)


def read_record(path: Path, kind: type[Kind], max_bytes: int = MAX_JSON_BYTES) -> Kind:
    """Read a record from an untrusted source.

    Parameters
    ----------
    path
        The file.
    kind
        Type of the record.
    max_bytes
        Larger files are refused unread.

    Returns
    -------
    BaseModel
        The record.

    Raises
    ------
    ResultError
        If the file is missing, too large, not such JSON, or does not match the type.
    """
    try:
        return kind.model_validate(read_json(path, max_bytes))
    except ValidationError as error:
        raise ResultError(f"{path}: {first_problem(error, kind)}") from None


def read_bytes(path: Path, max_bytes: int = MAX_JSON_BYTES) -> bytes:
    """Read a file of bounded size.

    Parameters
    ----------
    path
        The file.
    max_bytes
        Larger files are refused unread.

    Returns
    -------
    bytes
        Its contents.

    Raises
    ------
    ResultError
        If it is missing, too large or cannot be read.
    """
    try:
        if not path.is_file():
            raise ResultError(f"{path}: no such file")
        if path.stat().st_size > max_bytes:
            raise ResultError(f"{path}: larger than {max_bytes} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ResultError(f"{path}: not readable: {os_error_text(error)}") from None


def read_json(path: Path, max_bytes: int = MAX_JSON_BYTES) -> Any:  # noqa: ANN401
    """Read JSON from an untrusted source, see :func:`parse_json`.

    Parameters
    ----------
    path
        The file.
    max_bytes
        Larger files are refused unread.

    Returns
    -------
    Any
        The parsed value.

    Raises
    ------
    ResultError
        If the file is missing, too large, or not such JSON.
    """
    return parse_json(path, read_bytes(path, max_bytes))


def parse_json(path: Path, content: bytes) -> Any:  # noqa: ANN401
    """Parse JSON from an untrusted source: no duplicate keys, no NaN, bounded depth.

    Parameters
    ----------
    path
        Path of the file, for messages.
    content
        JSON in UTF-8.

    Returns
    -------
    Any
        The parsed value.

    Raises
    ------
    ResultError
        If it is not such JSON.
    """
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise ResultError(f"{path}: nested too deeply") from None
    except ValueError as error:
        raise ResultError(f"{path}: not readable as JSON: {error}") from None
    level = [[value]]
    for _ in range(MAX_JSON_DEPTH):
        level = [inner for parent in level for inner in _containers(parent)]
    if any(level):
        raise ResultError(f"{path}: nested too deeply")
    return value


def _containers(parent: list[Any]) -> list[list[Any]]:
    """Return the containers in a list, objects as lists of their values."""
    if _CONTAINERS.isdisjoint(map(type, parent)):  # shortcut for long rows of numbers
        return []
    lists = [list(one.values()) if isinstance(one, dict) else one for one in parent]
    return [one for one in lists if isinstance(one, list)]


def _finite(digits: str) -> float:
    # 1e999 is valid JSON and becomes infinity, which JSON cannot represent.
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is too large a number")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice[:80]!r} appears twice")
    return keys


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number in JSON")
