"""Checks that recompute the claims of a result and its logs.

::

    breakdown      Accuracy per speaker and per language, over all seeds of an entry
    logs           ``run.json`` of an entry: the logs of its runs, and their consistency with the
                   result
    memory         Cache of passed checks by the contents of an entry, so that unchanged files are
                   not checked again
    recomputation  Recomputing from the predictions everything that a result claims
"""
