"""Matching the lines of a table to recordings.

Tables contain the paths of recordings on the machines of their authors: the bare name, a path below another folder, an
absolute path, with backslashes, without a suffix, with accents encoded in another way. A line and a recording match
if one path is the end of the other and no other line or recording has this ending.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from spikebench.naming.conventions.convention import composed
from spikebench.naming.tables import Row
from spikebench.recordings.search import Clip

__all__ = ["match_rows", "place_of", "possible_clips"]

_SUFFIX = re.compile(
    r"\.(wav|wave|flac|ogg|oga|opus|mp3|aiff?|aifc|au|snd|w64|rf64|caf|sph|m4a|mp4|wma|aac|webm)$",
    re.IGNORECASE,
)
_MOST_FOLDERS = 16

Place = tuple[str, ...]


@dataclass(frozen=True)
class _Named:
    """A path as its parts, with the index of its clip or line."""

    number: int
    place: Place
    is_absolute: bool


def match_rows(rows: Sequence[Row], clips: Sequence[Clip]) -> dict[str, Row]:
    """Find the line of each recording.

    Parameters
    ----------
    rows
        Lines with different paths.
    clips
        All recordings.

    Returns
    -------
    dict
        Relative path of a clip → its line; clips without one are left out.
    """
    there = {place_of(row.path): row for row in rows}
    found = {
        clip.relative: there[place] for clip in clips if (place := place_of(clip.relative)) in there
    }
    for without_suffix in (False, True):
        ours = [_Named(i, _end(one.relative, without_suffix), False) for i, one in enumerate(clips)]
        theirs = [
            _Named(i, _end(row.path, without_suffix), _is_absolute(row.path))
            for i, row in enumerate(rows)
        ]
        for pair in (_whole, _by_ends):
            taken = {row.path for row in found.values()}
            for row, clip in pair(theirs, ours):
                if clips[clip].relative not in found and rows[row].path not in taken:
                    found[clips[clip].relative] = rows[row]
    return found


def possible_clips(path: str, clips: Sequence[Clip]) -> list[str]:
    """List the recordings that a path in a table may mean.

    Parameters
    ----------
    path
        Path as written in the table.
    clips
        All recordings.

    Returns
    -------
    list of str
        Relative paths of the recordings whose path is the end of this one, or ends with it; suffixes are ignored.
    """
    sought = _end(path, True)
    found: list[str] = []
    for clip in clips:
        place = _end(clip.relative, True)
        length = min(len(sought), len(place))
        if length and place[-length:] == sought[-length:]:
            found.append(clip.relative)
    return found


def place_of(path: str) -> Place:
    """Split a path into its parts.

    Parameters
    ----------
    path
        Path with slashes or backslashes.

    Returns
    -------
    tuple of str
        Its folders and its name, in normalisation form C.
    """
    parts = composed(path).replace("\\", "/").split("/")
    return tuple(part for part in parts if part not in ("", "."))


def _end(path: str, without_suffix: bool) -> Place:
    place = place_of(path)
    if without_suffix and place:
        place = (*place[:-1], _SUFFIX.sub("", place[-1]))
    return place


def _is_absolute(path: str) -> bool:
    return re.match(r"[/\\]|[A-Za-z]:[/\\]", path) is not None


def _whole(rows: list[_Named], clips: list[_Named]) -> list[tuple[int, int]]:
    """Pair paths that are equal and unique."""
    count = Counter(one.place for one in rows), Counter(one.place for one in clips)
    there = {one.place: one.number for one in rows if count[0][one.place] == 1}
    return [
        (there[one.place], one.number)
        for one in clips
        if count[1][one.place] == 1 and one.place in there
    ]


def _by_ends(rows: list[_Named], clips: list[_Named]) -> list[tuple[int, int]]:
    """Pair paths with the same unique ending, the longest common ending first."""
    pairs: list[tuple[int, int]] = []
    moved: defaultdict[tuple[Place, Place], list[tuple[int, int]]] = defaultdict(list)
    paired: set[int] = set()
    longest = max((len(one.place) for one in clips), default=0)
    for length in range(min(longest, _MOST_FOLDERS), 0, -1):
        ours = _alone(clips, length)
        for end, row in _alone(rows, length).items():
            clip = ours.get(end)
            if clip is None or clip.number in paired:
                continue
            before = row.place[:-length], clip.place[:-length]
            pair = row.number, clip.number
            if not all(before):
                pairs.append(pair)
                paired.add(clip.number)
            elif row.is_absolute:
                moved[before].append(pair)
                paired.add(clip.number)
    # Of a corpus that was moved, all absolute paths differ in the same leading folders.
    return pairs + (next(iter(moved.values())) if len(moved) == 1 else [])


def _alone(named: list[_Named], length: int) -> dict[Place, _Named]:
    ends = [(one.place[-length:], one) for one in named if len(one.place) >= length]
    count = Counter(end for end, _ in ends)
    return {end: one for end, one in ends if count[end] == 1}
