"""Comparing results on fresh recordings: runs what can be run, returns a JSON document.

:mod:`spikebench.evaluation.fresh_recordings` selects the recordings. :mod:`spikebench.evaluation.fresh_test` converts
them and runs the models.
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
    InputFormat,
    Measured,
    answer_fresh,
    convert_fresh,
    input_format_of,
    keep_words,
    measure_accuracy,
)
from spikebench.metrics.ranks import rank_intervals
from spikebench.naming.names import ClipNames, name_clips
from spikebench.protocol.results import Predictions, Result, read_predictions, write_predictions
from spikebench.recordings.search import Clip, Skipped, find_clips
from spikebench.records.text import printable
from spikebench.training.run_record import RunLog, RunRecord

__all__ = ["MEANING", "Candidate", "FreshOptions", "Observer", "Running", "run_fresh_comparison"]

MEANING = (
    "The recordings differ from those of the data set: other voices, rooms and microphones. The drop in accuracy "
    "measures generalisation to them, of which overfitting the test split is only a part."
)


@dataclass(frozen=True)
class Candidate:
    """A result to be run on fresh recordings.

    Attributes
    ----------
    name, title
        Identifier ``<data set>/<id>``, which also names the folder of its predictions, and display name.
    folder
        Folder of its predictions and weights.
    result
        The claimed result.
    logs
        One per seed; empty if they are missing.
    withdrawn
        Whether its authors withdrew it.
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
        More spike files and folders of known recordings, which are excluded.
    synthetic
        Whether the voices are synthetic.
    seed, jobs
        Seed and number of processes of the conversion; by default one process per core.
    device
        ``cpu`` or ``cuda``, for the models.
    large
        If true, do not limit the size of models and inputs.
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
    """Callbacks of a running conversion."""

    @property
    def notify(self) -> Callable[[str], None]:
        """Called with one line of text at a time."""

    @property
    def progress(self) -> Callable[[int, int], None]:
        """Called with the number of finished recordings and their total."""


@dataclass(frozen=True)
class Observer:
    """Callbacks of a fresh test.

    Attributes
    ----------
    notify
        Called with one line about the naming of recordings.
    sifted
        Called with the number of compared recordings and their total.
    converting
        Context manager that displays the progress of the conversion into a file.
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
    input_format: InputFormat


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
    """Run results that include weights on recordings that are in no known data set.

    Parameters
    ----------
    candidates
        The results.
    output
        Folder for spikes and predictions, created when there is something to convert. Finished conversions
        in it are reused.
    options
        The recordings, and how to convert them and run the models.
    command
        The command that reproduces the comparison, for the document.
    observer
        Callbacks.

    Returns
    -------
    dict
        JSON: the recordings, and accuracy and rank of each result on its own test split and on them.

    Raises
    ------
    ResultError
        If no result can be run, or no fresh recording is of a word that a model was trained on.
    SpikebenchError
        If the search for recordings or a conversion fails.
    """
    clips, unreadable = find_clips(options.audio)
    ready, not_run = _prepare_all(candidates, len(clips), options.large)
    known = known_recordings(options.without)
    names, sifted = _sift(clips, unreadable, known, options, observer)
    words = {word for one in ready for word in one.candidate.result.dataset.classes}
    names, digests, strange = _known_words(names, sifted, words)
    if not names.clips:
        raise ResultError(
            f"{options.audio}: no fresh recording is of a class of any entry; {_left_out(sifted, strange)}"
        )
    output.mkdir(parents=True, exist_ok=True)
    spikes, skipped = _convert_all(names, digests, ready, output, options, observer)
    answered = []
    for item in ready:
        try:
            answered.append(_answer(item, spikes[item.input_format], output, options))
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
            "other_words": strange,
            "left_out": [one.as_json() for one in [*sifted.left_out, *skipped]],
            "compared_by_file": known.counts,
            "compared_by_sound": sifted.sounds,
            "not_comparable": known.silent,
        },
        "entries": _rows(answered, known),
        "not_run": [{"entry": name, "reason": why} for name, why in not_run.items()],
        "interpretation": MEANING,
    }


def _prepare_all(
    candidates: Sequence[Candidate], n_samples: int, large: bool
) -> tuple[list[_Ready], dict[str, str]]:
    """Find the results that can be run, and why the others cannot; fail if there are none."""
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
        raise ResultError("has no weights")
    logs = candidate.logs
    if not logs:
        raise ResultError("has no run.json, so its model is unknown")
    if any(log.run.preset != logs[0].run.preset for log in logs):
        raise ResultError("its seeds were trained with different settings")
    run = logs[0].run
    input_format = input_format_of(run, candidate.result.model, n_samples, large=large)
    return _Ready(candidate, run, weights, input_format)


def _sift(
    clips: list[Clip],
    unreadable: list[Skipped],
    known: Known,
    options: FreshOptions,
    observer: Observer,
) -> tuple[ClipNames, Sifted]:
    """Name all recordings, and find the fresh ones among them."""
    # All recordings are named before any is left out, so that the numbering does not change.
    names = name_clips(clips, options.labels, options.speakers, "none")
    for line in names.notices:
        observer.notify(line)
    sifted = sift(names.clips, known, observer.sifted)
    return names, replace(sifted, left_out=[*unreadable, *names.skipped, *sifted.left_out])


def _known_words(
    names: ClipNames, sifted: Sifted, words: set[str]
) -> tuple[ClipNames, list[str], int]:
    """Keep fresh recordings of known words; return their names, their SHA-256, and the number of other recordings."""
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
) -> tuple[dict[InputFormat, Path], list[Skipped]]:
    """Convert once per input encoding; return the spike files and the recordings that could not be converted."""
    spikes: dict[InputFormat, Path] = {}
    skipped: dict[str, Skipped] = {}
    for input_format in dict.fromkeys(one.input_format for one in ready):
        with observer.converting(output / input_format.file_name) as running:
            spikes[input_format], left_out = convert_fresh(
                source=options.audio,
                names=names,
                digests=digests,
                input_format=input_format,
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
    """List label and speaker of every converted recording."""
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
    return _Answered(ready, measure_accuracy(own), measure_accuracy(answers), unknown, files)


def _rows(answered: Sequence[_Answered], known: Known) -> list[dict[str, Any]]:
    """Collect the figures of every result, with its ranks among results on the same data."""
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
                    "spikes": one.ready.input_format.file_name,
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
