"""The kernels on a CPU: compiled loops on several threads.

::

    compiling  How the loops of this package are compiled: numba's cache on disk is for all their files
               together
    events     The loops over events: checks, currents, gradients of weights
    launch     The kernels on a CPU: compiled loops, shared among threads;
               :mod:`spikebench.kernels.operators` calls them
    memory     Memory of arrays: on the edges of cache lines, and used again where it is large
    neurons    The neurons of the CPU kernels: one step of a layer, forward and backward
    readouts   The loops of the read-out: spikes are integrated with a leak, and reduced over time
    scans      The scan of the CPU kernels: samples, steps, recurrent inputs and lists of spikes,
               whatever the neuron
    threads    Threads that share a batch
    vectors    Rows of a table, added: the two inner loops of event-driven products, with vectors written
               out
"""
