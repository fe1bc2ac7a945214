"""What an entry says: its files, who made it, how it was verified; and what papers report.

::

    declaration  What the rules ask everybody to say: augmentation, extra data, ensembles, look-
                 ahead, input
    entry        Entries: one folder per entry, ``entries/<dataset>/<id>/``, written whole and
                 checked on reading
    literature   What papers report: ``literature.csv``, one row per reported number, checked on
                 reading
    outside      Entries of people who did not use our trainer: predictions by sample index, and a
                 form that says the rest
    reading      Reading every entry below some folders: each is checked, or its contents are known to
                 have passed their checks
    schemas      The JSON Schemas of everything that an entry holds, for people who check or write
                 entries with other tools
    tier         Tiers: how far a number was checked. Each has its own tables; nothing is ranked
                 across them
    verifying    What raises the tier of an entry: what a verification needs of it, and the record
                 of one
"""
