"""Splits, opening data, results and predictions.

::

    few_shot     Drawing few-shot tasks: support and query samples of a speaker, of words, or of
                 pairs of words
    labels       Mapping labels of other files to the class numbers of a model
    noise_answers  Predictions under conditions of noise: their file, and the area that follows
    opening      Opening data: model selection has no access to the test split
    predictions  The text of a predictions file as columns of whole numbers: index, label,
                 predicted, speaker
    results      The result of an evaluation, as JSON: a versioned schema, validated on writing and
                 on reading
    scoring      Scores computed from predictions: the numbers that a result claims of every seed,
                 and over all of them
    splits       The rules that assign samples to training, validation and test
    stages       The predictions of learning task after task, and of few-shot tasks
    studies      What a result of a study adds: the task, and how it was learned
    task_groups  The tasks of learning task after task, as groups of classes
"""
