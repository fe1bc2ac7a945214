"""``shd-r``: the Spiking Heidelberg Digits, made again from the Heidelberg Digits.

**Recordings.** 10,420 FLAC files ``lang-{english,german}_speaker-NN_trial-K_digit-D.flac``. Each speaker
said every digit of a language equally often. :data:`TRIALS` holds the numbers of trials, which count from 0.
The names of all recordings are therefore known without a folder, and the split of a recording does not depend on
which others are present.

**Split.** According to the authors, the test split is every recording of speakers 4 and 5, and "5 % of the
recordings of each digit and language of all other speakers" (README of the data set). Speakers 4 and 5 have 1,840
recordings and the published test set has 2,264, so the 5 % are 424 of 8,580. Equal shares of each digit and language
cannot give 424, which is not a multiple of ten. These counts of held-out recordings were tried:

==========================================  =======  ========  ======
5 % of the recordings of                    floor    nearest   ceil
==========================================  =======  ========  ======
each digit and language                     420      430       440
each digit, language and speaker            340      420       530
each language and speaker                   **424**  429, 434  434
each speaker                                425      430, 433  433
each language, or all at once               429      429       429
==========================================  =======  ========  ======

(Where the nearest number is a tie, the first figure rounds it to even and the second up.) Only one rule
gives the published size, and it is used here: for each of the other ten speakers and each language,
5 % of the recordings, rounded down, spread over the ten digits as evenly as whole numbers allow. The
recordings are chosen by the SHA-256 of the name without its suffix. Within each digit, recordings are ranked
by it. They are then listed by rank and, within a rank, by SHA-256; the first of that list are test.

**The published split.** According to programs that read the authors' archive ``hd_audio.tar.gz``, it contains
``train_filenames.txt`` and ``test_filenames.txt`` beside the folder ``audio``: one file name per line, in the
order of the samples of ``shd_train.h5`` and ``shd_test.h5``. From these files,
:func:`from_lists` makes the published split in its published order.

**Left out.** The published ``extra/meta_info`` (gender, age, body height of each speaker) repeats
``speaker_db.json`` of the archive. The values are not included here, because no public text is known to list them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Set
from dataclasses import replace
from functools import lru_cache, partial
from importlib import resources
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from spikebench.datasets.recipe import Recipe, Registered
from spikebench.datasets.spec import Card, DatasetSpec, SpikePart
from spikebench.errors import ProtocolError
from spikebench.naming.conventions.convention import Facts
from spikebench.naming.conventions.heidelberg_digits import (
    HEIDELBERG_DIGITS,
    LANGUAGES,
    NAME_PATTERN,
    heidelberg_name,
)

__all__ = [
    "RECIPE",
    "SPEC",
    "TRIALS",
    "columns",
    "digests",
    "facts",
    "from_lists",
    "names",
    "names_of_test",
    "parse_published_split",
]

TEST_ONLY_SPEAKERS = (4, 5)
HELD_OUT_ONE_IN = 20  # 5 %, as a whole number so that rounding down is exact
# speaker: number of trials of each digit in English and in German, counted in the file names.
TRIALS = {
    0: (49, 47),
    1: (44, 51),
    2: (53, 52),
    3: (30, 46),
    4: (42, 48),
    5: (45, 49),
    6: (28, 19),
    7: (45, 36),
    8: (41, 42),
    9: (48, 39),
    10: (44, 39),
    11: (40, 65),
}


def names(speakers: tuple[int, ...] = tuple(TRIALS)) -> tuple[str, ...]:
    """List the recordings.

    Parameters
    ----------
    speakers
        Speakers of the recordings; by default all twelve.

    Returns
    -------
    tuple of str
        Their names without suffix, 10,420 of all speakers.
    """
    return tuple(
        heidelberg_name(language, speaker, trial, digit)
        for speaker, counts in ((speaker, TRIALS[speaker]) for speaker in speakers)
        for language, count in zip(LANGUAGES, counts, strict=True)
        for trial in range(count)
        for digit in range(10)
    )


@lru_cache(maxsize=1)
def names_of_test() -> frozenset[str]:
    """Return the recordings of the test split, by the rule of this module.

    Returns
    -------
    frozenset of str
        2,264 names without suffix.
    """
    test = set(names(TEST_ONLY_SPEAKERS))
    for speaker, counts in TRIALS.items():
        if speaker not in TEST_ONLY_SPEAKERS:
            for language, trials in zip(LANGUAGES, counts, strict=True):
                test.update(_held_out(language, speaker, trials))
    return frozenset(test)


def facts(path: str, test: Set[str] | None = None) -> Facts | None:
    """Return class, speaker and split of a recording.

    Parameters
    ----------
    path
        Its path; only the file name without its suffix is used.
    test
        Names without suffix of the test split; by default those of :func:`names_of_test`.

    Returns
    -------
    Facts or None
        None if it is not a recording of the Heidelberg Digits.
    """
    name = _stem(path)
    match = re.fullmatch(NAME_PATTERN, name)
    if match is None:
        return None
    language, (speaker, trial, digit) = match[1], map(int, match.group(2, 3, 4))
    if name != heidelberg_name(language, speaker, trial, digit):
        return None
    counts = dict(zip(LANGUAGES, TRIALS.get(speaker, (0, 0)), strict=True))
    if trial >= counts[language]:
        return None
    held_out = names_of_test() if test is None else test
    return Facts(LANGUAGES[language][digit], str(speaker), "test" if name in held_out else "train")


def from_lists(test: str, train: str | None = None) -> Recipe:
    """Return the recipe with the published split and, within a split, the published order.

    Parameters
    ----------
    test, train
        Contents of ``test_filenames.txt`` and ``train_filenames.txt``. Without ``train``, the training
        recordings are in the order of their names.

    Returns
    -------
    Recipe
        The same data set, split as published.

    Raises
    ------
    ProtocolError
        If a list is not one of the published splits, or a recording is in both.
    """
    in_test = parse_published_split(test)
    in_train = () if train is None else parse_published_split(train, "train")
    held_out = frozenset(in_test)
    if both := held_out & set(in_train):
        raise ProtocolError(f"{min(both)} is in both lists, of the training and of the test split")
    place = {
        name: i for i, name in enumerate((*(in_train or sorted({*names()} - held_out)), *in_test))
    }
    # The order of the lines does not change the split, but it changes the file.
    digest = hashlib.sha256("\n".join([*in_test, "", *in_train]).encode()).hexdigest()[:12]
    lists = "test_filenames.txt" + (" and train_filenames.txt" if in_train else "")
    return replace(
        RECIPE,
        facts=partial(facts, test=held_out),
        split_rule=f"as published: {lists} of hd_audio.tar.gz ({digest})",
        rank=lambda path: place[_stem(path)],
    )


def parse_published_split(text: str, split: str = "test") -> tuple[str, ...]:
    """Read the authors' list of the recordings of one of their splits.

    Parameters
    ----------
    text
        Contents of ``test_filenames.txt`` or ``train_filenames.txt``: one file name per line, with or
        without a folder.
    split
        ``test`` or ``train``.

    Returns
    -------
    tuple of str
        Names without suffix, in the order of the lines.

    Raises
    ------
    ProtocolError
        If a line is not a recording or is repeated, a recording of speakers 4 and 5 is missing from the test
        split or is in the training split, or the list has another length than the published split.
    """
    found: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name = _stem(line.strip())
        if facts(name) is None:
            raise ProtocolError(
                f"line {number}: {line.strip()[:80]!r} is not a recording of the Heidelberg Digits"
            )
        if name in found:
            raise ProtocolError(f"line {number}: {name} is listed twice")
        found[name] = None
    test_only = set(names(TEST_ONLY_SPEAKERS))
    if split == "test" and (missing := test_only - found.keys()):
        raise ProtocolError(
            f"{min(missing)} is missing: speakers 4 and 5 are only in the test split"
        )
    if split == "train" and (wrong := test_only & found.keys()):
        raise ProtocolError(
            f"{min(wrong)} is in the list: speakers 4 and 5 are only in the test split"
        )
    if len(found) != SPEC.sizes[split]:
        size = SPEC.sizes[split]
        raise ProtocolError(f"{len(found)} names; the published {split} split has {size} samples")
    return tuple(found)


def _held_out(language: str, speaker: int, trials: int) -> list[str]:
    """Choose the 5 % of one speaker and language; see the docstring of the module."""
    ranked = []
    for digit in range(10):
        digests = sorted(
            (hashlib.sha256(name.encode()).hexdigest(), name)
            for name in (
                heidelberg_name(language, speaker, trial, digit) for trial in range(trials)
            )
        )
        ranked += [(rank, digest, name) for rank, (digest, name) in enumerate(digests)]
    return [name for _, _, name in sorted(ranked)[: 10 * trials // HELD_OUT_ONE_IN]]


def _stem(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).stem


SPEC = DatasetSpec(
    name="shd-r",
    title="Spiking Heidelberg Digits, made again from the Heidelberg Digits",
    version="",
    released="",
    kind="made",
    parts=(SpikePart(file="shd-r.h5", split="", md5=None, sha256=None),),
    fingerprint="69f789b220352aaacb8b749f00fc929907bf2cf1c38c79872725356561e2d614",
    downloads=(),
    audio="heidelberg-digits",
    naming="",
    n_units=700,
    n_classes=20,
    classes=HEIDELBERG_DIGITS,
    sizes={"train": 8156, "test": 2264},
    protocol="shd-v1",
    validation_speakers=(0, 2),
    test_only_speakers=TEST_ONLY_SPEAKERS,
    synthetic=False,
    licence="CC-BY-4.0",
    citation=(
        "Cramer, Stradmann, Schemmel, Zenke (2020): The Heidelberg Spiking Data Sets for the Systematic "
        "Evaluation of Spiking Neural Networks, doi:10.1109/TNNLS.2020.3044364; made again with spikebench"
    ),
    source="Heidelberg Digits: hd_audio.tar.gz from https://zenkelab.org/datasets/, its folder audio",
    card=Card(
        collection=(
            "Twelve speakers said the English and the German digits zero to nine, some 40 times each, for the "
            "Heidelberg Digits: studio recordings of 48 kHz, aligned and published as 10,420 FLAC files of 16 bit "
            "(Cramer et al. 2020)."
        ),
        processing=(
            "spikebench converts each recording by the preset shd, which follows lauscher: basilar membrane of "
            "700 channels, hair cells, bushy cells. Times are float16 seconds from the first spike of a sample on, "
            "as in the published files."
        ),
        uses=(
            "Working on SHD from its recordings: other seeds, other channels, other cochleas. A result on shd-r is "
            "not a result on SHD."
        ),
        limitations=(
            "Single spikes are not those of SHD: releases are random and the seeds of the authors are not known. "
            "The level of 0.33 was measured on one genuine sample, not published. The 5 % of the other speakers in "
            "the test split are drawn by a rule of this project unless the lists of the authors are given."
        ),
        biases=(
            "Twelve voices, ten of them also in the test split: some 81 % of the test samples are of the two "
            "speakers without training data, so these two determine much of the accuracy."
        ),
        personal=(
            "Speakers are numbers; gender, age and body height, which the published files give, are left out. "
            "Voices cannot be recovered from the spikes, but the recordings are public."
        ),
    ),
)


@lru_cache(maxsize=1)
def digests() -> dict[str, str]:
    """Read the digests of the samples.

    Returns
    -------
    dict
        Name without suffix → the first 12 hexadecimal digits of the SHA-256 of its sample, in the order of the names.
    """
    text = resources.files("spikebench").joinpath("datasets", "shd-r.digests").read_text("ascii")
    return dict(zip(sorted(names()), text.split(), strict=True))


@lru_cache(maxsize=1)
def columns() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.str_]]:
    """List the samples of ``shd-r.h5``, which follow from the names of the recordings.

    Returns
    -------
    label, speaker : ndarray of int64, shape (10420,)
        Class, and number of the speaker, in the order of the file.
    split : ndarray of str, shape (10420,)
        ``train`` or ``test``.
    """
    found = [one for one in map(facts, sorted(names())) if one is not None]
    labels = [HEIDELBERG_DIGITS.index(one.label) for one in found]
    speakers = [int(one.speaker or -1) for one in found]
    splits = np.array([one.split for one in found], dtype=str)
    return np.array(labels, np.int64), np.array(speakers, np.int64), splits


@lru_cache(maxsize=1)
def _places() -> dict[str, int]:
    return {name: place for place, name in enumerate(sorted(names()))}


def _by_name(path: str) -> int:
    """Return the position of a recording in the order of the names, independent of folders."""
    return _places()[_stem(path)]


RECIPE = Recipe(
    spec=SPEC,
    published="SHD",
    time_origin="first-spike",
    facts=facts,
    speakers_are_names=False,
    split_rule=(
        "speakers 4 and 5 are test, and 5 % of each other speaker and language by hash "
        "(spikebench.datasets.shd_r); which 5 % the published test set holds is not public"
    ),
    rank=_by_name,
    from_lists=from_lists,
    registered=Registered(
        fingerprints={
            "shd-r.h5": SPEC.fingerprint,
            "shd-r_train.h5": "30b2bbf1953d31194ee3acb2a62e7826458e9ae797aabd2215625372b3c18343",
            "shd-r_test.h5": "7756a5404bbc20f8035432156375fa261542ffe2581ead992a437803eca34d5b",
        },
        digests=digests,
        columns=columns,
    ),
)
