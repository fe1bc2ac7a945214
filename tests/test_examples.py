"""The examples of docs/examples run as they stand, on a file that convert's writer made."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from helpers.toy import write_toy

EXAMPLES = ROOT / "docs" / "examples"
PEERS = ROOT / ".venv-peers" / "bin" / "python"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


def run(python: Path, name: str, data: Path) -> str:
    """Run an example with other libraries, in their environment."""
    done = subprocess.run(
        [str(python), str(EXAMPLES / f"{name}.py"), str(data)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def said(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """Run an example that needs nothing else in this process, which has loaded all of it."""

    def run_here(name: str) -> str:
        path = EXAMPLES / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), str(data)])
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    return run_here


def test_every_example_is_tested() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f'"{path.stem}"' in text, path


def test_plain_h5py(said: Callable[[str], str]) -> None:
    text = said("plain_h5py")
    assert "96 samples of 3 classes on 12 units" in text
    assert "class of the first sample: 'up', 48 spikes in 100 bins of 10 ms" in text


def test_a_loader_with_workers(said: Callable[[str], str]) -> None:
    losses = [float(x) for x in re.findall(r"loss (\S+),", said("torch_dataloader"))]
    assert len(losses) == 5


def needs_peer(name: str) -> None:
    if not PEERS.is_file():
        pytest.skip(f"{name} is not installed (make peers)")
    found = subprocess.run([PEERS, "-c", f"import {name}"], capture_output=True)
    if found.returncode:
        pytest.skip(f"{name} does not import in .venv-peers (make peers)")


@pytest.mark.parametrize(
    ("name", "package"),
    [("snntorch_training", "snntorch"), ("spikingjelly_training", "spikingjelly")],
)
def test_other_libraries_learn_from_our_batches(name: str, package: str, data: Path) -> None:
    needs_peer(package)
    first, second = (float(x) for x in re.findall(r"loss (\S+)\n", run(PEERS, name, data)))
    assert 0 < second < first
