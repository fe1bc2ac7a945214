"""Learning rules, one readable file each, and what they share.

::

    bptt                Back-propagation through time: one step of an optimiser per batch
    counts              Models that are fitted to spike counts at once, by an algorithm of their own
    few_bits            Weights of few bits: rounded after training, or in every step
    loss_and_optimiser  Loss, regulariser, optimiser and learning-rate schedule of gradient descent
    maml                Meta-learning: initial weights from which a few steps learn a new task
    plateau             The schedule ``plateau``: the learning rate is reduced when validation no longer improves
    products            The precision in which products are computed
    ranks               Processes that train one model together, as ``torchrun`` starts them
    rule                The interface of a learning rule: takes batches, changes weights, returns the loss
    task_batches        Several tasks in one pass, each with weights of its own
    weight_average      Exponential moving average of the weights over the steps of a training

The rules are registered as strings, so that importing the list is cheap; a model names its rule in ``learning``.
"""

from __future__ import annotations

LEARNING_RULES = {
    "bptt": "spikebench.learning.bptt:BackPropagation",
    "counts": "spikebench.learning.counts:CountFit",
}
