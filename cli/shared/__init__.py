"""Options and steps that several commands share.

::

    conversion        What the commands that convert (and sweep) share: options, where to
                      encode, progress, and how they stop
    lazy_group        A group of commands that imports a command only when it runs
    training_options  Options that ``train`` and ``evaluate`` share
    training_session  What ``train`` and ``evaluate`` do around a fit: say what begins, show
                      progress, say how to go on
"""
