"""Label, speaker and split of a clip: from its folder, its file name, or a table.

Each of the three is given by a *source*: a word, a pattern or a table (:mod:`spikebench.naming.parsing`);
``auto`` leaves the choice to :mod:`spikebench.naming.choice`.

Classes are numbered in alphabetical order, or in numerical order if all are numbers; a naming convention has an
order of its own. Speakers whose names are all numbers keep them; other names are numbered in alphabetical order, and
the names are kept. Names are compared and stored in Unicode normalisation form C; files are opened by their real
names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from spikebench.naming.choice import choose_sources
from spikebench.naming.conventions.convention import Facts, composed
from spikebench.naming.conventions.fsdd import FSDD
from spikebench.naming.conventions.heidelberg_digits import HEIDELBERG_DIGITS
from spikebench.naming.conventions.speech_commands import SPEECH_COMMANDS, which_set
from spikebench.naming.notices import label_notices, speaker_notices, split_notices
from spikebench.naming.source import Source
from spikebench.naming.split_words import read_splits
from spikebench.recordings.search import Clip, Skipped
from spikebench.records.text import printable

__all__ = [
    "FSDD",
    "HEIDELBERG_DIGITS",
    "SPEECH_COMMANDS",
    "ClipNames",
    "Facts",
    "name_clips",
    "number_facts",
    "which_set",
]

_MAX_KEY_BYTES = 256


@dataclass(frozen=True)
class ClipNames:
    """Labels, speakers and splits of a list of clips.

    Attributes
    ----------
    clips
        Clips whose names could be read, in the order given.
    labels, speakers
        Numbers, int64, shape (len(clips),); -1 is unknown.
    splits
        ``train``, ``validation``, ``test`` or empty, one per clip.
    keys
        Class names; index = label.
    speaker_names
        Names of the speakers; index = speaker; empty if speakers are numbers already or unknown.
    rules
        Names of the sources of labels, speakers and splits.
    skipped
        Clips whose names did not fit.
    notices
        Decisions and warnings for the user, one line each.
    classes_are_fixed
        Whether a convention lists the classes; otherwise they are those that occur.
    """

    clips: list[Clip]
    labels: NDArray[np.int64]
    speakers: NDArray[np.int64]
    splits: tuple[str, ...]
    keys: tuple[str, ...]
    speaker_names: tuple[str, ...]
    rules: tuple[str, str, str]
    skipped: list[Skipped] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    classes_are_fixed: bool = False


def name_clips(
    clips: Sequence[Clip], labels: str = "auto", speakers: str = "auto", split: str = "auto"
) -> ClipNames:
    """Find label, speaker and split of every clip.

    Parameters
    ----------
    clips
        Result of :func:`spikebench.recordings.search.find_clips`.
    labels, speakers, split
        The source of each; see the module's docstring.

    Returns
    -------
    ClipNames
        Numbers, class names, and the clips that were left out.

    Raises
    ------
    UnknownNameError
        If a source is neither a known word nor a pattern nor a table.
    SpikebenchError
        If a pattern or a table cannot be used, or a source does not give the required value; if ``auto`` cannot
        decide.
    """
    chosen = choose_sources(clips, labels, speakers, split)
    split_of, rule = _split_reader(chosen.split, clips)
    kept: list[Clip] = []
    facts: list[Facts] = []
    skipped: list[Skipped] = []
    for clip in clips:
        try:
            label, speaker = _label(chosen.label, clip), _speaker(chosen.speaker, clip)
            fact = Facts(label, speaker, split_of(clip))
        except ValueError as error:
            skipped.append(Skipped(printable(clip.relative), printable(str(error))))
            continue
        kept.append(clip)
        facts.append(fact)
    rules = (chosen.label.name, chosen.speaker.name, chosen.split.name)
    names = number_facts(kept, facts, chosen.label.keys, rules)
    names.skipped.extend(skipped)
    notices = [
        *label_notices(chosen.label, names.keys, names.labels, kept),
        *speaker_notices(chosen.speaker, names.speakers),
        *split_notices(chosen.split, names.splits, kept, names.keys, rule),
        *chosen.notices,
        *chosen.label.notices,
        *chosen.speaker.notices,
        *chosen.split.notices,
    ]
    names.notices.extend(dict.fromkeys(printable(notice) for notice in notices))
    return names


def number_facts(
    clips: list[Clip],
    facts: list[Facts],
    keys: tuple[str, ...] | None,
    rules: tuple[str, str, str],
    speakers_are_names: bool = False,
) -> ClipNames:
    """Convert the names of classes and speakers to numbers.

    Parameters
    ----------
    clips, facts
        The clips, and label, speaker and split of each.
    keys
        Class names in their order; None numbers those that occur.
    rules
        Names of the sources of labels, speakers and splits.
    speakers_are_names
        Number speakers even if all their names are numbers.

    Returns
    -------
    ClipNames
        The clips with numbers instead of names.
    """
    # The name of a folder may contain bytes that are not text; the name of a class may not.
    labels_read = [fact.label and printable(composed(fact.label)) for fact in facts]
    class_names, labels = _number_labels(labels_read, keys)
    number = partial(_number_labels, fixed=None) if speakers_are_names else _number_speakers
    speaker_names, speakers = number([fact.speaker and composed(fact.speaker) for fact in facts])
    splits = tuple(fact.split or "" for fact in facts)
    return ClipNames(
        clips,
        labels=labels,
        speakers=speakers,
        splits=splits,
        keys=class_names,
        speaker_names=speaker_names,
        rules=rules,
        classes_are_fixed=keys is not None,
    )


def _read(source: Source, clip: Clip) -> Facts:
    facts = source.read(clip)
    if facts is None:
        raise ValueError(source.misfit or f"name does not fit {source.name}")
    return facts


def _label(source: Source, clip: Clip) -> str | None:
    label = _read(source, clip).label
    if label is None and source.needs_class:
        raise ValueError(f"names no class of {source.name}")
    return _bounded(label, source, "label")


def _speaker(source: Source, clip: Clip) -> str | None:
    return _bounded(_read(source, clip).speaker, source, "speaker")


def _bounded(value: str | None, source: Source, what: str) -> str | None:
    if value is not None and len(value.encode("utf-8", "surrogateescape")) > _MAX_KEY_BYTES:
        raise ValueError(f"{source.name}: {what} longer than {_MAX_KEY_BYTES} bytes")
    return value


def _split_reader(
    source: Source, clips: Sequence[Clip]
) -> tuple[Callable[[Clip], str | None], str]:
    """Return a function that reads the split of a clip, and a short description of the rule."""
    all_facts = [facts for facts in map(source.read, clips) if facts is not None]
    words = {facts.split for facts in all_facts if facts.split is not None}
    folds = {facts.fold for facts in all_facts if facts.split is None and facts.fold is not None}
    meaning = read_splits(words)
    tested = source.test_fold if source.test_fold is not None else max(folds, default=None)
    rule = source.rule
    if folds:
        rule = f"fold {tested} is test (append :test_fold=N to the source to choose another)"
    elif evaluation := sorted(word for word in words if word.casefold().startswith("eval")):
        rule = f"{evaluation[0]} is {meaning[evaluation[0]]}"

    def read(clip: Clip) -> str | None:
        facts = _read(source, clip)
        if facts.split is None:
            return None if facts.fold is None else ("test" if facts.fold == tested else "train")
        if facts.split not in meaning:
            raise ValueError(
                f"{source.name}: unknown split {facts.split!r} (known: train, validation, test and their "
                "synonyms)"
            )
        return meaning[facts.split]

    return read, rule


def _number_labels(
    labels: list[str | None], fixed: tuple[str, ...] | None
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    keys = fixed or _sorted({label for label in labels if label is not None})
    number = {key: index for index, key in enumerate(keys)}
    return keys, np.array([-1 if x is None else number[x] for x in labels], dtype=np.int64)


def _number_speakers(speakers: list[str | None]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    known = {speaker for speaker in speakers if speaker is not None}
    if all(_is_number(name) for name in known):
        return (), np.array([-1 if x is None else int(x) for x in speakers], dtype=np.int64)
    return _number_labels(speakers, None)


def _sorted(names: set[str]) -> tuple[str, ...]:
    if all(_is_number(name) for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
