"""Noise where it happens: how well models do when recordings are degraded before they are converted to spikes.

::

    after_conversion  The same damage done to spikes after the conversion
    conversions   Degraded recordings as spikes, converted in blocks that are kept
    page          The page of finished studies, as Markdown
    report        The results of a study: rows, areas and their differences, as JSON and as CSV
    results       The results of a study for the leaderboard: areas under curves
    runner        Training all runs of a study, converting the degraded recordings, and testing
    samples       Samples with other spikes, or with degraded recordings, than those of their file
    study         The plan of a study: models, conditions and runs, checked before anything starts
    training      Training with noise in half of the training recordings
    worker        The worker of a study: train one run, and test it under all conditions
"""
