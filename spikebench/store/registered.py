"""Whether spike files made from recordings are the registered data set, and if not, where they differ.

To check that all users of a data set that they make themselves have the same one, the package contains its
fingerprints and, for every recording, the first digits of the SHA-256 of its label, speaker and spikes
(:func:`spikebench.spike_files.fingerprint.sample_digests`). Recordings are identified by their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from spikebench.datasets.recipe import Recipe
from spikebench.datasets.spec import DatasetSpec
from spikebench.records.text import printable
from spikebench.spike_files.fingerprint import Part, fingerprint, sample_digests
from spikebench.spike_files.reader import SpikeFile

__all__ = ["Differences", "compare_fingerprint", "find_differences"]

DIGEST_DIGITS = 12  # of 64: the probability that two of 10,420 samples agree by chance is 2e-7
_SHOWN = 3


@dataclass
class Differences:
    """Differences between files and the registered data set.

    Attributes
    ----------
    name
        Name of the data set.
    fingerprints
        Path of each file → its fingerprint.
    known_as
        Names of the registered files with these fingerprints.
    expected
        Number of recordings that belong to the splits in the files.
    missing, different, extra, other_split
        Names of recordings: absent; with another label, speaker or spikes; not of the data set, or present twice;
        in another split than registered.
    reasons
        Settings of the files that differ from those of the data set, one line each.
    """

    name: str
    fingerprints: dict[str, str]
    known_as: tuple[str, ...]
    expected: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    other_split: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def is_registered(self) -> bool:
        """Whether every file is one of the registered ones."""
        return len(self.known_as) == len(self.fingerprints)

    def as_json(self) -> dict[str, object]:
        """Return the entry for a JSON report.

        Returns
        -------
        dict
            ``is_registered``, ``fingerprints`` by file, and the full lists of recordings.
        """
        return {
            "is_registered": self.is_registered,
            "fingerprints": self.fingerprints,
            "expected": self.expected,
            "missing": self.missing,
            "different": self.different,
            "extra": self.extra,
            "other_split": self.other_split,
            "reasons": self.reasons,
        }

    def lines(self) -> list[str]:
        """Describe the differences.

        Returns
        -------
        list of str
            One line if the files are as registered, otherwise one for each kind of difference.
        """
        if self.is_registered:
            marks = ", ".join(f"{mark[:16]}…" for mark in self.fingerprints.values())
            return [
                f"this is {self.name}: {', '.join(self.known_as)}, {self.expected:,} recordings with the "
                f"registered spikes (fingerprint {marks})"
            ]
        lines = [
            f"{len(found):,} of {self.expected:,} recordings {what}: {_some(found)}"
            for what, found in (
                ("missing", self.missing),
                ("different from the registered ones", self.different),
                ("in another split than registered", self.other_split),
            )
            if found
        ]
        if self.extra:
            are = "recording is" if len(self.extra) == 1 else "recordings are"
            lines.append(f"{len(self.extra):,} {are} extra: {_some(self.extra)}")
        lines += self.reasons
        return [
            f"this is not {self.name} as registered",
            *(lines or ["the samples are in another order"]),
        ]


def find_differences(recipe: Recipe, paths: Sequence[Path]) -> Differences | None:
    """Compare spike files with the registered data set.

    Parameters
    ----------
    recipe
        Recipe of the data set.
    paths
        Spike files that together hold the data set, or some of its splits.

    Returns
    -------
    Differences or None
        None if the data set has no registered fingerprints.

    Raises
    ------
    SpikeFileError
        If a file is missing or damaged.
    """
    if recipe.registered is None:
        return None
    digests, files = recipe.registered.digests(), recipe.registered.fingerprints
    names = {mark: name for name, mark in files.items()}
    marks = {str(path): fingerprint([Part(path)]) for path in paths}
    found = Differences(
        recipe.spec.name, marks, tuple(names[mark] for mark in marks.values() if mark in names)
    )
    there: Counter[str] = Counter()
    splits: set[str] = set()
    for path in paths:
        with SpikeFile(path) as file:
            found.reasons += _reasons(recipe, file)
            marked = file.splits or ("",) * file.n_samples
            sources = file.sources or ("",) * file.n_samples
            splits.update(marked)
            for source, split, digest in zip(sources, marked, sample_digests(file), strict=True):
                stem = PurePosixPath(source).stem
                there[stem] += 1
                if stem not in digests or there[stem] > 1:
                    found.extra.append(printable(source))
                    continue
                facts = recipe.facts(source)
                if facts is not None and facts.split != split:
                    found.other_split.append(stem)
                if digests[stem] != digest.hex()[:DIGEST_DIGITS]:
                    found.different.append(stem)
    for name in digests:
        facts = recipe.facts(name)
        if facts is not None and facts.split in splits:
            found.expected += 1
            if name not in there:
                found.missing.append(name)
    return found


def compare_fingerprint(spec: DatasetSpec, paths: Sequence[Path]) -> Differences:
    """Compare spike files with a data set of which only the fingerprint of all files together is registered.

    Parameters
    ----------
    spec
        The data set; its ``fingerprint`` is not empty.
    paths
        Spike files that store the splits of their samples, in order.

    Returns
    -------
    Differences
        Differences without names of recordings.

    Raises
    ------
    SpikeFileError
        If a file is missing or damaged.
    """
    mark = fingerprint([Part(path) for path in paths])
    samples = 0
    for path in paths:
        with SpikeFile(path) as file:
            samples += file.n_samples
    where = ", ".join(map(str, paths))
    if mark == spec.fingerprint:
        return Differences(spec.name, {where: mark}, (spec.name,), samples)
    reason = f"its fingerprint is {mark[:16]}…, registered is {spec.fingerprint[:16]}…"
    return Differences(spec.name, {where: mark}, (), sum(spec.sizes.values()), reasons=[reason])


def _reasons(recipe: Recipe, file: SpikeFile) -> list[str]:
    """List settings that explain different spikes."""
    made, shown = file.provenance, printable(file.path.name)
    wanted = {
        "encoder": "cochlea",
        "preset": "shd",
        "seed": 0,
        "time_origin": recipe.time_origin.replace("-", " "),
    }
    reasons = [
        f"{shown}: made with {name} {printable(str(made[name]))}, {recipe.spec.name} is made with {value}"
        for name, value in wanted.items()
        if name in made and made[name] != value
    ]
    if "device" in made:
        reasons.append(f"{shown}: made on a GPU, which gives different spikes")
    if "preset" not in made:
        reasons.append(f"{shown}: does not record its preset")
    return reasons


def _some(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (
        f" and {rest:,} more (--json lists them)" if rest > 0 else ""
    )
