"""The static site and the tables in a terminal.

::

    charts      Geometry of the small pictures on the page; colours and strokes are the style
                sheet's
    entry_page  The page of one entry: everything that is known of it, and how to repeat it
    index_page  The page of all entries: tables per data, protocol, tier and track, and what papers
                report
    site        The static site: a page of all entries, a page per entry, and the downloads; no
                outside requests
    templating  How pages are made of templates: escaping, the content security policy, figures in
                words
    terminal    The leaderboard in a terminal of 80 columns; plain text where the output is no
                terminal
"""
