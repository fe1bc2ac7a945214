"""Checks that recompute the claims of a result and its logs.

::

    agreement      Comparing a claimed number with the recomputed one
    breakdown      Accuracy per speaker and per language, over all seeds of an entry
    git_tree       Files of a commit, read from the object database of a git repository
    logs           ``run.json`` of an entry: the logs of its runs, and their consistency with the
                   result
    memory         Cache of passed checks by the contents of an entry, so that unchanged files are
                   not checked again
    recomputation  Recomputing from the predictions everything that a result claims
    registered     Comparing the data of a result with the registered data set of its name
    signing        Signatures of verifications, by SSH keys, and the verifications that were made on
                   this machine
    studies        Recomputing what a result of a study claims
    size           Whether the number of parameters follows from the configuration in the logs
"""
