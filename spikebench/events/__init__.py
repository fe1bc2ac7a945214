"""Spikes as the input of a network: time bins, cache, data set, batches, augmentation.

::

    arrow_folder        Data sets as the folder that ``datasets.load_from_disk`` (Hugging Face) opens
    augmentation        Random changes of one sample for training: pure functions on events
    augmentation_loops  The compiled loops of :mod:`spikebench.events.augmented`: all changes of a
                        sample in few passes over its spikes
    augmented           Batches of augmented samples: all random changes at once, in compiled
                        loops, straight into time bins
    batches             Batches of events as the input of a network; a raster is made on request
                        only
    cache               The spikes of a file as flat, memory-mapped arrays: built once, opened in
                        a millisecond
    changed             Changes of spikes under a condition: each removes one kind of information
                        and keeps the others where it can
    conditions          Names of the changes of spikes by which a classifier is tested
    dataset             A data set as a map-style list of samples, for any loader
    moments             Moments at which a network is evaluated: evenly spread time steps, and
                        events up to one of them
    random_words        Random words from a key and a position: SplitMix64, its normal numbers,
                        and bits of a given probability
    raster              Conversion of spike times into time bins; no other module does it
    raster_loops        The compiled loops of :mod:`spikebench.events.raster`: plain arithmetic on
                        arrays that were checked there
"""
