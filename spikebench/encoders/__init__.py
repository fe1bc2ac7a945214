"""From the samples of a recording to spikes: the cochlea on a CPU and on a GPU.

::

    clip             What a worker does: the bytes of one recording become spikes
    cochlea/         The encoder ``cochlea``: basilar membrane, hair cells and bushy cells, on a
                     CPU and on a GPU
    device           Find the device to encode on
    device_executor  A device behind the Executor interface of the standard library: recordings
                     go in, batches are run
    warm             Imported by the fork server before it makes workers: compile and design
                     once, for all of them
"""
