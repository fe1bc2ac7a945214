"""Event-driven layers of neurons: one signature, a plain PyTorch reference, loops for CPU and GPU.

::

    choice     Choosing the kernels for a device
    delays     Synaptic delays, as taps of the weights of events, between two steps, or per axon
    fake       Shapes and types of the results of the operators, for ``torch.compile`` and ``torch.export``
    feed_forward  Feed-forward layers with given currents on a CPU, as PyTorch operators with gradients
    names      Names of resets and surrogates, which settings share
    neuron     The neuron model of a scan: threshold, reset, adaptation, surrogate
    normalisation  Batch normalisation of currents: each neuron over the samples and steps of a batch
    normalised_layer  Feed-forward layers on a CPU whose currents come from events and are normalised, as
               a PyTorch operator
    operators  The kernels as PyTorch operators with gradients, executed by ``cpu`` or ``triton``
               according to the device
    recurrent_delays  Delays of recurrent spikes, one for each neuron that sends them
    reference  The reference implementation of every kernel: PyTorch on dense rasters, step by step,
               any float type, any derivative
    scan       Arguments and results common to all kernels: adaptation, states, the result of a
               scan, and checks
    softmax_sum  Sums over time of the probabilities at each step, on a CPU, as a PyTorch operator
    spikes     Spikes of a layer as events, with a tensor that carries their gradients
    cpu/       The kernels on a CPU: compiled loops on several threads
    triton/    The kernels on a GPU, written in Triton
"""
