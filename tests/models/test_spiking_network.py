"""What follows from the statement of a network: answers chunk by chunk, accounts, gradients."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from helpers.batches import batch_of
from helpers.stacked_recurrent import StackedConfig, StackedRecurrent
from numpy.testing import assert_allclose

from spikebench.errors import TrainingError
from spikebench.metrics.operations import Layer
from spikebench.models.base import DataShape
from spikebench.models.configs.delay_lif import DelayLIFConfig
from spikebench.models.configs.rec_delay_lif import RecurrentDelayLIFConfig
from spikebench.models.delay_lif import DelayLIF
from spikebench.models.rec_delay_lif import RecurrentDelayLIF
from spikebench.models.spiking_layer import decay_per_step, decays_per_step

SHAPE = DataShape(n_units=6, n_classes=5, n_steps=25, time_step=0.01, input_rate=0.2)


@pytest.fixture
def model() -> StackedRecurrent:
    torch.manual_seed(2)
    return StackedRecurrent(StackedConfig(), SHAPE)


@pytest.fixture
def raster() -> torch.Tensor:
    return torch.poisson(torch.full((4, 25, 6), 0.2), torch.Generator().manual_seed(1))


@torch.no_grad()
def test_chunks_end_as_the_whole_clip(model: StackedRecurrent, raster: torch.Tensor) -> None:
    batch, state = batch_of(raster), None
    whole = model(batch)
    assert all(spikes.units.numel() > 20 for spikes in whole.spikes)
    for first, last in ((0, 1), (1, 12), (12, 25)):
        scores, state = model.forward_chunk(batch.window(first, last), state)
    assert torch.equal(scores, whole.scores)
    assert not torch.equal(model.forward_chunk(batch.window(12, 25), None)[0], whole.scores)


@torch.no_grad()
def test_chunks_with_recurrent_delays_end_as_the_whole_clip(raster: torch.Tensor) -> None:
    torch.manual_seed(2)
    config = RecurrentDelayLIFConfig(hidden_units=(9, 7), normalisation=False, init_fluctuation=3.0)
    model = RecurrentDelayLIF(config, SHAPE)
    batch, state = batch_of(raster), None
    whole = model(batch)
    assert all(spikes.units.numel() > 20 for spikes in whole.spikes)
    for first, last in ((0, 1), (1, 12), (12, 25)):
        scores, state = model.forward_chunk(batch.window(first, last), state)
    assert_allclose(scores, whole.scores, rtol=1e-6)
    assert not torch.allclose(model.forward_chunk(batch.window(12, 25), None)[0], whole.scores)


@torch.no_grad()
def test_the_account_names_and_counts_every_matrix(
    model: StackedRecurrent, raster: torch.Tensor
) -> None:
    account = model.account(batch_of(raster))
    first, second = (spikes.dense() for spikes in model(batch_of(raster)).spikes)
    assert (
        {bundle.name: bundle.effective for bundle in account.bundles}
        == {
            "forward_weights.0": 7 * int(raster.sum()),  # no weight is 0
            "recurrent_weights.0": 7 * int(first[:, :-1].sum()),
            "forward_weights.1": 4 * int(first.sum()),
            "recurrent_weights.1": 4 * int(second[:, :-1].sum()),
            "readout.weight": 5 * int(second.sum()),
        }
    )
    assert [bundle.dense for bundle in account.bundles] == [
        4 * n for n in (25 * 6 * 7, 24 * 7 * 7, 25 * 7 * 4, 24 * 4 * 4, 25 * 4 * 5)
    ]
    reached = (raster.sum(2) > 0).float()
    reached[:, 1:] += first[:, :-1].sum(2)
    assert account.layers[0] == Layer(4 * 25 * 7, 7 * int((reached > 0).sum()), int(first.sum()))


def test_gradients_reach_what_the_layers_are_made_of(
    model: StackedRecurrent, raster: torch.Tensor
) -> None:
    model(batch_of(raster)).scores.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_weights_without_a_name_are_refused(
    model: StackedRecurrent, raster: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = model.hidden_layers()
    halved = replace(first, weight=first.weight / 2)
    monkeypatch.setattr(model, "hidden_layers", lambda: [halved, second])
    with pytest.raises(ValueError, match=r"shape \(6, 7\) are neither a parameter nor a buffer"):
        model.account(batch_of(raster))
    model.register_buffer("fixed", halved.weight)
    assert model.account(batch_of(raster)).bundles[0].name == "fixed"


def test_a_network_with_delays_answers_whole_clips() -> None:
    model = DelayLIF(DelayLIFConfig(hidden_units=(3,)), SHAPE)
    with pytest.raises(TrainingError, match="DelayLIF needs whole clips"):
        model.forward_chunk(batch_of(torch.zeros(1, 5, 6)), None)


def test_decays_by_hand() -> None:
    tau_ms = 10 / math.log(2)
    assert decay_per_step(tau_ms, 0.01) == pytest.approx(0.5, rel=1e-15)
    assert decay_per_step(0.0, 0.01) == 0
    learned = torch.tensor([tau_ms, 2 * tau_ms], requires_grad=True)
    decays = decays_per_step(learned, 0.01)
    assert_allclose(decays.detach(), [0.5, math.sqrt(0.5)], rtol=1e-6)
    assert decays.requires_grad
