"""Paths of a machine in texts that are meant to be shared.

An entry is public. Absolute paths contain names of users, projects and servers, so they are refused before an entry is
written, with the field that contains them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from spikebench.errors import ResultError
from spikebench.records.text import printable

# An absolute path of two components or more, or of a server; a path in the home directory; one of Windows. Not the path
# of an address.
_PATH = re.compile(
    r"""(?xi)
    (?<![\w/.~])(?:
        (?:file:(?://)?)?/(?!/)[^\s"'/]+/[^\s"']+  # /home/anna/x
        | ///+[^\s"'/]+/[^\s"']+
        | (?:\.\./)+(?!\.\./)[^\s"'/]+/[^\s"']+
        | ~(?:[a-z_][\w.-]*)?/[^\s"']+
        | [a-z]:[\\/][^\s"']+
        | \\\\[\w.-]+\\[^\s"']+
        | (?:file|smb|nfs|afp|ssh|sftp)://[^\s"']+
    )
    | (?<![\w:/.~])//[\w.-]+/[^\s"']+  # a server, but no address
    """
)
_ADDRESS = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)


def refuse_paths(record: BaseModel, file: str) -> None:
    """Refuse a record that contains a path of a machine.

    Parameters
    ----------
    record
        Entry, result or logs.
    file
        Its file, for the message.

    Raises
    ------
    ResultError
        If a text in it contains an absolute path, a path in a home directory, or the home directory of this user.
    """
    home = str(Path.home())
    for place, text in _texts(record.model_dump(mode="json"), ""):
        found = _PATH.search(_ADDRESS.sub(" ", text))
        if found or (len(home) > 1 and home in text):
            shown = printable(found[0].strip() if found else home)[:80]
            raise ResultError(
                f"{file}: {place} contains {shown!r}, a path of a machine; an entry is public: evaluate again from the "
                "folder of the data with relative paths, or remove it from the text"
            )


def _texts(value: object, place: str) -> Iterator[tuple[str, str]]:
    """Yield every text in a JSON value with its place, as ``training.input.mode``."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield f"{place} (a key)".strip(), str(name)
            yield from _texts(inner, f"{place}.{name}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, place)
