"""Plots; the only modules that import matplotlib.

::

    classes      Plot of the mean spikes of a class
    confusion    Plot of a confusion matrix
    continual    Plot of learning task after task: accuracy on every task after every task
    costs        Plot of accuracy against costs, with the Pareto front: parameters, operations, spikes
    encoders     The same recording as the spikes of several encoders
    fewshot      Plot of a study of few-shot learning: accuracy against inner steps
    fidelity     Plot of a comparison: one panel per measure, with its verdict as the title
    frequencies  Plots of the frequencies of an encoder: frequency map and tuning curves
    latency      Plot of latency: accuracy over the time heard
    network      Plots of a trained network: learned values of its layers, and the spikes of a
                 hidden layer
    noise        Plot of a study of noise: accuracy against the ratio of signal to noise, and under
                 every other condition
    panels       Figures of one or several panels in the common style
    patterns     Plot of a study of spike patterns: learning curves, output spikes before and after
    predictions  Plot of predictions over time
    pruning      Plot of a study of pruning: accuracy against density and operations, and after
                 every epoch
    results      Plot of compared results: accuracies with their intervals, below them the
                 differences of all pairs
    sample       Plots of one sample: spikes, with the sound and the intermediate stages
    substrate    Plot of a study with a substrate in the loop: accuracy per condition, spikes, and
                 accuracy against time
    timing       Plot of a study of timing: accuracy against the strength of each kind of change
    training     Plot of training: loss and accuracy of every epoch
"""
