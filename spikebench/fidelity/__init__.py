"""How close two spike files are.

::

    alignment   Which samples of two files belong together, and by how much their spikes lie apart
                in time
    comparison  How close two spike files are: six measures, each with what equal files would give
    measures    Six measures of how far two collections of samples lie apart;
                :mod:`spikebench.fidelity.comparison` says which
    spike_list  One sample written as a table: lines ``time_ms,unit``, with or without that line of
                names
    summary     What a comparison needs to know of many samples, read one sample after the other
"""
