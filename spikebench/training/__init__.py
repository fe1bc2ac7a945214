"""The training loop, and the folder of a run: settings, history, checkpoint, weights.

::

    batches      Batches of one epoch: order of the samples, and their augmentation
    changed      Samples whose spikes are changed under the condition of a run
    checkpoint   The state of a training after an epoch, stored so that the training can be resumed
                 exactly
    epochs       Training epoch by epoch: one loop for all models and learning rules
    inference    Using models: build from a run, move to a device, compute predictions
    loop         Training a run to its end: selection, and a refit; without access to the test split
    own          Checks of a network of the user before a run of it is started
    precision    The precision of products in training, and whether this processor supports it
    result_logs  The logs of the runs of a result or of a leaderboard entry
    run          A run: the folder of one model trained with one seed, and the files in it
    run_record   The record of a run, and its log that is part of a result
    tensorboard  The history of a run for TensorBoard (extra ``tensorboard``)
    train        Training in one call, for programs; the command line reports progress between the
                 same steps
"""
