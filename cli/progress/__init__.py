"""Progress bars and lines of long commands.

::

    download     How a download shows where it is: a bar on a terminal, a line every ten seconds
                 elsewhere
    leaderboard  How reading and writing thousands of entries shows where it is: a bar on a
                 terminal, nothing elsewhere
    sweep        How a sweep shows where it is: a bar on a terminal, a line every ten seconds
                 elsewhere
    training     How training shows where it is: a bar on a terminal, a line every ten seconds
                 elsewhere
"""
