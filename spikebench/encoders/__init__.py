"""From the samples of a recording to spikes. Encoders are listed here as strings, so that the list costs no import.

The interface of an encoder is defined in :mod:`spikebench.encoders.encoder`.

::

    bens_spiker         The encoder ``bens_spiker``: Ben's spiker algorithm on mel levels
    budget              The parameter of an encoder that gives a wanted number of spikes
    clip                Encoding of one recording, as a worker runs it: bytes of the file to spikes
    cochlea/            The encoder ``cochlea``: basilar membrane, hair cells and bushy cells, on a
                        CPU and on a GPU
    device              Selection of the device for encoding
    device_executor     A device behind the Executor interface of the standard library, encoding
                        recordings in batches
    encoder             The interface of an encoder: from the samples of a recording to spikes
    gammatone           The encoder ``gammatone``: gammatone filters, compression, one neuron per band
    gammatone_loop      Its compiled loop
    mel_encoder         What the encoders of mel levels share
    mel_latency         The encoder ``mel_latency``: time to first spike
    mel_level_crossing  The encoder ``mel_level_crossing``: send-on-delta, rising and falling units
    mel_rate            The encoder ``mel_rate``: Poisson processes
    mel_scaled          Mel levels scaled to 0 … 1
    moving_window       The encoder ``moving_window``: mel levels against their moving average
    provenance          The encoder of a spike file, written to and read from its attributes
    settings            Parameters of an encoder that differ from its preset
    step_forward        The encoder ``step_forward``: mel levels followed by steps
    warm                Imported by the fork server before it forks workers: compile and design
                        once for all of them
"""

ENCODERS = {
    "cochlea": "spikebench.encoders.cochlea.cpu:Cochlea",
    "gammatone": "spikebench.encoders.gammatone:Gammatone",
    "mel_level_crossing": "spikebench.encoders.mel_level_crossing:MelLevelCrossing",
    "mel_rate": "spikebench.encoders.mel_rate:MelRate",
    "mel_latency": "spikebench.encoders.mel_latency:MelLatency",
    "step_forward": "spikebench.encoders.step_forward:StepForward",
    "moving_window": "spikebench.encoders.moving_window:MovingWindow",
    "bens_spiker": "spikebench.encoders.bens_spiker:BensSpiker",
}
DEFAULT_ENCODER = "cochlea"  # of files and records without an encoder's name
