"""The wheel and the source distribution: built, installed without the checkout, and used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*words: object, **environment: str) -> str:
    """Run Python outside of the checkout; return what it printed."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env={**os.environ, **environment},
        cwd=environment.get("PYTHONPATH", ROOT),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    run("-m", "hatchling", "build", "-d", folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    (wheel,) = built.glob("*.whl")
    run("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder, wheel)
    return folder


def test_a_network_is_trained_and_tested_by_the_installed_package(installed: Path) -> None:
    where = run("-c", "import spikebench; print(spikebench.__file__)", PYTHONPATH=str(installed))
    assert Path(where.strip()).is_relative_to(installed)
    out = run(
        *("-m", "spikebench", "evaluate", "--model", "lif", "-o", "result", "--quiet", "--json"),
        *("--set", "training.epochs=1", "--set", "training.kernels=reference"),
        *("--set", "input.time_step_ms=50"),
        PYTHONPATH=str(installed),
    )
    result = json.loads(out)
    assert result["dataset"]["name"] == "digits"
    assert result["seeds"][0]["test_accuracy"] > 0
    schema = run("-m", "spikebench", "leaderboard", "schema", "entry", PYTHONPATH=str(installed))
    assert json.loads(schema) == json.loads((ROOT / "docs/schemas/entry.json").read_text("utf-8"))
    assert list((installed / "leaderboard" / "entries").glob("shd-r/*/entry.json"))


def test_the_source_distribution_has_what_a_reader_needs_and_no_recordings(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert names >= {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "docs/protocol.md"}
    assert "spikebench/datasets/digits.h5" in names
    assert not [name for name in names if name.endswith(".flac")]
