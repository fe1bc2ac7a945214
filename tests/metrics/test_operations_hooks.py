"""Operations counted by hooks: equal to slow twins, to the accounts of our models and to NeuroBench; nothing hidden."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from helpers.batches import batch_of
from torch import nn

from spikebench.events.batches import EventBatch
from spikebench.metrics.cost import GROUPS, cost_metrics
from spikebench.metrics.cost_table import COST_TABLES, read_cost_tables
from spikebench.metrics.operations import Account, footprint_of
from spikebench.metrics.operations_neurons import emits_spikes, takes_all_steps
from spikebench.metrics.record import Metrics, NotApplicable
from spikebench.models.base import DataShape
from spikebench.models.gru import GRU, GRUConfig
from spikebench.models.lstm import LSTM, LSTMConfig
from spikebench.models.own import OwnModel

N_STEPS, N_IN, N_CLASSES = 12, 9, 4
SHAPE = DataShape(N_IN, N_CLASSES, N_STEPS, time_step=0.01, input_rate=0.3)
OPERATIONS = ("effective_ac", "effective_mac", "dense_operations", "operations", "energy")


class Flow(nn.Module):
    """Layers one after the other, on (batch, time, unit) or another view of it; scores are a mean."""

    def __init__(self, *layers: nn.Module, view: str = "time") -> None:
        super().__init__()
        self.layers, self.view = nn.ModuleList(layers), view

    def forward(self, raster: torch.Tensor) -> torch.Tensor:
        x: Any = {"time": raster, "channels": raster.mT, "image": raster[:, None]}[self.view]
        for layer in self.layers:
            x = layer(x)
            x = x[0] if isinstance(x, tuple) else x
        flat: torch.Tensor = x.reshape(len(raster), -1)[:, :N_CLASSES].float()
        return nn.functional.pad(flat, (0, N_CLASSES - flat.shape[1]))


def raster(samples: int = 5, rate: float = 0.5, seed: int = 2) -> torch.Tensor:
    return torch.poisson(
        torch.full((samples, N_STEPS, N_IN), rate), torch.Generator().manual_seed(seed)
    )


def prune(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter *= torch.rand(parameter.shape, generator=generator) < 0.67
    return module


@torch.no_grad()
def account(module: nn.Module, batch: EventBatch) -> Account:
    return OwnModel(module, SHAPE, "own").eval().account(batch)


def metrics(module: nn.Module, batch: EventBatch | None = None) -> Metrics:
    model = OwnModel(module, SHAPE, "own").eval()
    with torch.no_grad():
        found = model.account(batch_of(raster()) if batch is None else batch)
    groups = [group for group in GROUPS if group != "latency"]
    tables = read_cost_tables(COST_TABLES)
    return Metrics(**cost_metrics(groups, "own", model.spiking, 4, found, tables))


def reason(value: object) -> str:
    assert isinstance(value, NotApplicable)
    return value.not_applicable


@pytest.mark.parametrize(
    ("layer", "view"),
    [
        (nn.Conv1d(N_IN, 4, 3, padding=2, stride=2), "channels"),
        (nn.Conv1d(N_IN, 3, 2, padding="same", dilation=2), "channels"),
        (nn.Conv1d(N_IN, 6, 3, groups=3), "channels"),
        (nn.Conv2d(1, 2, (3, 2), padding=(1, 0), stride=(2, 1)), "image"),
    ],
)
def test_a_convolution_is_counted_as_by_its_definition(layer: Any, view: str) -> None:  # noqa: ANN401
    """The slow twin multiplies by hand: one product per place, tap, input and output channel."""
    values = raster(2)
    module = prune(Flow(layer, view=view))
    (bundle,) = account(module, batch_of(values)).bundles
    inputs = values.mT if view == "channels" else values[:, None]
    places = layer(inputs).shape[2:]
    padding = layer.padding
    if padding == "same":
        padding = [d * (k - 1) // 2 for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    effective = dense = 0
    n_in, n_out = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    for out, c in itertools.product(range(layer.out_channels), range(n_in)):
        channel = out // n_out * n_in + c
        for place in itertools.product(*map(range, places)):
            for tap in itertools.product(*map(range, layer.kernel_size)):
                at = [
                    p * s - pad + t * d
                    for p, s, pad, t, d in zip(
                        place, layer.stride, padding, tap, layer.dilation, strict=True
                    )
                ]
                if any(not 0 <= a < n for a, n in zip(at, inputs.shape[2:], strict=True)):
                    continue
                there = bool(layer.weight[(out, c, *tap)] != 0)
                dense += len(inputs)
                effective += there * int(inputs[(slice(None), channel, *at)].sum())
    assert (bundle.kind, bundle.effective, bundle.dense) == ("AC", effective, dense)


def test_a_linear_layer_counts_spikes_or_values() -> None:
    values = raster()
    module = prune(Flow(nn.Linear(N_IN, 5), nn.ReLU(), nn.Linear(5, N_CLASSES)))
    first, second = account(module, batch_of(values)).bundles
    weights: Any = module.layers
    there = (weights[0].weight != 0).double()
    assert first.kind == "AC"
    assert first.effective == int((values.double() @ there.T).sum())
    hidden = weights[1](weights[0](values))
    there = (weights[2].weight != 0).double()
    assert second.kind == "MAC"
    assert second.effective == int(((hidden != 0).double() @ there.T).sum())
    assert (first.dense, second.dense) == (5 * 12 * 9 * 5, 5 * 12 * 5 * 4)
    (units,) = account(module, batch_of(values)).layers
    assert (units.updates, units.nonzero) == (hidden.numel(), int(torch.count_nonzero(hidden)))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_gates_are_counted_as_in_our_own_networks(kind: str, layers: int) -> None:
    torch.manual_seed(0)
    ours: Any = (
        LSTM(LSTMConfig(hidden_units=6, layers=layers), SHAPE)
        if kind == "lstm"
        else GRU(GRUConfig(hidden_units=6, layers=layers), SHAPE)
    ).eval()
    prune(ours)

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells, self.readout = ours.layers, ours.readout

        def forward(self, raster: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = self.readout(self.cells(raster)[0]).amax(1)
            return scores

    batch = batch_of(raster())
    with torch.no_grad():
        expected = ours.account(batch)
    found = account(Twin(), batch)
    counts = [(b.kind, b.effective, b.dense, b.weights, b.zero_weights) for b in expected.bundles]
    assert sorted(counts) == sorted(
        (b.kind, b.effective, b.dense, b.weights, b.zero_weights) for b in found.bundles
    )
    hidden = [one for one in expected.layers if one.nonzero is not None]
    assert sum(one.updates for one in hidden) == sum(one.updates for one in found.layers)
    assert sum(one.nonzero or 0 for one in hidden) == sum(one.nonzero or 0 for one in found.layers)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_layer_its_steps_and_its_cell_count_the_same(kind: Any) -> None:  # noqa: ANN401
    torch.manual_seed(0)
    layer = prune(kind(N_IN, 6, batch_first=True))
    cells = {nn.RNN: nn.RNNCell, nn.LSTM: nn.LSTMCell, nn.GRU: nn.GRUCell}
    cell = cells[kind](N_IN, 6)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})

    class InSteps(nn.Module):
        def __init__(self, part: nn.Module, whole: bool) -> None:
            super().__init__()
            self.part, self.whole = part, whole

        def forward(self, raster: torch.Tensor) -> torch.Tensor:
            state: Any = None
            for k in range(N_STEPS):
                x = raster[:, k : k + 1] if self.whole else raster[:, k]
                found = self.part(x, state)
                state = found[1] if self.whole else found
            last = state[0] if isinstance(state, tuple) else state
            return last.reshape(len(raster), -1)[:, :N_CLASSES]  # type: ignore[no-any-return]

    batch = batch_of(raster())
    found = [
        account(module, batch)
        for module in (Flow(layer), InSteps(layer, True), InSteps(cell, False))
    ]
    first, *others = [
        [(b.kind, b.effective, b.dense) for b in sorted(one.bundles, key=lambda b: b.name)]
        for one in found
    ]
    assert others == [first, first]
    assert len({one.layers[0].nonzero for one in found}) == 1


def test_a_second_direction_runs_backwards() -> None:
    torch.manual_seed(0)
    both = nn.LSTM(N_IN, 5, num_layers=2, bidirectional=True, batch_first=True)
    bundles = {b.name: b for b in account(Flow(both), batch_of(raster())).bundles}
    assert len(bundles) == 8
    last = bundles["layers.0.weight_ih_l1_reverse"]
    assert (last.kind, last.dense) == ("MAC", 5 * N_STEPS * 10 * 20)
    outputs, _ = both(raster())
    (units,) = account(Flow(both), batch_of(raster())).layers
    assert units.updates == 2 * outputs.numel()


def test_counts_do_not_depend_on_the_batches() -> None:
    """One batch has values among its hidden activities, the other whole numbers alone."""
    values = torch.stack([torch.zeros(N_STEPS, N_IN), *raster(2)])
    module = prune(Flow(nn.Linear(N_IN, 5, bias=False), nn.ReLU(), nn.Linear(5, 4)))
    whole = account(module, batch_of(values))
    parts = account(module, batch_of(values[:1])) + account(module, batch_of(values[1:]))
    assert parts.bundles == whole.bundles
    assert parts.bundles[1].kind == "MAC"
    assert account(module, batch_of(values[:1])).bundles[1].kind == "AC"


class Functional(nn.Module):
    """Computes with functions what layers would; one per name."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.layer = nn.Linear(N_IN, N_CLASSES)
        if what == "bare parameter":
            self.bare = nn.Parameter(torch.ones(N_IN, N_CLASSES))
        if what == "buffer":
            self.register_buffer("fixed", torch.ones(N_IN, N_IN))
        if what == "embedding":
            self.embedding = nn.Embedding(5, N_CLASSES)

    def forward(self, raster: torch.Tensor) -> torch.Tensor:
        x = raster.mean(1)
        if self.what == "function":
            return nn.functional.linear(x, self.layer.weight)
        if self.what == "bare parameter":
            return self.layer(x) + (x[:, :, None] * self.bare).sum(1)
        if self.what == "buffer":
            x = x @ self.fixed
        if self.what == "attention":
            x = (x[:, :, None] @ x[:, None]).sum(1)
        if self.what == "embedding":
            return self.layer(x) + self.embedding(raster.amax((1, 2)).long().clamp(max=4))  # type: ignore[no-any-return]
        if self.what == "relu":
            return self.layer(nn.functional.relu(x))  # type: ignore[no-any-return]
        return self.layer(x)  # type: ignore[no-any-return]


class Masked(nn.Linear):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(input, self.weight * (self.weight > 0))


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize(
    ("module", "name"),
    [
        (Functional("function"), r"the network (Functional): "),
        (Functional("bare parameter"), "the network (Functional): bare is not in a layer"),
        (Functional("buffer"), "the network (Functional): mm outside of the layers"),
        (Functional("attention"), "the network (Functional): bmm outside of the layers"),
        (Flow(Masked(N_IN, 5)), "layers.0 (Masked): "),
        (Flow(nn.Conv1d(N_IN, 3, 3, padding=1, padding_mode="circular"), view="channels"), "cir"),
        (Flow(nn.ConvTranspose1d(N_IN, 3, 3), view="channels"), "layers.0 (ConvTranspose1d): "),
        (Flow(nn.LSTM(N_IN, 6, proj_size=3)), "layers.0 (LSTM): its proj_size is not 0"),
        (Functional("embedding"), "embedding (Embedding): weight is not in a layer"),
        (
            Flow(nn.TransformerEncoderLayer(N_IN, 3, 8, batch_first=True)),
            "layers.0.self_attn (MultiheadAttention): ",
        ),
    ],
)
def test_what_cannot_be_counted_is_not_applicable_by_name(module: nn.Module, name: str) -> None:
    found = metrics(module)
    for field in (*OPERATIONS, "connection_sparsity"):
        assert "not counted: " in reason(getattr(found, field))
    assert name in reason(found.operations)
    assert isinstance(found.input_sparsity, float)


def test_an_activation_without_a_layer_leaves_the_units_unknown() -> None:
    found = metrics(Functional("relu"))
    assert isinstance(found.effective_mac, float)
    for field in ("activation_sparsity", "neuron_updates", "neuron_updates_event"):
        assert "the network (Functional): relu outside" in reason(getattr(found, field))
    # A sigmoid of a parameter, such as a time constant, is no activity.
    assert not account(Sigmoid(), batch_of(raster())).not_counted


class Sigmoid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.decay, self.layer = nn.Parameter(torch.zeros(N_IN)), nn.Linear(N_IN, N_CLASSES)

    def forward(self, raster: torch.Tensor) -> torch.Tensor:
        return self.layer((raster * torch.sigmoid(self.decay)).sum(1))  # type: ignore[no-any-return]


class Heaviside(nn.Module):
    """A neuron of one's own, which says that its output is spikes."""

    emits_spikes = True

    def forward(self, current: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return (current > 0).float(), current


def test_neurons_of_your_own_say_that_they_spike() -> None:
    layer = nn.Linear(N_IN, 6)
    module = Flow(layer, Heaviside(), nn.Linear(6, N_CLASSES))
    found = metrics(module)
    spikes = float((layer(raster()) > 0).sum()) / 5
    assert found.spikes_per_inference == pytest.approx(spikes, rel=1e-12)
    assert found.spikes_per_neuron == pytest.approx(spikes / 6, rel=1e-12)
    assert found.effective_mac == 0
    silent = Functional("nothing")
    silent.spiking = True  # type: ignore[assignment]
    assert "nor one with emits_spikes = True" in reason(metrics(silent).spikes_per_inference)


def test_a_very_deep_network_fits_into_a_result() -> None:
    deep = Flow(*(nn.Linear(N_IN, N_IN) for _ in range(1001)))
    found = metrics(deep)
    assert found.dense_operations == 1001 * N_STEPS * N_IN * N_IN
    assert reason(found.operations) == "more than 1000 layers; see the sums"
    names = Flow(nn.Linear(N_IN, N_CLASSES))
    names.layers[0].add_module("n" * 300, nn.Linear(2, 2))
    assert reason(metrics(names).operations).startswith("not counted: layers.0.nnn")


def test_the_hooks_are_gone_afterwards() -> None:
    module = Flow(nn.Linear(N_IN, 5), nn.ReLU())
    account(module, batch_of(raster()))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


@pytest.mark.parametrize(
    ("library", "names", "spikes", "all_steps"),
    [
        ("snntorch._neurons", ("SpikingNeuron", "Anything"), True, False),
        ("snntorch._neurons.leakyparallel", ("LeakyParallel",), True, True),
        ("spikingjelly.activation_based.neuron", ("BaseNode", "LIFNode"), True, False),
        ("norse.torch.module.snn", ("SNNCell", "LIFCell"), True, False),
        ("norse.torch.module.snn", ("SNN", "LIF"), True, True),
        ("norse.torch.module.snn", ("SNNCell", "LICell"), False, False),
        ("snntorchvision", ("SpikingNeuron", "Leaky"), False, False),
        ("my_net", ("BaseNode",), False, False),
    ],
)
def test_neurons_are_known_by_library_and_class(
    library: str, names: tuple[str, ...], spikes: bool, all_steps: bool
) -> None:
    kind: Any = nn.Module
    for name in names:
        kind = type(name, (kind,), {"__module__": library})
    assert emits_spikes(kind()) is spikes
    assert not spikes or takes_all_steps(kind()) is all_steps


class TestSNNTorch:
    """Against the library itself, and NeuroBench's counts on it."""

    @pytest.fixture
    def snn(self) -> Any:  # noqa: ANN401
        return pytest.importorskip("snntorch", reason="snntorch is not installed")

    @pytest.mark.parametrize(
        "name", ["Leaky", "Synaptic", "Alpha", "Lapicque", "RLeaky", "RSynaptic"]
    )
    @pytest.mark.parametrize("hidden", [True, False])
    def test_spikes_are_those_of_the_neurons(self, snn: Any, name: str, hidden: bool) -> None:  # noqa: ANN401
        torch.manual_seed(0)
        options: dict[str, Any] = {"beta": 0.8} | ({"alpha": 0.9} if name != "Leaky" else {})
        if name in ("Lapicque", "RLeaky"):
            options.pop("alpha")
        if name == "Lapicque":
            options["threshold"] = 0.05
        if name.startswith("R"):
            options["linear_features"] = 6
        network = Stepped(nn.Linear(N_IN, 6), getattr(snn, name)(init_hidden=hidden, **options))
        found = metrics(network)
        model = OwnModel(network, SHAPE, "own")
        assert model.spiking
        with torch.no_grad():
            model.eval()(batch_of(raster()))
        assert network.count > 0
        assert found.spikes_per_inference == network.count / 5
        assert found.neuron_updates == N_STEPS * 6
        names = {"input.weight", "readout.weight"}
        names |= {"neurons.recurrent.weight"} if name.startswith("R") else set()
        assert isinstance(found.operations, list)
        assert {one.name: one.kind for one in found.operations} == dict.fromkeys(names, "AC")
        assert "which neurons a spike reaches" in reason(found.neuron_updates_event)
        assert isinstance(found.energy, list)
        assert [isinstance(one.picojoules, float) for one in found.energy] == [True, False]

    def test_batches_of_several_sizes_start_from_silence(self, snn: Any) -> None:  # noqa: ANN401
        torch.manual_seed(0)
        model = OwnModel(
            Stepped(nn.Linear(N_IN, 6), snn.Leaky(beta=0.9, init_hidden=True)), SHAPE, "own"
        )
        values = raster()
        with torch.no_grad():
            whole = model.eval()(batch_of(values)).scores
            parts = [model(batch_of(part)).scores for part in (values[:3], values[3:])]
        assert torch.equal(torch.cat(parts), whole)
        # The membranes of the last batch are no part of the network.
        kept = model.state_dict().values()
        assert footprint_of(model) == sum(one.numel() * one.element_size() for one in kept)

    def test_operations_are_those_of_neurobench(self, snn: Any) -> None:  # noqa: ANN401
        pytest.importorskip("neurobench", reason="neurobench is not installed")
        from neurobench.metrics.workload import SynapticOperations
        from neurobench.models import TorchModel

        torch.manual_seed(0)
        network = Stepped(prune(nn.Linear(N_IN, 6)), snn.Leaky(beta=0.9))
        values = (raster() > 0).float()
        wrapped = TorchModel(network)
        wrapped.register_hooks()
        with torch.no_grad():
            wrapped(values)
        theirs = SynapticOperations()(wrapped, None, (values, None))
        wrapped.cleanup_hooks()
        found = metrics(network, batch_of(values))
        assert found.effective_ac == pytest.approx(theirs["Effective_ACs"], rel=1e-12)
        assert found.dense_operations == pytest.approx(theirs["Dense"], rel=1e-12)


class Stepped(nn.Module):
    """A linear layer, neurons step by step, a linear read-out; counts the spikes itself."""

    def __init__(self, layer: nn.Module, neurons: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.input, self.neurons, self.readout = layer, neurons, nn.Linear(6, N_CLASSES)
        self.count = 0

    def forward(self, raster: torch.Tensor) -> torch.Tensor:
        scores, self.count = torch.zeros(len(raster), N_CLASSES), 0
        states: Any = () if self.neurons.init_hidden else self.start()
        for current in self.input(raster).unbind(1):
            found = self.neurons(current, *states)
            spikes = found[0] if isinstance(found, tuple) else found
            if not self.neurons.init_hidden:
                states = found if type(self.neurons).__name__.startswith("R") else found[1:]
            self.count += int(torch.count_nonzero(spikes))
            scores = scores + self.readout(spikes)
        return scores

    def start(self) -> Any:  # noqa: ANN401
        name = type(self.neurons).__name__.lower()
        states = getattr(self.neurons, f"init_{name}")()
        return states if isinstance(states, tuple) else (states,)
