"""Several processes train as one does: the same gradients, the same weights but for the order of sums."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from numpy.testing import assert_allclose
from toy import write_toy

from spikebench import training
from spikebench.errors import TrainingError
from spikebench.inference import build_model
from spikebench.parallel import Ranks, this_rank
from spikebench.preset import Preset, read_preset
from spikebench.protocol import open_selection
from spikebench.run import WEIGHTS_FILE, RunRecord, load_tensors, read_run
from spikebench.training import fit, start_run

SETTINGS = [
    *("input.time_step_ms=10", "input.duration_ms=300", "training.batch_size=15"),
    *("training.epochs=3", "training.unit_jitter_percent=3", "training.class_weights=balanced"),
]
PATH = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
GRADIENT = """
import sys
import torch
from spikebench.inference import bin_samples, build_model
from spikebench.optimisation import batch_loss, class_weights
from spikebench.parallel import together
from spikebench.preset import read_preset
from spikebench.protocol import open_selection
from spikebench.training import start_run
from pathlib import Path
import numpy as np

model_name, data, folder = sys.argv[1:]
torch.set_num_threads(1)
settings = ["input.time_step_ms=10", "input.duration_ms=300"]
if model_name != "lstm":
    settings += ["regulariser.lower_strength=0.5", "regulariser.upper_strength=0.5", "regulariser.lower_spikes=3",
                 "model.init_fluctuation=1.0"]
else:
    settings += ["model.dropout=0.0"]
preset = read_preset(model_name, None, settings)
selection = open_selection(data)
with together(torch.device("cpu")) as ranks:
    record = start_run(Path(folder) / "run", model_name, preset, selection, 0)
    model = build_model(record)
    train = bin_samples(selection.train, preset)
    weights = class_weights(train.labels, 3, "balanced")
    whole = train.batch(np.arange(21))
    batch = whole.part(*ranks.share(len(whole)))
    output = model(batch)
    loss = batch_loss(output, batch.labels, weights, float(weights[whole.labels].sum()), 21, preset.regulariser, ranks)
    loss.backward()
    ranks.sum_gradients(model.parameters())
    total = sum(ranks.gather(float(loss.detach())))
    if ranks.is_first:
        torch.save([total, [p.grad for p in model.parameters()]], Path(folder) / f"gradients{ranks.size}.pt")
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


def torchrun(*words: str) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, "--nproc-per-node", "2", *words]
    return subprocess.run(
        command, env=os.environ | PATH, capture_output=True, text=True, timeout=300, check=False
    )


def preset(model: str, *more: str) -> Preset:
    return read_preset(model, None, [*SETTINGS, *more])


def trained_here(folder: Path, model: str, toy: Path, *more: str, refit: bool = False) -> RunRecord:
    selection = open_selection(str(toy))
    record = start_run(folder, model, preset(model, *more), selection, 0, refit=refit)
    return fit(folder, record, selection)


def epochs_done(folder: Path) -> int:
    history = folder / "history.csv"
    return len(history.read_text().splitlines()) - 1 if history.exists() else 0


@pytest.mark.parametrize("model", ["rlif", "lstm"])
def test_two_processes_get_the_gradient_of_one(model: str, toy: Path, tmp_path: Path) -> None:
    script = tmp_path / "gradient.py"
    script.write_text(GRADIENT)
    words = [str(script), model, str(toy), str(tmp_path)]
    subprocess.run([sys.executable, *words], env=os.environ | PATH, check=True)
    done = torchrun(*words)
    assert done.returncode == 0, done.stderr[-2000:]
    (one_loss, one), (two_loss, two) = (
        torch.load(tmp_path / f"gradients{n}.pt", weights_only=True) for n in (1, 2)
    )
    assert_allclose(two_loss, one_loss, rtol=1e-6)
    assert all(float(gradient.abs().max()) > 0 for gradient in one)
    alone, shared = (torch.cat([g.flatten() for g in gradients]) for gradients in (one, two))
    assert float((shared - alone).norm()) < 1e-6 * float(alone.norm())


def test_torchrun_trains_and_refits_one_run(toy: Path, tmp_path: Path) -> None:
    one = trained_here(tmp_path / "run1", "lif", toy, refit=True)
    words = ["-m", "spikebench", "train", "--model", "lif", "--data", str(toy)]
    words += [word for setting in SETTINGS for word in ("--set", setting)]
    done = torchrun(*words, "--refit", "-o", str(tmp_path / "run2"))
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("refitted on all 72") == 1
    assert done.stdout.count("validation accuracy") == 1
    two = read_run(tmp_path / "run2")
    assert one.model_dump(exclude={"train_seconds"}) == two.model_dump(exclude={"train_seconds"})
    first, second = (load_tensors(tmp_path / f"run{n}" / WEIGHTS_FILE)[0] for n in (1, 2))
    for name, tensor in first.items():
        assert_allclose(second[name], tensor, rtol=0, atol=1e-3)  # Adam magnifies the last digits


def test_a_failure_in_several_processes_is_one_line_each(toy: Path, tmp_path: Path) -> None:
    words = ["-m", "spikebench", "train", "--model", "svm", "--data", str(toy)]
    done = torchrun(*words, "-o", str(tmp_path / "run"))
    assert done.returncode != 0
    assert "spikebench: model svm is not trained by gradients: one process does it" in done.stderr


@pytest.mark.parametrize("model", ["svm", "cnn"])
def test_what_several_processes_would_change_is_refused(
    model: str, toy: Path, tmp_path: Path
) -> None:
    record = start_run(tmp_path, model, read_preset(model), open_selection(str(toy)), 0)
    with pytest.raises(TrainingError, match=f"model {model} .*one"):
        training._check_settings(build_model(record), record, Ranks(0, 2))


def test_killed_at_any_time_a_run_goes_on_to_the_same_weights(toy: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    more = ["training.epochs=80", "training.schedule=linear"]
    trained_here(whole, "rlif", toy, *more)
    record = start_run(killed, "rlif", preset("rlif", *more), open_selection(str(toy)), 0)
    command = [sys.executable, "-m", "spikebench", "train", "--resume", str(killed)]
    for _ in range(2):
        wait_for = epochs_done(killed) + 2
        process = subprocess.Popen(command, env=os.environ | PATH)
        while process.poll() is None and epochs_done(killed) < wait_for:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert 4 <= epochs_done(killed) < 80
    record = fit(killed, read_run(killed), open_selection(str(toy)))
    assert (record.status, record.epochs) == ("trained", 80)
    one, other = (load_tensors(folder / WEIGHTS_FILE)[0] for folder in (whole, killed))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_shares_are_a_partition() -> None:
    for n in (0, 1, 7, 128):
        parts = [Ranks(rank, 3).share(n) for rank in range(3)]
        assert [k for first, last in parts for k in range(first, last)] == list(range(n))


@pytest.mark.parametrize(("rank", "size"), [("x", "2"), ("2", "2"), ("0", "-1"), ("0", "0")])
def test_a_strange_environment_is_told(
    rank: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(TrainingError, match="not as torchrun sets them"):
        this_rank()
