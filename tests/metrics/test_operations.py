"""What models cost: networks small enough to count by hand, and loops over every connection for larger ones."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from helpers.batches import batch_of
from numpy.typing import NDArray
from torch import nn

from spikebench.events.batches import EventBatch
from spikebench.kernels.choice import choose_kernels
from spikebench.kernels.delays import delay_taps
from spikebench.metrics.operations import Account, Bundle, Layer
from spikebench.models import MODELS
from spikebench.models.adlif import AdaptiveLIF
from spikebench.models.base import Classifier, DataShape, model_class
from spikebench.models.cnn import CNN
from spikebench.models.configs.adlif import AdaptiveLIFConfig
from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.cnn import CNNConfig
from spikebench.models.configs.delay_lif import DelayLIFConfig
from spikebench.models.configs.event_ssm import EventSSMConfig
from spikebench.models.configs.gru import GRUConfig
from spikebench.models.configs.lif import LIFConfig
from spikebench.models.configs.linear_bins import LinearBinsConfig
from spikebench.models.configs.lstm import LSTMConfig
from spikebench.models.configs.mlp_counts import CountMLPConfig
from spikebench.models.configs.rlif import RecurrentLIFConfig
from spikebench.models.configs.svm import CountSVMConfig
from spikebench.models.configs.tcn import TCNConfig
from spikebench.models.delay_lif import DelayLIF
from spikebench.models.event_ssm import EventSSM
from spikebench.models.gated_network import GatedNetwork
from spikebench.models.gru import GRU
from spikebench.models.lif import LIF
from spikebench.models.linear_bins import LinearBins
from spikebench.models.lstm import LSTM
from spikebench.models.mlp_counts import CountMLP
from spikebench.models.rlif import RecurrentLIF
from spikebench.models.svm import CountSVM
from spikebench.models.tcn import TCN

# So short that nothing is left of a step in the next: a neuron fires if what arrives weighs at least 1, and with the
# reset `zero` it is silent in the step after.
FORGETFUL = {"tau_mem_ms": 1e-3, "tau_syn_ms": 1e-3}
# Step 0: one spike of input 0. Step 1: one of input 1. Step 2: two of input 0. Step 3: silence.
RASTER = torch.tensor([[[1.0, 0], [0, 1], [2, 0], [0, 0]]])
# Input 0 → neuron 0; input 1 → both; one of four weights was pruned.
WEIGHT = torch.tensor([[1.0, 0.0], [2.0, 1.0]])
# Neuron 0 → both classes; neuron 1 → class 1.
READOUT = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
EXCHANGE = torch.tensor([[0.0, 1.0], [1.0, 0.0]])  # each neuron → the other


def shape(n_units: int = 2, n_classes: int = 2, n_steps: int = 4) -> DataShape:
    return DataShape(n_units, n_classes, n_steps, time_step=0.01, input_rate=0.1)


@torch.no_grad()
def account_of(model: Classifier, batch: EventBatch) -> Account:
    account = model.eval().account(batch)
    assert account is not None
    return account


def put(parameter: object, values: object) -> None:
    assert isinstance(parameter, torch.Tensor)
    with torch.no_grad():
        parameter.copy_(torch.as_tensor(values))


def small_lif() -> LIF:
    model = LIF(LIFConfig(hidden_units=(2,), **FORGETFUL), shape())
    put(model.hidden[0], WEIGHT)
    put(model.readout.weight, READOUT)
    return model


def test_lif_by_hand() -> None:
    account = account_of(small_lif(), batch_of(RASTER))
    # Neuron 0 fires at steps 0 and 2 (1 and 2 arrive; at 1 it is silent after its spike), neuron 1 at step 1.
    assert account == Account(
        samples=1,
        n_steps=4,
        input_cells=8,
        input_nonzero=3,  # the cell with two spikes is one
        bundles=[
            # Step 0: 1 spike × 1 weight; step 1: 1 × 2; step 2: 2 spikes × 1 weight. Dense: 4 weights × 4 steps.
            Bundle("hidden.0", "AC", effective=1 + 2 + 2, dense=16, weights=4, zero_weights=1),
            # Neuron 0 twice × 2 weights, neuron 1 once × 1.
            Bundle("readout.weight", "AC", 2 * 2 + 1, 16, 4, 1),
        ],
        layers=[
            # Something arrives: step 0 at neuron 0, step 1 at both, step 2 at neuron 0.
            Layer(updates=8, updates_event=4, nonzero=3),
            # Steps 0 and 2 at both classes, step 1 at one.
            Layer(updates=8, updates_event=5, nonzero=None),
        ],
    )


def test_a_cell_of_two_spikes_is_two_additions_in_counts_and_one_in_binary() -> None:
    batch = batch_of(RASTER)
    counts = account_of(small_lif(), batch).bundles[0]
    binary = account_of(small_lif(), replace(batch, mode="binary")).bundles[0]
    assert (counts.kind, counts.effective) == ("AC", 5)
    assert (binary.kind, binary.effective) == ("AC", 4)
    assert counts.dense == binary.dense == 16


def test_silence_and_its_padding_cost_updates_but_no_operations() -> None:
    batch = batch_of(torch.cat([RASTER, torch.zeros_like(RASTER)]))
    both = account_of(small_lif(), batch)
    one = account_of(small_lif(), batch_of(RASTER))
    assert both.samples == 2
    assert [b.effective for b in both.bundles] == [b.effective for b in one.bundles]
    assert [b.dense for b in both.bundles] == [2 * b.dense for b in one.bundles]
    assert [x.updates for x in both.layers] == [2 * x.updates for x in one.layers]
    assert [x.updates_event for x in both.layers] == [x.updates_event for x in one.layers]
    shorter = account_of(small_lif(), replace(batch, lengths=torch.tensor([3, 1])))
    assert shorter == both


def test_two_layers_of_lif_by_hand() -> None:
    model = LIF(LIFConfig(hidden_units=(2, 1), **FORGETFUL), shape())
    put(model.hidden[0], WEIGHT)
    put(model.hidden[1], [[1.0], [0.0]])  # only neuron 0 is heard
    put(model.readout.weight, [[1.0, 1.0]])
    account = account_of(model, batch_of(RASTER))
    # Layer 0 as above: neuron 0 at steps 0 and 2. Layer 1 fires at both, so the read-out gets 2 spikes × 2 weights.
    assert account.bundles[1:] == [
        Bundle("hidden.1", "AC", 2, 2 * 4, 2, 1),
        Bundle("readout.weight", "AC", 4, 2 * 4, 2, 0),
    ]
    assert account.layers == [Layer(8, 4, 3), Layer(4, 2, 2), Layer(8, 4, None)]


def test_rlif_by_hand() -> None:
    model = RecurrentLIF(RecurrentLIFConfig(hidden_units=2, **FORGETFUL), shape())
    put(model.input, WEIGHT)
    put(model.recurrent, EXCHANGE)
    put(model.readout.weight, READOUT)
    account = account_of(model, batch_of(RASTER))
    # Step 0: neuron 0 fires. Step 1: 1 from neuron 0 and the input reach neuron 1, it fires; neuron 0 is silent.
    # Step 2: the input and neuron 1 reach neuron 0, it fires. Step 3: neuron 0 reaches neuron 1, it fires, and what
    # it sends would arrive at step 4.
    assert account.bundles == [
        Bundle("input", "AC", 5, 16, 4, 1),
        # Arrivals at steps 1, 2, 3. Dense: 4 weights × the 3 steps that have one before them.
        Bundle("recurrent", "AC", 3, 12, 4, 2),
        Bundle("readout.weight", "AC", 2 * 2 + 2 * 1, 16, 4, 1),
    ]
    # Something arrives: at neuron 0, at both, at neuron 0, at neuron 1. Read-out: 2, 1, 2, 1 classes.
    assert account.layers == [Layer(8, 5, 4), Layer(8, 6, None)]


def adlif(recurrent: bool) -> AdaptiveLIF:
    """Two layers of 2 and 1 neurons without adaptation, which fire whenever at least 1 arrives."""
    config = AdaptiveLIFConfig(
        hidden_units=(2, 1),
        recurrent=recurrent,
        tau_mem_ms=(0.01, 0.01),
        adapt_to_membrane=(0.0, 0.0),
        adapt_to_spikes=(0.0, 0.0),
    )
    model = AdaptiveLIF(config, shape())
    put(model.layers[0].weight, WEIGHT)
    put(model.layers[1].weight, [[1.0], [1.0]])
    put(model.readout.weight, [[1.0, 0.0]])
    if recurrent:
        put(model.layers[0].recurrent, EXCHANGE)
        put(model.layers[1].recurrent, [[0.0]])
    return model


def test_feed_forward_adlif_by_hand() -> None:
    account = account_of(adlif(recurrent=False), batch_of(RASTER))
    # Layer 0: neuron 0 fires at steps 0, 1, 2 and neuron 1 at step 1. Layer 1: at steps 0, 1, 2.
    assert account.bundles == [
        Bundle("layers.0.weight", "AC", 5, 16, 4, 1),
        Bundle("layers.1.weight", "AC", 4, 8, 2, 0),
        Bundle("readout.weight", "AC", 3, 8, 2, 1),
    ]
    assert account.layers == [Layer(8, 4, 4), Layer(4, 3, 3), Layer(8, 3, None)]


def test_recurrent_adlif_by_hand() -> None:
    account = account_of(adlif(recurrent=True), batch_of(RASTER))
    # Layer 0 fires: neuron 0; both; both (the input and neuron 1, neuron 0); both (each for the other): 7 spikes.
    assert account.bundles == [
        Bundle("layers.0.weight", "AC", 5, 16, 4, 1),
        Bundle("layers.0.recurrent", "AC", 1 + 2 + 2, 12, 4, 2),
        Bundle("layers.1.weight", "AC", 7, 8, 2, 0),
        Bundle("layers.1.recurrent", "AC", 0, 3, 1, 1),  # a weight of 0 delivers nothing
        Bundle("readout.weight", "AC", 4, 8, 2, 1),
    ]
    # Layer 0 is reached at 1, 2, 2, 2 neurons; layer 1 at every step, and fires at every step.
    assert account.layers == [Layer(8, 7, 7), Layer(4, 4, 4), Layer(8, 4, None)]


def test_delay_lif_by_hand() -> None:
    config = DelayLIFConfig(hidden_units=(2,), max_delay_ms=20, **FORGETFUL)
    model = DelayLIF(config, shape())
    put(model.hidden[0], WEIGHT)
    put(model.delays[0], [[0.0, 0.0], [0.75, 1.0]])  # of 2 steps: 0, 0; 1½, 2
    put(model.readout.weight, READOUT)
    raster = RASTER.clone()
    raster[0, 3, 1] = 1  # too late to arrive
    account = account_of(model, batch_of(raster))
    assert account.bundles == [
        # Input 0: 1 + 2 spikes to neuron 0. Input 1 at step 1: to neuron 0 at steps 2 and 3, to neuron 1 at step 3.
        # Dense: two connections arrive at once (4 steps each), one after 1 step (3), two after 2 (2 each).
        Bundle("hidden.0", "AC", 3 + 3, 2 * 4 + 1 * 3 + 2 * 2, 4, 1),
        # Neuron 0 fires at steps 0 and 2 (2 + 1 arrive; the other half comes while it is silent), neuron 1 at step 3.
        Bundle("readout.weight", "AC", 2 * 2 + 1, 16, 4, 1),
    ]
    # Something arrives: steps 0 and 2 at neuron 0, step 3 at both.
    assert account.layers == [Layer(8, 4, 3), Layer(8, 5, None)]


def test_lstm_by_hand() -> None:
    model = LSTM(LSTMConfig(hidden_units=2, layers=2), shape(n_steps=3))
    for parameter in model.parameters():
        put(parameter, torch.full_like(parameter, 0.5))
    # Rows of the gates i, f, g, o, two units each. Without its g, unit 0 of layer 0 has c = 0 and says 0.
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        values = getattr(model.lstm, name).detach().clone()
        values[4] = 0
        put(getattr(model.lstm, name), values)
    batch = batch_of(torch.tensor([[[1.0, 0], [0, 2], [0, 0]]]))
    account = account_of(model, batch)
    assert account.bundles == [
        # Three spikes × 7 rows that are not 0: additions. All four gates: 8 rows × 2 inputs × 3 steps.
        Bundle("lstm.weight_ih_l0", "AC", 3 * 7, 48, 16, 2),
        # Unit 1 says something at steps 0 and 1, heard at 1 and 2 by 7 rows.
        Bundle("lstm.weight_hh_l0", "MAC", 2 * 7, 32, 16, 2),
        Bundle("lstm.weight_ih_l1", "MAC", 3 * 8, 48, 16, 0),  # unit 1 at three steps
        Bundle("lstm.weight_hh_l1", "MAC", 2 * 2 * 8, 32, 16, 0),
        Bundle("readout.weight", "MAC", 2 * 3 * 2, 12, 4, 0),
    ]
    assert account.layers == [Layer(6, None, 3), Layer(6, None, 6), Layer(6, None, None)]


def test_gru_by_hand() -> None:
    model = GRU(GRUConfig(hidden_units=2), shape(n_steps=3))
    for parameter in model.parameters():
        put(parameter, torch.full_like(parameter, 0.5))
    # Rows of the gates r, z, n, two units each. Without its n, unit 0 says 0.
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        values = getattr(model.gru, name).detach().clone()
        values[4] = 0
        put(getattr(model.gru, name), values)
    account = account_of(model, batch_of(torch.tensor([[[1.0, 0], [0, 2], [0, 0]]])))
    assert account.bundles == [
        # Three spikes × 5 rows that are not 0: additions. All three gates: 6 rows × 2 inputs × 3 steps.
        Bundle("gru.weight_ih_l0", "AC", 3 * 5, 36, 12, 2),
        # Unit 1 says something at steps 0 and 1, heard at 1 and 2 by 5 rows.
        Bundle("gru.weight_hh_l0", "MAC", 2 * 5, 24, 12, 2),
        Bundle("readout.weight", "MAC", 3 * 2, 12, 4, 0),
    ]
    assert account.layers == [Layer(6, None, 3), Layer(6, None, None)]


def test_layers_of_an_lstm_are_those_of_its_answer() -> None:
    torch.manual_seed(1)
    model = LSTM(LSTMConfig(hidden_units=5, layers=3), shape()).eval()
    before = torch.random.get_rng_state()
    with torch.no_grad():
        seen: list[torch.Tensor] = []
        hook = model.readout.register_forward_hook(lambda _m, _i, out: seen.append(out))
        model.account(batch_of(RASTER))
        model(batch_of(RASTER))
        hook.remove()
    assert torch.equal(*seen)
    assert torch.equal(torch.random.get_rng_state(), before)  # nothing was drawn


def test_cnn_by_hand() -> None:
    config = CNNConfig(image_units=8, filters=(1, 1, 1), dense_units=2)
    model = CNN(config, shape(n_units=8, n_classes=3, n_steps=8)).eval()
    ring = torch.ones(3, 3)
    ring[1, 1] = 0
    point = 1 - ring
    for k, kernel in ((0, ring), (4, point), (8, torch.ones(3, 3))):
        put(model.features[k].weight, kernel[None, None])
    put(model.head[2].weight, [[1.0], [-1.0]])
    put(model.head[2].bias, [0.0, 0.0])
    put(model.head[5].weight, torch.ones(3, 2))
    raster = torch.zeros(1, 8, 8)
    raster[0, 0, 0], raster[0, 4, 4] = 1, 4  # the root of a count is a value: multiplied, once
    account = account_of(model, batch_of(raster))
    assert account.bundles == [
        # The corner reaches 3 neighbours, the middle 8. Dense: a line of 8 has 3·8 − 2 products, a picture 22².
        Bundle("features.0.weight", "MAC", 3 + 8, 22 * 22, 9, 1),
        # Pooled, the neighbours lie in 1 + 4 of 4 × 4 cells; each goes through the one weight that is not 0.
        Bundle("features.4.weight", "MAC", 5, 10 * 10, 9, 8),
        # Pooled again, all 2 × 2 cells are not 0, and each reaches all 4.
        Bundle("features.8.weight", "MAC", 16, 4 * 4, 9, 0),
        Bundle("head.2.weight", "MAC", 2, 2, 2, 0),
        # One of the two says 0.
        Bundle("head.5.weight", "MAC", 3, 6, 6, 0),
    ]
    hidden = [Layer(64, None, 11), Layer(16, None, 5), Layer(4, None, 4), Layer(2, None, 1)]
    assert account.layers == [*hidden, Layer(3, None, None)]


def test_event_ssm_by_hand() -> None:
    config = EventSSMConfig(hidden_units=2, states=1, block_states=1, layers=1, pooling=(2,))
    model = EventSSM(config, shape())
    layer = model.layers[0]
    put(model.embedding, WEIGHT)
    put(layer.frequency, [0.0])  # states without imaginary part
    put(layer.past, [0.0, 0.0])
    put(layer.input.weight, [[1.0, 0.0], [0.0, 0.0]])
    put(layer.output.weight, [[1.0, 5.0], [0.0, 5.0]])
    put(layer.gate.weight, [[1.0, 1.0], [1.0, 0.0]])
    put(model.readout.weight, READOUT.T)
    account = account_of(model, batch_of(RASTER))
    name = "layers.0"
    assert account.bundles == [
        # Input 0 three times × 1 weight, input 1 once × 2. Dense: 8 cells × 2.
        Bundle("embedding", "AC", 3 + 2, 16, 4, 1),
        # Two tokens of two events, (1.5, 0.5) and (1, 0), normalised ±1: feature 0 through one weight.
        Bundle(f"{name}.input.weight", "MAC", 2, 8, 4, 3),
        Bundle(f"{name}.output.weight", "MAC", 2 * 1, 8, 4, 1),  # the real part, twice
        Bundle(
            f"{name}.gate.weight", "MAC", 2 * 2, 8, 4, 1
        ),  # feature 0, twice; y of feature 1 is 0
        Bundle("readout.weight", "MAC", 2 + 1, 4, 4, 1),
    ]
    # States, inputs of the gate, outputs, of which feature 1 of the second token is 0; scores.
    hidden = [Layer(4, None, 2), Layer(4, None, 2), Layer(4, None, 3)]
    assert account.layers == [*hidden, Layer(2, None, None)]


def test_svm_by_hand() -> None:
    model = CountSVM(CountSVMConfig(), shape(n_units=3, n_classes=3))
    given = {
        "mean": [0, 0, 0],
        "scale": [1, 1, 1],
        "support": [[1, 0, 2], [0, 0, 1]],
        "coefficients": [
            [1, -1],
            [1, 0],
            [0, 1],
        ],  # a pair's machine knows the vectors of two classes
        "intercepts": [0, 0, 0],
        "gamma": [1],
    }
    model.load_state_dict({name: torch.tensor(v, dtype=torch.float64) for name, v in given.items()})
    raster = torch.zeros(1, 4, 3)
    raster[0, 0, 0], raster[0, 1, 0], raster[0, 1, 1] = 1, 1, 1  # counts 2, 1, 0
    assert account_of(model, batch_of(raster)).bundles == [
        Bundle("support", "MAC", 1, 6, 6, 3),  # unit 0 meets one number that is not 0, unit 1 none
        Bundle("coefficients", "MAC", 2 + 2, 6, 6, 2),  # both vectors are a little alike
    ]
    assert account_of(model, batch_of(raster)).layers == []


def test_linear_bins_by_hand() -> None:
    model = LinearBins(LinearBinsConfig(), shape(n_units=2, n_classes=3, n_steps=2))
    weight = [[1.0, 0, 2, 3], [0, 0, 4, 5], [6, 0, 7, 8]]  # columns: bin 0, units 0 and 1; bin 1
    model.load_state_dict({"weight": torch.tensor(weight), "bias": torch.zeros(3)})
    raster = torch.tensor([[[2.0, 1], [0, 1]]])
    # Two spikes × 2 weights that are not 0, one × 0, one × 3.
    expected = Bundle("weight", "AC", 2 * 2 + 0 + 3, 12, 12, 4)
    account = account_of(model, batch_of(raster))
    assert (account.bundles, account.layers) == ([expected], [])


def test_mlp_counts_by_hand() -> None:
    model = CountMLP(CountMLPConfig(hidden_units=(2,)), shape(n_units=2, n_classes=3, n_steps=2))
    put(model.get_parameter("layers.0.weight"), [[1.0, 0], [0, 1]])
    put(model.get_parameter("layers.0.bias"), [0.0, 0.0])
    put(model.get_parameter("layers.3.weight"), torch.ones(3, 2))
    # Counts 3 and 0: values 1 and −1 after standardisation, of which the second is rectified.
    account = account_of(model, batch_of(torch.tensor([[[1.0, 0], [2, 0]]])))
    assert account.bundles == [
        Bundle("layers.0.weight", "MAC", 2, 4, 4, 2),
        Bundle("layers.3.weight", "MAC", 3, 6, 6, 0),
    ]
    assert account.layers == [Layer(2, None, 1), Layer(3, None, None)]


def test_tcn_by_hand() -> None:
    config = TCNConfig(channels=1, blocks=2, kernel_bins=2)
    model = TCN(config, shape(n_units=2, n_classes=3, n_steps=4)).eval()
    for part in model.modules():
        if isinstance(part, nn.Conv1d):
            put(part.weight, torch.ones_like(part.weight))
            if part.bias is not None:
                put(part.bias, [0.0])
    model.get_parameter("blocks.0.first.weight").data[0, 1, 0] = 0  # unit 1 of the step before
    raster = torch.tensor([[[0.0, 0], [0, 2], [0, 0], [1, 0]]])
    account = account_of(model, batch_of(raster))
    # y1 = 0, 2, 0, 1; y2 = 0, 2, 2, 1; past them 0, 2, 0, 1; the block gives 0, 4, 2, 2.
    assert account.bundles == [
        # Unit 1: 2 spikes now. Unit 0: 1 spike now, none after the last step. Dense: 4 + 3 steps, 2 units.
        Bundle("blocks.0.first.weight", "AC", 2 + 1, 2 * (4 + 3), 4, 1),
        # Two values now, of which one has a step after it.
        Bundle("blocks.0.second.weight", "MAC", 2 + 1, 4 + 3, 2, 0),
        Bundle("blocks.0.past_them.weight", "AC", 3, 2 * 4, 2, 0),
        # Dilation 2, input 0, 4, 2, 2: three values now, one two steps later. Output 0, 4, 2, 6.
        Bundle("blocks.1.first.weight", "MAC", 3 + 1, 4 + 2, 2, 0),
        Bundle("blocks.1.second.weight", "MAC", 3 + 1, 4 + 2, 2, 0),
        Bundle("readout.weight", "MAC", 3 * 3, 4 * 3, 3, 0),
    ]
    hidden = [Layer(4, None, n) for n in (2, 3, 3, 3, 3, 3)]
    assert account.layers == [*hidden, Layer(12, None, None)]


def test_causal_convolutions_one_by_one() -> None:
    model, batch = random_model("tcn", {"channels": 4, "blocks": 3, "kernel_bins": 3})
    account = account_of(model, batch)
    seen: dict[str, torch.Tensor] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv1d):
            layer.register_forward_pre_hook(
                lambda _m, given, name=name: seen.update({name: given[0]})
            )
    with torch.no_grad():
        model(batch)
    for bundle in account.bundles[:-1]:
        weight = model.get_parameter(bundle.name).detach().numpy()
        layer = model.get_submodule(bundle.name.removesuffix(".weight"))
        assert isinstance(layer, nn.Conv1d)
        values = seen[bundle.name.removesuffix(".weight")][:, :, -9:].numpy()  # without the past
        effective = dense = 0
        spans = (range(3), *(range(size) for size in weight.shape), range(9))
        for k, out, i, tap, t in product(*spans):
            source = t - (weight.shape[2] - 1 - tap) * layer.dilation[0]
            if source >= 0:
                value = int(
                    values[k, i, source] if bundle.kind == "AC" else values[k, i, source] != 0
                )
                effective += value * int(weight[out, i, tap] != 0)
                dense += 1
        assert (bundle.effective, bundle.dense) == (effective, dense)
    assert [b.kind for b in account.bundles] == ["AC", "MAC", "AC", *4 * ["MAC"], "MAC"]


def test_a_network_that_says_nothing() -> None:
    model = LIF(LIFConfig(hidden_units=(3,)), shape())
    put(model.hidden[0], torch.full((2, 3), -1.0))
    account = account_of(model, batch_of(RASTER))
    assert account.bundles[0].effective == 4 * 3
    assert account.bundles[1].effective == 0
    assert account.bundles[1].dense == 4 * 6
    assert account.layers == [Layer(12, 9, 0), Layer(8, 0, None)]


SPARSE = [
    ("lif", {"hidden_units": (7, 5)}),
    ("rlif", {"hidden_units": 7}),
    ("hetero_rlif", {"hidden_units": (7, 5)}),
    ("rec_delay_lif", {"hidden_units": (7, 5), "max_delay_ms": 45.0, "normalisation": False}),
    ("adlif", {"hidden_units": (7, 5)}),
    ("adlif", {"hidden_units": (7, 5), "recurrent": False}),
    ("delay_lif", {"hidden_units": (7, 5), "max_delay_ms": 45.0}),
]


def count_spikes(
    source: NDArray[np.float64], kernel: NDArray[np.bool_], later: int
) -> tuple[int, NDArray[np.int64]]:
    """Deliver every spike by itself through every connection: how many there were, and where they arrived."""
    n, n_steps, n_in = source.shape
    arrived = np.zeros((n, n_steps, kernel.shape[2]), np.int64)
    for k, t, i in product(range(n), range(n_steps), range(n_in)):
        for _ in range(int(source[k, t, i])):
            for s, j in product(range(len(kernel)), range(kernel.shape[2])):
                if kernel[s, i, j] and t + s + later < n_steps:
                    arrived[k, t + s + later, j] += 1
    return int(arrived.sum()), arrived


@pytest.mark.parametrize("kernels", ["events", "reference"])
@pytest.mark.parametrize(("name", "config"), SPARSE)
def test_spikes_one_by_one(name: str, config: dict[str, object], kernels: str) -> None:
    model, batch = random_model(name, config)
    model.kernels = choose_kernels("cpu", kernels)
    account = account_of(model, batch)
    with torch.no_grad():
        rasters = [batch.dense().numpy(), *(s.dense().numpy() for s in model(batch).spikes)]
    assert all(raster.any() for raster in rasters)
    bundles = iter(account.bundles)
    weights = dict(model.named_parameters())
    for k, layer in enumerate(account.layers):
        names = {
            "lif": [f"hidden.{k}"],
            "rlif": ["input", "recurrent"],
            "hetero_rlif": [f"layers.{k}.weight", f"layers.{k}.recurrent"],
            "rec_delay_lif": [f"layers.{k}.input", f"layers.{k}.recurrent"],
            "adlif": [f"layers.{k}.weight", f"layers.{k}.recurrent"],
            "delay_lif": [f"hidden.{k}"],
        }[name]
        if k == len(account.layers) - 1:
            names = ["readout.weight"]
        total = 0
        for bundle_name in names:
            if bundle_name not in weights:
                continue
            bundle = next(bundles)
            weight = weights[bundle_name].detach()
            taps = weight[None]
            if name == "delay_lif" and bundle_name != "readout.weight":
                delay = weights[f"delays.{k}"].detach() * (model.n_taps - 1)
                taps = delay_taps(weight, delay, model.n_taps)
                ones = delay_taps(torch.ones_like(weight), delay, model.n_taps)
            elif name == "rec_delay_lif" and bundle_name.endswith("recurrent"):
                delay = weights[f"layers.{k}.delay"].detach()[:, None] * 4.5
                taps = delay_taps(weight, delay, 6)
                ones = delay_taps(torch.ones_like(weight), delay, 6)
            else:
                ones = torch.ones_like(taps)
            own = bundle_name.endswith("recurrent")
            source = rasters[k + 1 if own else k]
            effective, arrived = count_spikes(source, (taps != 0).numpy(), int(own))
            dense, _ = count_spikes(np.ones_like(source), (ones != 0).numpy(), int(own))
            zeros = int((weight == 0).sum())
            assert 0 < zeros < weight.numel()
            expected = Bundle(bundle_name, "AC", effective, dense, weight.numel(), zeros)
            assert bundle == expected
            total = total + arrived
        fired = None if k == len(account.layers) - 1 else int(rasters[k + 1].sum())
        assert layer == Layer(total.size, int((total > 0).sum()), fired)
    assert next(bundles, None) is None


def random_model(name: str, config: dict[str, object]) -> tuple[Classifier, EventBatch]:
    """Make a model with random weights, two fifths of them 0, and three samples of counts."""
    generator = torch.Generator().manual_seed(7)
    kind = model_class(name)
    made: ModelConfig = kind.Config.model_validate(config)
    model = kind(made, shape(n_units=6, n_classes=3, n_steps=9))
    for key, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator) * 2
        if key.startswith("delays") or key.endswith("delay") or "places" in key:
            values = torch.rand(parameter.shape, generator=generator)
        elif parameter.ndim > 1:
            values *= torch.rand(parameter.shape, generator=generator) < 0.6
        put(parameter, values)
    raster = torch.poisson(torch.full((3, 9, 6), 0.4), generator=generator)
    return model, batch_of(raster)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_gates_one_by_one(name: str) -> None:
    model, batch = random_model(name, {"hidden_units": 5})
    assert isinstance(model, GatedNetwork)
    account = account_of(model, batch)
    raster = batch.dense()
    ih, hh = model.layers.weight_ih_l0, model.layers.weight_hh_l0
    spikes = products = scores = 0
    for k in range(3):
        h = c = torch.zeros(1, 5)
        cell = (nn.LSTMCell if name == "lstm" else nn.GRUCell)(6, 5)
        cell.load_state_dict({key[:-3]: value for key, value in model.layers.state_dict().items()})
        for t in range(9):
            for row, i in product(range(len(ih)), range(6)):
                spikes += int(raster[k, t, i]) * int(ih[row, i] != 0)
            for row, i in product(range(len(hh)), range(5)):
                products += int(h[0, i] != 0) * int(hh[row, i] != 0)
            if name == "lstm":
                h, c = cell(raster[k, t][None], (h, c))
            else:
                h = cell(raster[k, t][None], h)
            for row, i in product(range(3), range(5)):
                scores += int(h[0, i] != 0) * int(model.readout.weight[row, i] != 0)
    assert [b.effective for b in account.bundles] == [spikes, products, scores]
    assert [b.kind for b in account.bundles] == ["AC", "MAC", "MAC"]


def test_cnn_one_by_one() -> None:
    model, batch = random_model("cnn", {"image_units": 8, "filters": (3, 2, 2), "dense_units": 4})
    assert isinstance(model, CNN)
    account = account_of(model, batch)
    seen: dict[str, torch.Tensor] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_pre_hook(
                lambda _m, given, name=name: seen.update({name: given[0]})
            )
    with torch.no_grad():
        model(batch)
    for bundle in account.bundles:
        values = seen[bundle.name.removesuffix(".weight")].numpy()
        weight = model.get_parameter(bundle.name).detach().numpy()
        effective = dense = 0
        if weight.ndim == 2:
            for k, row, i in product(range(3), range(weight.shape[0]), range(weight.shape[1])):
                effective += int(values[k, i] != 0 and weight[row, i] != 0)
                dense += 1
        else:
            _, channels, rows, columns = values.shape
            spans = (range(3), range(len(weight)), range(channels), range(rows), range(columns))
            for k, out, i, r, c in product(*spans):
                for u, v in product(range(3), range(3)):
                    y, x = r + u - 1, c + v - 1
                    if 0 <= y < rows and 0 <= x < columns:
                        effective += int(values[k, i, y, x] != 0 and weight[out, i, u, v] != 0)
                        dense += 1
        assert (bundle.kind, bundle.effective, bundle.dense) == ("MAC", effective, dense)


def test_accounts_add_up() -> None:
    model, batch = random_model("adlif", {"hidden_units": (7, 5)})
    parts = [account_of(model, batch.part(first, last)) for first, last in ((0, 2), (2, 3))]
    assert parts[0] + parts[1] == account_of(model, batch)


@pytest.mark.parametrize("name", list(MODELS))
def test_every_matrix_of_a_model_is_counted(name: str) -> None:
    model, batch = random_model(name, {})
    account = account_of(model, batch)
    counted = {bundle.name: bundle.weights for bundle in account.bundles}
    assert len(counted) == len(account.bundles)
    delays = {key for key in model.state_dict() if key.startswith("delays.")}
    matrices = {
        key: value.numel()
        for key, value in model.state_dict().items()
        if value.ndim > 1 and key not in delays
    }
    assert counted == matrices
    assert account.samples == 3
    assert account.input_cells == 3 * 9 * 6
    assert account.input_nonzero == int(torch.count_nonzero(batch.dense()))


def test_a_model_may_say_nothing() -> None:
    assert Classifier(ModelConfig(), shape()).account(batch_of(RASTER)) is None
