"""What an update of the weights is: learning rules, one readable file each, and what they share.

::

    bptt          Back-propagation through time: one step of an optimiser per batch
    counts        Models that learn from spike counts at once, by an algorithm of their own
    optimisation  What is minimised, and how: loss, regulariser, optimiser, schedule
    products      The precision in which products are computed
    ranks         Processes that train one model together, as ``torchrun`` starts them
    rule          What a learning rule is: batches in, changed weights and the loss out

The rules are named here as strings, so that the list costs no import; a model names its rule in ``learning``.
"""

from __future__ import annotations

LEARNING_RULES = {
    "bptt": "spikebench.learning.bptt:BackPropagation",
    "counts": "spikebench.learning.counts:CountFit",
}
