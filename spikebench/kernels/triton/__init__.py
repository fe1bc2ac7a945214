"""The kernels on a GPU, written in Triton.

::

    delayed  The loops of connections with delays, in Triton; :mod:`spikebench.kernels.triton.launch`
             starts them
    launch   The kernels on a CUDA device: Triton's loops, and sorting, searching and matrix products by
             PyTorch
    loops    The loops of the GPU kernels, in Triton; :mod:`spikebench.kernels.triton.launch` starts
             them
    neurons  The neurons of the GPU kernels: the parts of a step, forward and backward, for Triton
"""
