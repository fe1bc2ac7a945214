"""Label, speaker and split of a clip: from its folder, its file name, or a table.

Each of the three is asked for by one word or file, the *source*:

=====================  ==========================================================================
``auto``               labels: sub-folders if there are at least two, else a known name pattern,
                       else none. Speakers and split: whatever the labels' source says about them,
                       else a known name pattern, else none; the split also from folders that are
                       called train, validation or test
``none``               unknown: label -1, speaker -1, split empty
``folders``            label, speaker: the folder a clip lies in (passing over folders that name a
                       split); split: the folder that names one
``heidelberg-digits``  ``lang-english_speaker-04_trial-1_digit-7``; classes in SHD's order (English
                       zero … nine = 0 … 9, German null … neun = 10 … 19); speakers 4 and 5 are the
                       test split, the others train (SHD itself adds 5 % of the others to its test)
``speech-commands``    ``yes/0a7c2a8d_nohash_0``; the word is the folder (35 classes in alphabetical
                       order), the speaker the part before ``_nohash_``, the split that of Google's
                       lists (10 % validation, 10 % test; SSC itself tests on 20 %)
``fsdd``               ``7_jackson_32``: digit, speaker and trial; classes zero … nine in the order of
                       the digits; trials 0 to 4 are the test split, the others train
a pattern              ``{speaker}_{digit}_take{take}``: named groups in braces, matched against the
                       name without its suffix (and as many folders as the pattern has slashes).
                       Label: the group ``label``; else all groups but speaker, split, trial, take,
                       repetition and session, joined with ``-``
a CSV file             columns ``path`` (or ``file``: relative to the audio folder, or the bare file
                       name where that is unique) and any of ``label``, ``speaker``, ``split``
=====================  ==========================================================================

Classes are numbered in sorted order, as numbers if all of them are. Speakers that are all numbers
keep them; other names are numbered in sorted order, and the names are kept.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from spikebench.audio import Clip, Skipped, printable
from spikebench.errors import SpikebenchError, UnknownNameError

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

HEIDELBERG_DIGITS = tuple(
    "zero one two three four five six seven eight nine "  # noqa: SIM905
    "null eins zwei drei vier fünf sechs sieben acht neun".split()
)
FSDD = HEIDELBERG_DIGITS[:10]
SPEECH_COMMANDS = tuple(
    "backward bed bird cat dog down eight five follow forward four go happy house learn left "  # noqa: SIM905
    "marvin nine no off on one right seven sheila six stop three tree two up visual wow yes "
    "zero".split()
)
_SPLITS = {
    **dict.fromkeys(["train", "training"], "train"),
    **dict.fromkeys(["validation", "valid", "val", "dev"], "validation"),
    **dict.fromkeys(["test", "testing"], "test"),
}
_GOOGLE_PERCENT = 10.0, 10.0  # validation and test of validation_list.txt and testing_list.txt
_FSDD_TEST_TRIALS = 5  # of each digit and speaker
_NOT_LABEL = {"speaker", "split", "trial", "take", "repetition", "session"}
_MAX_CSV_BYTES = 64 * 1024 * 1024
_MAX_KEY_BYTES = 256


@dataclass(frozen=True)
class Facts:
    """What a source says about one clip; None where it says nothing."""

    label: str | None = None
    speaker: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class _Source:
    """A way to know a clip: None from ``read`` means that the name does not fit."""

    name: str
    read: Callable[[Clip], Facts | None]
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ClipNames:
    """Everything that names say about a list of clips.

    Attributes
    ----------
    clips
        Those whose names could be read, in the order given.
    labels, speakers
        int64, shape (len(clips),); -1 is unknown.
    splits
        ``train``, ``validation``, ``test`` or empty, one per clip.
    keys
        Class names; index = label.
    speaker_names
        Index = speaker; empty where speakers are numbers already or unknown.
    rules
        Where labels, speakers and splits came from.
    skipped
        Clips whose names did not fit.
    notices
        What was decided, for the user.
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


def name_clips(
    clips: Sequence[Clip], labels: str = "auto", speakers: str = "auto", split: str = "auto"
) -> ClipNames:
    """Find label, speaker and split of every clip.

    Parameters
    ----------
    clips
        As :func:`spikebench.audio.find_clips` gives them.
    labels, speakers, split
        The source of each; see the module.

    Returns
    -------
    ClipNames
        Numbers, class names, and what was left out.

    Raises
    ------
    UnknownNameError
        If a source is no word that is known, no pattern and no file.
    SpikebenchError
        If a pattern or a CSV file cannot be used, or says nothing about what it is asked for.
    """
    by_label = _choose(clips, labels, "label", None)
    by_speaker = _choose(clips, speakers, "speaker", by_label)
    by_split = _choose(clips, split, "split", by_label)
    kept: list[Clip] = []
    facts: list[Facts] = []
    skipped: list[Skipped] = []
    for clip in clips:
        try:
            fact = Facts(
                _ask(by_label, clip, "label"),
                _ask(by_speaker, clip, "speaker"),
                _ask(by_split, clip, "split"),
            )
        except ValueError as error:
            skipped.append(Skipped(printable(clip.relative), printable(str(error))))
            continue
        kept.append(clip)
        facts.append(fact)
    rules = (by_label.name, by_speaker.name, by_split.name)
    names = number_facts(kept, facts, by_label.keys, rules)
    names.skipped.extend(skipped)
    names.notices.extend(_notices(names, by_label, by_speaker, by_split))
    return names


def number_facts(
    clips: list[Clip],
    facts: list[Facts],
    keys: tuple[str, ...] | None,
    rules: tuple[str, str, str],
    speakers_are_names: bool = False,
) -> ClipNames:
    """Turn the names of classes and speakers into numbers.

    Parameters
    ----------
    clips, facts
        The clips, and what is known about each.
    keys
        Class names in their order; None numbers those that occur.
    rules
        Where labels, speakers and splits came from.
    speakers_are_names
        Number speakers even if their names all happen to be numbers.

    Returns
    -------
    ClipNames
        The clips with numbers instead of names.
    """
    # A folder's name may hold bytes that are no text; a class's name may not.
    labels_read = [fact.label and printable(fact.label) for fact in facts]
    class_names, labels = _number_labels(labels_read, keys)
    number = partial(_number_labels, fixed=None) if speakers_are_names else _number_speakers
    speaker_names, speakers = number([fact.speaker for fact in facts])
    splits = tuple(fact.split or "" for fact in facts)
    return ClipNames(clips, labels, speakers, splits, class_names, speaker_names, rules)


def _choose(clips: Sequence[Clip], text: str, what: str, by_label: _Source | None) -> _Source:
    """Turn the user's word into a source; ``by_label`` is asked first for the other two."""
    if text != "auto":
        source = _parse(clips, text)
        if source is not _NONE and not any(_says(source, clip, what) for clip in clips):
            raise SpikebenchError(f"{printable(source.name)} gives no {what} for any clip")
        return source
    if by_label is not None:
        if by_label is not _FOLDERS and any(_says(by_label, clip, what) for clip in clips):
            return by_label
    elif len({_folder_facts(clip).label for clip in clips} - {None}) > 1:
        return _FOLDERS
    for source in _KNOWN.values():
        if all(_says(source, clip, what) for clip in clips):
            return source
    if what == "split" and all(_folder_facts(clip).split for clip in clips):
        return _FOLDERS
    return _NONE


def _parse(clips: Sequence[Clip], text: str) -> _Source:
    if text in _SOURCES:
        return _SOURCES[text]
    if "{" in text or "}" in text:
        return _Source(f"pattern {text}", _pattern_reader(text))
    if text.lower().endswith(".csv") or Path(text).is_file():
        return _Source(text, _table_reader(Path(text), clips))
    raise UnknownNameError(
        "source of labels", text, ["auto", *_SOURCES, "a {pattern}", "a file.csv"]
    )


def _says(source: _Source, clip: Clip, what: str) -> bool:
    facts = source.read(clip)
    return facts is not None and getattr(facts, what) is not None


def _ask(source: _Source, clip: Clip, what: str) -> str | None:
    facts = source.read(clip)
    if facts is None:
        raise ValueError(f"name does not fit {source.name}")
    value: str | None = getattr(facts, what)
    if value is None:
        return None
    if what == "split":
        if value.lower() not in _SPLITS:
            known = ", ".join(_SPLITS)
            raise ValueError(f"{source.name}: unknown split {value!r} (known: {known})")
        return _SPLITS[value.lower()]
    if len(value.encode("utf-8", "surrogateescape")) > _MAX_KEY_BYTES:
        raise ValueError(f"{source.name}: {what} longer than {_MAX_KEY_BYTES} bytes")
    return value


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


def _notices(
    names: ClipNames, by_label: _Source, by_speaker: _Source, by_split: _Source
) -> list[str]:
    if by_label is _NONE:
        notices = ["labels: none found, every label is -1 (--labels names them)"]
    else:
        notices = [f"labels: {len(names.keys)} classes from {by_label.name}"]
        unknown = int(np.count_nonzero(names.labels < 0))
        if unknown:
            notices.append(f"labels: {unknown} clips have none there, their label is -1")
    if by_speaker is not _NONE:
        count = len(set(names.speakers.tolist()) - {-1})
        notices.append(f"speakers: {count} from {by_speaker.name}")
    if by_split is not _NONE:
        counts = Counter(names.splits)
        parts = ", ".join(f"{counts[name]} {name}" for name in dict.fromkeys(_SPLITS.values()))
        rule = ", speakers 4 and 5 are test" if by_split is _SOURCES["heidelberg-digits"] else ""
        notices.append(f"split: {parts} from {by_split.name}{rule}")
    return [printable(notice) for notice in notices]


def _folder_facts(clip: Clip) -> Facts:
    folders = PurePosixPath(clip.relative).parent.parts
    splits = [name for name in folders if name.lower() in _SPLITS]
    words = [name for name in folders if name.lower() not in _SPLITS]
    word = words[-1] if words else None
    return Facts(word, word, splits[-1] if splits else None)


def _heidelberg_facts(clip: Clip) -> Facts | None:
    match = re.fullmatch(
        r"lang-(english|german)_speaker-(\d{1,4})_trial-\d+_digit-(\d)\.\w+",
        PurePosixPath(clip.relative).name,
        re.ASCII,
    )
    if match is None:
        return None
    language, speaker, digit = match.groups()
    label = HEIDELBERG_DIGITS[int(digit) + (10 if language == "german" else 0)]
    return Facts(label, speaker, "test" if int(speaker) in (4, 5) else "train")


def _speech_commands_facts(clip: Clip) -> Facts | None:
    path = PurePosixPath(clip.relative)
    match = re.fullmatch(r"([0-9a-f]+)_nohash_\d+\.\w+", path.name, re.ASCII)
    if match is None:
        return None
    # A single file, or a folder of one word, is known by the folder around it.
    word = path.parent.name or clip.path.absolute().parent.name
    if word not in SPEECH_COMMANDS:
        return None
    return Facts(word, match[1], which_set(match[1], *_GOOGLE_PERCENT))


def _fsdd_facts(clip: Clip) -> Facts | None:
    name = PurePosixPath(clip.relative).name
    match = re.fullmatch(r"(\d)_([a-z]+)_(\d{1,4})\.\w+", name, re.ASCII)
    if match is None:
        return None
    digit, speaker, trial = match.groups()
    return Facts(FSDD[int(digit)], speaker, "test" if int(trial) < _FSDD_TEST_TRIALS else "train")


def which_set(speaker: str, validation_percent: float = 10.0, test_percent: float = 20.0) -> str:
    """Tell which split of Speech Commands a speaker belongs to.

    SHA-1 of the name, modulo 2²⁷, as a percentage: the first part is validation, the next test.
    This is ``which_set`` of the Speech Commands data set (Warden 2018, arXiv:1804.03209); SSC uses
    10 % and 20 %.

    Parameters
    ----------
    speaker
        The part of the file name before ``_nohash_``.
    validation_percent, test_percent
        The shares.

    Returns
    -------
    str
        ``validation``, ``test`` or ``train``.
    """
    digest = int(hashlib.sha1(speaker.encode(), usedforsecurity=False).hexdigest(), 16)
    percent = (digest % 2**27) * (100.0 / (2**27 - 1))
    if percent < validation_percent:
        return "validation"
    return "test" if percent < validation_percent + test_percent else "train"


def _pattern_reader(pattern: str) -> Callable[[Clip], Facts | None]:
    parts = re.split(r"\{([^{}]*)\}", pattern)
    literals, names = parts[::2], parts[1::2]
    if any("{" in text or "}" in text for text in literals) or not names:
        raise SpikebenchError(f"pattern {pattern!r}: braces do not match")
    for name in names:
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", name) or names.count(name) > 1:
            raise SpikebenchError(f"pattern {pattern!r}: group {{{name}}} is no name, or is twice")
    if "" in literals[1:-1]:
        raise SpikebenchError(f"pattern {pattern!r}: put something between two groups")
    # Every group but the last ends for good where its literal first comes (atomic): no backtracking, so
    # the time is linear in the length of the name.
    expression = re.escape(literals[0]) + "".join(
        f"(?>(?P<{name}>[^/]+?){re.escape(literal)})" if literal else f"(?P<{name}>[^/]+?)"
        for name, literal in zip(names[:-1], literals[1:-1], strict=True)
    )
    expression += f"(?P<{names[-1]}>[^/]+?){re.escape(literals[-1])}"
    compiled = re.compile(expression)
    depth = pattern.count("/") + 1
    labelling = ["label"] if "label" in names else [n for n in names if n not in _NOT_LABEL]

    def read(clip: Clip) -> Facts | None:
        path = PurePosixPath(clip.relative)
        match = compiled.fullmatch("/".join(path.with_suffix("").parts[-depth:]))
        if match is None:
            return None
        groups = match.groupdict()
        label = "-".join(groups[name] for name in labelling) if labelling else None
        return Facts(label, groups.get("speaker"), groups.get("split"))

    return read


def _table_reader(path: Path, clips: Sequence[Clip]) -> Callable[[Clip], Facts | None]:
    rows = _read_table(path)
    bare = Counter(PurePosixPath(clip.relative).name for clip in clips)

    def read(clip: Clip) -> Facts | None:
        name = PurePosixPath(clip.relative).name
        return rows.get(clip.relative) or (rows.get(name) if bare[name] == 1 else None)

    return read


def _read_table(path: Path) -> dict[str, Facts]:
    shown = printable(str(path))
    try:
        if path.stat().st_size > _MAX_CSV_BYTES:
            raise SpikebenchError(f"{shown}: larger than {_MAX_CSV_BYTES // 2**20} MiB")
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = list(reader.fieldnames or [])
            key = next((name for name in ("path", "file") if name in columns), None)
            if key is None or not {"label", "speaker", "split"} & set(columns):
                raise SpikebenchError(
                    f"{shown}: the first line must name a column path (or file) and at least one "
                    "of label, speaker, split"
                )
            return _table_rows(reader, key, shown)
    except OSError as error:
        raise SpikebenchError(f"{shown}: {(error.strerror or str(error)).lower()}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SpikebenchError(f"{shown}: not readable as CSV: {error}") from None


def _table_rows(reader: csv.DictReader[str], key: str, shown: str) -> dict[str, Facts]:
    rows: dict[str, Facts] = {}
    for row in reader:
        if None in row or None in row.values():
            raise SpikebenchError(f"{shown}: line {reader.line_num} has too many or few fields")
        name = row[key].strip().removeprefix("./")
        if name in rows:
            raise SpikebenchError(f"{shown}: line {reader.line_num}: {name!r} is there twice")
        facts = [
            (row.get(column) or "").strip() or None for column in ("label", "speaker", "split")
        ]
        rows[name] = Facts(*facts)
    return rows


_NONE = _Source("nothing", lambda clip: Facts())
_FOLDERS = _Source("sub-folders", _folder_facts)
_KNOWN = {
    "heidelberg-digits": _Source("heidelberg-digits", _heidelberg_facts, HEIDELBERG_DIGITS),
    "speech-commands": _Source("speech-commands", _speech_commands_facts, SPEECH_COMMANDS),
    "fsdd": _Source("fsdd", _fsdd_facts, FSDD),
}
_SOURCES = {"none": _NONE, "folders": _FOLDERS, **_KNOWN}
