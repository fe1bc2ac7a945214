"""The length of the sound in a file: as declared by its header, and as present.

::

    chunked       Length of the sound in files made of chunks: WAV (RIFF, RIFX, RF64), W64, AIFF,
                  SVX and CAF
    header        Length of the sound in files that begin with one header: SPHERE, AU, VOC, AVR
                  and WVE
    measure       Declared and actual length of the sound in a recording
    mpeg          MPEG audio (MP3) frame by frame: the declared and the actual number of frames
    ogg           Whether an Ogg stream is complete
    sound_length  The length of the sound in a file: as declared by its header, and as present
"""
