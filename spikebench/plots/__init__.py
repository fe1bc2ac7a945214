"""Plots; the only modules that import matplotlib.

::

    costs        Plot of accuracy against costs: parameters, operations, spikes
    fewshot      Plot of a study of few-shot learning: accuracy against inner steps
    fidelity     Plot of a comparison: one panel per measure, with its verdict as the title
    predictions  Plot of predictions over time
    results      Plot of compared results: accuracies with their intervals, below them the
                 differences of all pairs
    sample       Plots of one sample: spikes, with the sound and the intermediate stages
    timing       Plot of a study of timing: accuracy against the strength of each kind of change
"""
