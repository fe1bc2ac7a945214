"""Sounds from spikes, for listening to what a network gets.

::

    decoded      The sound of spikes that are a code of levels, by the decoder of their encoder
    similarity   How similar a sound is to the recording behind its spikes
    sound        From the spikes of a clip to the samples of a sound
"""
