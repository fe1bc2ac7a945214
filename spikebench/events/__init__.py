"""Spikes as the input of a network: time bins, cache, data set, batches, augmentation.

::

    augmentation  Random changes of one sample for training: pure functions on events
    batches       Batches of events as the input of a network; a raster is made on request only
    cache         The spikes of a file as flat, memory-mapped arrays: built once, opened in a
                  millisecond
    dataset       A data set as a map-style list of samples, for any loader
    moments       Moments at which a network is evaluated: evenly spread time steps, and events up
                  to one of them
    raster        Conversion of spike times into time bins; no other module does it
    raster_loops  The compiled loops of :mod:`spikebench.events.raster`: plain arithmetic on
                  arrays that were checked there
"""
