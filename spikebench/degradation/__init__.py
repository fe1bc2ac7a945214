"""What happens to a sound before it is converted: noise, rooms, lines, and how recordings are degraded by them.

::

    additive    White and pink noise, the speech-active parts of a recording, mixing at a ratio of signal to noise
    conditions  The names of degradations and their strengths, such as ``pink:5dB``
    degraded    Recordings under a condition; which random numbers belong to which recording
    lines       Telephone band, clipping, level, speed, and lost packets
    rooms       Synthetic room responses of a stated decay time
    sources     Babble of other speakers, and recordings of the user, as noise
"""
