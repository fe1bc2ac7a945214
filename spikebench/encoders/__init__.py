"""From the samples of a recording to spikes. Encoders are listed here as strings, so that the list costs no import.

The interface of an encoder is defined in :mod:`spikebench.encoders.encoder`.

::

    clip             Encoding of one recording, as a worker runs it: bytes of the file to spikes
    cochlea/         The encoder ``cochlea``: basilar membrane, hair cells and bushy cells, on a
                     CPU and on a GPU
    device           Selection of the device for encoding
    device_executor  A device behind the Executor interface of the standard library, encoding
                     recordings in batches
    encoder          The interface of an encoder: from the samples of a recording to spikes
    provenance       The encoder of a spike file, written to and read from its attributes
    warm             Imported by the fork server before it forks workers: compile and design
                     once for all of them
"""

ENCODERS = {
    "cochlea": "spikebench.encoders.cochlea.cpu:Cochlea",
}
DEFAULT_ENCODER = "cochlea"  # of files and records without an encoder's name
