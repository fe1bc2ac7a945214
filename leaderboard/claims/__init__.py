"""The claims of an entry: its files, its authors, its verification; and results reported in papers.

::

    changes      What a pull request may do to the entries: add new ones, and withdraw existing
                 ones
    declaration  Declarations required by the rules: augmentation, extra data, ensembles, look-
                 ahead, input
    entry        Entries: one folder per entry, ``entries/<dataset>/<id>/``, written whole and
                 validated on reading
    hardware     Measurements on a chip: power, energy, latency and throughput, as those who measured
                 them state them
    literature   Results reported in papers: ``literature.csv``, one row per number, validated on
                 reading
    outside      Entries made with other trainers: predictions by sample index, and a form with
                 the other data
    privacy      Paths of a machine in texts that are meant to be shared
    reading      Reading all entries below some folders: each is checked, or its contents are cached
                 as checked
    schemas      The JSON Schemas of the files of an entry, for checking or writing entries with
                 other tools
    tier         Tiers: how far a number was checked. Each has its own tables; nothing is ranked
                 across them
    verifying    Raising the tier of an entry: the requirements of a verification, and its record
"""
