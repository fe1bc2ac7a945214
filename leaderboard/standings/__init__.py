"""Comparing entries: ranks, rows of the tables, and oddities.

::

    oddities  Oddities of an entry, for manual review: labels of the test splits are public, so they
              could be copied
    ranking   Ranks as tie groups: entries that do not differ significantly share a rank
    table     The rows of the leaderboard, flat, for the page, the terminal and the downloads
"""
