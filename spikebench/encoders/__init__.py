"""From the samples of a recording to spikes: the cochlea on a CPU and on a GPU.

::

    chirp_z            Discrete Fourier transforms of any length, prime ones too, through
                       transforms of a few good lengths
    clip               What a worker does: the bytes of one recording become spikes
    cochlea_reference  The three loops of the cochlea on a device in plain PyTorch
    cochlea_triton     The three loops of the cochlea as Triton kernels
    device_batches     Work for a device in pieces that its memory holds
    device_cochlea     The cochlea on a device: batches of clips, one lane per channel of a
                       clip
    device_executor    A device behind the Executor interface of the standard library:
                       recordings go in, batches are run
    warm               Imported by the fork server before it makes workers: compile and
                       design once, for all of them
"""
