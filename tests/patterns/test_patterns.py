"""Spike patterns: the rule against the gradient of the van Rossum distance, learning, and resuming."""

from __future__ import annotations

import json
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from helpers.batches import batch_of
from hypothesis import given, settings

from cli.main import main
from spikebench.errors import TrainingError
from spikebench.kernels.neuron import Neuron
from spikebench.kernels.reference import lif_scan
from spikebench.learning.ranks import Ranks
from spikebench.learning.rtrl import RealTimeRecurrentLearning
from spikebench.learning.rule import rule_class
from spikebench.learning.superspike import SuperSpike
from spikebench.models.base import DataShape, model_class
from spikebench.models.spiking_network import SpikingNetwork
from spikebench.patterns.network import PatternNetwork
from spikebench.patterns.study import PatternRun, Task, learn, parse_task, run_study
from spikebench.patterns.task import Feedback, PatternSettings, draw_inputs, draw_targets
from spikebench.plots.patterns import draw_patterns
from spikebench.presets.preset import read_preset

SMALL = PatternSettings(
    inputs=6, hidden=5, duration_ms=60, input_rate_hz=100, target_rate_hz=50, presentations=30
)


def distance(network: PatternNetwork, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Compute the van Rossum distance by the reference kernels, from the hidden spikes (1, time, unit)."""
    alpha, beta, rise, decay = (torch.tensor(x, dtype=torch.float64) for x in network.decays)
    weight = torch.from_numpy(network.weights[1]).requires_grad_()
    neuron = Neuron(slope=network.settings.surrogate_slope)
    fired = lif_scan(hidden @ weight, alpha, beta, neuron).spikes.dense()[0]
    risen = filtered = torch.zeros(targets.shape[1], dtype=torch.float64)
    total = torch.zeros((), dtype=torch.float64)
    for t in range(len(targets)):
        risen = rise * risen + (1 - rise) * (fired[t] - targets[t])
        filtered = decay * filtered + (1 - decay) * risen
        total = total + 0.5 * (filtered**2).sum()
    total.backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    return torch.stack([total.detach().expand_as(weight.grad), weight.grad])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_output_weights_follow_the_gradient_of_the_van_rossum_distance(
    seed: int, outputs: int
) -> None:
    inputs, targets = draw_inputs(SMALL, seed), draw_targets(SMALL, "random", outputs, seed)
    network = PatternNetwork(SMALL, outputs, "symmetric", seed)
    before = [weight.copy() for weight in network.weights]
    loss = network.present(inputs, targets)
    changed = network.weights
    network.weights = before
    hidden = torch.from_numpy(network.spikes[0].astype(np.float64))[None]
    value, gradient = distance(network, hidden, torch.from_numpy(targets.astype(np.float64)))
    assert loss == pytest.approx(float(value[0, 0]), rel=1e-9)
    torch.testing.assert_close(
        torch.from_numpy(network.gradients[1]), gradient, rtol=1e-6, atol=1e-12
    )
    for old, new, slope in zip(before, changed, network.gradients, strict=True):
        assert np.all((new - old) * slope <= 0)  # downhill


def test_hidden_weights_follow_the_filtered_errors_of_the_outputs() -> None:
    """Against the sum over steps of error, surrogate and effect, written with numpy, for every kind of feedback."""
    inputs, targets = draw_inputs(SMALL, 3), draw_targets(SMALL, "random", 2, 3)
    feedback: Feedback
    for feedback in ("symmetric", "random", "uniform"):
        network = PatternNetwork(SMALL, 2, feedback, 3)
        weights, back = network.weights[0].copy(), network.fixed
        if feedback == "symmetric":
            back = network.weights[1].copy()
        network.present(inputs, targets)
        alpha, beta, rise, decay = network.decays
        q, e, r, f = np.zeros(6), *(np.zeros((6, 5)) for _ in range(3))
        mem, current, before = np.zeros(5), np.zeros(5), np.zeros(5)
        wrong, risen = np.zeros(2), np.zeros(2)
        expected = np.zeros((6, 5))
        for t in range(len(inputs)):
            q = alpha * q + inputs[t]
            current = alpha * current + inputs[t] @ weights
            mem = (beta * mem + (1 - beta) * current) * (1 - before)
            e = (1 - before) * (beta * e + (1 - beta) * q[:, None])
            near = (4 * np.abs(mem - 1) + 1) ** -2.0
            r = rise * r + (1 - rise) * near * e
            f = decay * f + (1 - decay) * r
            difference = network.spikes[1][t].astype(float) - targets[t]
            risen = rise * risen + (1 - rise) * difference
            wrong = decay * wrong + (1 - decay) * risen
            expected += f * (back @ wrong)
            before = (mem >= 1).astype(float)
            assert np.array_equal(before.astype(bool), network.spikes[0][t])
        np.testing.assert_allclose(network.gradients[0], expected, rtol=1e-9, atol=1e-15)


def test_for_words_symmetric_feedback_is_the_gradient_and_others_are_not() -> None:
    torch.manual_seed(0)
    kind, none = (
        model_class("lif"),
        ["regulariser.lower_strength=0", "regulariser.upper_strength=0"],
    )
    found = []
    for rule, words in (
        ("rtrl", []),
        ("superspike", []),
        ("superspike", ["learning.feedback=uniform"]),
        ("superspike", ["learning.feedback=random"]),
    ):
        preset = read_preset("lif", None, [*none, "model.hidden_units=[4]", *words], learning=rule)
        torch.manual_seed(1)
        model = kind(kind.Config.model_validate(preset.model), DataShape(3, 3, 15, 0.01, 0.3))
        assert isinstance(model, SpikingNetwork)
        batch = batch_of(torch.poisson(torch.full((4, 15, 3), 0.5)))
        batch.labels.copy_(torch.tensor([0, 1, 2, 1]))
        chosen = rule_class(rule)(model, preset, torch.ones(3), Ranks(), 2)
        assert isinstance(chosen, RealTimeRecurrentLearning)
        chosen.forward_in_time(batch, change=False)
        found.append(model.get_parameter("hidden.0").grad)
    true, symmetric, uniform, random = found
    assert true is not None
    assert symmetric is not None
    assert torch.equal(true, symmetric)
    assert uniform is not None
    assert random is not None
    assert not torch.allclose(true, uniform, rtol=0.1)
    assert not torch.allclose(uniform, random, rtol=0.1)
    assert issubclass(rule_class("superspike"), SuperSpike)


def test_learning_brings_the_outputs_close_to_their_targets() -> None:
    chosen = PatternSettings(inputs=50, hidden=30, duration_ms=200, presentations=300)
    runs = {kind: learn(chosen, Task("random", 4), kind, 0) for kind in ("symmetric", "uniform")}
    assert runs["symmetric"].final < 0.1 < runs["uniform"].final
    assert runs["symmetric"].distance[-1] < runs["symmetric"].distance[0]
    assert runs["symmetric"].before != runs["symmetric"].after
    figure = draw_patterns(list(runs.values()))
    assert sum(bool(panel.collections) for panel in figure.axes) == 4


def test_targets_fire_and_pictures_have_every_row() -> None:
    for kind, outputs in (("random", 50), ("picture", 40)):
        targets = draw_targets(SMALL, "random" if kind == "random" else "picture", outputs, 1)
        assert targets.shape == (60, outputs)
        assert targets.any(axis=0).all()
        assert not targets[:20].any()
    silent = PatternNetwork(SMALL, 3, "random", 0)
    silent.weights[0][:] = 0
    targets = draw_targets(SMALL, "random", 3, 0)
    loss = silent.present(draw_inputs(SMALL, 0), targets, learns=False)
    assert loss == pytest.approx(silent.distance_of_silence(targets), rel=1e-12)


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


QUICK = ["--set", "inputs=6", "--set", "hidden=4", "--set", "duration_ms=50"]
QUICK += ["--set", "presentations=20"]


def test_the_command_writes_reads_and_adds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["patterns", "--task", "random:2", "--seeds", 2, "-o", "p", *QUICK]
    code, out, err = run(capsys, *words, "--feedback", "uniform")
    assert code == 0
    assert out.startswith("| task | uniform |\n")
    assert out.endswith("study: p\n")
    assert "patterns: 2/2 runs, 100%" in err
    kept = Path("p/random-2-uniform-seed1.json")
    first = kept.read_bytes()
    kept.write_bytes(first.replace(b'"final":', b'"final":9'))  # is read, not learned again
    code, out, _ = run(capsys, *words, "--json", "--quiet")
    assert code == 0
    found = {row["feedback"]: row for row in json.loads(out)["rows"]}
    assert set(found) == {"symmetric", "random", "uniform"}
    assert found["uniform"]["distance"] > 9
    assert found["symmetric"]["seeds"] == 2
    for name in ("patterns.json", "patterns.md", "patterns.png"):
        assert Path("p", name).stat().st_size > 100
    assert "| random:2 | " in Path("p/patterns.md").read_text(encoding="utf-8")
    kept.unlink()
    again = run_study(
        Path("p"),
        PatternRun.model_validate_json(Path("p/random-2-uniform-seed0.json").read_text()).settings,
        [Task("random", 2)],
        ["uniform"],
        2,
    )
    assert kept.read_bytes() == first
    assert again[1].model_dump_json() + "\n" == first.decode()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--task", "song:3"], "task 'song:3': must be random:OUTPUTS or picture:OUTPUTS"),
        (["--task", "random:0"], "1 to 1000 outputs"),
        (["--set", "hiden=3"], "hiden"),
        (["--set", "hidden"], "must have the form key=value"),
        (["--set", "learning_rate=-1"], "learning_rate"),
        (["--set", "hidden=2"], "p/random-1-symmetric-seed0.json: a run with other settings"),
    ],
)
def test_bad_words_are_one_line(
    words: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    base = ["patterns", "--seeds", "1", "-o", "p", *QUICK]
    run(capsys, *base, "--task", "random:1", "--feedback", "symmetric")
    code, out, err = run(capsys, *base, "--task", "random:1", *words)
    assert (code, out) == (1, "")
    assert reason in err
    assert err.count("\n") == 1


def test_a_task_is_a_kind_and_a_number() -> None:
    assert parse_task("picture:64") == Task("picture", 64)
    for bad in ("random:1001", "random:x", "random", "random:99999999"):
        with pytest.raises(TrainingError, match="task"):
            parse_task(bad)
