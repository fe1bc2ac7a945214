"""Shared parts of all records and files: fields, strict JSON, printable text, files written atomically.

::

    csv_text     Tables as CSV that a spreadsheet opens without executing anything
    fields       Base class and field types of all records in files: frozen, without unknown keys,
                 with bounded numbers
    locks        Locks between processes, on POSIX systems and on Windows
    problems     Failed validations in plain words
    strict_json  JSON from untrusted sources: bounded size and depth, unique keys, finite numbers
    text         Untrusted text (file names, messages that contain them) escaped for terminals and
                 UTF-8
    whole_files  Files written completely or not at all, and their SHA-256
"""
