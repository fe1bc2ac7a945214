"""Progress bars and lines of long commands.

::

    audio        Progress of computing mel features: a bar on a terminal, a line every ten seconds
                 elsewhere
    download     Progress of downloads: a bar on a terminal, a line every ten seconds elsewhere
    leaderboard  Progress of reading and writing many entries: a bar on a terminal, nothing
                 elsewhere
    sweep        Progress of sweeps: a bar on a terminal, a line every ten seconds elsewhere
    timing       Progress of a study of timing: a bar on a terminal, a line every ten seconds
                 elsewhere
    training     Progress of training: a bar on a terminal, a line every ten seconds elsewhere
"""
