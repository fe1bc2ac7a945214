"""Label, speaker and split of a recording: from its folder, its name or a table.

::

    choice          The source ``auto``: choosing folders or a naming convention for the
                    recordings at hand
    class_warnings  Names of classes that are probably something else: folds, splits, speakers,
                    numbers, parts of file names
    conventions/    Names of published corpora, one file each
    folders         The meaning of folders of recordings: classes, splits or folds
    names           Label, speaker and split of a clip: from its folder, its file name, or a
                    table
    notices         Notices about labels, speakers and splits: decisions and warnings
    parsing         Parsing the source of labels, speakers or splits that the user names: a
                    word, a pattern or tables
    pattern         Patterns of file names given by the user: ``{speaker}_{digit}_take{take}``
    source          The interface of all sources of labels, speakers and splits: folders, names
                    and tables
    split_words     Words that name a split, and names of folds; the same in folders, columns
                    and patterns
    table_matching  Which line of a table belongs to which recording
    table_source    One or several tables as a source: their files, their splits, and the line
                    of each recording
    tables          Reading tables of recordings, as corpora publish them: comma-separated
                    values and similar formats
"""
