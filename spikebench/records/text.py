"""Untrusted text (file names, messages that contain them) escaped for terminals and UTF-8."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """Escape what a terminal or UTF-8 cannot take (control characters, undecodable bytes).

    Parameters
    ----------
    text
        A file name or a message that holds one.

    Returns
    -------
    str
        The text on one line, with hexadecimal escapes.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
