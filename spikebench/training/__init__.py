"""The training loop, and the folder of a run: settings, history, checkpoint, weights.

::

    batches      Batches of augmented samples: what a preset asks for, sample by sample, in a fixed
                 order
    checkpoint   Where a training stands after a whole epoch, kept so that it goes on as if it had
                 not been interrupted
    epochs       Training epoch by epoch: one loop, whatever the model and the learning rule
    inference    Models at work: built from a run, moved to a device, asked for answers
    loop         Training a run to its end: selection, and a refit. It sees what the selection
                 holds: not the test split
    precision    The precision of products in training, and whether this processor supports it
    run          A run: the folder in which one model is trained with one seed, and everything it
                 keeps
    run_record   What a run writes down of itself, and the log of it that goes with a result
    tensorboard  The history of a run for TensorBoard (extra ``tensorboard``)
    train        Training in one call, for programs; the command line reports progress between the
                 same steps
"""
