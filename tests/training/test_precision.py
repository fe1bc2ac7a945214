"""Lower precision: it learns where the processor has it, and is refused in one line before anything is written
where it has not. Both answers are tested on any machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.commands import run
from helpers.toy import write_toy
from helpers.trained_entries import forge, make_trained_entry

from spikebench.errors import TrainingError
from spikebench.presets.preset import Preset, read_preset
from spikebench.protocol.opening import SelectionData, open_oracle, open_selection
from spikebench.sweeps.runner import plan_sweep, run_sweep
from spikebench.sweeps.spec import read_spec
from spikebench.training.inference import build_model
from spikebench.training.loop import fit, start_run
from spikebench.training.precision import check_precision
from spikebench.training.run import WEIGHTS_FILE, load_tensors, read_run

SMALL = {
    "lstm": ["model.hidden_units=16", "training.learning_rate=2e-2"],
    "cnn": ["model.filters=[4, 4, 4]", "model.dense_units=16", "training.learning_rate=1e-2"],
}
WORDS = ["input.duration_ms=300", "training.batch_size=16", "training.epochs=2"]
# What oneDNN says on x86 without AVX-512, through torch 2.13.
REASON = "could not create a primitive descriptor for the LSTM forward propagation primitive"
REFUSED = (
    f"model lstm cannot be trained in bfloat16 on this processor (torch: {REASON}); set "
    "training.precision=float32, or train on a processor with such instructions (x86: AVX-512) or a GPU"
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


@pytest.fixture(scope="module")
def selection(toy: Path) -> SelectionData:
    return open_selection(str(toy))


def answer_under_autocast(
    patch: pytest.MonkeyPatch, answer: Callable[..., object], always: bool = False
) -> None:
    """Let LSTM layers answer otherwise where they are asked for lower precision, whatever the processor."""
    known = torch.nn.LSTM.forward

    def forward(self: torch.nn.LSTM, *inputs: torch.Tensor) -> object:
        if always or torch.is_autocast_enabled("cpu"):
            return answer(self, *inputs)
        return known(self, *inputs)

    patch.setattr(torch.nn.LSTM, "forward", forward)


def refuse(patch: pytest.MonkeyPatch, always: bool = False) -> None:
    """Let LSTM layers fail as they do on processors without such instructions."""

    def answer(layer: torch.nn.LSTM, *inputs: torch.Tensor) -> None:
        raise RuntimeError(f"{REASON}. Run workload with ONEDNN_VERBOSE=all to get more\nat …")

    answer_under_autocast(patch, answer, always)


@pytest.fixture
def supporting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let LSTM layers round their weights to bfloat16; the fused ones exist on some processors only."""

    def answer(layer: torch.nn.LSTM, *inputs: torch.Tensor) -> object:
        rounded = {name: weight.bfloat16().float() for name, weight in layer.named_parameters()}
        with torch.autocast("cpu", enabled=False):
            return torch.func.functional_call(layer, rounded, inputs)

    answer_under_autocast(monkeypatch, answer)


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch)


def preset(model: str, precision: str, *more: str) -> Preset:
    words = [*WORDS, *SMALL[model], f"training.precision={precision}", *more]
    return read_preset(model, None, words)


@pytest.mark.usefixtures("supporting")
@pytest.mark.parametrize("model", ["lstm", "cnn"])
def test_lower_precision_learns(model: str, tmp_path: Path, selection: SelectionData) -> None:
    weights = []
    for precision in ("bfloat16", "float32"):
        settings = preset(model, precision, "training.epochs=15")
        folder = tmp_path / precision
        done = fit(folder, start_run(folder, model, settings, selection, 0), selection)
        assert done.validation_accuracy is not None
        assert done.validation_accuracy > 0.8
        weights.append(load_tensors(folder / WEIGHTS_FILE)[0])
    assert not all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert {tensor.dtype for tensor in weights[0].values()} <= {torch.float32, torch.int64}


@pytest.mark.parametrize("model", ["lstm", "cnn"])
def test_what_the_processor_answers_is_so(
    model: str, tmp_path: Path, selection: SelectionData
) -> None:
    """On whatever machine this runs: what works is trained, what does not is refused."""
    settings = preset(model, "bfloat16", "training.epochs=1")
    folder = tmp_path / "run"
    layer = torch.nn.LSTM(3, 3) if model == "lstm" else torch.nn.Conv2d(3, 3, 3)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            layer(torch.zeros(3, 3, 3))
    except RuntimeError:
        with pytest.raises(TrainingError, match=f"{model} cannot be trained in bfloat16 on this"):
            start_run(folder, model, settings, selection, 0)
        assert not folder.exists()
    else:
        record = start_run(folder, model, settings, selection, 0)
        assert fit(folder, record, selection).status == "trained"


@pytest.mark.usefixtures("refusing")
@pytest.mark.parametrize(
    "command",
    [
        ("train",),
        ("train", "--fold", "all"),
        ("train", "--fold", "0"),
        ("evaluate",),
        ("evaluate", "--seeds", "2"),
        ("evaluate", "--oracle"),
    ],
    ids=" ".join,
)
def test_a_new_run_is_refused_before_anything_is_written(
    command: tuple[str, ...],
    toy: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = ("--set", "training.precision=bfloat16")
    code, out, err = run(
        capsys, *command, "--model", "lstm", "--data", toy, "-o", "out", *settings, "--quiet"
    )
    assert (code, out, err) == (1, "", f"spikebench: {REFUSED}\n")
    assert not any(tmp_path.iterdir())


@pytest.mark.usefixtures("refusing")
def test_a_sweep_is_refused_where_it_is_trained(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(
        f"model = ['cnn', 'lstm']\ndata = '{toy}'\n[settings]\ntraining.precision = 'bfloat16'\n"
    )
    output = tmp_path / "out"
    code, out, err = run(capsys, "sweep", spec, "-o", output)
    assert (code, out, err) == (1, "", f"spikebench: configuration lstm: {REFUSED}\n")
    assert not output.exists()
    elsewhere = ("--scheduler", "tcp://127.0.0.1:1", "--dry-run")
    code, out, err = run(capsys, "sweep", spec, "-o", output, *elsewhere)
    assert (code, err) == (0, "")
    assert "2 runs of 2 configurations, 0 trained" in out


@pytest.mark.usefixtures("refusing")
def test_other_machines_are_asked_by_their_own_workers(toy: Path, tmp_path: Path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(
        f"model = 'lstm'\ndata = '{toy}'\n[settings]\ntraining.precision = 'bfloat16'\n"
    )
    plan = plan_sweep(read_spec(spec), tmp_path / "out", None)
    report = run_sweep(plan, workers=1)  # in this process
    assert [one.failed for one in report.runs] == [REFUSED]
    assert not plan.runs[0].folder.exists()


@pytest.mark.parametrize("oracle", [False, True])
def test_a_run_from_elsewhere_is_refused_as_it_stands(
    oracle: bool, toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    selection = open_oracle(str(toy)) if oracle else open_selection(str(toy))
    folder = tmp_path / "run"
    start_run(folder, "lstm", preset("lstm", "bfloat16"), selection, 0, None)
    before = (folder / "run.json").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch)
        code, out, err = run(capsys, "train", "--resume", folder, "--quiet")
    assert (code, out, err) == (1, "", f"spikebench: {REFUSED}\n")
    assert (folder / "run.json").read_bytes() == before
    assert {path.name for path in folder.iterdir()} <= {"run.json", ".lock", ".data"}
    assert read_run(folder).test_opened == 0


def test_a_trained_one_answers_on_every_processor(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lower precision is for training alone; what is trained is tested, asked and verified in float32."""

    def lower(run: dict[str, Any]) -> None:
        run["preset"]["training"]["precision"] = "bfloat16"

    entry = make_trained_entry(tmp_path, toy, "lstm", seeds=1, epochs=1)
    forge(entry, lambda result: None, lower)
    folder = tmp_path / "seed0"
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    lower(record)
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    others = write_toy(tmp_path / "others.h5", takes=1, seed=1)
    verify = ("verify", entry, "--data", toy, "--by", "A. Tester", "--quiet")
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch)
        assert run(capsys, "predict", folder, others)[0] == 0
        assert run(capsys, "evaluate", "--checkpoint", folder, "-o", tmp_path / "again")[0] == 0
        assert run(capsys, *verify, "--inference")[0] == 0
        before = sorted(path.name for path in entry.iterdir())
        kept = tmp_path / "kept"
        code, out, err = run(capsys, *verify, "--training", "-o", kept)
        assert (code, out, err) == (1, "", f"spikebench: {REFUSED}\n")
    assert sorted(path.name for path in entry.iterdir()) == before
    assert not kept.exists()


def test_nothing_else_is_refused(
    tmp_path: Path, selection: SelectionData, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower, usual = (
        start_run(tmp_path / one, "lstm", preset("lstm", one), selection, 0, None)
        for one in ("bfloat16", "float32")
    )
    refuse(monkeypatch)
    check_precision(build_model(usual), usual, torch.device("cpu"))
    check_precision(
        build_model(lower), lower, torch.device("cuda")
    )  # this processor says nothing about a GPU
    random = torch.get_rng_state()
    with pytest.raises(TrainingError, match="cannot be trained in bfloat16"):
        check_precision(build_model(lower), lower, torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), random)
    monkeypatch.undo()
    refuse(monkeypatch, always=True)  # fails in float32 too: not because of the precision
    check_precision(build_model(lower), lower, torch.device("cpu"))
