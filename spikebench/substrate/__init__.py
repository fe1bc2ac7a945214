"""Training with a substrate in the loop: emulated substrates, and a study that compares it with training in software.

::

    analog    An emulated analog substrate: every neuron has its own parameters, and no two trials are equal
    answers   Test of a trained network on a substrate: predicted classes, spikes, time to decision
    fixed_point  A digital substrate: integer weights and membranes, decays by a product and a shift
    ideal     The ideal substrate: the software model itself
    integers  Weights as integers times a step
    page      The page of a study: a section for each data set and substrate
    report    The results of a study: one row per condition, as JSON, CSV and Markdown
    results   The results of a study that was tested on the test split, for the leaderboard
    runner    Training and testing all runs of a study
    settings  Settings of substrates and study, and the presets of data sets
    study     The plan of a study: trainings and conditions, checked before anything starts

The folder ``presets`` holds settings as TOML. The gradients are in :mod:`spikebench.learning.in_the_loop`.
"""
