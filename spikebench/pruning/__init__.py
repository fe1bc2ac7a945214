"""Networks pruned before training: which weights are kept, and how well the rest learns.

::

    again     Training a result of such a study again
    methods   The compared methods, and how many weights they keep where
    page      The page of finished studies, as Markdown
    report    The results of a study, as JSON, CSV and a table in Markdown
    results   The results of a study that was tested on the test split, for the leaderboard
    run       The result of one run, kept so that an interrupted study continues
    runner    Running all trainings of a study, several at a time
    settings  Settings of a study, TOML with strict keys, and the presets of the data sets
    speed     Time of a layer with dense and with masked weights
    study     The plan of a study: models, methods, densities and seeds, checked before anything starts
    training  One run: choose the mask, train the weights that are kept, test
"""
