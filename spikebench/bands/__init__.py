"""Signals of the frequency bands of a recording, which encoders turn into spikes and models on audio take as input.

::

    gammatone  A bank of gammatone filters, equally spaced on the ERB scale
    level      Rate and level of a recording before it is split into bands
    mel        From the samples of a recording to the levels of its mel bands
"""
