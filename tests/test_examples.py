"""The examples of docs/examples run as they stand, on a file that convert's writer made."""

from __future__ import annotations

import re
import runpy
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from helpers.peers import needs_peer, run_peer
from helpers.toy import write_toy

from spikebench import read_result

EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


# Run by tests/test_own_model_page.py.
ON_THE_PAGE = ("my_net", "any_program")


@pytest.fixture
def said(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """Run an example that needs nothing else in this process, which has loaded all of it."""

    def run_here(name: str) -> str:
        path = EXAMPLES / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), str(data)])
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    return run_here


def test_every_example_is_tested() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f'"{path.stem}"' in text, path


def test_plain_h5py(said: Callable[[str], str]) -> None:
    text = said("plain_h5py")
    assert "96 samples of 3 classes on 12 units" in text
    assert "class of the first sample: 'up', 48 spikes in 100 bins of 10 ms" in text


def test_a_loader_with_workers(said: Callable[[str], str]) -> None:
    losses = [float(x) for x in re.findall(r"loss (\S+),", said("torch_dataloader"))]
    assert len(losses) == 5


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("snntorch_training", "snntorch"),
        ("spikingjelly_training", "spikingjelly"),
        ("norse_training", "norse"),
    ],
)
def test_other_libraries_learn_from_our_batches(
    name: str, package: str, data: Path, tmp_path: Path
) -> None:
    needs_peer(package)
    said = run_peer(EXAMPLES / f"{name}.py", str(data), str(tmp_path / "result"))
    first, second = (float(x) for x in re.findall(r"loss (\S+)\n", said))
    assert 0 < second < first
    check_counts(tmp_path / "result")


@pytest.mark.parametrize(
    ("name", "packages", "spiking"),
    [
        ("jax_training", ("jax", "optax"), True),
        ("tonic_transforms", ("tonic",), False),
        ("lightning_training", ("lightning",), False),
    ],
)
def test_other_frameworks_train_and_are_tested(
    name: str, packages: tuple[str, ...], spiking: bool, data: Path, tmp_path: Path
) -> None:
    for package in packages:
        needs_peer(package)
    said = run_peer(EXAMPLES / f"{name}.py", str(data), str(tmp_path / "result"))
    assert len(re.findall(r"^epoch \d: ", said, re.M)) == (3 if "light" in name else 2)
    shown = re.findall(r"validation accuracy ([\d.]+)%", said)[-1]
    result = read_result(tmp_path / "result")
    assert result.summary.validation_mean == pytest.approx(float(shown) / 100, abs=1e-3)
    assert result.model.spiking == spiking
    assert [seed.test_opened for seed in result.seeds] == [1]
    if name == "tonic_transforms":
        declared = str(result.training["declared"])
        assert "ToFrame(sensor_size=(12, 1, 1), time_window=10000, overlap=0" in declared


def check_counts(folder: Path) -> None:
    """Spikes, and additions alone, of one hidden layer of 64 neurons."""
    result = read_result(folder)
    assert result.model.spiking
    metrics = result.seeds[0].metrics
    assert metrics is not None
    assert metrics.spikes_per_inference == result.seeds[0].spikes_per_sample
    assert isinstance(metrics.spikes_per_inference, float)
    assert 0 < metrics.spikes_per_inference < 64 * 50
    assert metrics.neuron_updates == 64 * 50
    assert metrics.dense_operations == 50 * 64 * (12 + 3)
    assert metrics.effective_mac == 0


def test_snntorch_in_this_process(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("snntorch", reason="snntorch is not installed")
    path = EXAMPLES / "snntorch_training.py"
    monkeypatch.setattr(sys, "argv", [str(path), str(data), str(tmp_path / "result")])
    with warnings.catch_warnings():  # an example may print a tensor that requires a gradient
        warnings.simplefilter("ignore")
        runpy.run_path(str(path), run_name="__main__")
    first, second = (float(x) for x in re.findall(r"loss (\S+)\n", capsys.readouterr().out))
    assert 0 < second < first
    check_counts(tmp_path / "result")
