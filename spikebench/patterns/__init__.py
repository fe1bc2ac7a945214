"""Spike patterns: a network learns to fire precise trains in response to frozen inputs, by SuperSpike.

::

    loops    The compiled loop: a presentation of two layers of leaky neurons, and its changes
    network  A network of two layers of leaky neurons that learns one pattern by SuperSpike
    report   The results of a study, as JSON and as Markdown
    study    Tasks of rising difficulty with every kind of feedback, resumable
    task     The inputs, the trains to be fired, and the settings
"""
