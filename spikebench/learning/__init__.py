"""Learning rules, one readable file each, and what they share.

::

    bptt                   Back-propagation through time: one step of an optimiser per batch
    configs                Settings of the rules, importable without PyTorch
    counts                 Models that are fitted to spike counts at once, by an algorithm of their own
    elastic_weights        Elastic weight consolidation: importance of parameters from squared gradients
    few_bits               Weights of few bits: rounded after training, or in every step
    in_the_loop            Forward on a substrate, surrogate gradients in software
    loss_and_optimiser     Loss, regulariser, optimiser and learning-rate schedule of gradient descent
    masked_descent         Back-propagation in which masked weights are 0 from the first step to the last
    maml                   Meta-learning: initial weights from which a few steps learn a new task
    online_layer           A layer of neurons that computes eligibility traces with every step
    plateau                The schedule ``plateau``: the learning rate is reduced when validation no longer improves
    products               The precision in which products are computed
    pruning_masks          Masks of the weights that are kept: largest scores, largest magnitudes, random ones
    quadratic_penalty      Parameters held near those of earlier tasks, each by its importance
    ranks                  Processes that train one model together, as ``torchrun`` starts them
    rtrl                   Real-time recurrent learning: exact, block-diagonal, e-prop, local losses
    rule                   The interface of a learning rule: takes batches, changes weights, returns the loss
    snip                   SNIP: keep the weights whose removal would change the loss of a batch most
    step_loss              A loss at every step, for learning online
    superspike             SuperSpike: three factors, with symmetric, random or uniform feedback
    synaptic_intelligence  Synaptic intelligence: importance of parameters from the path of training
    synflow                SynFlow: keep the weights that carry most of the flow from inputs to outputs
    tangent_kernel         The empirical neural tangent kernel, exact or projected on random signs
    tangent_transfer       Neural tangent transfer: masks and weights, without labels
    task_batches           Several tasks in one pass, each with weights of its own
    trace_loops            Compiled loop of block-diagonal traces
    unlabelled             Samples without their labels, for methods that must not read any
    weight_average         Exponential moving average of the weights over the steps of a training

The rules are registered as strings, so that importing the list is cheap. A model names its rule in ``learning``; the
table ``[learning]`` of a preset, or ``--learning``, selects another one.
"""

from __future__ import annotations

from spikebench.errors import TrainingError, UnknownNameError

LEARNING_RULES = {
    "bptt": "spikebench.learning.bptt:BackPropagation",
    "counts": "spikebench.learning.counts:CountFit",
    "rtrl": "spikebench.learning.rtrl:RealTimeRecurrentLearning",
    "eprop": "spikebench.learning.rtrl:EligibilityPropagation",
    "superspike": "spikebench.learning.superspike:SuperSpike",
    "local_losses": "spikebench.learning.rtrl:LocalLosses",
}


_OF_STUDIES = {
    **dict.fromkeys(("maml", "fomaml", "anil"), "fewshot"),
    **dict.fromkeys(("si", "synaptic_intelligence", "ewc", "replay"), "continual"),
    **dict.fromkeys(("ntt", "tangent_transfer", "snip", "synflow"), "prune"),
    **dict.fromkeys(("in_the_loop", "hardware", "substrate"), "substrate"),
}


def check_rule_name(name: str) -> None:
    """Refuse the name of a learning rule that does not exist.

    Parameters
    ----------
    name
        A name.

    Raises
    ------
    UnknownNameError
        With the known names.
    TrainingError
        If it is a method that trains on more than one task or data set, with the command that does so.
    """
    if name in _OF_STUDIES:
        raise TrainingError(
            f"{name} is no rule of a single training; it has a command of its own: spikebench {_OF_STUDIES[name]} DATA"
        )
    if name not in LEARNING_RULES:
        raise UnknownNameError("learning rule", name, LEARNING_RULES)
