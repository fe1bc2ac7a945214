"""Oddities of an entry, for manual review: labels of the test splits are public, so they could be copied.

A flag is not a verdict and does not refuse an entry. Every rule has a stated limit:

predictions
    Two seeds, of one entry or of two on the same data, have the same predictions; or two entries have the same
    wrong prediction on :data:`SAME_MISTAKES` of all samples that either gets wrong (at least :data:`LEAST_MISTAKES`).
seeds
    The numbers of the seeds have gaps, so others may have been left out.
speakers
    A speaker of at least :data:`LEAST_SAMPLES` samples has a better or worse accuracy than the others by more than
    chance (binomial test, two-sided, p < :data:`P_VALUE` divided by the number of speakers) *and* by more than three
    robust standard deviations of the speakers' accuracies (1.4826 · median absolute deviation, at least
    :data:`LEAST_SPREAD`).
    Or speakers without training data have a better accuracy than those in the training data, by the same test.
languages
    The gap between the first language and the mean of the others differs by more than a limit from the usual gap, and
    by more than chance (the same test). The limit is :data:`LANGUAGE_GAP`, and wider for a weak model, by
    :data:`WEAKNESS` of the mistakes on the language that it knows better: a network that has learned little has often
    learned one language first, and nobody copies labels to be wrong.
validation
    Test accuracy minus the validation accuracy that selected the epoch is more than :data:`VALIDATION_GAP` above the
    usual difference.
single head
    Learning task after task, said to choose among all classes, never predicts a class of another task.
hardware
    Energy per sample contradicts active power divided by throughput (:attr:`.Hardware.contradiction`).

The usual value is the median over all entries on the same data, if there are at least :data:`LEAST_PEERS`; else it is
not known, and 0 takes its place: some test splits are easier than their validation speakers, and some languages than
others. A refitted entry was trained on more samples than the validated model, so its gap is compared with those of the
refitted entries, if there are at least :data:`LEAST_PEERS` of them. Studies (few-shot, task after task, pruned, on a
chip) are not compared with usual values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc

from leaderboard.checks.breakdown import GroupAccuracy
from leaderboard.claims.entry import StoredEntry
from spikebench.protocol.results import read_predictions
from spikebench.protocol.studies import ContinualStudy, FewShotStudy, NoiseStudy

SAME_MISTAKES, LEAST_MISTAKES = 0.9, 20
LEAST_SAMPLES, P_VALUE, LEAST_SPREAD = 10, 1e-4, 0.05
LANGUAGE_GAP, VALIDATION_GAP, LEAST_PEERS = 0.25, 0.1, 4
WEAKNESS = 0.5


def flag(entries: Sequence[StoredEntry]) -> list[StoredEntry]:
    """Add its oddities to every entry.

    Parameters
    ----------
    entries
        Verified entries, with their breakdowns.

    Returns
    -------
    list of StoredEntry
        The same entries with ``flags``; equal predictions are searched among all of them.
    """
    twins = _twins(entries)
    usual = [stored for stored in entries if stored.result.study is None]
    languages, validation = _usual(usual, _language_gap), _usual(usual, _validation_gap)
    refitted = [stored for stored in usual if stored.result.is_refitted]
    others = [stored for stored in usual if not stored.result.is_refitted]
    of_kind = {
        True: _usual(refitted, _validation_gap, validation),
        False: _usual(others, _validation_gap, validation),
    }

    def compared(stored: StoredEntry) -> list[str]:
        identity = stored.result.dataset.identity
        return [
            *_speakers(stored),
            *_languages(stored, languages[identity]),
            *_validation(stored, of_kind[stored.result.is_refitted][identity]),
        ]

    return [
        replace(
            stored,
            flags=(
                *twins[stored.entry.id],
                *_seeds(stored),
                *_hardware(stored),
                *(_single_head(stored) if stored.result.study else compared(stored)),
            ),
        )
        for stored in entries
    ]


def _single_head(stored: StoredEntry) -> list[str]:
    """Find a network that is said to choose among all classes, but never leaves those of the task."""
    study = stored.result.study
    if not isinstance(study, ContinualStudy) or study.is_told or study.is_part:
        return []
    task_of = {label: number for number, group in enumerate(study.tasks) for label in group}
    for record in stored.result.seeds:
        for label, row in enumerate(record.confusion):
            if any(n and task_of.get(said) != task_of.get(label) for said, n in enumerate(row)):
                return []
    return ["the task is said not to be told, but every prediction is a class of the right task"]


def _twins(entries: Iterable[StoredEntry]) -> defaultdict[str, list[str]]:
    """Find equal predictions, by their fingerprints."""
    owners: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for stored in entries:
        numbers = [record.seed for record in stored.result.seeds]
        for fingerprint, number in zip(stored.breakdown.fingerprints, numbers, strict=False):
            key = (stored.result.dataset.identity, fingerprint)
            owners.setdefault(key, []).append((stored.entry.id, number))
    found: defaultdict[str, list[str]] = defaultdict(list)
    for same in owners.values():
        names = list(dict.fromkeys(name for name, _ in same))
        for name in names:
            seeds = [seed for owner, seed in same if owner == name]
            if len(seeds) > 1:
                found[name].append(
                    f"seeds {_list(seeds)} have the same predictions: a model without randomness, or one run counted "
                    "several times"
                )
            for other in names:
                if other != name:
                    said = f"the same predictions as {other} (here seed {_list(seeds)})"
                    found[name].append(said)
    return found


def _list(numbers: Sequence[object]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return shown + (" …" if len(numbers) > 5 else "")


def _seeds(stored: StoredEntry) -> list[str]:
    numbers = sorted(record.seed for record in stored.result.seeds)
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return []
    return [f"the seeds {_list(numbers)} have gaps between them: were others left out?"]


def _hardware(stored: StoredEntry) -> list[str]:
    measured = stored.entry.hardware
    return [measured.contradiction] if measured and measured.contradiction else []


def _speakers(stored: StoredEntry) -> list[str]:
    shares = stored.breakdown.speakers
    found = []
    if len(shares) >= 4:
        middle = median(share.accuracy for share in shares)
        away = median(abs(share.accuracy - middle) for share in shares)
        spread = max(1.4826 * away, LEAST_SPREAD)
        for share in shares:
            if share.samples < LEAST_SAMPLES or abs(share.accuracy - middle) <= 3 * spread:
                continue
            others = [other for other in shares if other is not share]
            if _is_rare(share, others, P_VALUE / len(shares)):
                side = "better" if share.accuracy > middle else "worse"
                found.append(
                    f"speaker {share.name} is recognised far {side} ({share.accuracy:.1%} of {share.samples}) than "
                    f"the others (median {middle:.1%})"
                )
    split = stored.result.dataset.split
    held_out = [] if stored.result.is_refitted else split.validation_speakers
    unseen = _sum([s for s in shares if int(s.name) in split.test_only_speakers])
    apart = {*split.test_only_speakers, *held_out}
    seen = _sum([s for s in shares if int(s.name) not in apart])
    better = unseen.samples and seen.samples and unseen.accuracy > seen.accuracy
    if better and _is_rare(unseen, [seen]):
        found.append(
            f"speakers without training data are recognised better ({unseen.accuracy:.1%}) than those in the "
            f"training data ({seen.accuracy:.1%})"
        )
    return found


def _usual(
    entries: Sequence[StoredEntry],
    gap: Callable[[StoredEntry], float | None],
    instead: Mapping[str, float | None] | None = None,
) -> dict[str, float | None]:
    """Compute the median of a gap over the entries on each data set; if there are few, use ``instead`` or None."""
    gaps: defaultdict[str, list[float]] = defaultdict(list)
    for stored in entries:
        found = gap(stored)
        gaps[stored.result.dataset.identity] += [] if found is None else [found]
    return {
        data: float(np.median(values)) if len(values) >= LEAST_PEERS else (instead or {}).get(data)
        for data, values in gaps.items()
    }


def _language_gap(stored: StoredEntry) -> float | None:
    shares = stored.breakdown.languages
    return shares[0].accuracy - _sum(shares[1:]).accuracy if len(shares) > 1 else None


def _compared(usual: float | None) -> str:
    if usual is None:
        return f"what is usual is not known: fewer than {LEAST_PEERS} entries on these data"
    return f"usual on these data: {usual:+.1%}"


def _languages(stored: StoredEntry, usual: float | None) -> list[str]:
    gap = _language_gap(stored)
    if gap is None:
        return []
    first, rest = stored.breakdown.languages[0], _sum(stored.breakdown.languages[1:])
    limit = LANGUAGE_GAP + WEAKNESS * (1 - max(first.accuracy, rest.accuracy))
    middle = usual or 0.0
    if abs(gap - middle) <= limit:
        return []
    expected = min(max(rest.accuracy + middle, 0.0), 1.0)
    if not _is_rare(first, [replace(rest, accuracy=expected)]):
        return []
    return [
        f"{first.name} is recognised {abs(gap):.1%} {'better' if gap > 0 else 'worse'} than the rest "
        f"({first.accuracy:.1%} against {rest.accuracy:.1%}); {_compared(usual)}"
    ]


def _validation_gap(stored: StoredEntry) -> float | None:
    summary = stored.result.summary
    return None if summary.validation_mean is None else summary.test_mean - summary.validation_mean


def _validation(stored: StoredEntry, usual: float | None) -> list[str]:
    gap, summary = _validation_gap(stored), stored.result.summary
    if gap is None or gap - (usual or 0.0) <= VALIDATION_GAP:
        return []
    return [
        f"test accuracy ({summary.test_mean:.1%}) is far above the validation accuracy ({summary.validation_mean:.1%}) "
        f"that selected the epoch; {_compared(usual)}"
    ]


def _is_rare(share: GroupAccuracy, others: Sequence[GroupAccuracy], bound: float = P_VALUE) -> bool:
    """Return whether the p-value of this accuracy is below a limit, if the group is like the others."""
    rest = _sum(others)
    # Never 0 or 1: one more correct and one more wrong than observed.
    chance = (rest.accuracy * rest.samples + 1) / (rest.samples + 2)
    right = round(share.accuracy * share.samples)
    # The test sums both sides, and takes a hundred times as long as either.
    one_side = min(bdtr(right, share.samples, chance), bdtrc(right - 1, share.samples, chance))
    if one_side > bound:
        return False
    from scipy.stats import binomtest  # takes half a second to import, and is seldom needed

    return float(binomtest(right, share.samples, chance).pvalue) < bound


def _sum(shares: Sequence[GroupAccuracy]) -> GroupAccuracy:
    samples = sum(share.samples for share in shares)
    right = sum(share.accuracy * share.samples for share in shares)
    return GroupAccuracy("", samples, right / samples if samples else 0.0)


def flag_copies(new: Sequence[StoredEntry], entries: Sequence[StoredEntry]) -> dict[str, list[str]]:
    """Compare the mistakes of new entries with those of all other entries on the same data.

    Parameters
    ----------
    new
        The new entries.
    entries
        All entries, with or without the new ones.

    Returns
    -------
    dict
        Id → suspected copies.
    """
    found: dict[str, list[str]] = {}
    for stored in new:
        own = None
        for other in entries:
            same_data = other.result.dataset == stored.result.dataset
            same_data &= _samples(other) == _samples(stored)
            if other.entry.id == stored.entry.id or not same_data:
                continue
            own = _mistakes(stored) if own is None else own
            shared, of = _shared_mistakes(own, _mistakes(other))
            if of >= LEAST_MISTAKES and shared >= SAME_MISTAKES * of:
                found.setdefault(stored.entry.id, []).append(
                    f"{shared} of {of} mistakes are the same as those of {other.entry.id}"
                )
    return found


def _samples(stored: StoredEntry) -> object:
    """Return what the entries of a data set that are tested on the same samples have in common."""
    study = stored.result.study
    if isinstance(study, FewShotStudy):
        return stored.entry.id  # drawn by seed: nothing to compare
    if isinstance(study, NoiseStudy):
        return stored.entry.id  # many predictions per sample, which are near in any case
    return isinstance(study, ContinualStudy) and study.is_part


def _mistakes(stored: StoredEntry) -> NDArray[np.int64]:
    """Return wrong predictions, -1 where correct; shape (seeds, samples), samples in the order of their index."""
    rows = []
    for record in stored.result.seeds:
        said = read_predictions(stored.folder / record.predictions_file).in_order()
        rows.append(np.where(said.predicted == said.label, -1, said.predicted))
    return np.array(rows)


def _shared_mistakes(one: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[int, int]:
    """Count equal wrong predictions, and the samples that either gets wrong, for the most similar pair of seeds."""
    best = (0, 0)
    for a in one:
        for b in other:
            either = int(((a >= 0) | (b >= 0)).sum())
            shared = int(((a == b) & (a >= 0)).sum())
            if shared * best[1] > best[0] * either or best == (0, 0):
                best = (shared, either)
    return best
