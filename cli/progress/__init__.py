"""Progress bars and lines of long commands.

::

    audio        Progress of computing mel features
    compiling    One line when loops are compiled, in the first run on a machine
    counted      Progress of work on many like items: a bar on a terminal, a line every ten seconds
                 elsewhere
    download     Progress of downloads: a bar on a terminal, a line every ten seconds elsewhere
    leaderboard  Progress of reading and writing many entries: a bar on a terminal, nothing
                 elsewhere
    noise        Progress of a study of noise: recordings that are converted, then runs that are
                 trained or tested, in words
    runs         Progress of many runs: a bar on a terminal, a line every ten seconds elsewhere
    study        Progress of a study, in words
    sweep        Progress of sweeps, in words
    training     Progress of training: a bar on a terminal, a line every ten seconds elsewhere
"""
