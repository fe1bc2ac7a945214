"""Comparing entries: ranks, rows of the tables, and oddities.

::

    chips     The measurements on chips as flat rows, for the page, the terminal and the downloads
    energy    Ranks of the track hardware: by measured energy per sample, among figures that mean
              the same
    oddities  Oddities of an entry, for manual review: labels of the test splits are public, so they
              could be copied
    ranking   Ranks as tie groups: entries that do not differ significantly share a rank
    table     The rows of the leaderboard, flat, for the page, the terminal and the downloads
"""
