"""The source ``auto``: choosing folders or a naming convention for the recordings at hand.

- A convention is used if at least :data:`NEARLY` of the names fit it; the other recordings are left out by name. If
  fewer fit, but at least :data:`PARTLY`, the case is unclear and the command stops.
- Labels come from sub-folders if there are at least two and the convention does not take precedence. It does if
  its names are specific to its corpus, or if the folders look like folds, splits, speakers or numbers.
- Speakers come from the source of the labels if it gives any, else from the convention.
- Splits come from tables and patterns that give any; else from folders that are splits; else from the
  convention; else from folders that are folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spikebench.errors import SpikebenchError
from spikebench.naming.class_warnings import what_folders_look_like
from spikebench.naming.conventions import CONVENTIONS, load_convention
from spikebench.naming.conventions.convention import Convention, folder_above
from spikebench.naming.folders import Folders, folder_names, read_folders
from spikebench.naming.parsing import convention_source, parse_source
from spikebench.naming.source import NONE, Source
from spikebench.recordings.search import Clip
from spikebench.records.text import printable

__all__ = ["NEARLY", "PARTLY", "Choice", "choose_sources"]

NEARLY = 0.9
PARTLY = 0.5
_OPTIONS = {"label": "--labels", "speaker": "--speakers", "split": "--split"}


@dataclass(frozen=True)
class Choice:
    """The sources of labels, speakers and splits, and notices on the choice."""

    label: Source
    speaker: Source
    split: Source
    notices: tuple[str, ...]


@dataclass(frozen=True)
class _Fit:
    """The convention that most names fit, the number that fit, their total, and the first that does not fit."""

    convention: Convention
    count: int
    total: int
    stray: Clip | None

    @property
    def fraction(self) -> float:
        return self.count / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{self.count} of {self.total} names fit {self.convention.name}"


def choose_sources(clips: Sequence[Clip], labels: str, speakers: str, split: str) -> Choice:
    """Decide where labels, speakers and splits come from.

    Parameters
    ----------
    clips
        All recordings.
    labels, speakers, split
        Sources as given by the user, or ``auto``.

    Returns
    -------
    Choice
        The sources and the notices.

    Raises
    ------
    UnknownNameError
        If a source is neither a known word nor a pattern nor a table.
    SpikebenchError
        If a source cannot be used or does not give the required value, or if ``auto`` cannot decide.
    """
    asked = {"label": labels, "speaker": speakers, "split": split}
    given = {
        what: _given_source(clips, text, what) for what, text in asked.items() if text != "auto"
    }
    chooser = _Chooser(clips, given)
    label, speaker = chooser.label(), chooser.speaker()
    return Choice(label, speaker, chooser.split(), tuple(chooser.notices))


def _given_source(clips: Sequence[Clip], text: str, what: str) -> Source:
    source = parse_source(clips, text, what)
    if source is not NONE and not source.says(what, clips):
        raise SpikebenchError(f"{printable(source.name)}: gives no {what} for any recording")
    return source


class _Chooser:
    """Chooses the sources of label, speaker and split, in this order; each may depend on those before."""

    def __init__(self, clips: Sequence[Clip], given: dict[str, Source]) -> None:
        self.clips, self.given, self.notices = clips, given, list[str]()
        self.fit = _best_fit(clips) if len(given) < 3 else None
        self.folders = read_folders(clips)
        words = {self.folders.facts(clip).label for clip in clips}
        self.words = sorted(word for word in words if word is not None)
        self._label = NONE
        # Whether it is unclear that the convention applies: if so, it is used only if all names fit.
        self.is_doubtful = False

    def label(self) -> Source:
        if "label" not in self.given:
            self._label = self._choose_label()
            return self._label
        self._label = self.given["label"]
        if self.fit is not None and self._label.name != self.fit.convention.name:
            self.is_doubtful = not self.fit.convention.is_specific
        return self._label

    def speaker(self) -> Source:
        if "speaker" in self.given:
            return self.given["speaker"]
        if self._label.says("speaker", self.clips) and not self._labels_are_folders:
            return self._label
        return self._recognised("speaker") or NONE

    def split(self) -> Source:
        if "split" in self.given:
            return self.given["split"]
        is_given = self._label is self.given.get("label")
        from_label = self._label.says("split", self.clips) and not self._labels_are_folders
        if from_label and is_given and self._label.name not in CONVENTIONS:
            return self._label
        if source := self._split_folders():
            return source
        source = self._label if from_label else self._recognised("split")
        if source is not None:
            return source
        folders = Source("sub-folders", self.folders.facts)
        if self.folders.split_levels:
            is_in_split = all(self.folders.facts(clip).split for clip in self.clips)
            return folders if is_in_split else NONE
        return folders if folders.says("split", self.clips) else NONE

    @property
    def _labels_are_folders(self) -> bool:
        return self._label.name == "sub-folders"

    def _choose_label(self) -> Source:
        folders = Source("sub-folders", self.folders.facts)
        if len(self.words) < 2:
            return self._recognised("label") or NONE
        if self.fit is None or self.fit.count == 0:
            return folders
        convention = self.fit.convention
        agrees = self._agrees(convention)
        if not agrees and not convention.is_specific:
            if self.fit.fraction < PARTLY:
                return folders
            looks, _ = what_folders_look_like(self.words, self.clips, names=False)
            if not looks:
                self.is_doubtful = True
                self.notices.append(
                    f"labels: {self.fit}, but sub-folders are taken (--labels {convention.name})"
                )
                return folders
        source = self._recognised("label", needs=False)
        if source is None:
            return folders
        if agrees or convention.classes_are_folders:
            # Only the folders present become classes; names that do not fit are left out.
            facts, read = self.folders.facts, convention.read
            return replace(
                folders,
                read=lambda clip: facts(clip) if read(clip) else None,
                misfit=f"name does not fit {convention.name}",
            )
        return source

    def _agrees(self, convention: Convention) -> bool:
        """Return whether folders have the names of classes of the convention."""
        known = ((clip, convention.read(clip)) for clip in self.clips)
        same = [
            facts.label == self.folders.facts(clip).label
            for clip, facts in known
            if facts and facts.label
        ]
        return bool(same) and all(same)

    def _recognised(self, what: str, needs: bool = True) -> Source | None:
        """Return the source of the convention that nearly all names fit, if it gives the required value."""
        fit = self.fit
        if fit is None or fit.count == 0 or (self.is_doubtful and fit.count < fit.total):
            return None
        if fit.fraction < PARTLY:
            self._note(f"{fit}, which is not used (--labels {fit.convention.name})")
            return None
        if fit.fraction < NEARLY:
            raise SpikebenchError(self._unclear(fit, what))
        if fit.convention.tables:
            try:
                source = convention_source(self.clips, fit.convention)
            except SpikebenchError as error:
                self._note(f"{fit}, which is not used: {error}")
                return None
        else:
            source = convention_source(self.clips, fit.convention)
        return source if not needs or source.says(what, self.clips) else None

    def _unclear(self, fit: _Fit, what: str) -> str:
        name, option = fit.convention.name, _OPTIONS[what]
        stray = printable(fit.stray.relative) if fit.stray else ""
        other = " ".join(f"{_OPTIONS[one]} none" for one in _OPTIONS if one not in self.given)
        if what == "label" and len(self.words) > 1:
            other = other.replace("--labels none", "--labels folders")
        return (
            f"{fit}, others do not, e.g. {stray}: {option} {name} uses those that fit and leaves out the "
            f"others; {other} uses all"
        )

    def _note(self, text: str) -> None:
        if text not in self.notices:
            self.notices.append(text)

    def _split_folders(self) -> Source | None:
        """Return the source of splits from folders, if there are several splits."""
        folders = read_folders(self.clips, classes_are_folders=self._labels_are_folders)
        if not folders.has_several_splits:
            return None
        outside = [clip for clip in self.clips if folders.facts(clip).split is None]
        share = 1 - len(outside) / len(self.clips)
        shown = ", ".join(_split_names(folders, self.clips))
        if share < NEARLY:
            text = (
                f"{len(self.clips) - len(outside)} of {len(self.clips)} recordings lie in folders that look "
                f"like splits ({shown}), others do not, e.g. {printable(outside[0].relative)}"
            )
            if share >= PARTLY:
                raise SpikebenchError(
                    f"{text}: --split folders leaves the others without a split, --split none uses no split"
                )
            self._note(f"{text}; they are not used (--split folders)")
            return None
        return Source(
            "sub-folders",
            lambda clip: facts if (facts := folders.facts(clip)).split else None,
            misfit=f"lies in none of the folders {shown}",
        )


def _split_names(folders: Folders, clips: Sequence[Clip]) -> list[str]:
    levels = set(folders.split_levels)
    names = {
        printable(name)
        for clip in clips
        if folders.facts(clip).split
        for level, name in enumerate(folder_names(clip))
        if level in levels
    }
    return sorted(names)


def _best_fit(clips: Sequence[Clip]) -> _Fit | None:
    """Return the convention that most names fit; folders outside its classes do not count."""
    best: _Fit | None = None
    for convention in map(load_convention, CONVENTIONS):
        count = total = 0
        stray: Clip | None = None
        for clip in clips:
            if convention.not_classes and folder_above(clip) in convention.not_classes:
                continue
            total += 1
            if convention.read(clip) is not None:
                count += 1
            elif stray is None:
                stray = clip
        if count and (best is None or count > best.count):
            best = _Fit(convention, count, total, stray)
        if best is not None and best.count == len(clips):
            break
    return best
