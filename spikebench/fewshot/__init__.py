"""Learning from few shots: networks are meta-trained on small tasks, and adapted to those of new speakers or words.

::

    page      The results of a study as Markdown, in a page of the documentation
    report    The results of a study: one row per task, model and method, as JSON and as CSV
    results   The results of a study that was tested on the test split, for the leaderboard
    runner    Runs of a study, one after another or several at a time
    settings  The settings of a study, one TOML file per kind of data in the folder presets
    study     The plan of a study: tasks, models, methods and seeds, checked before anything starts
    tasks     Batches of drawn tasks
    worker    One run: meta-train a network, then adapt it to new tasks
"""
