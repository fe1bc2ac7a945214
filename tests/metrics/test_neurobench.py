"""Our counts beside those of NeuroBench 2.3: equal where its definitions are sound, and by how much not elsewhere."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from helpers.batches import batch_of
from torch import nn

from spikebench.events.batches import EventBatch
from spikebench.metrics.cost import cost_metrics
from spikebench.metrics.operations import footprint_of
from spikebench.models import MODELS
from spikebench.models.adlif import AdaptiveLIF
from spikebench.models.base import Classifier, DataShape, model_class
from spikebench.models.cnn import CNN
from spikebench.models.configs.adlif import AdaptiveLIFConfig
from spikebench.models.configs.cnn import CNNConfig
from spikebench.models.configs.lif import LIFConfig
from spikebench.models.configs.lstm import LSTMConfig
from spikebench.models.lif import LIF
from spikebench.models.lstm import LSTM

WHY = "NeuroBench is not installed: pip install --no-deps -c constraints.txt neurobench snntorch"
pytest.importorskip("neurobench", reason=WHY)
snn = pytest.importorskip("snntorch", reason=WHY)

from neurobench.metrics.manager.workload_manager import WorkloadMetricManager  # noqa: E402
from neurobench.metrics.static import ConnectionSparsity, Footprint  # noqa: E402
from neurobench.metrics.workload import (  # noqa: E402
    ActivationSparsity,
    MembraneUpdates,
    SynapticOperations,
)
from neurobench.models import SNNTorchModel, TorchModel  # noqa: E402

N_STEPS, N_IN, N_HIDDEN, N_CLASSES = 12, 9, 7, 4
SHAPE = DataShape(N_IN, N_CLASSES, N_STEPS, time_step=0.01, input_rate=0.3)


def prune(model: nn.Module) -> None:
    """Set about a third of all weights to 0."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter *= torch.rand(parameter.shape, generator=generator) < 0.67


def ours(model: Classifier, batch: EventBatch) -> dict[str, Any]:
    with torch.no_grad():
        account = model.eval().account(batch)
    groups = ("footprint", "sparsity", "operations", "updates")
    return cost_metrics(groups, "model", model.spiking, footprint_of(model), account, [])


@torch.no_grad()
def theirs(wrapped: Any, metric: Any, data: torch.Tensor) -> Any:  # noqa: ANN401
    """Run NeuroBench's own hooks and metric on one batch."""
    wrapped.register_hooks()
    wrapped(data)
    found = metric(wrapped, None, (data, None))
    wrapped.cleanup_hooks()
    return found


def binary_raster(rate: float = 0.3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return (torch.rand(5, N_STEPS, N_IN, generator=generator) < rate).float()


def counts_raster() -> torch.Tensor:
    return torch.poisson(torch.full((3, N_STEPS, N_IN), 0.5), torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", list(MODELS))
def test_footprints_are_equal(name: str) -> None:
    model = model_class(name)(model_class(name).Config(), SHAPE)
    assert footprint_of(model) == Footprint()(TorchModel(model)) > 0


DECAY = math.exp(-10 / 20)  # in a step of 10 ms, of a membrane with a time constant of 20 ms


class Twin(nn.Module):
    """The network `adlif` without adaptation in snnTorch, one step at a time, its read-out without leak."""

    def __init__(self, model: AdaptiveLIF) -> None:
        super().__init__()
        (layer,) = model.layers
        share = 1 - DECAY  # of the current that reaches the membrane
        self.input = nn.Linear(N_IN, N_HIDDEN, bias=False)
        self.input.weight.data = share * layer.weight.detach().T.clone()
        self.recurrent = None
        if layer.recurrent is not None:
            self.recurrent = nn.Linear(N_HIDDEN, N_HIDDEN, bias=False)
            self.recurrent.weight.data = share * layer.recurrent.detach().T.clone()
        self.neurons = snn.Leaky(DECAY, reset_mechanism="zero", init_hidden=True)
        self.readout = nn.Linear(N_HIDDEN, N_CLASSES, bias=False)
        self.readout.weight.data = model.readout.weight.detach().T.clone()
        self.spikes: list[torch.Tensor] = []

    def reset(self) -> None:
        self.spikes = []
        self.neurons.reset_mem()

    def forward(self, step: torch.Tensor) -> tuple[torch.Tensor, None]:
        current = self.input(step)
        if self.recurrent is not None:
            before = self.spikes[-1] if self.spikes else torch.zeros(len(step), N_HIDDEN)
            current = current + self.recurrent(before)
        self.spikes.append(self.neurons(current))
        return self.readout(self.spikes[-1]), None


def spiking(recurrent: bool) -> AdaptiveLIF:
    torch.manual_seed(4)
    config = AdaptiveLIFConfig(
        hidden_units=(N_HIDDEN,),
        recurrent=recurrent,
        tau_mem_ms=(20.0, 20.0),
        adapt_to_membrane=(0.0, 0.0),
        adapt_to_spikes=(0.0, 0.0),
        init_fluctuation=2.0,
        recurrent_scale=1.0,
    )
    return AdaptiveLIF(config, SHAPE)


def spiking_pair(recurrent: bool) -> tuple[AdaptiveLIF, Twin]:
    model = spiking(recurrent)
    prune(model)
    twin = Twin(model)
    raster = binary_raster()
    SNNTorchModel(twin)(raster)
    with torch.no_grad():
        expected = model(batch_of(raster)).spikes[0].dense()
    assert expected.sum() > 20
    assert torch.equal(torch.stack(twin.spikes, 1), expected)  # the same network, the same spikes
    return model, twin


def test_a_spiking_network_of_linear_layers_agrees() -> None:
    model, twin = spiking_pair(recurrent=False)
    raster = binary_raster()
    found = ours(model, batch_of(raster))
    counted = theirs(SNNTorchModel(twin), SynapticOperations(), raster)
    assert counted == {
        "Effective_ACs": pytest.approx(found["effective_ac"], rel=1e-12),
        "Effective_MACs": 0,
        "Dense": found["dense_operations"],
    }
    assert found["effective_mac"] == 0
    sparsity = theirs(SNNTorchModel(twin), ActivationSparsity(), raster)
    assert found["activation_sparsity"] == pytest.approx(sparsity, rel=1e-12)
    connections = ConnectionSparsity()(SNNTorchModel(twin))
    assert connections == pytest.approx(found["connection_sparsity"], abs=5.1e-5)  # they round
    assert connections > 0.2


def test_recurrent_weights_in_a_linear_layer_agree_but_for_the_first_step() -> None:
    model, twin = spiking_pair(recurrent=True)
    raster = binary_raster()
    found = ours(model, batch_of(raster))
    counted = theirs(SNNTorchModel(twin), SynapticOperations(), raster)
    assert counted["Effective_ACs"] == pytest.approx(found["effective_ac"], rel=1e-12)
    # They count a product with the silence before the first step.
    assert counted["Dense"] == found["dense_operations"] + N_HIDDEN**2


def test_recurrent_weights_in_a_parameter_are_invisible_to_them() -> None:
    model, _ = spiking_pair(recurrent=True)
    none = theirs_on_events(model)
    assert none == {"Effective_ACs": 0, "Effective_MACs": 0, "Dense": 0}
    assert ours(model, batch_of(binary_raster()))["operations"][1].effective > 0
    with pytest.raises(ZeroDivisionError):
        ConnectionSparsity()(TorchModel(model))


@torch.no_grad()
def theirs_on_events(model: Classifier) -> Any:  # noqa: ANN401
    wrapped = TorchModel(model)
    wrapped.register_hooks()
    raster = binary_raster()
    wrapped(batch_of(raster))
    return SynapticOperations()(wrapped, None, (raster, None))


def test_their_updates_of_membranes_are_changes_and_ours_are_arrivals() -> None:
    # One spike at step 0. Its neurons leak ever after: they count every step, we count the one at which it arrived.
    model = spiking(recurrent=False)
    nn.init.constant_(model.layers[0].weight, 0.01)
    raster = torch.zeros(1, N_STEPS, N_IN)
    raster[0, 0, 0] = 1
    counted = theirs(SNNTorchModel(Twin(model)), MembraneUpdates(), raster)
    assert counted == N_HIDDEN * N_STEPS
    found = ours(model, batch_of(raster))
    assert found["neuron_updates"] == (N_HIDDEN + N_CLASSES) * N_STEPS  # with the read-out
    assert found["neuron_updates_event"] == N_HIDDEN


def test_a_cell_of_two_spikes_makes_everything_a_multiplication_to_them() -> None:
    raster = counts_raster()
    assert raster.max() > 1
    torch.manual_seed(0)
    model = LIF(LIFConfig(hidden_units=(N_HIDDEN,)), SHAPE)
    found = ours(model, batch_of(raster))["operations"][0]
    linear = nn.Sequential(nn.Linear(N_IN, N_HIDDEN, bias=False))
    counted = theirs(TorchModel(linear), SynapticOperations(), raster)
    cells, spikes = int(torch.count_nonzero(raster)), int(raster.sum())
    assert counted["Effective_ACs"] == 0
    assert counted["Effective_MACs"] == pytest.approx(cells * N_HIDDEN / 3, rel=1e-12)
    assert found.kind == "AC"
    assert found.effective == pytest.approx(spikes * N_HIDDEN / 3, rel=1e-12)


def test_a_convolutional_network_agrees() -> None:
    torch.manual_seed(0)
    model = CNN(CNNConfig(image_units=8, filters=(3, 4, 5), dense_units=6), SHAPE)
    prune(model)
    batch = batch_of(counts_raster())
    found = ours(model, batch)
    wrapped = TorchModel(model)
    wrapped.register_hooks()
    with torch.no_grad():
        wrapped(batch)
    counted = SynapticOperations()(wrapped, None, (batch.labels, None))
    assert counted == {
        "Effective_ACs": 0,
        "Effective_MACs": pytest.approx(found["effective_mac"], rel=1e-12),
        "Dense": pytest.approx(found["dense_operations"], rel=1e-12),
    }
    assert found["effective_ac"] == 0
    sparsity = ActivationSparsity()(wrapped, None, None)
    assert found["activation_sparsity"] == pytest.approx(sparsity, rel=1e-12)
    assert 0 < sparsity < 1
    wrapped.cleanup_hooks()
    connections = ConnectionSparsity()(wrapped)
    assert connections == pytest.approx(found["connection_sparsity"], abs=5.1e-5)


def lstm() -> LSTM:
    torch.manual_seed(0)
    model = LSTM(LSTMConfig(hidden_units=N_HIDDEN), SHAPE).eval()
    prune(model.lstm)
    return model


def test_they_score_an_lstm_0(capsys: pytest.CaptureFixture[str]) -> None:
    model, raster = lstm(), binary_raster()
    wrapped = TorchModel(model)
    manager = WorkloadMetricManager([SynapticOperations])
    manager.initialize_metrics()
    manager.register_hooks(wrapped)
    with torch.no_grad():
        wrapped(batch_of(raster))
    found = manager.run_metrics(wrapped, None, (raster, None), len(raster), len(raster))
    assert found["SynapticOperations"] == 0  # which an exception became
    assert "exceptions must derive from BaseException" in capsys.readouterr().out
    assert ours(model, batch_of(raster))["effective_mac"] > 0


def test_zero_biases_are_connections_to_them() -> None:
    model = lstm()
    for name in ("bias_ih_l0", "bias_hh_l0"):
        nn.init.zeros_(getattr(model.lstm, name))
    counted = ConnectionSparsity()(TorchModel(model))
    matrices = [model.lstm.weight_ih_l0, model.lstm.weight_hh_l0, model.readout.weight]
    zeros = sum(int((matrix == 0).sum()) for matrix in matrices)
    weights = sum(matrix.numel() for matrix in matrices)
    biases = 2 * 4 * N_HIDDEN
    assert counted == pytest.approx((zeros + biases) / (weights + biases), abs=5.1e-5)
    assert ours(model, batch_of(binary_raster()))["connection_sparsity"] == zeros / weights


class Cells(nn.Module):
    """The LSTM as a cell that is called at every step, which they do count."""

    def __init__(self, model: LSTM) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(N_IN, N_HIDDEN)
        self.cell.load_state_dict(
            {key.removesuffix("_l0"): value for key, value in model.lstm.state_dict().items()}
        )

    def forward(self, raster: torch.Tensor) -> torch.Tensor:
        h = c = torch.zeros(len(raster), N_HIDDEN)
        for t in range(raster.shape[1]):
            h, c = self.cell(raster[:, t], (h, c))
        return h


def test_an_lstm_cell_agrees_but_for_kinds_and_products_of_gates() -> None:
    model, raster = lstm(), binary_raster()
    counted = theirs(TorchModel(Cells(model)), SynapticOperations(), raster)
    found = ours(model, batch_of(raster))["operations"][:2]
    assert [layer.kind for layer in found] == ["AC", "MAC"]
    # f·c + i·g and o·tanh(c): three products per unit and step, less one at the first, where c is 0.
    gates = N_HIDDEN * (3 * N_STEPS - 1)
    # Spikes come in, so values that go round are additions to them too.
    assert counted["Effective_MACs"] == 0
    expected = found[0].effective + found[1].effective + gates
    assert counted["Effective_ACs"] == pytest.approx(expected, rel=1e-12)


def test_an_lstm_has_no_activations_to_them() -> None:
    model, raster = lstm(), binary_raster()
    with torch.no_grad():  # unit 0 has no g, so it says 0 always
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            getattr(model.lstm, name)[2 * N_HIDDEN] = 0
    wrapped = TorchModel(model)
    wrapped.register_hooks()
    with torch.no_grad():
        wrapped(batch_of(raster))
    assert ActivationSparsity()(wrapped, None, None) == 0
    wrapped.cleanup_hooks()
    found = ours(model, batch_of(raster))["activation_sparsity"]
    assert found == pytest.approx(1 / N_HIDDEN, rel=1e-12)
