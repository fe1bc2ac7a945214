"""The command models: what it says agrees with the models, presets, rules and formats."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.toy import write_toy

from cli.main import main
from spikebench.deployment.export import NO_ONNX, ONNX
from spikebench.learning import LEARNING_RULES
from spikebench.models import MODELS


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "models", "--json")
    assert (code, err) == (0, "")
    found = {one["name"]: one for one in json.loads(out)}
    assert list(found) == list(MODELS)
    lif = found["lif"]
    # 70 units, 128 neurons, 20 classes: two matrices, and one bias per class
    assert lif["parameters"] == 70 * 128 + 128 * 20 + 20
    assert lif["learning"] == ["bptt", "rtrl", "eprop", "superspike", "local_losses"]
    assert lif["exports"] == ["nir"]
    assert set(lif["own_presets"]) >= {"shd", "ssc", "shd-r"}
    assert found["svm"]["parameters"] is None
    assert found["svm"]["learning"] == ["counts"]
    assert found["adlif"]["exports"] == []
    assert found["mel_cnn"]["input"] == "audio"
    assert found["mel_cnn"]["about"].startswith("The network of cnn on")
    for one in found.values():
        assert set(one["learning"]) <= set(LEARNING_RULES)
        assert ("onnx" in one["exports"]) == (one["name"] in ONNX)
        assert one["spiking"] or one["name"] in {*ONNX, *NO_ONNX}


def test_table_for_a_data_set_and_for_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = run(capsys, "models", "--data", "shd")
    assert (code, err) == (0, "")
    row = next(line for line in out.splitlines() if line.startswith("  lif "))
    assert "92,180" in row
    assert "bptt, rtrl, eprop, superspike, local_losses" in row
    code, out, _ = run(capsys, "models", "--data", write_toy(tmp_path / "toy.h5"))
    assert code == 0
    code, out, err = run(capsys, "models", "--data", "digit")
    assert (code, out) == (1, "")
    assert "Did you mean 'digits'?" in err
