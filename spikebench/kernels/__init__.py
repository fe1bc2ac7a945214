"""Event-driven layers of neurons: one signature, a plain PyTorch reference, loops for CPU and GPU.

::

    choice     Which kernels work: chosen once, by the device, and never others than asked for
    delays     Synaptic delays, as taps of the weights of events, or per axon
    neuron     What kind of neuron a scan runs: threshold, reset, surrogate
    operators  The kernels as PyTorch operators with gradients, carried out by ``cpu`` or ``triton``
               after the device
    reference  The truth about every kernel: PyTorch on dense rasters, step by step, any float type,
               any derivative
    scan       What all kernels take and give: adaptation, states, the answer of a scan; and the
               checks before them
    spikes     Spikes of a layer as events, with a handle by which gradients find their way back
    cpu/       The kernels on a CPU: compiled loops on several threads
    triton/    The kernels on a GPU, written in Triton
"""
