"""Many trainings: specification, runner, workers, report.

::

    report  What a sweep found: one table, the best configuration first, as JSON and as CSV
    runner  Many seeds, many configurations: runs side by side on an Executor, and one table at the end
    spec    What a sweep trains: a TOML file that names models, data, seeds, fixed settings and a grid
    worker  What a worker of a sweep does: train one run, and say what became of it
"""
