"""Log-mel features of recordings, the input of the models on audio.

::

    augmented  Shifts and masks of mel features for training, drawn by (seed, epoch, sample)
    batches    Samples and batches whose cells hold levels of mel bands instead of spikes
    cache      The mel features of the recordings behind samples: computed once, then
               memory-mapped
"""
