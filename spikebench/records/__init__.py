"""What all records and files share: fields, strict JSON, printable text, files written whole or not at all.

::

    fields       What every record that goes into a file shares: frozen, closed, its numbers
                 bounded
    strict_json  JSON from untrusted sources: bounded size and depth, every key once, only numbers that
                 JSON can write again
    text         Untrusted text (file names, messages that contain them) escaped for terminals and
                 UTF-8
    whole_files  Files written whole or not at all, and their SHA-256
"""
