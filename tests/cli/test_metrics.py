"""evaluate --metrics: what stands in the result and in the terminal, and what is refused before training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.commands import QUICK, run
from helpers.toy import write_toy

from cli.text.metrics import metric_lines
from leaderboard.checks.recomputation import verify_result
from spikebench.metrics.record import Metrics, NotApplicable
from spikebench.protocol.results import read_result
from spikebench.training.run import read_run

OWN = 'name = "mine"\ntechnology = "a chip"\nsource = "measured"\naddition_picojoules = 2\n'


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_toy(tmp_path / "toy.h5")


def test_all_metrics_of_two_seeds_in_one_opening(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "--model", "rlif", "--data", toy, "--seeds", 2, "-o", "out"]
    code, out, err = run(capsys, *words, *QUICK, "--metrics", "all")
    assert (code, err) == (0, "")
    result = verify_result(tmp_path / "out")
    assert "--metrics all" in result.command
    assert [seed.test_opened for seed in result.seeds] == [1, 1]
    for seed in result.seeds:
        metrics = seed.metrics
        assert isinstance(metrics, Metrics)
        assert metrics.footprint_bytes == 4 * result.model.parameters
        assert metrics.spikes_per_inference == pytest.approx(seed.spikes_per_sample, rel=1e-12)
        assert metrics.latency.accuracy[-1] == seed.test_accuracy
        assert [layer.name for layer in metrics.operations] == [
            "input",
            "recurrent",
            "readout.weight",
        ]
        # An energy can be made again from what stands beside it.
        horowitz, loihi = metrics.energy
        ac, updates = metrics.effective_ac, metrics.neuron_updates
        event = metrics.neuron_updates_event
        assert horowitz.picojoules == pytest.approx(0.9 * ac, rel=1e-12)
        expected = 23.6 * ac + 81 * event + 52 * (updates - event)
        assert loihi.picojoules == pytest.approx(expected, rel=1e-12)
    mean = sum(seed.metrics.effective_ac for seed in result.seeds) / 2
    assert f"additions            {mean:,.0f} per sample" in out
    assert "energy (loihi)" in out
    assert "simulated before silicon" in out
    assert max(len(line) for line in out.splitlines() if "AT CHANCE" not in line) <= 140


def test_some_metrics_of_a_checkpoint_and_an_own_table(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.toml").write_text(OWN)
    run(capsys, "train", "--model", "svm", "--data", toy, "-o", "run", *QUICK)
    words = ["evaluate", "--checkpoint", "run", "--cost-table", "mine.toml"]
    code, out, _ = run(capsys, *words, "--cost-table", "loihi", "--metrics", "footprint", "-o", "a")
    assert code == 0
    metrics = read_result(tmp_path / "a").seeds[0].metrics
    assert metrics is not None
    given = metrics.model_dump(exclude_none=True)
    counts = {"effective_ac", "effective_mac", "dense_operations", "operations"}
    assert set(given) == {"footprint_bytes", "neuron_updates", "neuron_updates_event", "energy"} | (
        counts
    )
    assert "energy (mine)        n/a: the table mine has no multiply-accumulates" in out
    assert "energy (loihi)       n/a" in out
    command = read_result(tmp_path / "a").command
    assert command.endswith("--metrics footprint --cost-table mine.toml --cost-table loihi")
    code, out, _ = run(capsys, "evaluate", "--checkpoint", "run", "-o", "b", "--json")
    assert code == 0
    assert json.loads(out)["seeds"][0]["metrics"] is None  # not asked for


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metrics", "al"], "unknown group of metrics 'al'; known: all, energy, footprint"),
        (["--metrics", ""], "unknown group of metrics ''"),
        (["--cost-table", "horowitz"], "Did you mean 'horowitz-45nm'?"),
        (["--cost-table", "none.toml"], "none.toml: no such file"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_trained_or_opened(
    toy: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    code, _, err = run(capsys, "evaluate", "--model", "svm", "--data", toy, "-o", "out", *words)
    assert code == 1
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    run(capsys, "train", "--model", "svm", "--data", toy, "-o", "run", *QUICK)
    code, _, _ = run(capsys, "evaluate", "--checkpoint", "run", "-o", "out", *words)
    assert code == 1
    assert read_run(tmp_path / "run").test_opened == 0


def test_lines_are_means_over_seeds_or_the_reason_why_there_are_none() -> None:
    why = NotApplicable(not_applicable="m does not spike")
    lines = metric_lines(
        [
            Metrics(effective_ac=10, spikes_per_neuron=why, connection_sparsity=0.5),
            Metrics(effective_ac=30, spikes_per_neuron=why, connection_sparsity=0.25),
        ]
    )
    assert lines == [
        "  zero weights         37.50%",
        "  additions            20 per sample",
        "    per neuron         n/a: m does not spike",
    ]
    assert metric_lines([Metrics(energy=why)]) == ["  energy               n/a: m does not spike"]
    assert metric_lines([]) == []
