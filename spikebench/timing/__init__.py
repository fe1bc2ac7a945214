"""Which information of the spikes a model uses: its accuracy when their times, counts or units are changed.

::

    answers  Predictions of one run under several conditions, kept so that an interrupted study
             continues
    report   The results of a study: one row per model, condition and kind of training, as JSON and
             as CSV
    runner   Training and testing all runs of a study, several at a time
    study    The plan of a study: models, conditions and runs, checked before anything starts
    worker   The worker of a study: train one run, and test it under its conditions
"""
