"""Comparison of two spike files.

::

    alignment   Pairs of samples of two files, and the shift in time between their spikes
    comparison  How close two spike files are: six measures, each with the value for equal files
    measures    The six distance measures between two collections of samples, which are listed in
                :mod:`spikebench.fidelity.comparison`
    spike_list  One sample written as a table: lines ``time_ms,unit``, with or without that header
    summary     Sums over many samples for a comparison, read one sample at a time
"""
