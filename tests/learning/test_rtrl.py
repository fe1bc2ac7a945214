"""Learning forward in time: exact gradients, approximations, special cases, and what is refused."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from helpers.batches import batch_of
from helpers.toy import write_toy
from hypothesis import given, settings

from spikebench.errors import TrainingError, UnknownNameError
from spikebench.events.batches import EventBatch
from spikebench.kernels.choice import choose_kernels
from spikebench.learning.online_layer import OnlineLayer
from spikebench.learning.ranks import Ranks
from spikebench.learning.rtrl import LocalLosses, RealTimeRecurrentLearning
from spikebench.learning.rule import LearningRule, rule_class
from spikebench.learning.step_loss import shares, step_loss
from spikebench.models.base import DataShape, model_class
from spikebench.models.spiking_network import SpikingNetwork
from spikebench.presets.preset import Preset, read_preset
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.training.loop import fit, start_run
from spikebench.training.run import WEIGHTS_FILE, load_tensors

CLASSES = 3
NONE = ["regulariser.lower_strength=0", "regulariser.upper_strength=0"]


def network(name: str, n_in: int, n_steps: int, seed: int, *words: str) -> SpikingNetwork:
    torch.manual_seed(seed)
    kind = model_class(name)
    preset = read_preset(name, None, [*words, "model.init_fluctuation=2"])
    shape = DataShape(n_in, CLASSES, n_steps, 0.01, 0.3)
    model = kind(kind.Config.model_validate(preset.model), shape).double()
    assert isinstance(model, SpikingNetwork)
    model.kernels = choose_kernels("cpu", "reference")
    with torch.no_grad():
        model.readout.bias += torch.randn(CLASSES, dtype=torch.float64)
    return model


def clips(n_in: int, n_steps: int, seed: int, n: int = 3) -> EventBatch:
    draws = torch.Generator().manual_seed(seed)
    batch = batch_of(torch.poisson(torch.full((n, n_steps, n_in), 0.5), generator=draws))
    batch.labels.copy_(torch.randint(CLASSES, (n,), generator=draws))
    batch.lengths[0] = max(n_steps - 2, 1)  # padding gets no error
    return batch


def preset_of(name: str, *words: str) -> Preset:
    return read_preset(name, None, [*NONE, *words], learning="rtrl")


def gradients_of(rule: RealTimeRecurrentLearning, batch: EventBatch) -> list[torch.Tensor]:
    rule.forward_in_time(batch, change=False)
    found = [parameter.grad for parameter in rule.network.parameters()]
    assert all(gradient is not None for gradient in found)
    return [gradient.clone() for gradient in found if gradient is not None]


def through_time(model: SpikingNetwork, batch: EventBatch, window: int = 0) -> list[torch.Tensor]:
    weights = torch.arange(1.0, CLASSES + 1)
    loss = step_loss(model, batch, weights, window=window)
    return list(torch.autograd.grad(loss, list(model.parameters())))


def rule_of(
    model: SpikingNetwork, preset: Preset, kind: type[RealTimeRecurrentLearning]
) -> RealTimeRecurrentLearning:
    return kind(model, preset, torch.arange(1.0, CLASSES + 1), Ranks(), 5)


sizes = {"n_in": st.integers(1, 4), "n": st.integers(1, 4), "seed": st.integers(0, 10**6)}


@settings(max_examples=15, deadline=None)
@given(**sizes, n_steps=st.integers(1, 9))
def test_exact_traces_give_the_gradient_of_back_propagation(
    n_in: int, n: int, seed: int, n_steps: int
) -> None:
    words = (f"model.hidden_units={n}", "model.recurrent_scale=1.5")
    model = network("rlif", n_in, n_steps, seed, *words)
    preset = preset_of("rlif", "learning.gradient=exact", *words)
    batch = clips(n_in, n_steps, seed)
    found = gradients_of(rule_of(model, preset, RealTimeRecurrentLearning), batch)
    for mine, true in zip(found, through_time(model, batch), strict=True):
        torch.testing.assert_close(mine, true, rtol=1e-6, atol=1e-12)


@settings(max_examples=10, deadline=None)
@given(**sizes, n_steps=st.integers(1, 9))
def test_without_recurrent_weights_the_block_diagonal_is_exact(
    n_in: int, n: int, seed: int, n_steps: int
) -> None:
    lif = network("lif", n_in, n_steps, seed, f"model.hidden_units=[{n}]")
    rlif = network("rlif", n_in, n_steps, seed, f"model.hidden_units={n}")
    with torch.no_grad():
        rlif.get_parameter("recurrent").zero_()
    batch = clips(n_in, n_steps, seed)
    for name, model in (("lif", lif), ("rlif", rlif)):
        found = gradients_of(rule_of(model, preset_of(name), RealTimeRecurrentLearning), batch)
        for mine, true in zip(found, through_time(model, batch), strict=True):
            torch.testing.assert_close(mine, true, rtol=1e-6, atol=1e-12)


def test_with_recurrent_weights_it_is_an_approximation() -> None:
    model = network("rlif", 4, 20, 3, "model.hidden_units=6", "model.recurrent_scale=1.5")
    batch = clips(4, 20, 3)
    block = gradients_of(rule_of(model, preset_of("rlif"), RealTimeRecurrentLearning), batch)
    true = through_time(model, batch)
    names = [name for name, _ in model.named_parameters()]
    for name, mine, exact in zip(names, block, true, strict=True):
        if name.startswith("readout"):
            torch.testing.assert_close(mine, exact, rtol=1e-9, atol=1e-12)
        else:
            cosine = torch.nn.functional.cosine_similarity(mine.flatten(), exact.flatten(), dim=0)
            assert 0.3 < float(cosine) < 0.9999, name


def test_eprop_with_symmetric_feedback_is_the_block_diagonal() -> None:
    model = network("rlif", 4, 12, 1, "model.hidden_units=5")
    batch = clips(4, 12, 1)
    kind = rule_class("eprop")
    assert issubclass(kind, RealTimeRecurrentLearning)
    same = read_preset("rlif", None, [*NONE, "learning.feedback=symmetric"], learning="eprop")
    other = read_preset("rlif", None, NONE, learning="eprop")
    block = gradients_of(rule_of(model, preset_of("rlif"), RealTimeRecurrentLearning), batch)
    symmetric = gradients_of(rule_of(model, same, kind), batch)
    random = gradients_of(rule_of(model, other, kind), batch)
    assert all(torch.equal(a, b) for a, b in zip(block, symmetric, strict=True))
    assert not torch.allclose(block[0], random[0])
    assert torch.equal(block[-1], random[-1])  # the read-out sees its own error


def test_local_losses_of_one_layer_are_the_block_diagonal_and_layers_do_not_share_errors() -> None:
    one = network("lif", 4, 12, 1, "model.hidden_units=[5]")
    two = network("lif", 4, 12, 1, "model.hidden_units=[5, 6]")
    batch = clips(4, 12, 1)
    local = read_preset("lif", None, NONE, learning="local_losses")
    block = gradients_of(rule_of(one, preset_of("lif"), RealTimeRecurrentLearning), batch)
    found = gradients_of(rule_of(one, local, LocalLosses), batch)
    assert all(torch.equal(a, b) for a, b in zip(block, found, strict=True))
    before = gradients_of(rule_of(two, local, LocalLosses), batch)
    with torch.no_grad():
        two.readout.weight.mul_(-3)
    after = gradients_of(rule_of(two, local, LocalLosses), batch)
    assert torch.equal(before[0], after[0])  # the first layer has its own loss
    assert not torch.allclose(before[1], after[1])


def test_truncation_cuts_the_past_and_a_long_window_cuts_nothing() -> None:
    model = network("rlif", 4, 12, 2, "model.hidden_units=5")
    batch = clips(4, 12, 2)
    whole, long = through_time(model, batch), through_time(model, batch, 50)
    short = through_time(model, batch, 3)
    for a, b in zip(whole, long, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-14)
    assert not torch.allclose(whole[0], short[0], rtol=1e-3)
    one = torch.ones(CLASSES)
    loss = [step_loss(model, batch, one, window=w).detach() for w in (0, 3)]
    torch.testing.assert_close(*loss, rtol=1e-12, atol=0)


def test_the_loss_of_a_step_by_hand() -> None:
    model = network("lif", 2, 5, 0, "model.hidden_units=[3]")
    batch = clips(2, 5, 0)
    weights = torch.tensor([1.0, 2.0, 4.0])
    part = shares(batch, weights, torch.float64)
    assert float(part.sum()) == pytest.approx(1)
    assert (part[0] > 0).tolist() == [True, True, True, False, False]
    assert len(part[1].unique()) == 1
    scan = model.hidden_layers()[0].scan(model.kernels, batch, 0.01)
    trace = torch.zeros(3, CLASSES, dtype=torch.float64)
    total = 0.0
    for t in range(5):
        spikes = scan.spikes.dense()[:, t]
        decay = model.readout.decay
        trace = decay * trace + (1 - decay) * spikes @ model.readout.weight
        scores = trace + model.readout.bias
        for b in range(3):
            chance = torch.softmax(scores[b], 0)[batch.labels[b]]
            total -= float((part[b, t] * chance.log()).detach())
    assert float(step_loss(model, batch, weights).detach()) == pytest.approx(total, rel=1e-9)


def test_memory_does_not_grow_with_time() -> None:
    model = network("rlif", 4, 12, 2, "model.hidden_units=5")
    layer = model.hidden_layers()[0]
    online = OnlineLayer(layer, 3, 0.01, 0.9, exact=True)
    before = online.n_numbers()
    assert before == 3 * (3 * 9 * 5 * 5 + 9 + 4 * 5)
    raster = clips(4, 12, 2).dense().double()
    for t in range(12):
        online.step(raster[:, t])
        online.gradients(torch.zeros(1, 3, 5, dtype=torch.float64))
    assert not online.block
    assert online.n_numbers() == before
    assert OnlineLayer(layer, 3, 0.01, 0.9).n_numbers() == 3 * (2 * 9 * 5 + 9 + 4 * 5)


@pytest.mark.parametrize("with_reset", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_compiled_loop_is_the_plain_one(dtype: torch.dtype, with_reset: bool) -> None:
    model = network("rlif", 4, 12, 2, "model.hidden_units=5").to(dtype)
    layer, raster = model.hidden_layers()[0], clips(4, 12, 2, n=20).dense().to(dtype)
    draws = torch.randn(12, 20, 5, dtype=dtype)
    found = []
    for is_compiled in (True, False):
        online = OnlineLayer(layer, 20, 0.01, 0.9, with_reset=with_reset, is_compiled=is_compiled)
        sums = None
        for first, last in ((0, 5), (5, 12)):
            for t in range(first, last):
                online.step(raster[:, t])
            part = online.gradients(draws[first:last])
            sums = part if sums is None else [a + b for a, b in zip(sums, part, strict=True)]
        assert sums is not None
        found.append([*sums, online.membrane_traces, online.filtered_traces])
    close = (
        {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-12}
    )
    for fast, slow in zip(*found, strict=True):
        torch.testing.assert_close(fast, slow, **close)
        assert fast.abs().sum() > 0


@pytest.fixture(scope="module")
def selection(tmp_path_factory: pytest.TempPathFactory) -> SelectionData:
    return open_selection(str(write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")))


QUICK = ["input.duration_ms=200", "training.epochs=3", "training.batch_size=16", *NONE]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("rtrl", ["learning.update_every_steps=5"]),
        ("rtrl", ["learning.gradient=truncated", "learning.window_steps=5"]),
        ("eprop", ["training.weight_average=0.5"]),
    ],
)
def test_a_run_trains_and_resumes_bit_for_bit(
    tmp_path: Path, selection: SelectionData, rule: str, words: list[str]
) -> None:
    preset = read_preset("rlif", None, [*QUICK, "model.hidden_units=6", *words], learning=rule)

    def run(folder: Path, stop_after: int) -> None:
        def report(line: object, _: int) -> None:
            if getattr(line, "epoch", 0) == stop_after:
                raise KeyboardInterrupt

        fit(folder, start_run(folder, "rlif", preset, selection, 0), selection, report=report)

    run(tmp_path / "whole", 0)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", 2)
    run(tmp_path / "parts", 0)
    whole, parts = (load_tensors(tmp_path / name / WEIGHTS_FILE)[0] for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_online_updates_are_other_weights_than_one_update_per_clip() -> None:
    batch = clips(4, 12, 2)
    moved = []
    for words in ([], ["learning.update_every_steps=1"]):
        one = network("rlif", 4, 12, 2, "model.hidden_units=5")
        rule = rule_of(one, preset_of("rlif", *words), RealTimeRecurrentLearning)
        rule.update(batch, 0.01)
        moved.append(one.get_parameter("input"))
    assert not torch.allclose(moved[0], moved[1])


def check(name: str, words: list[str], learning: str) -> None:
    preset = read_preset(name, None, words, learning=learning)
    kind, shape = model_class(name), DataShape(300, CLASSES, 20, 0.01, 0.3)
    rule: type[LearningRule] = rule_class(learning)
    rule.check(name, kind(kind.Config.model_validate(preset.model), shape), preset, Ranks())


@pytest.mark.parametrize(
    ("name", "words", "learning", "reason"),
    [
        ("svm", NONE, "rtrl", "svm is trained by the learning rule counts, not by rtrl"),
        ("lif", NONE, "counts", "cannot be fitted to spike counts"),
        ("lstm", NONE, "rtrl", "it trains lif and rlif"),
        ("adlif", NONE, "eprop", "it trains lif and rlif"),
        ("delay_lif", NONE, "rtrl", "without delays"),
        ("c_silif", NONE, "eprop", "normalisation"),
        ("rlif", ["regulariser.lower_strength=0.1"], "rtrl", "no regularisation of activity"),
        ("lif", [*NONE, "model.hidden_units=[8, 8]"], "rtrl", "choose --learning local_losses"),
        ("rlif", NONE, "local_losses", "without recurrent weights; choose --learning eprop"),
        ("rlif", [*NONE, "learning.gradient=exact"], "rtrl", "exact traces of 128 neurons"),
        ("rlif", [*NONE, "learning.gradient=truncated"], "rtrl", "window_steps belongs to"),
        ("rlif", [*NONE, "learning.window_steps=5"], "rtrl", "window_steps belongs to"),
        ("rlif", [*NONE, "learning.gradient=bptt", "learning.feedback=random"], "rtrl", "symmetr"),
        ("rlif", [*NONE, "learning.gradeint=exact"], "rtrl", r"\[learning\].*gradeint"),
        ("rlif", [*NONE, "training.weight_bits=4"], "eprop", "rule eprop does not round weights"),
    ],
)
def test_what_a_rule_does_not_cover_is_refused_in_one_line(
    name: str, words: list[str], learning: str, reason: str
) -> None:
    with pytest.raises(TrainingError, match=reason) as refused:
        check(name, words, learning)
    assert "\n" not in str(refused.value)


def test_a_rule_that_does_not_exist(tmp_path: Path, selection: SelectionData) -> None:
    preset = read_preset("rlif", None, QUICK, learning="rtlr")
    with pytest.raises(UnknownNameError, match=r"'rtlr'.*rtrl"):
        start_run(tmp_path / "run", "rlif", preset, selection, 0)
    odd = read_preset("rlif", None, [*QUICK, "learning.rule=3"])
    with pytest.raises(TrainingError, match="must be the name of a learning rule"):
        start_run(tmp_path / "run", "rlif", odd, selection, 0)
    assert not (tmp_path / "run").exists()
