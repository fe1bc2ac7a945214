"""Entries side by side: ranks, rows of the tables, and what looks odd.

::

    oddities  What looks odd about an entry, for people to look at: labels of the test splits are
              public, so they could be copied
    ranking   Ranks as tie groups: who cannot be told apart shares a rank
    table     The rows of the leaderboard, flat: what the page, the terminal and the downloads all
              show
"""
