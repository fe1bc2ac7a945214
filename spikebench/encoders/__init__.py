"""From the samples of a recording to spikes. Encoders are named here as strings, so that the list costs no import.

The contract of an encoder stands in :mod:`spikebench.encoders.encoder`.

::

    clip             What a worker does: the bytes of one recording become spikes
    cochlea/         The encoder ``cochlea``: basilar membrane, hair cells and bushy cells, on a
                     CPU and on a GPU
    device           Find the device to encode on
    device_executor  A device behind the Executor interface of the standard library: recordings
                     go in, batches are run
    encoder          The contract of an encoder: from the samples of a recording to spikes
    provenance       Which encoder made a spike file: written as attributes, read from them
    warm             Imported by the fork server before it makes workers: compile and design
                     once, for all of them
"""

ENCODERS = {
    "cochlea": "spikebench.encoders.cochlea.cpu:Cochlea",
}
DEFAULT_ENCODER = "cochlea"  # of files and records that name none
