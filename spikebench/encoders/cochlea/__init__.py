"""The encoder ``cochlea``: basilar membrane, hair cells and bushy cells, on a CPU and on a GPU.

::

    chirp_z         Discrete Fourier transforms of any length, including primes, through transforms
                    of a few good lengths
    cpu             The cochlea as an encoder: ``cochlea.encode`` with a preset
    device_batches  Batches of clips that fit into the memory of a device
    device_cochlea  The cochlea on a device: batches of clips, one lane per channel of a clip
    reference       The three loops of the cochlea on a device in plain PyTorch
    stages          The stages of the cochlea before the spikes, for a sample of a spike file
    stored_design   Designs of the membrane in the user's cache
    triton          The three loops of the cochlea as Triton kernels
"""
