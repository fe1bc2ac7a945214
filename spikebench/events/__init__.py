"""Spikes on their way to a network: time bins, cache, data set, batches, augmentation.

::

    augmentation  Random changes of one sample for training: pure functions on events
    batches       Events on their way into a network: collated per batch, never densified on the
                  way
    cache         The spikes of a file as flat arrays, mapped into memory: built once, opened in a
                  millisecond
    dataset       A data set as a list of samples: map-style, light, ready for any loader
    moments       Moments at which a network is asked for its answer: evenly spread time steps,
                  and events up to one of them
    raster        The only place where time becomes bins
    raster_loops  The compiled loops of :mod:`spikebench.events.raster`: plain arithmetic on
                  arrays that were checked there
"""
