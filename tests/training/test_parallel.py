"""Several processes train as one does: the same gradients, the same weights but for the order of sums."""

from __future__ import annotations

import os
import runpy
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from helpers.commands import Started, interrupted
from helpers.toy import write_toy
from numpy.testing import assert_allclose

from cli.main import main
from spikebench.errors import TrainingError
from spikebench.learning.loss_and_optimiser import batch_loss, class_weights
from spikebench.learning.ranks import Ranks, this_rank, together
from spikebench.presets.preset import Preset, read_preset
from spikebench.protocol.opening import open_selection
from spikebench.training import loop as training
from spikebench.training.checkpoint import Epoch
from spikebench.training.inference import bin_samples, build_model
from spikebench.training.loop import fit, start_run
from spikebench.training.run import WEIGHTS_FILE, load_tensors, read_run
from spikebench.training.run_record import RunRecord

SETTINGS = [
    *("input.time_step_ms=10", "input.duration_ms=300", "training.batch_size=15"),
    *("training.epochs=3", "training.unit_jitter_percent=3", "training.class_weights=balanced"),
]
PATH = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
# What every process does; this one, alone, does it too.
GRADIENT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from training.test_parallel import keep_gradients
keep_gradients(*map(Path, sys.argv[2:]))
"""


def keep_gradients(data: Path, folder: Path) -> None:
    """Compute loss and gradients of a batch for two models, together with the other processes."""
    with together(torch.device("cpu")) as ranks:
        for model in ("rlif", "lstm"):
            found = gradients(model, data, folder, ranks)
            if ranks.is_first:
                torch.save(found, folder / f"{model}{ranks.size}.pt")


def gradients(name: str, data: Path, folder: Path, ranks: Ranks) -> list[Any]:
    strength = ["regulariser.lower_strength=0.5", "regulariser.upper_strength=0.5"]
    spiking = [*strength, "regulariser.lower_spikes=3", "model.init_fluctuation=1.0"]
    more = ["model.dropout=0.0"] if name == "lstm" else spiking
    preset = read_preset(name, None, ["input.time_step_ms=10", "input.duration_ms=300", *more])
    selection = open_selection(str(data))
    model = build_model(start_run(folder / name, name, preset, selection, 0))
    whole = bin_samples(selection.train, preset).batch(np.arange(21))
    weights = class_weights(whole.labels.numpy(), 3, "balanced")
    batch = whole.part(*ranks.own_range(len(whole)))
    total = float(weights[whole.labels].sum())
    loss = batch_loss(model(batch), batch.labels, weights, total, 21, preset.regulariser, ranks)
    loss.backward()
    ranks.sum_gradients(model.parameters())
    return [sum(ranks.gather(float(loss.detach()))), [p.grad for p in model.parameters()]]


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


@pytest.mark.slow
def test_two_processes_get_the_gradient_of_one(toy: Path, tmp_path: Path) -> None:
    keep_gradients(toy, tmp_path)
    others = []
    for place in as_torchrun(free_port()):
        words = ["-c", GRADIENT, str(Path(__file__).parents[1]), str(toy), str(tmp_path)]
        environment = os.environ | PATH | place
        others.append(
            subprocess.Popen([sys.executable, *words], env=environment, stderr=subprocess.PIPE)
        )
    for process in others:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err.decode()[-2000:]
    for model in ("rlif", "lstm"):
        (one_loss, one), (two_loss, two) = (
            torch.load(tmp_path / f"{model}{n}.pt", weights_only=True) for n in (1, 2)
        )
        assert_allclose(two_loss, one_loss, rtol=1e-6)
        assert all(float(gradient.abs().max()) > 0 for gradient in one)
        alone, shared = (torch.cat([g.flatten() for g in gradients]) for gradients in (one, two))
        assert float((shared - alone).norm()) < 1e-6 * float(alone.norm())


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def as_torchrun(port: int) -> list[dict[str, str]]:
    """Return the environments in which torchrun starts two processes."""
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [common | {"RANK": rank, "LOCAL_RANK": rank} for rank in ("0", "1")]


def train_words(toy: Path, folder: Path) -> list[str]:
    words = ["train", "--model", "lif", "--data", str(toy), "--refit", "-o", str(folder)]
    return words + [word for setting in SETTINGS for word in ("--set", setting)]


def assert_same_run(one: RunRecord, folder: Path, said: str) -> None:
    """Compare what two processes wrote and said with what one did."""
    assert said.count("refitted on all 72") == 1
    assert said.count("validation accuracy") == 1
    two = read_run(folder / "run2")
    assert one.model_dump(exclude={"train_seconds"}) == two.model_dump(exclude={"train_seconds"})
    first, second = (load_tensors(folder / f"run{n}" / WEIGHTS_FILE)[0] for n in (1, 2))
    for name, tensor in first.items():
        assert_allclose(second[name], tensor, rtol=0, atol=1e-3)  # Adam magnifies the last digits


def test_two_processes_train_and_refit_one_run(toy: Path, tmp_path: Path) -> None:
    one = trained_here(tmp_path / "run1", "lif", toy, refit=True)
    words = train_words(toy, tmp_path / "run2")
    ranks = [Started(tmp_path, *words, environment=place) for place in as_torchrun(free_port())]
    ended = [rank.ends() for rank in ranks]
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert_same_run(one, tmp_path, "".join(out for _, out, _ in ended))


def test_the_package_is_a_module_that_torchrun_can_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["spikebench", "train", "--resume", "nowhere"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("spikebench", run_name="__main__")
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("spikebench: nowhere: not a run")


@pytest.mark.slow
def test_torchrun_trains_and_refits_one_run(toy: Path, tmp_path: Path) -> None:
    one = trained_here(tmp_path / "run1", "lif", toy, refit=True)
    done = torchrun("-m", "spikebench", *train_words(toy, tmp_path / "run2"))
    assert done.returncode == 0, done.stderr[-2000:]
    assert_same_run(one, tmp_path, done.stdout)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_failure_in_several_processes_is_one_line_each(
    rank: int,
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit) as ended:
        main(["train", "--model", "svm", "--data", str(toy), "-o", str(tmp_path / "run")])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said == (
        "spikebench: model svm is trained in one process (learning rule counts); start it without torchrun\n"
    )


@pytest.mark.parametrize("model", ["svm", "cnn"])
def test_what_several_processes_would_change_is_refused(
    model: str, toy: Path, tmp_path: Path
) -> None:
    record = start_run(tmp_path, model, read_preset(model), open_selection(str(toy)), 0)
    with pytest.raises(TrainingError, match=f"model {model} .*one"):
        training._check(build_model(record), record, Ranks(0, 2), None)


def test_killed_at_any_time_a_run_goes_on_to_the_same_weights(toy: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    more = ["training.epochs=15", "training.schedule=linear"]
    trained_here(whole, "rlif", toy, *more)
    selection = open_selection(str(toy))
    start_run(killed, "rlif", preset("rlif", *more), selection, 0)
    code, err = interrupted(["train", "--resume", str(killed), "--quiet"], killed, signal.SIGKILL)
    assert code == -signal.SIGKILL, err
    before = epochs_done(killed)
    assert 2 <= before < 15

    def interrupt(epoch: Epoch, epochs: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # and once more
        fit(killed, read_run(killed), selection, report=interrupt)
    assert epochs_done(killed) == before + 1
    record = fit(killed, read_run(killed), selection)
    assert (record.status, record.epochs) == ("trained", 15)
    one, other = (load_tensors(folder / WEIGHTS_FILE)[0] for folder in (whole, killed))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_shares_are_a_partition() -> None:
    for n in (0, 1, 7, 128):
        parts = [Ranks(rank, 3).own_range(n) for rank in range(3)]
        assert [k for first, last in parts for k in range(first, last)] == list(range(n))


@pytest.mark.parametrize(("rank", "size"), [("x", "2"), ("2", "2"), ("0", "-1"), ("0", "0")])
def test_a_strange_environment_is_told(
    rank: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(TrainingError, match="not as set by torchrun"):
        this_rank()
