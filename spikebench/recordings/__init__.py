"""Finding and decoding audio files.

::

    decoder_output  Muting decoders that write to standard error themselves, bypassing Python
    decoding        Recordings: their samples, decoded and mixed down
    search          Finding the recordings in a folder
    stream          Decoding one file with libsndfile: read once from front to back, with error
                    messages of our own
    types           Types of audio files: suffixes of recordings, and the type of a file by its
                    first bytes
    lengths/        The length of the sound in a file: as its header declares it, and as it is
                    there
"""
