"""Finding the recordings in a folder."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from spikebench.errors import AudioError
from spikebench.recordings.types import (
    HEAD_BYTES,
    HEADERLESS,
    READABLE,
    UNREADABLE,
    read_type,
    remedy,
)
from spikebench.records.text import os_error_text, printable

__all__ = ["Clip", "Skipped", "find_clips"]


@dataclass(frozen=True, order=True)
class Clip:
    """A file that should contain audio: its path, and its path relative to the folder that was searched."""

    relative: str
    path: Path

    @property
    def key(self) -> bytes:
        """The bytes of the relative POSIX path, in any encoding."""
        return os.fsencode(self.relative)


@dataclass(frozen=True)
class Skipped:
    """A file or folder that was left out, and the reason; or several ``files`` of one type, named ``*.suffix``."""

    file: str
    reason: str
    files: int = 1

    def as_json(self) -> dict[str, str | int]:
        """Return the entry for a JSON report.

        Returns
        -------
        dict
            ``file`` and ``reason``; ``files`` only if there are several.
        """
        entry: dict[str, str | int] = {"file": self.file, "reason": self.reason}
        return entry | ({"files": self.files} if self.files > 1 else {})


def find_clips(source: Path) -> tuple[list[Clip], list[Skipped]]:
    """Find the audio files in a folder, recursively, or take one file.

    Files are recognised by their suffix; files without one, or with the suffix of a type that is not read, by their
    first bytes. Hidden files and folders are ignored. Symbolic links are followed; a folder that can be reached
    twice is searched once, under its own name rather than that of a link, so that cycles of links end.

    Parameters
    ----------
    source
        A folder or an audio file.

    Returns
    -------
    clips : list of Clip
        In order of their relative paths (byte order), so that the order is the same everywhere.
    skipped : list of Skipped
        Folders that could not be listed, and audio of types that are not read, counted by suffix.

    Raises
    ------
    AudioError
        If there is no such file or folder, or it is not audio, or contains no audio.
    """
    try:
        is_folder = stat.S_ISDIR(source.stat().st_mode)
    except OSError as error:
        raise AudioError(f"{printable(str(source))}: {_why(error)}") from None
    if not is_folder:
        return [_one_file(source)], []
    clips, skipped = _search(source)
    if not clips and not skipped:
        raise AudioError(
            f"{printable(str(source))}: no audio in it or below it (known: {' '.join(READABLE)})"
        )
    return sorted(clips, key=lambda clip: clip.key), skipped


def _one_file(path: Path) -> Clip:
    """Take a single file given by the user, with any suffix, if its content is audio."""
    suffix = path.suffix.lower()
    if suffix in READABLE or _holds_audio(path, suffix):
        return Clip(path.name, path)
    if suffix in (*UNREADABLE, *HEADERLESS):
        raise AudioError(f"{printable(str(path))}: {_unread(suffix, 1)}")
    raise AudioError(f"{printable(str(path))}: not audio (known: {' '.join(READABLE)})")


def _search(root: Path) -> tuple[list[Clip], list[Skipped]]:
    clips: list[Clip] = []
    skipped: list[Skipped] = []
    unread: defaultdict[str, list[str]] = defaultdict(list)

    def refuse(error: OSError) -> None:
        folder = Path(error.filename).relative_to(root).as_posix()
        skipped.append(Skipped(printable(folder + "/"), f"cannot list the folder: {_why(error)}"))

    for path in _files(root, refuse):
        suffix = PurePosixPath(path.name).suffix.lower()
        relative = path.relative_to(root).as_posix()
        doubtful = not suffix or suffix in UNREADABLE or suffix in HEADERLESS
        if suffix in READABLE or (doubtful and _holds_audio(path, suffix)):
            clips.append(Clip(relative, path))
        elif doubtful and suffix:
            unread[suffix].append(relative)
    # A file that was converted as advised is beside its original, like sound extracted from videos.
    converted = {os.path.splitext(clip.relative)[0] for clip in clips}
    for suffix, found in sorted(unread.items()):
        names = sorted(name for name in found if os.path.splitext(name)[0] not in converted)
        count = len(names)
        if not names:
            continue
        name = printable(names[0]) if count == 1 else f"*{suffix}"
        skipped.append(Skipped(name, _unread(suffix, count), count))
    return clips, skipped


def _files(root: Path, refuse: Callable[[OSError], None]) -> Iterator[Path]:
    """Yield the files below a folder: first those in real folders, then those in folders reached only by links."""
    visited: set[tuple[int, int]] = set()
    waiting = [str(root)]
    while waiting:
        links: list[str] = []
        for start in waiting:
            for folder, children, files in os.walk(start, onerror=refuse):
                here = os.stat(folder)
                if (here.st_dev, here.st_ino) in visited:
                    children.clear()
                    continue
                visited.add((here.st_dev, here.st_ino))
                children[:] = sorted(name for name in children if not name.startswith("."))
                paths = [os.path.join(folder, name) for name in children]
                links += [path for path in paths if os.path.islink(path)]
                yield from (Path(folder, name) for name in files if not name.startswith("."))
        waiting = links


def _holds_audio(path: Path, suffix: str) -> bool:
    """Check the first bytes of a file; a pipe is not opened, since reading could block."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return False
    # An MPEG frame begins with only eleven fixed bits, like text in UTF-16, so without a suffix it is not accepted.
    return bool(read_type(head)) and (suffix in UNREADABLE or head[0] != 0xFF)


def _unread(suffix: str, count: int) -> str:
    what = (
        "samples without a header, which would give their rate"
        if suffix in HEADERLESS
        else "a type that is not read"
    )
    if count == 1:
        return f"{what}; convert it first: {remedy(suffix)}"
    return f"{count:,} files of {what}; convert them first, each by: {remedy(suffix)}"


def _why(error: OSError) -> str:
    return os_error_text(error)
