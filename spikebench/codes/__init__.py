"""Encoders compared on the same recordings: spikes, link, speed, what a decoder gets back, accuracy of models.

::

    files     The spike files of a comparison, one per encoder and budget; made once
    measures  What a code costs and keeps, measured on training recordings
    report    The table of a comparison, as JSON, CSV and Markdown
"""
