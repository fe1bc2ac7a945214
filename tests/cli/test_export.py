"""The command export: what it writes, says and refuses."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import nir
import onnx
import pytest
from helpers.toy import write_toy

from cli.main import main

QUICK = ["--set", "input.duration_ms=300", "--set", "training.epochs=1", "--quiet"]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_toy(tmp_path / "toy.h5", synthetic=True)


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


def test_a_trained_model_becomes_nir(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "train", "--model", "lif", "--data", toy, "-o", "run", *QUICK)
    code, out, err = run(capsys, "export", "run", "--nir", "model.nir")
    assert (code, err) == (0, "")
    digest = hashlib.sha256(Path("model.nir").read_bytes()).hexdigest()
    assert "Wrote model.nir: lif on toy (synthetic voices), seed 0, as NIR\n" in out
    assert digest in out
    assert "nir.read('model.nir')" in out
    assert nir.read("model.nir").metadata["synthetic_voices"] == 1
    code, out, err = run(capsys, "export", "run", "--nir", "model.nir", "--json")
    assert (code, out) == (1, "")
    assert err == "spikebench: model.nir: exists already (--overwrite replaces it)\n"
    code, out, _ = run(capsys, "export", "run", "--nir", "model.nir", "--overwrite", "--json")
    assert code == 0
    said = {"path": "model.nir", "sha256": digest, "format": "nir", "model": "lif"}
    assert json.loads(out) == said
    code, _, err = run(capsys, "export", "run", "--onnx", "model.onnx")
    assert code == 1
    assert err.startswith(
        "spikebench: model lif is a spiking model, and ONNX has no spiking neurons"
    )
    assert err.count("\n") == 1
    assert not Path("model.onnx").exists()


def test_one_seed_of_a_result_becomes_onnx(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "--model", "svm", "--data", toy, "--seeds", 2, "-o", "out", "--oracle"]
    run(capsys, *words, *QUICK)
    code, _, err = run(capsys, "export", "out", "--onnx", "model.onnx")
    assert code == 1
    assert "out: is not a run but contains 2 runs, seed0, seed1; give one: out/seed0" in err
    code, out, _ = run(capsys, "export", "out/seed1", "--onnx", "model.onnx")
    assert code == 0
    assert "seed 1, as ONNX, ORACLE: chosen on the test split\n" in out
    said = {entry.key: entry.value for entry in onnx.load("model.onnx").metadata_props}
    assert (said["selected_on"], said["seed"]) == ("test", "1")


@pytest.mark.parametrize("words", [[], ["--nir", "a", "--onnx", "b"]])
def test_one_format_is_asked_for(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "export", "run", *words)
    assert code == 2
    assert "give --nir FILE for a spiking model, or --onnx FILE for a conventional one" in err


def test_a_folder_that_is_not_there_is_told(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "export", "nothing", "--nir", "model.nir")
    assert code == 1
    assert err == "spikebench: nothing: not a run (contains no run.json)\n"
    code, _, err = run(capsys, "export", "nothing", "--nir", "nowhere/model.nir")
    assert code == 1
    assert "there is no folder nowhere; make it first" in err
