"""Entries on fresh recordings in a terminal: recordings used and left out, and the accuracy of each entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

_SHOWN = 10  # reasons
_DUPLICATES = ("duplicate", "duplicates")


def fresh_lines(document: Mapping[str, Any]) -> list[str]:
    """Format the report of a fresh test as text.

    Parameters
    ----------
    document
        From :func:`spikebench.evaluation.fresh_comparison.run_fresh_comparison`.

    Returns
    -------
    list of str
        The recordings and those left out, a line per entry, those that were not run, and what the figures mean.
    """
    found = document["recordings"]
    sources = ", ".join(f"{count:,} of {name}" for name, count in found["compared_by_file"].items())
    synthetic = " (synthetic voices)" if document["synthetic"] else ""
    lines = [
        f"{found['used']} of {found['found']} recordings{synthetic}: {found['words']} words, "
        f"{found['speakers']} known speakers",
        f"  compared with the SHA-256 of {sources or 'no known recording'}; "
        f"with the sound of {found['compared_by_sound']:,}",
        f"  left out: {found['other_words']} of words that are classes of no entry",
    ]
    reasons = Counter(
        one["reason"].partition(" the same recording as ")[0] for one in found["left_out"]
    )
    lines += [
        f"  left out: {count} {_DUPLICATES[count > 1] if reason == 'is' else f'({reason})'}"
        for reason, count in reasons.most_common(_SHOWN)
    ]
    if found["not_comparable"]:
        lines.append(
            f"  not compared, because they do not name their recordings: {', '.join(found['not_comparable'])}"
        )
    width = max((len(row["entry"]) for row in document["entries"]), default=0)
    lines.append(f"{'entry':<{width}}  {'own test':>24}  {'fresh test':>24}   drop  rank")
    lines += [_line(row, width) for row in document["entries"]]
    for row in document["entries"]:
        if not row["compared_with_its_own_data"]:
            lines.append(
                f"{row['entry']}: its own data are not on this machine; give them with --without"
            )
    lines += [f"not run: {one['entry']}: {one['reason']}" for one in document["not_run"]]
    return [*lines, document["interpretation"]]


def _line(row: dict[str, Any], width: int) -> str:
    own, new = row["own"], row["fresh"]
    figures = [
        f"{100 * one['accuracy']:.1f} ({100 * one['interval']['low']:.1f}–"
        f"{100 * one['interval']['high']:.1f}) n={one['samples']}"
        for one in (own, new)
    ]
    synthetic = "  own: synthetic voices" if row["synthetic_data"] else ""
    return (
        f"{row['entry']:<{width}}  {figures[0]:>24}  {figures[1]:>24}  {100 * row['drop']:5.1f}  "
        f"{own['rank']} → {new['rank']}{synthetic}"
    )
