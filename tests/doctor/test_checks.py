"""What the doctor finds, on this machine and on broken ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cli.main import main
from spikebench.doctor import machine, packages, self_test
from spikebench.doctor.machine import check_folder, check_space
from spikebench.doctor.packages import check_packages
from spikebench.doctor.self_test import run_self_test


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().out


def test_this_installation_works(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "doctor", "--json")
    said = json.loads(out)
    assert (code, said["ok"]) == (0, True), out
    found = {one["name"]: one for one in said["findings"]}
    assert {"python", "torch", "numba", "threads", "BLAS", "GPU", "encoding", "training"} <= set(
        found
    )
    assert "in the channel of " in found["encoding"]["found"]
    assert found["nir"]["state"] in ("ok", "note")


def test_a_package_that_cannot_be_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)
    code, out = run(capsys, "doctor")
    assert code == 1
    assert "BROKEN  soxr" in out
    assert "→ pip install --force-reinstall soxr" in out
    assert out.endswith("1 broken, see above\n")
    assert "encoding" not in out  # not tried with broken packages
    monkeypatch.setattr(packages, "LEAST_PYTHON", (99, 0))
    python = check_packages()[0]
    assert (python.state, python.remedy) == ("broken", "install Python 99.0 or later")


def test_folders_and_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_folder("x", tmp_path / "new" / "deep", "V").state == "ok"
    (tmp_path / "file").write_text("")
    broken = check_folder("x", tmp_path / "file" / "deep", "V")
    assert (broken.state, broken.remedy) == ("broken", "name a folder of your own in V")
    states = [
        check_space("x", tmp_path, lambda path, free=free: (0, 0, free)).state
        for free in (2**20, 2**30, 2**40)
    ]
    assert states == ["broken", "note", "ok"]
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    assert machine._threads().state == "note"


def test_a_self_test_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "_TONE", 7000.0)
    monkeypatch.setattr(self_test, "_OCTAVE", 1e-9)
    monkeypatch.setattr(self_test, "_STEPS", 1)  # the loss cannot fall in one step
    assert [one.state for one in run_self_test()] == ["broken", "broken"]

    def broken(*_: object) -> None:
        raise OSError("no such device")

    monkeypatch.setattr(self_test, "make_encoder", broken)
    encoding = run_self_test()[0]
    assert encoding.state == "broken"
    assert encoding.found.startswith("OSError: no such device; ")
