"""Comparing the data of a result with the registered data set of its name.

What the package records of a registered data set (units, classes, sizes, speakers, hashes) is compared without its
data. Labels and speakers of the test samples are compared if the data set is on this machine, or if they follow from
the names of its recordings (``shd-r``).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spikebench.datasets import DATASETS, load_spec
from spikebench.datasets.recipe import RECIPES, load_recipe
from spikebench.datasets.spec import DatasetSpec
from spikebench.errors import ResultError, SpikeFileError
from spikebench.protocol.opening import combined_sha256, read_split_labels
from spikebench.protocol.results import DatasetRecord, Predictions, Split
from spikebench.protocol.splits import FIXED, SampleColumns, fixed_rule, partition
from spikebench.records.text import printable
from spikebench.store.locate import locate

# Few of their letters look like one of the Latin script, and only among such: a name is of one script.
_OTHER_SCRIPTS = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "ARABIC", "HEBREW", "DEVANAGARI"}
Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def check_registered(
    claimed: DatasetRecord,
    predictions: Predictions,
    where: str,
    *,
    trained_speakers_only: bool = False,
) -> bool:
    """Compare a result with the registered data set of its name, fingerprint or SHA-256.

    Parameters
    ----------
    claimed
        Data set of the result.
    predictions
        Of any seed, sorted by index.
    where
        The result file, for messages.
    trained_speakers_only
        Whether the samples of speakers that are only in the test split are not tested.

    Returns
    -------
    bool
        Whether labels and speakers of the test samples were compared. False for data sets that are not registered.

    Raises
    ------
    ResultError
        If anything differs, or the name can be confused with that of a registered data set.
    """
    test = registered_test(claimed, where)
    if test is None:
        if claimed.name in DATASETS and not trained_speakers_only:
            _check_predictions(predictions, load_spec(claimed.name), where)
        return False
    if trained_speakers_only:
        tested = ~np.isin(test[2], claimed.split.test_only_speakers)
        test = test[0][tested], test[1][tested], test[2][tested]
    _compare_columns(predictions, test, claimed.name, where)
    return True


def registered_test(claimed: DatasetRecord, where: str) -> Columns | None:
    """Compare the data set of a result with the registered one, and return the samples of its test split.

    Parameters
    ----------
    claimed
        Data set of the result.
    where
        The result file, for messages.

    Returns
    -------
    (index, label, speaker) or None
        int64, shape (samples,); None if they are not known here.

    Raises
    ------
    ResultError
        As for :func:`check_registered`.
    """
    _check_name(claimed, where)
    _check_fingerprint(claimed, where)
    if claimed.name in DATASETS:
        spec = load_spec(claimed.name)
        if spec.kind != "audio":  # spikes made from recordings may have any units and any split
            _check_published_sha256(claimed, spec, where)
            _check_facts(claimed, spec, where)
    test: Columns | None = None
    if (known := _known_split(claimed.name)) is not None:
        for field, value in known[0]:
            if getattr(claimed.split, field) != value:
                raise _differs(where, f"split.{field}", claimed.name)
        test = known[1]
    if name := _known_name(claimed):
        dataset, test = _registered_test(name)
        if field := claimed.first_difference(dataset):
            raise _differs(where, field, name)
    return test


def _check_name(claimed: DatasetRecord, where: str) -> None:
    """Refuse a name that a reader takes for that of a registered data set."""
    if claimed.name in DATASETS:
        return
    if odd := _look_alike(claimed.name):
        raise ResultError(
            f"{where}: dataset.name {printable(claimed.name)!r} contains {odd!r} ({unicodedata.name(odd, 'unnamed')}), "
            "which can look like another letter; rename the file with letters from a to z"
        )
    for name in DATASETS:
        if _plain(claimed.name) == _plain(name):
            raise ResultError(
                f"{where}: dataset.name {claimed.name!r} can be confused with the registered data set {name!r}; "
                "use that name for that data set, and another name for other data"
            )


def _look_alike(name: str) -> str:
    """Find a character that can look like an ASCII one; accents are letters of their own to a reader."""
    is_latin = re.search("[A-Za-z]", name) is not None
    for char in unicodedata.normalize("NFD", name):
        script = unicodedata.name(char, "").split(" ")[0].split("-")[0]
        is_other_form = unicodedata.normalize("NFKC", char) != char
        if not (char.isascii() or unicodedata.combining(char)) and (
            is_latin or is_other_form or script not in _OTHER_SCRIPTS
        ):
            return char
    return ""


@lru_cache(maxsize=64)
def _plain(name: str) -> str:
    """Reduce a name to what distinguishes it for a reader: case, accents, punctuation, and 1, l and i do not."""
    bare = re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKD", name).casefold())
    return bare.translate(str.maketrans("1l05", "iios"))


def _check_fingerprint(claimed: DatasetRecord, where: str) -> None:
    """Compare name and fingerprint with those in the registry, which requires no data."""
    if claimed.name not in DATASETS:
        # A copy of a registered file is recognised when opened, so its results have the registered name.
        for spec in map(load_spec, DATASETS):
            if claimed.fingerprint and claimed.fingerprint == spec.fingerprint:
                raise ResultError(
                    f"{where}: dataset.name differs from that of the data set {spec.name!r} with the same fingerprint"
                )
        return
    spec = load_spec(claimed.name)
    if claimed.fingerprint is None and spec.kind == "packaged":
        return  # a result of version 0.1; the data are here, so everything is compared
    if spec.fingerprint and claimed.fingerprint != spec.fingerprint:
        raise _differs(where, "fingerprint", claimed.name)


def _differs(where: str, field: str, name: str) -> ResultError:
    return ResultError(
        f"{where}: dataset.{field} differs from that of the data set {name!r} of this version"
    )


def board_identity(data: DatasetRecord) -> str:
    """Identify the data of a result on the leaderboard.

    Parameters
    ----------
    data
        Data set of a checked result.

    Returns
    -------
    str
        The SHA-256 of the files of a published data set, which was compared with the registry; else the fingerprint,
        or the SHA-256 where a result of version 0.1 has none.
    """
    return data.sha256 if is_published(data) else data.identity


def is_published(data: DatasetRecord) -> bool:
    """Ask whether a result is on published files, whose SHA-256 the registry has.

    Parameters
    ----------
    data
        Data set of a checked result.

    Returns
    -------
    bool
        True for the names of such data sets.
    """
    return data.name in DATASETS and bool(_published_sha256(load_spec(data.name)))


def _published_sha256(spec: DatasetSpec) -> str:
    """Return the SHA-256 of the published files together; empty if they are not all known."""
    known = [part.sha256 for part in spec.parts if part.sha256]
    complete = spec.kind == "published" and known and len(known) == len(spec.parts)
    return combined_sha256(known) if complete else ""


def _check_published_sha256(claimed: DatasetRecord, spec: DatasetSpec, where: str) -> None:
    """Compare the SHA-256 with that of the published files, if known."""
    known = _published_sha256(spec)
    if known and claimed.sha256 != known:
        raise ResultError(
            f"{where}: dataset.sha256 differs from that of the published files of {claimed.name!r}"
        )


def _check_facts(claimed: DatasetRecord, spec: DatasetSpec, where: str) -> None:
    """Compare what the registry records of units, classes, samples, protocol and speakers."""
    split = claimed.split
    validation = spec.sizes.get("validation")
    training = split.train_samples if validation else split.train_samples + split.validation_samples
    pairs: dict[str, tuple[object, object]] = {
        "n_units": (claimed.n_units, spec.n_units),
        "classes": (tuple(claimed.classes), spec.classes or tuple(claimed.classes)),
        "number of classes": (len(claimed.classes), spec.n_classes),
        "synthetic": (claimed.synthetic, spec.synthetic),
        "split.test_samples": (split.test_samples, spec.sizes.get("test", split.test_samples)),
        "split.train_samples": (training, spec.sizes.get("train", training)),
        "split.validation_samples": (
            split.validation_samples,
            validation or split.validation_samples,
        ),
        "split.test_only_speakers": (
            tuple(split.test_only_speakers),
            spec.test_only_speakers or tuple(split.test_only_speakers),
        ),
    }
    rule = fixed_rule(spec.protocol)
    pairs["split.protocol"] = (split.protocol, spec.protocol)
    pairs["split.rule"] = (split.rule, rule or split.rule)
    if spec.protocol in FIXED:
        fixed = list(FIXED[spec.protocol].validation)
        pairs["split.validation_speakers"] = (split.validation_speakers, fixed)
    for name, (found, known) in pairs.items():
        if found != known:
            raise _differs(where, name, spec.name)
    if not spec.sizes.get("validation") and not 0 < split.validation_samples < split.train_samples:
        raise _differs(where, "split.validation_samples", spec.name)


def _check_predictions(predictions: Predictions, spec: DatasetSpec, where: str) -> None:
    """Check what the registry records of the test samples, without their labels: classes and speakers."""
    if spec.kind == "audio":
        return
    labels, speakers = set(predictions.label.tolist()), set(predictions.speaker.tolist())
    if spec.n_classes and len(labels) != spec.n_classes:
        raise ResultError(f"{where}: the test split of {spec.name!r} has samples of every class")
    if not set(spec.test_only_speakers) <= speakers:
        raise ResultError(f"{where}: the test split of {spec.name!r} has other speakers")


@lru_cache(maxsize=8)
def _known_split(name: str) -> tuple[Split, Columns] | None:
    """Return the split that follows from the names of the recordings; index, label and speaker of its test samples."""
    registered = load_recipe(name).registered if name in RECIPES else None
    if registered is None:
        return None
    spec = load_spec(name)
    labels, speakers, marks = registered.columns()
    columns = SampleColumns(name, labels, speakers, marks, keys=spec.classes)
    found = partition(columns, spec.protocol)
    return found.record, (found.test, labels[found.test], speakers[found.test])


def _compare_columns(predictions: Predictions, test: Columns, name: str, where: str) -> None:
    columns = (predictions.index, predictions.label, predictions.speaker)
    for what, column, truth in zip(("index", "label", "speaker"), columns, test, strict=True):
        if not np.array_equal(column, truth):
            raise ResultError(
                f"{where}: column {what} of the predictions differs from the test split of {name!r}"
            )


def _known_name(claimed: DatasetRecord) -> str | None:
    """Find the registered data set of a record, if its files are on this machine."""
    for name in DATASETS:
        spec = load_spec(name)
        copied = [claimed.sha256] == [part.sha256 for part in spec.parts]
        copied |= bool(spec.fingerprint) and claimed.fingerprint == spec.fingerprint
        if claimed.name != name and not copied:
            continue
        if spec.kind == "packaged":
            return name
        try:
            locate(name)
        except SpikeFileError:
            return None
        # A remake by an older version differs between machines: only equal data can be compared.
        return name if spec.kind == "published" or _same_file(name, claimed) else None
    return None


def _same_file(name: str, claimed: DatasetRecord) -> bool:
    return _registered_test(name)[0].identity == claimed.identity


@lru_cache(maxsize=8)
def _registered_test(name: str) -> tuple[DatasetRecord, Columns]:
    found = read_split_labels(name)
    return found.dataset, (found.test.index, found.test.labels, found.test.speakers)
