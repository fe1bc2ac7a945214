"""Patterns of file names given by the user: ``{speaker}_{digit}_take{take}``."""

from __future__ import annotations

import re
from collections.abc import Callable

from spikebench.errors import SpikebenchError
from spikebench.naming.conventions.convention import Facts, composed, stem
from spikebench.recordings.search import Clip

__all__ = ["pattern_reader"]

_NOT_LABEL = {"speaker", "split", "fold", "trial", "take", "repetition", "session"}


def pattern_reader(pattern: str) -> Callable[[Clip], Facts | None]:
    """Compile a pattern into a function that reads names.

    Parameters
    ----------
    pattern
        Named groups in braces, matched against the file name without its suffix and as many folders as the
        pattern has slashes. Label: the group ``label``; else all groups except speaker, split, fold, trial, take,
        repetition and session, joined with ``-``.

    Returns
    -------
    callable
        Clip → label, speaker, split and fold, or None if the name does not fit.

    Raises
    ------
    SpikebenchError
        If braces do not match, a group has an invalid name or occurs twice, or two groups touch.
    """
    parts = re.split(r"\{([^{}]*)\}", composed(pattern))
    literals, names = parts[::2], parts[1::2]
    _check(pattern, literals, names)
    compiled = re.compile(_expression(literals, names))
    depth = pattern.count("/") + 1
    labelling = ["label"] if "label" in names else [n for n in names if n not in _NOT_LABEL]

    def read(clip: Clip) -> Facts | None:
        folders = composed(clip.relative).split("/")[:-1]
        match = compiled.fullmatch("/".join([*folders, stem(clip)][-depth:]))
        if match is None:
            return None
        groups = match.groupdict()
        label = "-".join(groups[name] for name in labelling) if labelling else None
        fold = groups.get("fold")
        if fold is not None and not re.fullmatch(r"\d{1,9}", fold, re.ASCII):
            return None
        return Facts(
            label, groups.get("speaker"), groups.get("split"), None if fold is None else int(fold)
        )

    return read


def _check(pattern: str, literals: list[str], names: list[str]) -> None:
    if any("{" in text or "}" in text for text in literals) or not names:
        raise SpikebenchError(f"pattern {pattern!r}: braces do not match")
    for name in names:
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", name) or names.count(name) > 1:
            raise SpikebenchError(
                f"pattern {pattern!r}: group {{{name}}} is not a valid name, or occurs twice"
            )
    if "" in literals[1:-1]:
        raise SpikebenchError(f"pattern {pattern!r}: two groups touch; put text between them")


def _expression(literals: list[str], names: list[str]) -> str:
    # Every group except the last ends at the first occurrence of its literal (atomic group): without backtracking,
    # the time is linear in the length of the name.
    expression = re.escape(literals[0]) + "".join(
        f"(?>(?P<{name}>[^/]+?){re.escape(literal)})"
        for name, literal in zip(names[:-1], literals[1:-1], strict=True)
    )
    return expression + f"(?P<{names[-1]}>[^/]+?){re.escape(literals[-1])}"
