"""Files of a commit, read from the object database of a git repository.

Blobs are read as they are stored and as a merge takes them over. ``git archive`` and ``git checkout`` apply the
``.gitattributes`` of the commit that they write (``export-ignore``, ``export-subst``, filters), so that what they
write can differ from what is merged.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spikebench.errors import ResultError
from spikebench.records.text import printable

PLAIN_FILE = "100644"


@dataclass(frozen=True)
class TreeFile:
    """One file of a tree: mode (``100644``, ``120000`` for a link), object name, size [bytes] (0 of a submodule)."""

    mode: str
    blob: str
    size: int


class Repository:
    """A git repository that is read, never written.

    Parameters
    ----------
    folder
        A folder of the repository.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def commit(self, name: str) -> str:
        """Find a commit.

        Parameters
        ----------
        name
            Branch, tag or hash.

        Returns
        -------
        str
            Its hash.

        Raises
        ------
        ResultError
            If the folder is not in a git repository, or there is no such commit.
        """
        self._git("rev-parse", "--git-dir")
        try:
            found = self._git("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
        except ResultError:
            raise ResultError(f"{printable(name)}: no such commit in {self._folder}") from None
        return found.decode().strip()

    def merge_bases(self, one: str, other: str) -> list[str]:
        """Find the best common ancestors of two commits.

        Parameters
        ----------
        one, other
            Hashes.

        Returns
        -------
        list of str
            Hashes, more than one after criss-cross merges.

        Raises
        ------
        ResultError
            If they have none.
        """
        try:
            found = self._git("merge-base", "--all", one, other)
        except ResultError:
            raise ResultError(
                f"{one[:12]} and {other[:12]} have no common ancestor; fetch the whole history of both"
            ) from None
        return found.decode().split()

    def files(self, commit: str) -> dict[str, TreeFile]:
        """List all files of a commit.

        Parameters
        ----------
        commit
            Hash.

        Returns
        -------
        dict of str to TreeFile
            By path from the top of the repository; bytes that are not UTF-8 as surrogates.
        """
        listed = self._git("ls-tree", "-r", "-z", "-l", "--full-tree", commit)
        files: dict[str, TreeFile] = {}
        for line in listed.split(b"\0")[:-1]:
            facts, path = line.split(b"\t", 1)
            mode, _, blob, size = facts.decode().split()
            files[os.fsdecode(path)] = TreeFile(mode, blob, 0 if size == "-" else int(size))
        return files

    def contents(self, files: Sequence[TreeFile]) -> Iterator[bytes]:
        """Read files.

        Parameters
        ----------
        files
            Of any commits.

        Yields
        ------
        bytes
            The content of each, in their order.
        """
        with subprocess.Popen(  # noqa: S603 - hashes from git
            [*self._command(), "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for file in files:
                process.stdin.write(f"{file.blob}\n".encode())
                process.stdin.flush()
                answer = process.stdout.readline().split()
                if answer[1:2] != [b"blob"]:
                    raise ResultError(
                        f"{file.blob}: not in the repository; fetch its whole history"
                    )
                yield process.stdout.read(int(answer[2]))
                process.stdout.read(1)  # a line feed

    def _git(self, *words: str) -> bytes:
        try:
            done = subprocess.run(  # noqa: S603 - names cannot be options
                [*self._command(), *words], capture_output=True, check=False, env=_environment()
            )
        except FileNotFoundError:
            raise ResultError("git is not installed; pull requests are read with it") from None
        if done.returncode:
            reason = (done.stderr.decode(errors="replace").splitlines() or ["failed"])[-1]
            raise ResultError(f"{self._folder}: git {words[0]}: {printable(reason)}")
        return done.stdout

    def _command(self) -> list[str]:
        # Replacement objects and grafts of the checking machine would show other files than a merge takes over.
        return ["git", "-C", str(self._folder), "--no-replace-objects"]


def _environment() -> dict[str, str]:
    return os.environ | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
