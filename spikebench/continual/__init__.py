"""Continual learning: training on one task after another, and how much is forgotten.

::

    again     Training a result of such a study again
    costs     What a method adds to a step of training: processor time, operations, numbers that are kept
    methods   The compared methods and their strengths
    page      The page of finished studies, as Markdown
    permuted  Ten permutations of the pixels of scikit-learn's digits
    report    The results of a study, as JSON, CSV and a table in Markdown
    results   The results of a study that was tested on the test split, for the leaderboard
    run       The result of one run, kept so that an interrupted study continues
    runner    Running all trainings of a study, several at a time
    settings  Settings of a study, TOML with strict keys, and the presets of the data sets
    study     The plan of a study: models, sequences, methods and seeds, checked before anything starts
    tasks     Sequences of tasks: pairs of classes, languages, speakers, permutations
    training  Training a model on one task after the other
"""
