"""Results side by side on fresh recordings: what can be run is run, and what came out is a document.

The recordings come from :mod:`spikebench.evaluation.fresh_recordings`, conversion and answers from
:mod:`spikebench.evaluation.fresh_test`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from spikebench import __version__
from spikebench.errors import ResultError, SpikebenchError
from spikebench.evaluation.fresh_recordings import Known, Sifted, known_recordings, sift
from spikebench.evaluation.fresh_test import (
    Hearing,
    Measured,
    answer_fresh,
    convert_fresh,
    hearing_of,
    keep_words,
    measure,
)
from spikebench.metrics.ranks import rank_intervals
from spikebench.naming.names import ClipNames, name_clips
from spikebench.protocol.results import Predictions, Result, read_predictions, write_predictions
from spikebench.recordings.search import Clip, Skipped, find_clips
from spikebench.records.text import printable
from spikebench.training.run_record import RunLog, RunRecord

__all__ = ["MEANING", "Candidate", "FreshOptions", "Observer", "Running", "run_fresh_comparison"]

MEANING = (
    "The recordings are others than those of the data: other voices, rooms and microphones. The drop says how far an "
    "answer carries, of which learning a test by heart is only a part."
)


@dataclass(frozen=True)
class Candidate:
    """A result that is to answer fresh recordings.

    Attributes
    ----------
    name, title
        What identifies it, ``<data set>/<id>`` (predictions go into a folder of this name), and what people call it.
    folder
        Holds its predictions and weights.
    result
        What it claims.
    logs
        One per seed; empty if they are not known.
    withdrawn
        Whether its makers took it back.
    """

    name: str
    title: str
    folder: Path
    result: Result
    logs: Sequence[RunLog]
    withdrawn: bool = False


@dataclass(frozen=True)
class FreshOptions:
    """Settings of a fresh test.

    Attributes
    ----------
    audio
        Folder of recordings.
    labels, speakers
        Sources of words and speakers, as for :func:`spikebench.naming.names.name_clips`.
    without
        Spike files and folders of recordings that are known as well.
    synthetic
        Whether the voices are synthetic.
    seed, jobs
        Of the conversion; by default one process per core.
    device
        ``cpu`` or ``cuda``, for the models.
    large
        Take models and inputs whatever their size.
    """

    audio: Path
    labels: str = "auto"
    speakers: str = "auto"
    without: Sequence[Path] = ()
    synthetic: bool = False
    seed: int = 0
    jobs: int | None = None
    device: str = "cpu"
    large: bool = False


class Running(Protocol):
    """What a conversion tells while it runs."""

    @property
    def notify(self) -> Callable[[str], None]:
        """Called with one line at a time."""

    @property
    def progress(self) -> Callable[[int, int], None]:
        """Called with the recordings done and their total."""


@dataclass(frozen=True)
class Observer:
    """What is told while a fresh test runs.

    Attributes
    ----------
    notify
        Called with a line about the names of the recordings.
    sifted
        Called with the recordings that were compared, and their total.
    converting
        Opens the display of the conversion into a file.
    """

    notify: Callable[[str], None]
    sifted: Callable[[int, int], None]
    converting: Callable[[Path], AbstractContextManager[Running]]


@dataclass(frozen=True)
class _Ready:
    """A result that can be run."""

    candidate: Candidate
    run: RunRecord
    weights: list[Path]
    hearing: Hearing


@dataclass(frozen=True)
class _Answered:
    """The accuracy of a result on its own test split and on the fresh recordings."""

    ready: _Ready
    own: Measured
    fresh: Measured
    unknown: int
    files: list[str]

    @property
    def board(self) -> tuple[str, str]:
        """Only results on the same data are ranked together."""
        dataset = self.ready.candidate.result.dataset
        return dataset.name, dataset.identity


def run_fresh_comparison(
    candidates: Sequence[Candidate],
    output: Path,
    options: FreshOptions,
    command: str,
    observer: Observer,
) -> dict[str, Any]:
    """Run results with weights on recordings that are in no data set known here.

    Parameters
    ----------
    candidates
        The results.
    output
        Folder for spikes and predictions; made when there is something to convert. What an earlier call converted
        there is kept.
    options
        The recordings, and how to convert and answer them.
    command
        The command that repeats it, for the document.
    observer
        What is told meanwhile.

    Returns
    -------
    dict
        JSON: the recordings, and accuracy and rank of each result on its own test split and on them.

    Raises
    ------
    ResultError
        If no result can be run, or no recording is fresh and of a word that one knows.
    SpikebenchError
        Whatever stops the search for recordings or a conversion.
    """
    clips, unreadable = find_clips(options.audio)
    ready, not_run = _prepare_all(candidates, len(clips), options.large)
    known = known_recordings(options.without)
    names, sifted = _sift(clips, unreadable, known, options, observer)
    words = {word for one in ready for word in one.candidate.result.dataset.classes}
    names, digests, strange = _known_words(names, sifted, words)
    if not names.clips:
        raise ResultError(
            f"{options.audio}: no fresh recording of a word that an entry knows; {_left_out(sifted, strange)}"
        )
    output.mkdir(parents=True, exist_ok=True)
    spikes, skipped = _convert_all(names, digests, ready, output, options, observer)
    answered = []
    for item in ready:
        try:
            answered.append(_answer(item, spikes[item.hearing], output, options))
        except SpikebenchError as error:
            not_run[item.candidate.name] = str(error)
    used = _used(names, skipped)
    return {
        "schema_version": 1,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": f"spikebench {__version__}",
        "command": command,
        "synthetic": options.synthetic,
        "recordings": {
            "found": len(sifted.clips) + len(sifted.left_out),
            "used": len(used),
            "words": len({label for label, _ in used}),
            "speakers": len({speaker for _, speaker in used} - {-1}),
            "of_words_that_no_entry_knows": strange,
            "left_out": [one.as_json() for one in [*sifted.left_out, *skipped]],
            "compared_by_file": known.counts,
            "compared_by_sound": sifted.sounds,
            "not_comparable": known.silent,
        },
        "entries": _rows(answered, known),
        "not_run": [{"entry": name, "reason": why} for name, why in not_run.items()],
        "what_it_says": MEANING,
    }


def _prepare_all(
    candidates: Sequence[Candidate], n_samples: int, large: bool
) -> tuple[list[_Ready], dict[str, str]]:
    """Find what can be run, and why the others cannot; one at least must."""
    ready: list[_Ready] = []
    not_run: dict[str, str] = {}
    for one in candidates:
        try:
            ready.append(_prepare(one, n_samples, large))
        except SpikebenchError as error:
            not_run[one.name] = str(error)
    if not ready:
        first = [f"; {name}: {why}" for name, why in not_run.items()][:1]
        raise ResultError("".join(["no entry can be run", *first]))
    return ready, not_run


def _prepare(candidate: Candidate, n_samples: int, large: bool) -> _Ready:
    if candidate.withdrawn:
        raise ResultError("withdrawn")
    seeds = candidate.result.seeds
    weights = [candidate.folder / str(record.weights_file) for record in seeds]
    if not all(path.is_file() for path in weights):
        raise ResultError("its weights are not in it")
    logs = candidate.logs
    if not logs:
        raise ResultError("it holds no run.json, so its model is not known")
    if any(log.run.preset != logs[0].run.preset for log in logs):
        raise ResultError("its seeds were trained with different settings")
    run = logs[0].run
    hearing = hearing_of(run, candidate.result.model, n_samples, large=large)
    return _Ready(candidate, run, weights, hearing)


def _sift(
    clips: list[Clip],
    unreadable: list[Skipped],
    known: Known,
    options: FreshOptions,
    observer: Observer,
) -> tuple[ClipNames, Sifted]:
    """Name all recordings, and find the fresh ones among them."""
    # Named as a whole: what is left out must not change how the others are numbered.
    names = name_clips(clips, options.labels, options.speakers, "none")
    for line in names.notices:
        observer.notify(line)
    sifted = sift(names.clips, known, observer.sifted)
    return names, replace(sifted, left_out=[*unreadable, *names.skipped, *sifted.left_out])


def _known_words(
    names: ClipNames, sifted: Sifted, words: set[str]
) -> tuple[ClipNames, list[str], int]:
    """Keep fresh recordings of known words: their names, their SHA-256, how many others there were."""
    digest = {clip.relative: one for clip, one in zip(sifted.clips, sifted.digests, strict=True)}
    kept = keep_words(names, words, set(digest))
    digests = [digest[clip.relative] for clip in kept.clips]
    return kept, digests, len(digest) - len(digests)


def _left_out(sifted: Sifted, strange: int) -> str:
    why = [f"{strange} are of other words"] if strange else []
    why += [f"{one.file} {one.reason}" for one in sifted.left_out[:1]]
    return f"{len(sifted.left_out) + strange} left out: " + ", ".join(why)


def _convert_all(
    names: ClipNames,
    digests: list[str],
    ready: Sequence[_Ready],
    output: Path,
    options: FreshOptions,
    observer: Observer,
) -> tuple[dict[Hearing, Path], list[Skipped]]:
    """Convert for every way of hearing; the spike files, and the recordings that could not be converted."""
    spikes: dict[Hearing, Path] = {}
    skipped: dict[str, Skipped] = {}
    for hearing in dict.fromkeys(one.hearing for one in ready):
        with observer.converting(output / hearing.file_name) as running:
            spikes[hearing], left_out = convert_fresh(
                source=options.audio,
                names=names,
                digests=digests,
                hearing=hearing,
                folder=output,
                seed=options.seed,
                synthetic=options.synthetic,
                jobs=options.jobs,
                notify=running.notify,
                progress=running.progress,
            )
        skipped |= {one.file: one for one in left_out}
    return spikes, list(skipped.values())


def _used(names: ClipNames, skipped: Sequence[Skipped]) -> list[tuple[int, int]]:
    """List label and speaker of every recording that was converted."""
    silent = {one.file for one in skipped}
    facts = zip(names.clips, names.labels.tolist(), names.speakers.tolist(), strict=True)
    return [(label, who) for clip, label, who in facts if printable(clip.relative) not in silent]


def _answer(ready: _Ready, spikes: Path, output: Path, options: FreshOptions) -> _Answered:
    """Run every seed, and write its predictions."""
    candidate = ready.candidate
    answers, unknown = answer_fresh(
        spikes=spikes,
        run=ready.run,
        claimed=candidate.result.model,
        weights=ready.weights,
        device=options.device,
        large=options.large,
    )
    folder = output / "predictions" / candidate.name
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    own: list[Predictions] = []
    for record, found in zip(candidate.result.seeds, answers, strict=True):
        path = folder / f"predictions-seed{record.seed}.csv"
        write_predictions(path, found)
        files.append(path.relative_to(output).as_posix())
        own.append(read_predictions(candidate.folder / record.predictions_file))
    return _Answered(ready, measure(own), measure(answers), unknown, files)


def _rows(answered: Sequence[_Answered], known: Known) -> list[dict[str, Any]]:
    """Put the figures of every result together, with its ranks among those on the same data."""
    rows = []
    for board in dict.fromkeys(one.board for one in answered):
        group = [one for one in answered if one.board == board]
        own, new = _ranks([one.own for one in group]), _ranks([one.fresh for one in group])
        for one, own_rank, fresh_rank in zip(group, own, new, strict=True):
            candidate = one.ready.candidate
            dataset = candidate.result.dataset
            rows.append(
                {
                    "entry": candidate.name,
                    "name": candidate.title,
                    "synthetic_data": dataset.synthetic,
                    "own": {**_figures(one.own), "rank": own_rank},
                    "fresh": {**_figures(one.fresh), "rank": fresh_rank},
                    "drop": one.own.accuracy - one.fresh.accuracy,
                    "recordings_of_unknown_words": one.unknown,
                    "compared_with_its_own_data": known.covers(dataset),
                    "spikes": one.ready.hearing.file_name,
                    "predictions": one.files,
                }
            )
    return rows


def _ranks(measured: Sequence[Measured]) -> list[int]:
    order = sorted(range(len(measured)), key=lambda i: -measured[i].accuracy)
    ranks = rank_intervals([(measured[i].interval.low, measured[i].interval.high) for i in order])
    by_place = dict(zip(order, ranks, strict=True))
    return [by_place[i] for i in range(len(measured))]


def _figures(measured: Measured) -> dict[str, Any]:
    return {**asdict(measured), "interval": measured.interval.model_dump()}
