"""Whether an installation works: what is there, a short test of it, and how to mend what is wrong.

::

    finding     One thing that was looked at: what was found, whether it is wrong, and the remedy
    gpu_status  What is known about the code for GPUs
    machine     Processor, threads, BLAS, GPU, folders and free space
    packages    Versions of Python and of the packages
    self_test   A click and a tone as spikes, and a few steps of training
"""
