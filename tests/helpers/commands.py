"""Commands as users type them: in this process, or in one that is forked from it and shares its imports."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from cli.main import main

QUICK = ["--set", "input.duration_ms=300", "--set", "training.epochs=3", "--quiet"]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


class Started:
    """A command in a process of its own.

    The process starts at once, because it is forked: for tests of signals, not of the start of Python.
    For commands without worker processes: a fork server belongs to the process that started it.
    """

    def __init__(
        self,
        folder: Path,
        *words: object,
        environment: Mapping[str, str] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        self._said = tempfile.TemporaryDirectory()
        self.stdout, self._stderr = (Path(self._said.name, name) for name in ("stdout", "stderr"))
        for path in (self.stdout, self._stderr):
            path.touch()
        self._process = multiprocessing.get_context("fork").Process(
            target=self._run,
            args=(folder, list(map(str, words)), environment or {}, meanwhile),
            daemon=True,  # it does not outlive a test that fails
        )
        with warnings.catch_warnings():  # other threads of this process wait and hold no lock
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        self.pid = self._process.pid or 0

    def _run(
        self,
        folder: Path,
        words: list[str],
        environment: Mapping[str, str],
        meanwhile: Callable[[], None] | None,
    ) -> None:
        os.chdir(folder)
        os.environ.update(environment)
        for number, path in ((1, self.stdout), (2, self._stderr)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
            stream = os.fdopen(number, "w", buffering=1, encoding="utf-8", closefd=False)
            setattr(sys, path.name, stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        torch.set_num_threads(1)  # those of the parent do not survive a fork
        if meanwhile is not None:
            threading.Thread(target=meanwhile, daemon=True).start()
        main(words)

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def ends(self, timeout: float = 120) -> tuple[int, str, str]:
        """Wait until it ends: its exit code and what it said."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            self._process.join()
            pytest.fail(f"the command did not end within {timeout:g} s")
        out, err = (path.read_text("utf-8") for path in (self.stdout, self._stderr))
        self._said.cleanup()
        return code, out, err


def interrupted(
    command: list[str], folder: Path, how: signal.Signals, history: str = "history.csv"
) -> tuple[int, str]:
    """Run a command, and signal it once two epochs are kept; from inside, so that it never comes too late."""
    path = (folder / history).absolute()

    def send() -> None:
        while not path.exists() or len(path.read_text().splitlines()) < 3:
            time.sleep(0.001)
        os.kill(os.getpid(), how)

    code, _, err = Started(Path.cwd(), *command, meanwhile=send).ends()
    return code, err
