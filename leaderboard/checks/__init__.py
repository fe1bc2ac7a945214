"""What can be recomputed from a result and its logs.

::

    breakdown      Who is understood and who is not: accuracy per speaker and per language, over
                   all seeds of an entry
    logs           ``run.json`` of an entry: the logs of its runs, and whether they tell the same
                   story as the result
    recomputation  Recompute from the predictions everything that a result claims
"""
