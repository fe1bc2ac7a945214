"""Measure wall time, CPU time and peak memory of a command and all processes that it starts.

A command runs in its own session. Its descendants stay in that session, even if their parent
ends first, so the session is the process tree.

* Wall time: from its start to its end.
* CPU time: user and system, of all its processes. They are children of this process, or become its
  children when their parent ends (``PR_SET_CHILD_SUBREAPER``), and are all waited for before
  ``getrusage(RUSAGE_CHILDREN)`` is read: no process is missed, and no sampling is involved.
* Memory: the sum over its processes of the proportional set size (``Pss`` of ``/proc/PID/smaps_rollup``: a
  page that four processes share counts a quarter in each), every 50 ms; for a large process, whose pages
  take long to count, less often, so that counting takes less than 5 % of one core. Shorter peaks are missed.

When a block or the program ends, early or not, every process of its sessions is ended. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

INTERVAL = 0.05  # s between two samples of the memory
SAMPLING_SHARE = 0.05  # of one core, at most
_PR_SET_CHILD_SUBREAPER = 36


class CommandError(Exception):
    """Raised if a command fails; the message contains the command and the error."""


class Look(NamedTuple):
    """One sample of the memory: seconds since the start, bytes."""

    at_s: float
    bytes: int


@dataclass(frozen=True)
class Cost:
    """Cost of a command; ``main_cpu_s`` is the CPU time of its first process alone."""

    wall_s: float
    cpu_s: float
    main_cpu_s: float
    memory: list[Look]
    output: str

    @property
    def peak_bytes(self) -> int:
        """Largest sampled sum."""
        return max((look.bytes for look in self.memory), default=0)


@dataclass
class _Sampler:
    """Samples the memory of a session in a separate thread."""

    session: int
    looks: list[Look] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _others: set[int] = field(default_factory=set)

    def run(self) -> None:
        started = time.monotonic()
        while not self._stop.is_set():
            before, spent = time.monotonic(), time.thread_time()
            total = sum(_pss(pid) for pid in members(self.session, self._others))
            self.looks.append(Look(before - started, total))
            spent = time.thread_time() - spent
            self._stop.wait(max(INTERVAL, spent / SAMPLING_SHARE - spent))

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()


def members(session: int, others: set[int] | None = None) -> list[int]:
    """List the processes of a session, including zombies.

    ``others`` collects processes outside the session, so that they are not checked again.
    """
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or (others is not None and int(name) in others):
            continue
        with contextlib.suppress(OSError):
            # pid (name) state ppid pgrp session …; the name may contain any character.
            if int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[3]) == session:
                found.append(int(name))
            elif others is not None:
                others.add(int(name))
    return found


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def end_session(session: int, patience: float = 0.0) -> None:
    """Wait some seconds for the processes of a session, kill the remaining ones, and wait for all."""
    deadline = time.monotonic() + patience
    while pids := members(session):
        for pid in pids:
            if time.monotonic() >= deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):  # not our child yet: its parent still runs
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.005)


def run(command: list[str], cwd: Path, env: dict[str, str] | None = None) -> Cost:
    """Run a command to its end.

    Parameters
    ----------
    command
        Program and arguments.
    cwd
        Folder in which it runs; its errors are written to ``stderr.txt`` there.
    env
        Environment variables in addition to those of this process.

    Returns
    -------
    Cost
        Its cost and its output.

    Raises
    ------
    CommandError
        If it cannot be started, fails or is killed.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    errors = cwd / "stderr.txt"
    before = _children_cpu()
    started = time.monotonic()
    with errors.open("w") as stderr, (cwd / "stdout.txt").open("w") as stdout:
        process = _start(command, cwd, env, stdout=stdout, stderr=stderr)
        sampler = _Sampler(process.pid)
        try:
            with sampler.looking():
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                wall = time.monotonic() - started
            end_session(process.pid, patience=10)
        finally:
            end_session(process.pid)
    if process.returncode != 0:
        said = errors.read_text(errors="replace").strip().splitlines() or ["no message"]
        raise CommandError(f"{' '.join(command[:6])} …: exit {process.returncode}: {said[-1]}")
    output = (cwd / "stdout.txt").read_text()
    main_cpu = used.ru_utime + used.ru_stime
    return Cost(wall, _children_cpu() - before, main_cpu, sampler.looks, output)


@contextlib.contextmanager
def background(command: list[str], cwd: Path, log: Path, sign: str) -> Iterator[None]:
    """Run a command during a with block, which starts when the log of the command contains ``sign``."""
    with log.open("w") as file:
        process = _start(command, cwd, None, stdout=file, stderr=file)
        try:
            deadline = time.monotonic() + 60
            while sign not in log.read_text(errors="replace"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise CommandError(f"{' '.join(command[:4])} …: did not start")
                time.sleep(0.05)
            yield
        finally:
            end_session(process.pid)
            process.returncode = -signal.SIGKILL  # waited for above


def _start(
    command: list[str], cwd: Path, env: dict[str, str] | None, **streams: object
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **streams,
        )
    except OSError as error:
        raise CommandError(f"{command[0]}: cannot be started: {error.strerror}") from None


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
