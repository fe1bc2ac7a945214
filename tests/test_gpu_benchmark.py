"""The command that checks a GPU and measures its speed, with commands that take no time."""

from __future__ import annotations

import importlib
import json
import subprocess
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch
from conftest import ROOT


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("the benchmarks are only in the repository")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("gpu")


def test_stages_are_in_order_of_importance(gpu: ModuleType, tmp_path: Path) -> None:
    names = ["tests", "checks", "training", "epoch", "conversion", "accuracy", "more-training"]
    for interpret in (False, True):
        stages = gpu.list_stages(tmp_path, "words.h5", interpret)
        assert [stage.name for stage in stages] == names
        for stage in stages:
            interpreted = str(ROOT / "benchmarks" / "gpu_interpreted.py") in stage.command
            assert interpreted == interpret
            named = [word for word in stage.command if word.endswith(".py")]
            assert all((ROOT / word).exists() for word in named)
            assert str(stage.output) in " ".join(stage.command)
    assert gpu.SECONDS < 480


def is_running(stat: Path) -> bool:
    try:
        return stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_stage_that_fails_or_overruns_does_not_stop_the_others(
    gpu: ModuleType, tmp_path: Path
) -> None:
    partial = {"checks": [{"check": "a", "what": "b", "pass": True}], "expected": 2}
    scripts = {
        "fails": (1, "echo error: broken; exit 3"),
        "overruns": (1, f"sleep 60 & echo $! > pid; echo '{json.dumps(partial)}' > $0; wait"),
        "works": (100, "echo '{}' > $0"),
    }
    stages = []
    for name, (share, script) in scripts.items():
        output = tmp_path / f"{name}.json"
        command = ["sh", "-c", f"cd {tmp_path}; {script}", str(output)]
        stages.append(gpu.Stage(name, share, command, output))
    seen: list[int] = []
    done = gpu.run_stages(stages, 30.0, tmp_path, lambda done: seen.append(len(done)))
    assert [stage["status"] for stage in done] == ["failed", "not finished", "finished"]
    assert seen == [1, 2, 3]
    assert done[0]["log"] == ["error: broken"]
    assert done[1]["result"] == partial  # what it had written
    assert done[1]["seconds"] < 10
    child = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    until = time.monotonic() + 5
    while is_running(child) and time.monotonic() < until:
        time.sleep(0.01)
    assert not is_running(child)  # its processes were stopped with it
    report = {"date": "", "command": "", "machine": {"device": "x"}, "seconds": 3.0, "stages": done}
    text = importlib.import_module("gpu_report").page(report)
    assert "| overruns | not finished |" in text
    assert "| overruns | checks that were not reached | 1 | 0 | FAILED |" in text
    assert "error: broken" in text
    assert gpu.exit_code(done) == 1
    assert gpu.exit_code(done[2:]) == 0


def test_a_failed_check_gives_exit_code_1(gpu: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "tests.xml"
    case = '<testcase name="{}">{}</testcase>'
    skipped, failed = '<skipped message="torch finds no CUDA device"/>', '<failure message="no"/>'
    codes = {"": 0, failed: 1, '<skipped message="Triton is not installed"/>': 1}
    for outcome, code in codes.items():
        cases = case.format("one", "") + case.format("two", skipped) + case.format("three", outcome)
        path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
        result = gpu.read_output(path)
        assert [one["check"] for one in result["checks"]] == ["one", "three"]
        stage = {"stage": "tests", "status": "finished", "result": result}
        assert gpu.exit_code([stage]) == code
    assert gpu.exit_code([{"stage": "tests", "status": "finished", "result": {}}]) == 1


def test_without_a_gpu_it_says_so(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    assert capsys.readouterr().err.startswith("torch finds no CUDA device")
    subprocess.run(["sh", "-n", str(ROOT / "benchmarks" / "gpu.sh")], check=True)
