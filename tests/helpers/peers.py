"""Other libraries in an environment of their own (make peers), and running scripts there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

PEERS = ROOT / ".venv-peers" / "bin" / "python"


def needs_peer(name: str) -> None:
    """Skip a test unless the library is installed among the peers."""
    if not PEERS.is_file():
        pytest.skip(f"{name} is not installed (make peers)")
    look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)"
    if subprocess.run([PEERS, "-c", look]).returncode:
        pytest.skip(f"{name} is not installed in .venv-peers (make peers)")


def run_peer(script: Path, *words: str) -> str:
    """Run a script among the peers; return what it prints."""
    done = subprocess.run(
        [str(PEERS), str(script), *words],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
