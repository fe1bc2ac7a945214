"""Testing trained models: the test split, cost metrics, reproduction, comparison of results.

::

    comparison        Results on the same test samples side by side: read, checked against
                      each other, tested in pairs
    final_test        Testing: each run opens the test split once, and what it says becomes a
                      result
    fresh_comparison  Results side by side on fresh recordings: what can be run is run, and what
                      came out is a document
    fresh_recordings  Which recordings are fresh: in no data set that is known here, and each
                      of them once
    fresh_test        A test set that no entry can have been fitted to: recordings that are in
                      none of the data sets
    measurement       Cost metrics of a model at work: run over samples that the caller has
                      opened, batch by batch
    reproduction      Running again what somebody else claims
    verification      What a result claims, computed here again: its weights run on the test
                      split, or every seed trained again
"""
