"""Finding and decoding audio files.

::

    decoder_output  Muting decoders that write to standard error themselves, bypassing Python
    decoding        Recordings: their samples, decoded and mixed down
    named           The recordings that a spike file names: found in a folder, and checked by
                    their SHA-256
    search          Finding the recordings in a folder
    stream          Decoding one file with libsndfile: one pass from front to back, with own error
                    messages
    types           Types of audio files: suffixes of recordings, and the type of a file by its
                    first bytes
    lengths/        The length of the sound in a file: as declared by its header, and as present
"""
