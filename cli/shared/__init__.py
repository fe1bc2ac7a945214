"""Options and steps that several commands share.

::

    build_facts       The option --version: version, commit, Python, and the libraries
    conversion        Shared by the commands that convert (and sweep): options, executors,
                      progress, and clean interruption
    device            The option ``--device``, and beside it what is known about GPUs
    encoder_settings  Parameters of an encoder as the option ``--set`` gives them
    ending            Ending a command that runs until the user stops it
    lazy_group        A group of commands that imports a command only when it runs
    own_code          The option ``--model`` of a network of the user: its file is run, and only
                      because the user names it
    plot_compared     Pictures that compare: two spike files, or results by accuracy and cost
    plot_kinds        Kinds of pictures of ``spikebench plot``: from files, results and runs to figures
    sample            The recording of a sample of a spike file, and the frequencies of its units
    settings          Settings of a training as the options give them: read, announced, printed
    study             What the commands of studies share: options, the list of runs, progress, the end
    study_again       The part of ``verify`` for entries of studies
    training_options  Options that ``train`` and ``evaluate`` share
    training_session  Steps of ``train`` and ``evaluate`` around a fit: announce it, show progress,
                      print how to resume it
"""
