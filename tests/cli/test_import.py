"""The command import: an exported run gives its own predictions again; what does not fit is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import nir
import numpy as np
import pytest
from helpers.toy import N_CLASSES, N_UNITS, write_toy

from cli.main import main

QUICK = ["--set", "input.duration_ms=300", "--set", "training.epochs=2", "--quiet"]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_toy(tmp_path / "toy.h5", marked=True)


@pytest.mark.parametrize("readout", ["softmax", "max"])
def test_an_exported_run_gives_its_predictions_again(
    toy: Path, capsys: pytest.CaptureFixture[str], readout: str
) -> None:
    how = ["--set", f"model.readout={readout}"]
    run(capsys, "evaluate", "--model", "lif", "--data", toy, "-o", "r", *QUICK, *how)
    run(capsys, "export", "r/seed0" if Path("r/seed0").is_dir() else "r", "--nir", "net.nir")
    code, out, err = run(capsys, "import", "net.nir", "--data", toy, "-o", "i", "--metrics", "all")
    assert (code, err) == (0, "")
    assert out.startswith("net on toy, 1 seed: test accuracy ")
    assert out.endswith("result: i\nnext: spikebench submit i\n")
    assert "additions" in out
    one, other = (Path(name, "predictions-seed0.csv").read_text().splitlines() for name in "ri")
    assert one == other
    code, out, err = run(capsys, "submit", "i", "--authors", "A", "--entries", "e", "--json")
    assert code == 0, err
    code, _, err = run(capsys, "import", "net.nir", "--data", toy, "-o", "i")
    assert code == 1
    assert err == "spikebench: i: contains a result already; choose another folder with -o\n"


def test_refusals(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def write(name: str, n_in: int, n_out: int, **metadata: object) -> None:
        nodes = {
            "input": nir.Input(np.array([n_in])),
            "w": nir.Linear(np.ones((n_out, n_in), np.float32)),
            "output": nir.Output(np.array([n_out])),
        }
        graph = nir.NIRGraph(nodes, [("input", "w"), ("w", "output")], metadata=metadata)
        nir.write(name, graph)

    write("inputs.nir", 5, N_CLASSES)
    write("outputs.nir", N_UNITS, 7)
    write("classes.nir", N_UNITS, N_CLASSES, classes=json.dumps(["a", "b", "c"]))
    write("rule.nir", N_UNITS, N_CLASSES, readout_reduction="median")
    for name, value in {
        "time_step_ms": "ten",
        "n_steps": "many",
        "group_units": "x",
        "input_mode": "analogue",
        "readout_bias": "none",
    }.items():
        write(f"{name}.nir", N_UNITS, N_CLASSES, **{name: value})
    Path("text.nir").write_text("no")
    tries = [
        ("inputs.nir", [], "the graph has 5 inputs, the raster 12 units"),
        ("outputs.nir", [], "outputs.nir: has 7 outputs, the data 3 classes"),
        ("classes.nir", [], "classes.nir: was trained on other classes than those of the data"),
        ("rule.nir", [], "metadata: reduction"),
        ("text.nir", [], "text.nir: is not a NIR file"),
        ("absent.nir", [], "absent.nir: no such file"),
        ("time_step_ms.nir", [], "metadata: time_step_ms is not a finite number"),
        ("n_steps.nir", [], "metadata: n_steps is not a finite number"),
        ("group_units.nir", [], "metadata: group_units is not a finite number"),
        ("input_mode.nir", [], "metadata: input_mode: counts or binary"),
        (
            "readout_bias.nir",
            [],
            "readout_bias of the metadata: a parameter does not consist of real",
        ),
        ("classes.nir", ["--step-ms", -1], "step_s"),
        ("classes.nir", ["--time-step-ms", 0], "time_step_ms"),
    ]
    for name, words, reason in tries:
        code, out, err = run(capsys, "import", name, "--data", toy, "-o", "i", *words)
        assert (code, out) == (1, ""), (name, words)
        assert reason in err, err
        assert err.count("\n") == 1, err
    assert not Path("i").exists()


def test_the_folder_is_tried_before_the_test_split_is_opened(
    toy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*given: object) -> None:
        raise AssertionError("the test split was opened")

    monkeypatch.setattr("spikebench.evaluation.benchmark.open_test", opened)
    nodes = {
        "input": nir.Input(np.array([N_UNITS])),
        "w": nir.Linear(np.ones((N_CLASSES, N_UNITS), np.float32)),
        "output": nir.Output(np.array([N_CLASSES])),
    }
    nir.write("net.nir", nir.NIRGraph(nodes, [("input", "w"), ("w", "output")]))
    code, out, err = run(capsys, "import", "net.nir", "--data", toy, "-o", "net.nir/folder")
    assert (code, out) == (1, "")
    assert err.startswith("spikebench: net.nir/folder: cannot be written: ")
    assert err.count("\n") == 1
