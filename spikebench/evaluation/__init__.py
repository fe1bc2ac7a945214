"""Testing trained models: the test split, cost metrics, reproduction, comparison of results.

::

    benchmark         The protocol for a network of your own: batches to train and select on, and
                      one test
    comparison        Results on the same test samples side by side: read, checked against
                      each other, tested in pairs
    final_test        Testing: each run opens the test split once; its predictions become a result
    fresh_comparison  Comparing results on fresh recordings: runs what can be run, returns a
                      JSON document
    fresh_recordings  Selecting fresh recordings: in no data set known on this machine, each once
    fresh_test        A test set that no entry can have been fitted to: recordings that are in
                      none of the data sets
    kept_test         Predictions of a run on the test split, kept in the folder of the run
    measurement       Cost metrics of a model at work: run over samples that the caller has
                      opened, batch by batch
    own_result        The test of networks that were trained elsewhere, and its result: in memory
                      first, then as a folder
    reproduction      Running untrusted models from other people's results
    tonic_input       Transforms of tonic between a data set and a network, in training and in the
                      test
    verification      Recomputing the claims of a result: run its weights on the test split, or
                      train every seed again
"""
