"""The kernels on a CPU: compiled loops on several threads.

::

    arrays     Tensors as the arrays of compiled loops
    by_tile    Currents of events and their gradients on the way back, tile by tile
    compiling  Compiling the loops of this package: one stamp for numba's cache of all their files
    delayed    The loops of connections with delays: an event arrives at two steps, whatever the
               longest delay is
    events     The loops over events: checks, currents, gradients of weights
    feed_forward  The loops of feed-forward layers with given currents: normalise, run the neurons,
               propagate back
    leaky_back  The way back through a layer of leaky neurons from the units near their threshold only:
               no membrane is needed
    launch     The kernels on a CPU: compiled loops, shared among threads;
               :mod:`spikebench.kernels.operators` calls them
    launch_events  Events on a CPU: checks, and products with weights;
               :mod:`spikebench.kernels.operators` calls these functions
    launch_feed_forward  Feed-forward layers with given currents on a CPU;
               :mod:`spikebench.kernels.feed_forward` calls these functions
    launch_near  Gradients of spikes near their threshold on a CPU;
               :mod:`spikebench.kernels.operators` calls these functions
    launch_normalised  Feed-forward layers of events on a CPU;
               :mod:`spikebench.kernels.normalised_layer` calls these functions
    launch_readout  The read-out on a CPU; :mod:`spikebench.kernels.operators` calls these functions
    memory     Array memory: aligned to cache lines, and reused for large arrays
    neurons    One step of a layer of neurons on a CPU, forward and backward, for recurrent and
               feed-forward layers
    pairs      Adding two numbers to neighbours in memory as one vector, which takes half the time of
               two additions
    readouts   The loops of the read-out: integrate spikes with a leak, reduce over time
    recurrent_delays  Recurrent spikes with delays: when they arrive, forward and backward
    scans      The scan of the CPU kernels: samples, steps, recurrent inputs and lists of spikes,
               for any neuron
    simd       Thirty-two numbers as one value, which compiled loops keep in registers of the
               processor
    simd_code  Instructions for the vectors of :mod:`spikebench.kernels.cpu.simd`: what LLVM compiles
    spike_gradients  Gradients of spikes for units near their threshold only: those of the others are
               multiplied by 0
    spike_lists  Lists of the spikes of a batch, from those that threads found
    threads    Threads that share a batch
    tiles      Rows of numbers in tiles of 32 units, tile after tile and row after row in each
    vectors    Adding rows of a table: the two inner loops of event-driven products, with explicit
               vectors
"""
