"""The static site, and the tables in a terminal.

::

    charts      Geometry of the plots on the page; colours and strokes are defined in the style
                sheet
    entry_page  The page of one entry: all its data, and how to reproduce it
    index_page  The page of all entries: tables per data, protocol, tier and track, and results
                reported in papers
    report      A report of the measured entries in Markdown, for reading in a repository: a table
                per data set, the costs
    site        The static site: a page of all entries, a page per entry, and the downloads; no
                outside requests
    templating  Rendering templates: escaping, the content security policy, formatting of
                numbers
    terminal    The leaderboard in a terminal of 80 columns; plain text where the output is not a
                terminal
    up_to_date  Whether a page is up to date: nothing that it was built from has changed, and
                neither has it
"""
