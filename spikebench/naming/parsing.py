"""Parsing the source of labels, speakers or splits that the user names: a word, a pattern or tables.

=================  ==============================================================================
``none``           unknown: label -1, speaker -1, split empty
``folders``        label, speaker: the folder that contains the clip (ignoring folders of splits and
                   folds); split: the folder of a split or a fold (:mod:`spikebench.naming.folders`)
a convention       ``heidelberg-digits``, ``speech-commands`` …: :mod:`spikebench.naming.conventions`
a pattern          ``{speaker}_{digit}_take{take}``: :mod:`spikebench.naming.pattern`
a table            ``table.csv`` with common column names (:mod:`spikebench.naming.tables`), or with named columns:
                   ``table.csv:path=filename,label=category``
several tables     ``train=a.tsv,test=b.tsv``: one per split; without ``=`` the split is in the file name,
                   as in ``train.tsv,dev.tsv,test.tsv``
=================  ==============================================================================

If folds make the split, one fold is the test split and the others are the training split: ``esc50:test_fold=3``
chooses the test fold, and the same suffix works after ``folders``, a pattern or tables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from spikebench.errors import SpikebenchError, UnknownNameError
from spikebench.naming.conventions import CONVENTIONS, load_convention
from spikebench.naming.conventions.convention import Convention
from spikebench.naming.folders import read_folders
from spikebench.naming.pattern import pattern_reader
from spikebench.naming.source import NONE, Source
from spikebench.naming.table_source import convention_tables, table_files, table_source
from spikebench.naming.tables import COLUMNS
from spikebench.recordings.search import Clip

__all__ = ["convention_source", "parse_source"]

_TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
_KEYS = (*COLUMNS, "test_fold")
_OPTIONS = re.compile(
    r"(?P<head>[^{}]+):(?P<options>\w+=.*)|(?P<pattern>.+):(?P<fold>test_fold=.*)"
)


def parse_source(clips: Sequence[Clip], text: str, what: str = "label") -> Source:
    """Parse the text of an option into a source.

    Parameters
    ----------
    clips
        All recordings.
    text
        See the module's docstring; not ``auto``.
    what
        ``label``, ``speaker`` or ``split``: what the source is for.

    Returns
    -------
    Source
        The source.

    Raises
    ------
    UnknownNameError
        If it is neither a known word nor a pattern nor a table.
    SpikebenchError
        If a pattern or a table cannot be used.
    """
    if text == "none":
        return NONE
    if os.path.isfile(text) and text not in ("folders", *CONVENTIONS):
        return table_source(clips, text, [(None, text)], {})
    head, options = _split_options(text)
    if os.path.isfile(head) and options:
        return _with_test_fold(clips, table_source(clips, text, [(None, head)], options), options)
    if head == "folders":
        return _with_test_fold(clips, _folders(clips, what), _fold_only(text, options))
    if head in CONVENTIONS:
        source = convention_source(clips, load_convention(head))
        return _with_test_fold(clips, source, _fold_only(text, options))
    if "{" in head or "}" in head:
        source = Source(f"pattern {head}", pattern_reader(head))
        return _with_test_fold(clips, source, _fold_only(text, options))
    files = table_files(head)
    if not any(file.lower().endswith(_TABLE_SUFFIXES) for _, file in files):
        words = ["auto", "none", "folders", *CONVENTIONS, "a {pattern}", "a table.csv"]
        raise UnknownNameError("source of labels", text, words)
    return _with_test_fold(clips, table_source(clips, text, files, options), options)


def convention_source(clips: Sequence[Clip], convention: Convention) -> Source:
    """Create the source of a naming convention.

    Parameters
    ----------
    clips
        All recordings.
    convention
        The naming convention.

    Returns
    -------
    Source
        Source that reads the names, or the tables of the convention.

    Raises
    ------
    SpikebenchError
        If the convention needs tables, and they are missing or cannot be used.
    """
    if convention.tables:
        return convention_tables(clips, convention)
    return Source(
        convention.name,
        convention.read,
        convention.keys,
        convention.split_rule,
        convention.test_fold,
        needs_class=True,
    )


def _folders(clips: Sequence[Clip], what: str) -> Source:
    folders = read_folders(clips, classes_are_folders=what != "split")
    source = Source("sub-folders", folders.facts)
    if what != "split" and folders.fold_level is not None and not source.says("label", clips):
        # There are only folds: if the labels are folders, the folds become classes, with a warning.
        label_of = folders.with_folds_as_classes().facts
        source = replace(
            source, read=lambda clip: replace(label_of(clip), fold=folders.facts(clip).fold)
        )
    return source


def _split_options(text: str) -> tuple[str, dict[str, str]]:
    """Split ``table.csv:path=filename,label=category`` at its colon."""
    match = _OPTIONS.fullmatch(text)
    if match is None:
        return text, {}
    options: dict[str, str] = {}
    for option in (match["options"] or match["fold"]).split(","):
        what, _, value = option.partition("=")
        if what not in _KEYS or not value or what in options:
            raise SpikebenchError(
                f"{text}: allowed after the colon: {', '.join(f'{name}=…' for name in _KEYS)}, separated by commas, "
                "each at most once"
            )
        options[what] = value
    return match["head"] or match["pattern"], options


def _fold_only(text: str, options: Mapping[str, str]) -> Mapping[str, str]:
    if options.keys() - {"test_fold"}:
        raise SpikebenchError(f"{text}: only tables have columns; use test_fold=N or leave it out")
    return options


def _with_test_fold(clips: Sequence[Clip], source: Source, options: Mapping[str, str]) -> Source:
    if "test_fold" not in options:
        return source
    if not re.fullmatch(r"\d{1,9}", options["test_fold"], re.ASCII):
        raise SpikebenchError(f"test_fold={options['test_fold']}: is not a number")
    tested = int(options["test_fold"])
    folds = {
        facts.fold for clip in clips if (facts := source.read(clip)) and facts.fold is not None
    }
    if tested not in folds:
        found = ", ".join(map(str, sorted(folds)[:20])) or "none"
        raise SpikebenchError(f"test_fold={tested}: there is no such fold (found: {found})")
    return replace(source, test_fold=tested)
