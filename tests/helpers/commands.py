"""Commands as users type them, in this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.main import main

SIGNALLED = """
import os, signal, sys, threading, time
from pathlib import Path
from cli.main import main

def send():
    history = Path(sys.argv[1])
    while not history.exists() or len(history.read_text().splitlines()) < 3:
        time.sleep(0.001)
    os.kill(os.getpid(), int(sys.argv[2]))

signal.signal(signal.SIGINT, signal.default_int_handler)  # which jobs in the background ignore
threading.Thread(target=send, daemon=True).start()
main(sys.argv[3:])
"""

QUICK = ["--set", "input.duration_ms=300", "--set", "training.epochs=3", "--quiet"]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


def interrupted(
    command: list[str], folder: Path, how: signal.Signals, history: str = "history.csv"
) -> tuple[int, str]:
    """Run a command, and signal it once two epochs are kept."""
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, str(folder / history), str(int(how)), *command],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    return done.returncode, done.stderr
