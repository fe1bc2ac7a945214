"""A page for looking at a spike file and listening to it, served on this machine only.

::

    answers      What a trained model answers over the time heard
    application  From a requested path to the bytes of the response
    catalogue    The samples of a file: names, choices, pages of the list, statistics
    server       HTTP on this machine: address, hosts, headers
    sounds       The recording and the reconstructed sound of a sample, as WAV

``page/`` holds the page itself: HTML, style and scripts, without any code of others.
"""
