"""Sweeps: many trainings, from specification to report.

::

    jobs          Running jobs on an Executor, some at a time, while their progress is watched
    report        The results of a sweep: one table, the best configuration first, as JSON and as CSV
    runner        Training many seeds and configurations: parallel runs on an Executor, and one table
    spec          The specification of a sweep: a TOML file of models, data, seeds, fixed settings and a grid
    study_again   Repeating the study of a result, with all its settings
    study_entries  Models of a study that takes finished runs beside models to be trained
    study_folder  The folder of a study: its kind and its data, so that no other study is mixed into it
    study_results  Results of a study that was tested on the test split, as ``spikebench submit`` takes them
    study_runs    The runs of a study, several at a time, and the result that each keeps
    study_settings  Settings of a study that compares methods: TOML with strict keys
    study_watch   Watching the runs of a study: how many are done, how much of the work, the time left
    test_answers  What a run of a study keeps of its test: the predictions for every sample
    test_openings  How often the test split was opened for a run of a study
    worker        The worker of a sweep: train one run and return its outcome
"""
