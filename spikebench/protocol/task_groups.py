"""The tasks of learning task after task, as groups of classes."""

from __future__ import annotations

from collections.abc import Sequence

from spikebench.naming.conventions.heidelberg_digits import HEIDELBERG_DIGITS, LANGUAGES

__all__ = ["class_groups"]


def class_groups(sequence: str, classes: Sequence[str]) -> dict[str, list[int]]:
    """Group the classes of a data set by tasks.

    Parameters
    ----------
    sequence
        ``pairs``: class 0 and 1, then 2 and 3, …; an odd last class joins the last pair. ``languages``: the English
        digits, then the German ones, of data with these classes. Both may be followed by ``:single``.
    classes
        Names of the classes.

    Returns
    -------
    dict of str to list of int
        Name of each task → its classes, in order; empty for other sequences.
    """
    kind = sequence.partition(":")[0]
    if kind == "pairs":
        starts = range(0, len(classes) - 1, 2)
        ends = [*starts[1:], len(classes)]
        groups = [list(range(*both)) for both in zip(starts, ends, strict=True)]
        return {"/".join(classes[k] for k in group): group for group in groups}
    if kind == "languages" and tuple(classes) == HEIDELBERG_DIGITS:
        return {
            name: [HEIDELBERG_DIGITS.index(word) for word in words]
            for name, words in LANGUAGES.items()
        }
    return {}
