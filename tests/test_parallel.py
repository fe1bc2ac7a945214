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

from spikebench.errors import TrainingError
from spikebench.parallel import Ranks, this_rank
from spikebench.run import CHECKPOINT_FILE, WEIGHTS_FILE, load_tensors, read_run

SETTINGS = [
    *("--set", "input.time_step_ms=10", "--set", "input.duration_ms=300"),
    *("--set", "training.batch_size=15", "--set", "training.epochs=3"),
    *("--set", "training.unit_jitter_percent=3", "--set", "training.class_weights=balanced"),
]
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


def torchrun(n: int, *words: str) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, "--nproc-per-node", str(n), *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("model", ["rlif", "lstm"])
def test_two_processes_get_the_gradient_of_one(model: str, toy: Path, tmp_path: Path) -> None:
    script = tmp_path / "gradient.py"
    script.write_text(GRADIENT)
    for n in (1, 2):
        done = torchrun(n, str(script), model, str(toy), str(tmp_path))
        assert done.returncode == 0, done.stderr[-2000:]
    (one_loss, one), (two_loss, two) = (
        torch.load(tmp_path / f"gradients{n}.pt", weights_only=True) for n in (1, 2)
    )
    assert_allclose(two_loss, one_loss, rtol=1e-6)
    assert all(float(gradient.abs().max()) > 0 for gradient in one)
    alone, shared = (torch.cat([g.flatten() for g in gradients]) for gradients in (one, two))
    assert float((shared - alone).norm()) < 1e-6 * float(alone.norm())


def test_torchrun_trains_one_run(toy: Path, tmp_path: Path) -> None:
    words = ["-m", "spikebench", "train", "--model", "lif", "--data", str(toy), *SETTINGS]
    for n in (1, 2):
        done = torchrun(n, *words, "-o", str(tmp_path / f"run{n}"))
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.count("validation accuracy") == 1
    one, two = (read_run(tmp_path / f"run{n}") for n in (1, 2))
    assert one.model_dump(exclude={"train_seconds"}) == two.model_dump(exclude={"train_seconds"})
    first, second = (load_tensors(tmp_path / f"run{n}" / WEIGHTS_FILE)[0] for n in (1, 2))
    for name, tensor in first.items():
        assert_allclose(second[name], tensor, rtol=0, atol=1e-3)  # Adam magnifies the last digits


@pytest.mark.parametrize("model", ["svm", "cnn"])
def test_what_several_processes_would_change_is_refused(
    model: str, toy: Path, tmp_path: Path
) -> None:
    words = ["-m", "spikebench", "train", "--model", model, "--data", str(toy), *SETTINGS[:4]]
    done = torchrun(2, *words, "-o", str(tmp_path / "run"))
    assert done.returncode != 0
    assert f"spikebench: model {model}" in done.stderr


def test_killed_at_any_time_a_run_goes_on_to_the_same_weights(toy: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "spikebench", "train", "--model", "rlif", "--data", str(toy)]
    words += [*SETTINGS, "--set", "training.epochs=12", "--set", "training.schedule=linear"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([*words, "-o", str(tmp_path / "whole")], env=environment, check=True)
    kills = 0
    for _ in range(100):
        run = tmp_path / "killed"
        command = [*words, "-o", str(run)]
        if (run / "run.json").exists():
            if read_run(run).status == "trained":
                break
            command = [sys.executable, "-m", "spikebench", "train", "--resume", str(run)]
        before = (
            (run / CHECKPOINT_FILE).stat().st_mtime_ns if (run / CHECKPOINT_FILE).exists() else 0
        )
        process = subprocess.Popen(command, env=environment)
        for _ in range(20_000):
            time.sleep(0.003)
            file = run / CHECKPOINT_FILE
            if process.poll() is not None:
                break
            try:
                if file.stat().st_mtime_ns != before and kills < 3:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                    break
            except FileNotFoundError:
                pass
        process.wait()
    assert kills == 3
    whole, killed = (load_tensors(tmp_path / f / WEIGHTS_FILE)[0] for f in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    assert read_run(tmp_path / "killed").epochs == 12


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
