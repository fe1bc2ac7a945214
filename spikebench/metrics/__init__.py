"""Accuracy and its intervals, significance, and cost metrics of a model.

::

    areas           The area under a curve of accuracies over the ratio of signal to noise
    chance          Whether an accuracy can be distinguished from chance
    classification  Accuracy, its intervals, and the confusion matrix, from labels and
                    predictions
    cost            Cost metrics of a model, from its operations on all test samples;
                    ``docs/metrics.md`` is the specification
    cost_table      Named tables of the energy per operation, and the resulting energy
    forgetting      Average accuracy, forgetting and backward transfer of a matrix of accuracies
    latency         Accuracy over time, and the time from which on it stays above 95 % of the final
                    accuracy
    operations      Operations of a batch, counted for every bundle of weights and every layer
    operations_hooks    Operations of any network, counted by hooks on its layers while it runs once
    operations_layers   Operations of the standard layers of PyTorch, from their inputs
    operations_neurons  Neurons of other libraries, recognised by the names of their classes
    ranks           Ranks of accuracies with intervals; overlapping intervals share a rank
    record          The cost metrics of one seed in a result; ``docs/metrics.md`` defines each
    significance    Whether two models differ: paired tests on the same test samples
"""
