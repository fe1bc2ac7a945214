"""Independent networks side by side, whose scores are averaged.

The loss is the mean of the losses of the networks, so each learns as if it were alone, with the same samples in the
same order; they differ in their initial weights. Operations, spikes and parameters are those of all networks.

Source: Hansen and Salamon (1990), "Neural network ensembles", IEEE TPAMI 12.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch

from spikebench.events.batches import EventBatch
from spikebench.kernels.choice import Kernels
from spikebench.metrics.operations import Account
from spikebench.models.base import Classifier, Output


def ensemble_output(members: Iterable[Classifier], kernels: Kernels, batch: EventBatch) -> Output:
    """Compute the scores of an ensemble for a batch of events.

    Parameters
    ----------
    members
        The networks.
    kernels
        Their kernels.
    batch
        The events.

    Returns
    -------
    Output
        The mean of the scores, the scores of each network, and the spikes of all hidden layers, network after network.
    """
    outputs = []
    for member in members:
        member.kernels = kernels
        outputs.append(member(batch))
    scores = torch.stack([output.scores for output in outputs])
    spikes = [layer for output in outputs for layer in output.spikes]
    return Output(scores.mean(0), spikes, scores)


def ensemble_account(
    members: Iterable[Classifier], kernels: Kernels, batch: EventBatch, prefix: str
) -> Account:
    """Count the operations of an ensemble for a batch.

    Parameters
    ----------
    members, kernels, batch
        As for :func:`ensemble_output`.
    prefix
        Name of the list of networks, for the names of weights.

    Returns
    -------
    Account
        The sum over the networks.
    """
    account = Account.of(batch)
    for number, member in enumerate(members):
        member.kernels = kernels
        own = member.account(batch)
        assert own is not None
        account.bundles.extend(
            replace(bundle, name=f"{prefix}.{number}.{bundle.name}") for bundle in own.bundles
        )
        account.layers.extend(own.layers)
        account.not_counted.update(own.not_counted)
    return account
