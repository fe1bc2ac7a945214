"""Accuracy and its intervals, significance, and what a model costs.

::

    chance          Whether an accuracy can be distinguished from chance
    classification  Accuracy, its intervals, and the confusion matrix, from labels and
                    predictions
    cost            Cost metrics of a model from what it did with all test samples;
                    ``docs/metrics.md`` is the specification
    cost_table      Named tables of what an operation costs, and the energy that follows from
                    them
    latency         How early a model is right: accuracy over time, and when it first is
                    95 % of the final one for good
    operations      What a batch costs: every bundle of weights with what went through it, every
                    layer with what it did
    ranks           Ranks of accuracies with intervals: those that cannot be told apart share a rank
    record          What the cost metrics of one seed look like in a result;
                    :mod:`docs/metrics.md` defines each
    significance    Whether two models differ: paired tests on the same test samples
"""
