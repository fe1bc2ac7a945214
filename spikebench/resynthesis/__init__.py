"""Sounds from spikes, for listening to what a network gets.

::

    similarity   How similar a sound is to the recording behind its spikes
    sound        From the spikes of a clip to the samples of a sound
"""
