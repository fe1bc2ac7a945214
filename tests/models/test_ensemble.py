"""Ensembles of state-space networks: scores, loss, gradients and operations against those of the single networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.kernel_cases import random_events
from torch.testing import assert_close

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.learning.loss_and_optimiser import batch_loss
from spikebench.learning.ranks import this_rank
from spikebench.models.base import Classifier, DataShape, Output, model_class
from spikebench.presets.preset import RegulariserSettings

SHAPE = DataShape(n_units=6, n_classes=3, n_steps=12, time_step=0.01, input_rate=0.3)


def ensemble(name: str, members: int) -> Classifier:
    torch.manual_seed(0)
    kind = model_class(name)
    config = {"hidden_units": [5, 4], "members": members}
    return kind(kind.Config.model_validate(config), SHAPE).double()


@pytest.fixture
def batch(rng: np.random.Generator) -> EventBatch:
    return random_events(rng, 4, 12, 6, "counts")


def loss_of(output: Output, labels: torch.Tensor) -> torch.Tensor:
    return batch_loss(
        output=output,
        labels=labels,
        weights=torch.ones(3, dtype=torch.float64),
        denominator=4,
        n_batch=4,
        regulariser=RegulariserSettings(lower_strength=0.1, upper_strength=0.1),
        ranks=this_rank(),
        label_smoothing=0.1,
    )


@pytest.mark.parametrize("name", ["c_silif", "silif"])
def test_an_ensemble_averages_its_networks(name: str, batch: EventBatch) -> None:
    model = ensemble(name, 3).eval()
    members = list(model.members)
    assert len({float(member.readout.weight.sum().detach()) for member in members}) == 3
    assert model.n_parameters() == 3 * members[0].n_parameters()
    output = model(batch)
    alone = [member(batch) for member in members]
    assert_close(output.scores, sum(one.scores for one in alone) / 3)
    spikes = [layer.units.tolist() for one in alone for layer in one.spikes]
    assert [layer.units.tolist() for layer in output.spikes] == spikes
    found, expected = model.account(batch), [member.account(batch) for member in members]
    assert len(found.bundles) == 9
    assert found.bundles[3].name.startswith("members.1.layers.0")
    effective = sum(bundle.effective for one in expected for bundle in one.bundles)
    assert sum(bundle.effective for bundle in found.bundles) == effective


def test_each_network_learns_as_if_it_were_alone(batch: EventBatch) -> None:
    model = ensemble("c_silif", 3).train()
    labels = torch.tensor([0, 2, 1, 1])
    loss = loss_of(model(batch), labels)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    singles = []
    for member in ensemble("c_silif", 3).train().members:
        one = loss_of(member(batch), labels)
        assert isinstance(member.readout.weight, torch.nn.Parameter)
        penalty = loss_of(Output(torch.zeros(4, 3).double(), member(batch).spikes), labels)
        singles.append((one, penalty, torch.autograd.grad(one + 2 * penalty, member.parameters())))
    # The penalties of all networks are added, their cross-entropies are averaged.
    silent = loss_of(Output(torch.zeros(4, 3).double()), labels)
    entropy = sum(one - (penalty - silent) for one, penalty, _ in singles) / 3
    assert_close(loss, entropy + sum(penalty - silent for _, penalty, _ in singles))
    assert_close(list(gradients), [g / 3 for _, _, grads in singles for g in grads])


def test_an_ensemble_is_not_one_sequence_of_layers(batch: EventBatch) -> None:
    with pytest.raises(TrainingError, match=r"ensemble of 2 \(model.members\)"):
        ensemble("silif", 2).hidden_layers()


def test_one_network_has_the_names_and_settings_of_before() -> None:
    model = ensemble("c_silif", 1)
    assert not any(name.startswith("members") for name, _ in model.named_parameters())
    assert "members" not in model.config.model_dump()
