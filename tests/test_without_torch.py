"""Without PyTorch, audio is converted and files are read; everything else says in one line what to install."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT
from helpers.synthetic_clips import write_clip

from spikebench.doctor.packages import check_packages
from spikebench.errors import NEEDS_TORCH

# Every command in a process in which `import torch` fails as if it were not installed.
BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Blocked())
"""
COMMANDS = """
from cli.main import main
for line in sys.argv[1:]:
    try:
        main(line.split())
    except SystemExit as ended:
        print(line, "->", ended.code, file=sys.stderr)
"""


def run(folder: Path, *lines: str, program: str = COMMANDS) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + program, *lines],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "HOME": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.stdout, done.stderr


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    for word in ("yes", "no"):
        for speaker in range(2):
            write_clip(tmp_path / "recordings" / word / f"{speaker}.wav")
    return tmp_path


def test_audio_is_converted_and_files_are_read(recordings: Path) -> None:
    lines = (
        "convert recordings out.h5 --channels 8 --quiet",
        "convert recordings mel.h5 --encoder step_forward --channels 8 --quiet",
        "info out.h5",
        "validate out.h5",
        "plot out.h5 --index 0 -o out.png",
        "listen out.h5 --index 0 -o out.wav",
        "data list",
        "data card digits",
        "data verify digits",
        "data compare out.h5 --with mel.h5",
        "train --model lif --print-preset",
        "leaderboard schema result",
    )
    _, err = run(recordings, *lines)
    assert [line for line in err.splitlines() if "->" in line] == [f"{line} -> 0" for line in lines]
    for made in ("out.h5", "mel.h5", "out.png", "out.wav"):
        assert (recordings / made).stat().st_size > 0


def test_the_rest_says_what_to_install_and_writes_nothing(recordings: Path) -> None:
    entries = ROOT / "leaderboard" / "entries" / "digits"
    lines = (
        "train --model lif --data digits -o made",
        "evaluate --model lif --data digits -o made",
        "evaluate --model svm --data digits -o made",
        "models",
        f"leaderboard build --entries {entries.parent} -o made",
        f"leaderboard show --entries {entries.parent}",
        f"verify {next(entries.glob('lif*'))}",
        "convert recordings made --channels 8 --quiet --device cuda",
        "encoders recordings -o made",
    )
    _, err = run(recordings, *lines)
    expected = [line for one in lines for line in (f"spikebench: {NEEDS_TORCH}", f"{one} -> 1")]
    assert err.splitlines() == expected
    assert not (recordings / "made").exists()


def test_python_says_it_as_well(recordings: Path) -> None:
    program = """
import spikebench
print(len(spikebench.open_selection("digits").train), spikebench.SpikeDataset, spikebench.read_preset)
try:
    spikebench.Benchmark
except ModuleNotFoundError as error:
    print(error)
"""
    out, err = run(recordings, program=program)
    assert out.splitlines()[1:] == [f"spikebench.Benchmark: {NEEDS_TORCH}"], err
    assert out.startswith("552 ")


def test_the_doctor_notes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (found,) = (one for one in check_packages() if one.name == "torch")
    assert (found.state, found.remedy) == ("note", "pip install 'spikebench[train]'")


def test_no_dependency_brings_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not [one for one in project["dependencies"] if one.startswith(("torch", "triton"))]
    assert [one for one in project["optional-dependencies"]["train"] if one.startswith("torch")]
    assert "train" in project["optional-dependencies"]["dev"][0]
