"""Learned time constants and delays, against the settings from which networks start; spikes of hidden layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.toy import N_CLASSES, N_UNITS, write_toy

from spikebench.deployment.inspection import hidden_activity, learned_values
from spikebench.deployment.prediction import Listener
from spikebench.errors import TrainingError
from spikebench.events.dataset import SpikeDataset
from spikebench.models.base import Classifier, DataShape, model_class
from spikebench.presets.preset import read_preset
from spikebench.protocol.opening import open_selection
from spikebench.training.loop import fit, start_run

SHAPE = DataShape(N_UNITS, N_CLASSES, n_steps=30, time_step=0.01, input_rate=0.1)


def model(name: str, **settings: object) -> Classifier:
    torch.manual_seed(0)
    kind = model_class(name)
    return kind(kind.Config.model_validate(settings), SHAPE)


def test_time_constants_of_every_neuron() -> None:
    settings = {"hidden_units": [7, 5], "init_distribution": "equal", "tau_mem_ms": 30.0}
    found = learned_values(model("hetero_rlif", **settings))
    membrane = found["time constant of the membrane [ms]"]
    assert [values.size for values in membrane] == [7, 5]
    assert np.concatenate(membrane) == pytest.approx(30.0, rel=1e-5)
    assert np.concatenate(found["time constant of the synapse [ms]"]) == pytest.approx(10, rel=1e-5)


def test_time_constants_of_the_adaptation() -> None:
    settings = {"hidden_units": [6], "tau_mem_ms": [20.0, 20.0], "tau_adapt_ms": [80.0, 80.0]}
    found = learned_values(model("adlif", **settings))
    assert found["time constant of the membrane [ms]"][0] == pytest.approx(np.full(6, 20), rel=1e-4)
    assert found["time constant of the adaptation [ms]"][0] == pytest.approx(
        np.full(6, 80), rel=1e-4
    )


def test_time_constants_of_state_space_neurons() -> None:
    layer = learned_values(model("silif", hidden_units=[6]))
    assert list(layer) == [
        "time constant of the membrane [ms]",
        "time constant of the adaptation [ms]",
    ]
    assert all((values[0] > 0).all() for values in layer.values())


def test_delays_within_the_range_that_is_used() -> None:
    network = model("delay_lif", hidden_units=[4], max_delay_ms=50.0)
    with torch.no_grad():
        for delays in network.delay_parameters():
            delays.copy_(torch.linspace(-1, 2, delays.numel()).reshape(delays.shape))
    (values,) = learned_values(network)["delay of connections [ms]"]
    assert values.size == 4 * N_UNITS
    assert (values.min(), values.max()) == (0, pytest.approx(50))
    network = model("rec_delay_lif", hidden_units=[4], max_delay_ms=50.0, init_delay_ms=[20, 20])
    (values,) = learned_values(network)["delay of a neuron's recurrent spikes [ms]"]
    assert values == pytest.approx(np.full(4, 20), rel=1e-5)


@pytest.mark.parametrize("name", ["lif", "gru"])
def test_models_that_learn_neither(name: str) -> None:
    with pytest.raises(TrainingError, match="learns neither time constants nor delays"):
        learned_values(model(name, hidden_units=[4] if name == "lif" else 4))


def test_activity(tmp_path: Path) -> None:
    toy = write_toy(tmp_path / "toy.h5", takes=2)
    selection = open_selection(str(toy))
    words = ["input.time_step_ms=10", "input.duration_ms=300", "training.epochs=1"]
    preset = read_preset("lif", None, [*words, "model.hidden_units=[16, 8]"])
    run = tmp_path / "run"
    fit(run, start_run(run, "lif", preset, selection, 0), selection)
    listener = Listener(run)
    sample = SpikeDataset(toy, [int(selection.train.index[0])])[0]
    layers = hidden_activity(listener, sample)
    assert [layer.n_neurons for layer in layers] == [16, 8]
    (batch,) = listener.batches([sample])
    with torch.no_grad():
        dense = [spikes.dense()[0].numpy() for spikes in listener.model(batch).spikes]
    for layer, raster in zip(layers, dense, strict=True):
        bins, neurons = np.nonzero(raster)
        assert layer.neurons.tolist() == neurons.tolist()
        assert layer.times == pytest.approx(bins * 0.01)
    assert layers[0].times.size > 0
