"""Text of messages: untrusted text escaped for terminals and UTF-8, and the reason of an operating system error."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path, PurePath

__all__ = ["os_error_text", "printable", "shareable", "shareable_source"]


def printable(text: str) -> str:
    """Escape characters that a terminal or UTF-8 cannot represent (control characters, undecodable bytes).

    Parameters
    ----------
    text
        A file name or a message that contains one.

    Returns
    -------
    str
        The text on one line, with hexadecimal escapes.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def os_error_text(error: OSError) -> str:
    """Return the reason of an operating system error for a message, without the path.

    Parameters
    ----------
    error
        The exception.

    Returns
    -------
    str
        Reason in lower case, e.g. ``no space left on device``.
    """
    # Not its own text if it has a number: h5py puts addresses into it. Numbers of name resolution are of their own.
    has_number = error.errno and not isinstance(error, socket.gaierror)
    text = os.strerror(error.errno or 0) if has_number else error.strerror or str(error)
    return " ".join(text.split()).lower()


def shareable(path: str) -> str:
    """Shorten a path for files that are meant to be shared: no folder outside of the working directory is named.

    Parameters
    ----------
    path
        A path, or the name of a registered data set.

    Returns
    -------
    str
        The path if it is relative and leads to no folder above, else its last component.
    """
    pure = PurePath(path)
    outside = pure.is_absolute() or ".." in pure.parts or path.startswith("~")
    if outside and Path(path).expanduser().resolve() == Path.home():
        return "home"  # its name is that of the user
    return pure.name if outside else path


_FOLDERS = re.compile(r"(^|[=,])(?:/|~|\.\./)(?:[^:=,]*/)?")


def shareable_source(source: str) -> str:
    """Shorten the paths of tables in the source of labels or splits, as given by a user.

    Parameters
    ----------
    source
        For example ``/home/anna/t.csv:label=word`` or ``train=../train.csv``.

    Returns
    -------
    str
        The same without the folders of absolute paths and of those that lead to a folder above.
    """
    return _FOLDERS.sub(r"\1", source)
