"""What can be recomputed from a result and its logs.

::

    breakdown      Who is understood and who is not: accuracy per speaker and per language, over
                   all seeds of an entry
    logs           ``run.json`` of an entry: the logs of its runs, and whether they tell the same
                   story as the result
    memory         Checks that were passed, remembered by the contents of the entry: the same
                   files need not be checked again
    recomputation  Recompute from the predictions everything that a result claims
"""
