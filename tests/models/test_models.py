"""Every model: over-fits eight clips, answers alike for the same seed; the neuron is checked by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from helpers.batches import batch_of
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from spikebench.errors import TrainingError, UnknownNameError
from spikebench.events.batches import EventBatch
from spikebench.kernels import operators
from spikebench.kernels.choice import choose_kernels
from spikebench.kernels.delays import delay_taps
from spikebench.kernels.spikes import Spikes
from spikebench.models import MODELS
from spikebench.models.adlif import AdaptiveLIF
from spikebench.models.base import CountClassifier, DataShape, model_class
from spikebench.models.configs.adlif import AdaptiveLIFConfig
from spikebench.models.configs.delay_lif import DelayLIFConfig
from spikebench.models.configs.hetero_rlif import HeterogeneousLIFConfig
from spikebench.models.configs.lif import LIFConfig
from spikebench.models.configs.linear_bins import LinearBinsConfig
from spikebench.models.configs.mlp_counts import CountMLPConfig
from spikebench.models.configs.rec_delay_lif import RecurrentDelayLIFConfig
from spikebench.models.configs.rlif import RecurrentLIFConfig
from spikebench.models.configs.svm import CountSVMConfig
from spikebench.models.configs.tcn import TCNConfig
from spikebench.models.delay_lif import DelayLIF
from spikebench.models.hetero_rlif import HeterogeneousLIF
from spikebench.models.initial_weights import fluctuation_scale
from spikebench.models.lif import LIF
from spikebench.models.linear_bins import LinearBins
from spikebench.models.mlp_counts import CountMLP
from spikebench.models.readout import LeakyReadout
from spikebench.models.rec_delay_lif import RecurrentDelayLIF
from spikebench.models.rlif import RecurrentLIF
from spikebench.models.svm import CountSVM
from spikebench.models.tcn import TCN

SHAPE = DataShape(n_units=14, n_classes=8, n_steps=40, time_step=0.01, input_rate=0.1)
GRADIENT_MODELS = [name for name in MODELS if not issubclass(model_class(name), CountClassifier)]


@pytest.fixture
def clips() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(8, SHAPE.n_steps, SHAPE.n_units, generator=generator) < 0.1).float()


@pytest.mark.parametrize("name", GRADIENT_MODELS)
def test_eight_clips_can_be_learned_by_heart(name: str, clips: torch.Tensor) -> None:
    torch.manual_seed(0)
    kind = model_class(name)
    model = kind(kind.Config(), SHAPE)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    labels = torch.arange(8)
    for _ in range(100):
        loss = torch.nn.functional.cross_entropy(model(batch_of(clips)).scores, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    output = model(batch_of(clips))
    assert output.scores.argmax(1).tolist() == list(range(8))
    assert output.scores.shape == (8, 8)
    assert bool(output.spikes) == model.spiking


@pytest.mark.parametrize("name", list(MODELS))
def test_same_seed_same_weights_another_seed_others(name: str, clips: torch.Tensor) -> None:
    kind = model_class(name)
    weights = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        weights.append(kind(kind.Config(), SHAPE).state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    if name in GRADIENT_MODELS:  # the others have no random start
        assert not all(torch.equal(weights[0][key], weights[2][key]) for key in weights[0])


@pytest.mark.parametrize("name", GRADIENT_MODELS)
def test_every_parameter_gets_a_gradient(name: str, clips: torch.Tensor) -> None:
    torch.manual_seed(0)
    kind = model_class(name)
    model = kind(kind.Config(), SHAPE)
    torch.nn.functional.cross_entropy(model(batch_of(clips)).scores, torch.arange(8)).backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_parameters_by_hand() -> None:
    expected = {
        "lif": 14 * 128 + 128 * 8 + 8,
        "rlif": 14 * 128 + 128 * 128 + 128 * 8 + 8,
        "adlif": 14 * 128 + 128 * 128 + 4 * 128 + 128 * 8 + 8,
        "delay_lif": 2 * 14 * 128 + 128 * 8 + 8,
        "hetero_rlif": 14 * 128 + 128 * 128 + 2 * 128 + 128 * 8 + 8,
        "rec_delay_lif": 14 * 128 + 2 * 128 + 128 * 128 + 128 + 128 * 8 + 8,
        "lstm": 4 * 128 * (14 + 128) + 8 * 128 + 128 * 8 + 8,
        "mlp_counts": 14 * 128 + 128 + 128 * 8 + 8,
        "tcn": 3 * 32 * (14 + 7 * 32) + 8 * 2 * 32 + 32 * (14 + 1) + 32 * 8 + 8,
        "gru": 3 * 128 * (14 + 128) + 6 * 128 + 128 * 8 + 8,
        "event_ssm": 14 * 64 + 4 * (3 * 64 + 3 * 16 + 2 * 64 * 32 + 64 * 65) + 64 * 8 + 8,
    }
    for name, count in expected.items():
        kind = model_class(name)
        assert kind(kind.Config(), SHAPE).n_parameters() == count


def neuron(inputs: list[float], **config: float) -> tuple[list[float], LIF]:
    shape = DataShape(n_units=1, n_classes=2, n_steps=len(inputs), time_step=0.01, input_rate=1.0)
    model = LIF(LIFConfig(hidden_units=(1,), **config), shape)
    with torch.no_grad():
        model.hidden[0].fill_(1 / 16)
    spikes = model(batch_of(16 * torch.tensor(inputs).view(1, -1, 1))).spikes[0]
    return spikes.dense().flatten().tolist(), model


def test_neuron_by_hand() -> None:
    # β = e^(−10/τ_mem) = 1/2, α = e^(−10/τ_syn) = 1/4:
    # I = 2, 0.5, 0.125…; U = 1 → spike; then U is multiplied by 1 − S = 0, once
    tau = {"tau_mem_ms": 10 / math.log(2), "tau_syn_ms": 10 / math.log(4)}
    assert neuron([2.0, 0.0, 0.0, 0.0], **tau)[0] == [1, 0, 0, 0]
    # I = 1.875, 0.46875, 1.992…: U = 0.9375, 0.703…, 1.348… → the third fires
    assert neuron([1.875, 0.0, 1.875, 0.0], **tau)[0] == [0, 0, 1, 0]
    # the step after a spike is silent even under a strong input
    assert neuron([9.0, 9.0, 9.0], **tau)[0] == [1, 0, 1]


def test_readout_is_the_maximum_over_time() -> None:
    shape = DataShape(n_units=1, n_classes=1, n_steps=3, time_step=0.01, input_rate=1.0)
    readout = LeakyReadout(1, shape, 0.01 / math.log(2))  # γ = 1/2
    with torch.no_grad():
        readout.weight.fill_(4.0)
        readout.bias.fill_(0.25)
    # O = 2, 1, 2.5 without bias
    spikes = Spikes.from_dense(torch.tensor([1.0, 0.0, 1.0]).view(1, 3, 1))
    score = readout(choose_kernels("cpu"), spikes)
    assert_allclose(score.item(), 2.75, rtol=1e-6)


@pytest.mark.parametrize("reduction", ["max", "mean", "sum", "last", "softmax"])
@pytest.mark.parametrize("skip", [0, 4])
def test_losses_of_all_readouts_step_by_step(reduction: str, skip: int) -> None:
    """Cross-entropy and its gradients against a loop over clips in plain torch; one clip is shorter than the skip."""
    torch.manual_seed(0)
    shape = DataShape(n_units=5, n_classes=3, n_steps=12, time_step=0.01, input_rate=1.0)
    readout = LeakyReadout(5, shape, 0.02, reduction, skip * 0.01).double()  # type: ignore[arg-type]
    readout.bias.data = torch.randn(3, dtype=torch.float64)
    dense = (torch.rand(4, 12, 5) < 0.4).double()
    lengths, labels = torch.tensor([12, 7, 5, 2]), torch.tensor([0, 2, 1, 1])
    out, trace = torch.zeros(4, 3, dtype=torch.float64), []
    for t in range(12):
        out = readout.decay * out + (1 - readout.decay) * dense[:, t] @ readout.weight
        trace.append(out)
    scores = []
    for steps, length in zip(torch.stack(trace, 1), lengths.tolist(), strict=True):
        if reduction == "max":
            length = 12
        kept = steps[min(skip, length - 1) : length]
        scores.append(
            {
                "max": kept.max(0).values + readout.bias,
                "mean": kept.mean(0) + readout.bias,
                "sum": kept.sum(0) + readout.bias,
                "last": kept[-1] + readout.bias,
                "softmax": torch.softmax(kept + readout.bias, 1).sum(0),
            }[reduction]
        )
    expected = torch.nn.functional.cross_entropy(torch.stack(scores), labels)
    wanted = torch.autograd.grad(expected, [readout.weight, readout.bias])
    for name in ("events", "reference"):
        spikes = Spikes.from_dense(dense)
        kernels = choose_kernels("cpu", name)  # type: ignore[arg-type]
        loss = torch.nn.functional.cross_entropy(readout(kernels, spikes, lengths), labels)
        torch.testing.assert_close(loss, expected, rtol=1e-10, atol=0)
        found = torch.autograd.grad(loss, [readout.weight, readout.bias])
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)


def test_skipped_steps_need_whole_clips() -> None:
    model = AdaptiveLIF(AdaptiveLIFConfig(readout_skip_ms=20), SHAPE)
    assert model.readout.skip == 2
    with pytest.raises(TrainingError, match="needs whole clips"):
        model.forward_chunk(batch_of(torch.zeros(1, 5, SHAPE.n_units)), None)


def test_recurrent_without_feedback_is_feed_forward(clips: torch.Tensor) -> None:
    torch.manual_seed(0)
    plain = LIF(LIFConfig(), SHAPE)
    recurrent = RecurrentLIF(RecurrentLIFConfig(recurrent_scale=0.0), SHAPE)
    with torch.no_grad():
        recurrent.input.copy_(plain.hidden[0])
    assert torch.equal(
        plain(batch_of(clips)).spikes[0].dense(), recurrent(batch_of(clips)).spikes[0].dense()
    )


def test_feedback_arrives_one_step_later() -> None:
    shape = DataShape(n_units=1, n_classes=2, n_steps=4, time_step=0.01, input_rate=1.0)
    model = RecurrentLIF(
        RecurrentLIFConfig(hidden_units=2, tau_mem_ms=1e-3, tau_syn_ms=1e-3), shape
    )
    with torch.no_grad():  # input → neuron 0 → neuron 1
        model.input.copy_(torch.tensor([[2.0, 0.0]]))
        model.recurrent.copy_(torch.tensor([[0.0, 2.0], [0.0, 0.0]]))
    raster = torch.tensor([1.0, 0.0, 0.0, 0.0]).view(1, 4, 1)
    spikes = model(batch_of(raster)).spikes[0].dense()[0]
    assert spikes.T.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]


def test_initial_fluctuations_are_as_asked() -> None:
    """Poisson input at the stated rate moves free membranes by one threshold."""
    generator = torch.Generator().manual_seed(0)
    n_in, rate, alpha, beta = 200, 0.05, 0.4, 0.6
    weight = fluctuation_scale(n_in, rate, alpha, beta) * torch.randn(n_in, 50, generator=generator)
    events = torch.poisson(torch.full((4000, n_in), rate), generator=generator)
    syn = mem = torch.zeros(50)
    trace = []
    for current in (events - rate) @ weight:
        syn = alpha * syn + current
        mem = beta * mem + (1 - beta) * syn
        trace.append(mem)
    assert abs(float(torch.stack(trace).std()) - 1) < 0.1


@pytest.mark.parametrize(
    "kernel", [{}, {"kernel": "linear"}, {"kernel": "poly", "degree": 2}, {"kernel": "poly"}]
)
@pytest.mark.parametrize("present", [[0, 1, 2, 3, 4], [0, 2, 4], [0, 1], [1, 3]])
def test_svm_votes_as_scikit_learn(
    present: list[int], kernel: dict[str, Any], rng: np.random.Generator
) -> None:
    shape = DataShape(n_units=6, n_classes=5, n_steps=4, time_step=0.01, input_rate=1.0)
    labels = rng.choice(present, 120)
    counts = rng.poisson(3 + 2 * np.eye(5, 6)[labels])
    config = CountSVMConfig(C=(3.0,), gamma_scale=(0.5,), **kernel)
    model = CountSVM(config, shape)
    choice = model.fit_counts((counts[:80], labels[:80]), (counts[80:], labels[80:]))
    scaler = StandardScaler().fit(counts[:80])
    theirs = SVC(C=3.0, gamma=0.5 / 6, coef0=1.0, **kernel).fit(
        scaler.transform(counts[:80]), labels[:80]
    )
    raster = torch.zeros(120, 4, 6)
    raster[:, 1] = torch.from_numpy(counts).float()
    ours = model(batch_of(raster)).scores.argmax(1).numpy()
    assert np.array_equal(ours, theirs.predict(scaler.transform(counts)))
    assert choice["validation_accuracy"] == np.mean(ours[80:] == labels[80:])
    assert ("gamma_scale" in choice) == (config.kernel != "linear")

    again = CountSVM(config, shape)
    again.refit_counts((counts[:80], labels[:80]), choice)
    assert torch.equal(again.coefficients, model.coefficients)
    again = CountSVM(config, shape)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(batch_of(raster)).scores, model(batch_of(raster)).scores)


@pytest.mark.parametrize("present", [[0, 1, 2, 3, 4], [0, 2, 4], [1, 3]])
def test_linear_bins_score_as_scikit_learn(present: list[int], rng: np.random.Generator) -> None:
    """The standardisation is in the weights; classes without training samples lose."""
    shape = DataShape(n_units=6, n_classes=5, n_steps=4, time_step=0.01, input_rate=1.0)
    labels = rng.choice(present, 120)
    cells = rng.poisson(0.5 + np.eye(5, 24)[labels]).astype(np.float32)
    cells[:, 7] = 2  # a count that never changes
    cells[:80, 9], cells[80:, 9] = 0, 1  # only in validation
    model = LinearBins(LinearBinsConfig(C=(1e-6, 0.3)), shape)
    train, validation = (cells[:80], labels[:80]), (cells[80:], labels[80:])
    choice = model.fit_counts((train[0].copy(), train[1]), validation)
    scaler = StandardScaler().fit(train[0].astype(np.float64))
    theirs = LogisticRegression(C=0.3, tol=1e-7, max_iter=1000)
    theirs.fit(scaler.transform(train[0]), train[1])
    batch = batch_of(torch.from_numpy(cells).view(120, 4, 6))
    scores = model(batch).scores
    probabilities = torch.softmax(scores, 1)[:, present].numpy()
    assert_allclose(probabilities, theirs.predict_proba(scaler.transform(cells)), atol=2e-3)
    assert set(scores.argmax(1).tolist()) == set(present)
    right = np.mean(scores[80:].argmax(1).numpy() == labels[80:])
    assert choice == {"validation_accuracy": right, "C": pytest.approx(0.3)}
    assert not model.weight[:, [7, 9]].any()

    again = LinearBins(model.config, shape)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(batch).scores, scores)
    again.refit_counts(train, choice)
    assert torch.equal(again.weight, model.weight)
    assert torch.equal(again.bias, model.bias)


def test_an_svm_without_a_kernel_setting_is_written_as_before() -> None:
    assert CountSVMConfig().model_dump().keys() == {"C", "gamma_scale"}
    config = CountSVMConfig(kernel="poly", degree=2, poly_offset=0.5)
    assert CountSVMConfig.model_validate(config.model_dump()) == config


def test_linear_bins_without_a_minimum(rng: np.random.Generator) -> None:
    model = LinearBins(LinearBinsConfig(C=(100.0,), iterations=2), SHAPE)
    data = rng.random((50, 40 * 14)).astype(np.float32), rng.integers(0, 8, 50)
    with pytest.raises(
        TrainingError, match=r"no minimum within 2 iterations at C=100; set smaller"
    ):
        model.fit_counts(data, data)


def test_a_profile_of_counts_has_no_loudness() -> None:
    """log(1 + n) of the counts 0 and 3, standardised, is −1 and 1; so it is for 0 and 7."""
    shape = DataShape(n_units=2, n_classes=3, n_steps=2, time_step=0.01, input_rate=1.0)
    model = CountMLP(CountMLPConfig(hidden_units=(2,)), shape).eval()
    weight = {0: [[1.0, 0], [0, 1]], 3: [[1.0, 0], [0, 1], [2, 5]]}
    for k, values in weight.items():
        model.layers[k].weight.data = torch.tensor(values)
        model.layers[k].bias.data.zero_()
    raster = torch.tensor([[[0.0, 1], [0, 2]], [[0, 7], [0, 0]]])
    expected = [[0, 1, 5], [0, 1, 5]]  # −1 is rectified
    assert_allclose(model(batch_of(raster)).scores.detach(), expected, rtol=1e-4)


def tcn(readout: str) -> TCN:
    torch.manual_seed(2)
    config = TCNConfig(channels=6, blocks=3, readout=readout)  # type: ignore[arg-type]
    model = TCN(config, SHAPE)
    for norm in (part for part in model.modules() if isinstance(part, torch.nn.BatchNorm1d)):
        norm.running_mean = torch.randn(6)
        norm.running_var = torch.rand(6) + 0.5
        norm.bias.data.normal_()
    return model.eval()


@torch.no_grad()
def test_scores_of_a_tcn_do_not_depend_on_later_bins(clips: torch.Tensor) -> None:
    """Scores of a prefix are the same whatever follows, and the trace depends on 1 + 2·2·7 bins."""
    model = tcn("last")
    assert not TCN.looks_ahead
    whole = [model(batch_of(clips[:, : t + 1])).scores for t in range(SHAPE.n_steps)]
    changed = clips.clone()
    changed[:, 25:] = 1
    for t in range(SHAPE.n_steps):
        state = model.forward_chunk(batch_of(changed), None)[1] if t == 39 else None
        last = model(batch_of(changed[:, : t + 1])).scores
        assert torch.equal(last, whole[t]) == (t < 25)
        assert state is None or torch.equal(state.trace, last)
    changed = clips.clone()
    changed[:, 10] += 1
    for t, same in ((9, True), (10, False), (10 + 28, False), (10 + 29, True)):
        last = model(batch_of(changed[:, : t + 1])).scores
        assert torch.allclose(last, whole[t], rtol=1e-6, atol=0) == same
    trace = torch.stack(whole, 1)
    for reduction, expected in {"max": trace.amax(1), "mean": trace.mean(1)}.items():
        found = tcn(reduction)(batch_of(clips)).scores
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown model 'lfi'.*Did you mean 'lif'"):
        model_class("lfi")


def test_a_delay_brings_a_spike_later_and_is_learned() -> None:
    shape = DataShape(n_units=1, n_classes=2, n_steps=8, time_step=0.01, input_rate=1.0)
    config = DelayLIFConfig(hidden_units=(1,), max_delay_ms=40.0, tau_mem_ms=1e-3, tau_syn_ms=1e-3)
    model = DelayLIF(config, shape)
    raster = torch.zeros(1, 8, 1)
    raster[0, 2] = 1
    with torch.no_grad():
        model.hidden[0].fill_(1.5)
    for delay, arrives in ((0.0, 2), (0.5, 4), (1.0, 6)):
        with torch.no_grad():
            model.delays[0].fill_(delay)
        fired = model(batch_of(raster)).spikes[0].dense()[0, :, 0]
        assert fired.nonzero().flatten().tolist() == [arrives]
    with torch.no_grad():  # between two bins it is shared, and 0.75 of 1.5 reaches the threshold
        model.delays[0].fill_(0.25 * 3.25)
    model(batch_of(raster)).spikes[0].counts().sum().backward()
    assert model.delays[0].grad is not None
    assert float(model.delays[0].grad) != 0


class Taps:
    """The kernels, with a weight for every tap of a delay."""

    def __getattr__(self, name: str) -> object:
        return getattr(operators, name)

    @staticmethod
    def delayed_linear(
        source: EventBatch | Spikes, weight: torch.Tensor, delay: torch.Tensor, n_taps: int
    ) -> torch.Tensor:
        return operators.event_linear(source, delay_taps(weight, delay, n_taps))


@pytest.mark.parametrize("options", [{}, {"normalisation_momentum": 0.1, "surrogate": "arctan"}])
def test_delays_equal_weights_of_all_taps(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    shape = DataShape(n_units=6, n_classes=3, n_steps=20, time_step=0.01, input_rate=0.3)
    config = DelayLIFConfig(hidden_units=(9, 7), max_delay_ms=55.0, readout="mean", **options)
    model = DelayLIF(config, shape).double()
    with torch.no_grad():
        for weight in model.hidden:
            weight.mul_(3)
    raster = (torch.rand(4, 20, 6) < 0.3).double()
    answers = []
    for kernels in (operators, Taps()):
        model.kernels = kernels
        model.zero_grad()
        output = model(batch_of(raster))
        (output.scores * torch.linspace(-1, 1, 12).view(4, 3)).sum().backward()
        assert all(spikes.units.numel() > 20 for spikes in output.spikes)
        gradients = [parameter.grad for parameter in model.parameters()]
        answers.append([output.scores.detach(), *gradients])
    assert all(bool(tensor.any()) for tensor in answers[0])
    torch.testing.assert_close(answers[0], answers[1], rtol=1e-10, atol=1e-12)


def test_dropout_and_normalisation_of_a_network_with_delays() -> None:
    torch.manual_seed(0)
    shape = DataShape(n_units=6, n_classes=3, n_steps=20, time_step=0.01, input_rate=0.3)
    config = DelayLIFConfig(
        hidden_units=(9, 7), max_delay_ms=50.0, dropout=0.4, normalisation_momentum=0.5
    )
    assert DelayLIFConfig().model_dump().keys() == config.model_dump().keys() - {
        "dropout",
        "normalisation_momentum",
    }
    model = DelayLIF(config, shape)
    batch = batch_of((torch.rand(4, 20, 6) < 0.3).float())
    assert not torch.equal(model(batch).scores, model(batch).scores)
    assert all(bool((norm.running_var != 1).all()) for norm in model.norms)
    model.eval()
    assert torch.equal(model(batch).scores, model(batch).scores)


@pytest.mark.parametrize("init", ["orthogonal", "normal"])
def test_a_recurrent_delay_brings_a_spike_later(init: str) -> None:
    """The input makes neuron 0 fire, and neuron 0 neuron 1, whose weight is as large as the threshold."""
    shape = DataShape(n_units=1, n_classes=2, n_steps=9, time_step=0.01, input_rate=1.0)
    config = RecurrentDelayLIFConfig(
        hidden_units=(2,),
        max_delay_ms=40.0,
        tau_mem_ms=1e-3,
        normalisation=False,
        recurrent_init=init,  # type: ignore[arg-type]
    )
    model = RecurrentDelayLIF(config, shape)
    (layer,) = model.layers
    with torch.no_grad():
        layer.input.copy_(torch.tensor([[2.0, 0.0]]))
        layer.recurrent.copy_(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    raster = torch.zeros(1, 9, 1)
    raster[0, 2] = 1
    for delay, arrives in ((0.0, [3]), (0.5, [5]), (1.0, [7]), (0.625, [])):  # 2.5 steps: halves
        with torch.no_grad():
            layer.delay.fill_(delay)
        fired = model(batch_of(raster)).spikes[0].dense()[0]
        assert fired[:, 0].nonzero().flatten().tolist() == [2]
        assert fired[:, 1].nonzero().flatten().tolist() == arrives
    assert model.delay_parameters() == [layer.delay]


def test_recurrent_delays_start_in_their_range() -> None:
    config = RecurrentDelayLIFConfig(max_delay_ms=200.0, init_delay_ms=(50.0, 300.0))
    model = RecurrentDelayLIF(config, SHAPE)
    (layer,) = model.hidden_layers()
    assert layer.recurrent_delays is not None
    assert layer.recurrent_delays.longest == 20
    steps = layer.recurrent_delays.steps.detach()
    assert 5 <= float(steps.min()) < 8
    assert float(steps.max()) == 20
    assert 0.2 < float((steps == 20).float().mean()) < 0.6
    config = RecurrentDelayLIFConfig(max_delay_ms=25.0)  # two and a half bins
    model = RecurrentDelayLIF(config, SHAPE)
    with torch.no_grad():
        model.layers[0].delay.fill_(1.2)
    (layer,) = model.hidden_layers()
    assert layer.recurrent_delays is not None
    assert layer.recurrent_delays.steps.tolist() == pytest.approx([2.5] * 128)
    square = model.layers[0].recurrent.detach()
    torch.testing.assert_close(square @ square.T, torch.eye(128), rtol=0, atol=1e-5)


@pytest.mark.parametrize("surrogate", ["triangle", "arctan"])
def test_delays_beyond_the_clip_take_no_memory(surrogate: str) -> None:
    shape = DataShape(n_units=5, n_classes=3, n_steps=12, time_step=0.01, input_rate=1.0)
    torch.manual_seed(1)
    settings = {"hidden_units": (16,), "max_delay_ms": 300.0, "surrogate": surrogate}
    model = RecurrentDelayLIF(RecurrentDelayLIFConfig.model_validate(settings), shape)
    assert model.longest == 12
    batch = batch_of((torch.rand(32, 12, 5) < 0.5).float())
    with torch.no_grad():  # 11 to 30 steps, and 0.5 to 5
        model.layers[0].delay[:6] = torch.tensor([11.0, 11.5, 12.0, 12.8, 13.0, 30.0]) / 30
        model.layers[0].delay[6:] = torch.linspace(0.5, 5, 10) / 30
        model.layers[0].recurrent.mul_(4)
    found = []
    for longest in (12, 30):
        model.longest = longest
        model.zero_grad()
        output = model(batch)
        output.scores.square().sum().backward()
        found.append((output, model.account(batch), [one.grad for one in model.parameters()]))
    (one, counts, gradients), (other, other_counts, other_gradients) = found
    assert torch.equal(one.spikes[0].dense(), other.spikes[0].dense())
    assert torch.equal(one.scores, other.scores)
    assert counts == other_counts
    for a, b in zip(gradients, other_gradients, strict=True):
        assert torch.equal(a, b)
    grad = model.layers[0].delay.grad
    assert grad is not None
    assert float(grad[:6].abs().sum()) == 0  # nothing arrives within the clip
    assert float(grad[6:].abs().sum()) > 0


@pytest.mark.parametrize("delays", [(20.0, 10.0), (-1.0, 5.0)])
def test_initial_recurrent_delays_are_a_range(delays: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"init_delay_ms: .* is not a range within 0"):
        RecurrentDelayLIFConfig(init_delay_ms=delays)


@pytest.mark.parametrize(
    ("name", "normalisation"),
    [("init_fluctuation", True), ("hidden_rate_hz", True), ("normalisation_momentum", False)],
)
def test_settings_of_the_other_normalisation_are_refused(name: str, normalisation: bool) -> None:
    own = {name: 0.5}
    message = f"{name} has no effect with normalisation = {str(normalisation).lower()}; remove it"
    with pytest.raises(ValueError, match=message):
        RecurrentDelayLIFConfig.model_validate({"normalisation": normalisation, **own})
    kept = RecurrentDelayLIFConfig.model_validate({"normalisation": not normalisation, **own})
    assert getattr(kept, name) == 0.5
    every = RecurrentDelayLIFConfig(normalisation=normalisation).model_dump()
    assert RecurrentDelayLIFConfig.model_validate(every)  # defaults, as files carry them


def test_recurrent_delays_longer_than_memory_are_refused() -> None:
    shape = DataShape(n_units=1, n_classes=2, n_steps=10_001, time_step=1e-4, input_rate=1.0)
    with pytest.raises(TrainingError, match="max_delay_ms=2000 is 20000 bins; at most 10000"):
        RecurrentDelayLIF(RecurrentDelayLIFConfig(max_delay_ms=2000.0), shape)


def test_neurons_with_own_time_constants_have_the_surrogate_of_the_preset() -> None:
    config = HeterogeneousLIFConfig(surrogate="triangle")
    (layer,) = HeterogeneousLIF(config, SHAPE).hidden_layers()
    assert layer.neuron.surrogate == "triangle"
    assert "surrogate" not in HeterogeneousLIFConfig().model_dump()


@pytest.mark.parametrize("distribution", ["gamma", "uniform", "equal"])
def test_time_constants_start_as_asked(distribution: str) -> None:
    torch.manual_seed(0)
    config = HeterogeneousLIFConfig(
        hidden_units=(2000,),
        tau_mem_ms=20.0,
        tau_mem_range_ms=(2.0, 200.0),
        init_distribution=distribution,  # type: ignore[arg-type]
    )
    (layer,) = HeterogeneousLIF(config, SHAPE).hidden_layers()
    assert isinstance(layer.tau_mem_ms, torch.Tensor)
    tau = layer.tau_mem_ms.detach()
    mean, deviation = float(tau.mean()), float(tau.std())
    # Gamma of shape 3: deviation = mean/√3. Uniform: (high − low)/√12.
    expected = {
        "gamma": (20, 20 / math.sqrt(3)),
        "uniform": (101, 198 / math.sqrt(12)),
        "equal": (20, 0),
    }[distribution]
    assert_allclose([mean, deviation], expected, rtol=0.06, atol=1e-4)
    assert 2 * (1 - 1e-6) <= float(tau.min()) <= float(tau.max()) <= 200 * (1 + 1e-6)


def test_equal_time_constants_are_those_of_the_homogeneous_network(clips: torch.Tensor) -> None:
    torch.manual_seed(0)
    plain = RecurrentLIF(RecurrentLIFConfig(), SHAPE)
    config = HeterogeneousLIFConfig(init_distribution="equal", tau_syn_range_ms=(1.0, 100.0))
    model = HeterogeneousLIF(config, SHAPE)
    with torch.no_grad():
        model.layers[0].weight.copy_(plain.input)
        model.layers[0].recurrent.copy_(plain.recurrent)
    found, expected = (m(batch_of(clips)).spikes[0].dense().detach() for m in (model, plain))
    assert torch.equal(found, expected)
    assert int(found.sum()) > 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tau_mem_range_ms": (5.0, 5.0)}, "tau_mem_range_ms: 5.0 to 5.0 is not a range"),
        ({"tau_syn_range_ms": (0.0, 5.0)}, "tau_syn_range_ms: 0.0 to 5.0 is not a range"),
        ({"tau_syn_ms": 200.0}, "tau_syn_ms is outside tau_syn_range_ms"),
    ],
)
def test_ranges_of_time_constants_contain_their_means(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HeterogeneousLIFConfig(**change)


def test_adaptation_makes_a_neuron_tire() -> None:
    shape = DataShape(n_units=1, n_classes=2, n_steps=60, time_step=0.01, input_rate=1.0)
    counts = []
    for strength in (0.0, 2.0):
        config = AdaptiveLIFConfig(hidden_units=(1,), recurrent=False, adapt_gain=strength)
        torch.manual_seed(0)
        model = AdaptiveLIF(config, shape)
        with torch.no_grad():
            model.layers[0].weight.fill_(3.0)
        fired = model(batch_of(torch.ones(1, 60, 1))).spikes[0].dense()[0, :, 0]
        counts.append([int(fired[:10].sum()), int(fired[-10:].sum())])
    (early, late), (tiring_early, tiring_late) = counts
    assert abs(early - late) <= 1
    assert tiring_late < tiring_early < early


def test_adaptive_neurons_by_hand() -> None:
    """One neuron, β = 1/2, ρ = 1/4, a = 1, b = 2, weight 3, input 1 in every step.

    U = 1.5 fires, A = 3/4·2 = 1.5; U = 0.5·(3 − 1.5) = 0.75, A = 1.5/4 + 3/4·0.75 = 0.9375;
    U = 0.375 + 0.5·(3 − 0.9375) = 1.40625 fires.
    """
    shape = DataShape(n_units=1, n_classes=2, n_steps=3, time_step=0.01, input_rate=1.0)
    tau, slow = 10 / math.log(2), 10 / math.log(4)
    config = AdaptiveLIFConfig(
        hidden_units=(1,),
        recurrent=False,
        tau_mem_ms=(tau, tau),
        tau_adapt_ms=(slow, slow),
        adapt_to_membrane=(1.0, 1.0),
        adapt_to_spikes=(2.0, 2.0),
    )
    model = AdaptiveLIF(config, shape)
    with torch.no_grad():
        model.layers[0].weight.fill_(3.0)
    (layer,) = model.hidden_layers()
    scan = layer.scan(model.kernels, batch_of(torch.ones(1, 3, 1)), time_step=0.01)
    assert scan.spikes.dense().flatten().tolist() == [1, 0, 1]
    assert_allclose(scan.state[0, 1].detach(), [1.40625], rtol=1e-6)


@pytest.mark.parametrize("limits", [(5.0, 1.0), (0.0, 1.0), (float("inf"), float("inf"))])
def test_a_range_must_be_one(limits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="tau_mem_ms"):
        AdaptiveLIFConfig(tau_mem_ms=limits)
