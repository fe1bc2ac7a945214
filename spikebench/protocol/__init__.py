"""Splits, opening data, results and predictions.

::

    labels       Labels of other files in the numbering of a model
    opening      Opening data honestly: what selects a model does not contain the test split
    predictions  The text of a predictions file as four columns of whole numbers: index, label,
                 predicted, speaker
    results      What one evaluation says, as JSON: a versioned schema, checked on writing and on
                 reading
    scoring      What follows from predictions: the numbers that a result claims of every seed, and
                 over all of them
    splits       The rules by which samples train, select and test
"""
