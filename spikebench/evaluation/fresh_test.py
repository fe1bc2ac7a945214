"""A test set that no entry can have been fitted to: recordings that are in none of the data sets.

Recordings are converted once per number of units and encoding, since models differ in these. Every seed of an entry
classifies the recordings whose words are among its classes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import convert, request
from spikebench.encoders import DEFAULT_ENCODER
from spikebench.encoders.encoder import make_encoder
from spikebench.errors import ResultError, SpikebenchError
from spikebench.evaluation.reproduction import check_size, predict_again
from spikebench.events.dataset import SpikeDataset
from spikebench.metrics.classification import speaker_interval
from spikebench.naming.names import ClipNames
from spikebench.protocol.labels import number_labels
from spikebench.protocol.results import Encoding, Interval, ModelRecord, Predictions
from spikebench.recordings.search import Skipped
from spikebench.records.text import printable
from spikebench.spike_files.reader import SpikeFile
from spikebench.training.run_record import RunRecord

MOST_UNITS = 4096
_MARK = "fresh_test"


@dataclass(frozen=True)
class InputFormat:
    """The input encoding of a model: its number of units, and how recordings are converted to spikes."""

    n_units: int
    encoding: Encoding

    @property
    def file_name(self) -> str:
        """Name of the spike file."""
        encoding = self.encoding
        which = "" if encoding.encoder == DEFAULT_ENCODER else f"{encoding.encoder}-"
        settings = json.dumps(encoding.settings, sort_keys=True)
        other = f"-{hashlib.sha256(settings.encode()).hexdigest()[:8]}" if encoding.settings else ""
        return f"fresh-{which}{encoding.preset}{other}-{self.n_units}-{encoding.time_origin}.h5"


def input_format_of(
    run: RunRecord, claimed: ModelRecord, n_samples: int, *, large: bool = False
) -> InputFormat:
    """Determine the input encoding of an untrusted model, if it can be run here.

    Parameters
    ----------
    run
        Configuration of the model.
    claimed
        The model as described in its result.
    n_samples
        Number of recordings to classify.
    large
        If true, do not limit its size.

    Returns
    -------
    InputFormat
        The encoding to convert with.

    Raises
    ------
    ResultError
        If it is too large, its input is audio, or its log does not record how its recordings were converted.
    UnknownNameError, TrainingError
        If the model, encoder or preset does not exist, or the model cannot be built.
    """
    if run.preset.mel is not None:
        raise ResultError("its input is audio, and a fresh test converts recordings to spikes")
    if run.encoding is None:
        raise ResultError("its run.json does not record how its recordings became spikes")
    # Only registered names become part of a file name.
    encoder = make_encoder(run.encoding.encoder[:40], run.encoding.preset[:40])
    if run.dataset.n_units > MOST_UNITS and not large:
        raise ResultError(
            f"has {run.dataset.n_units:,} input units; at most {MOST_UNITS:,} are converted without --large"
        )
    check_size(run, claimed, n_samples, large=large)
    type(encoder).from_preset(
        encoder.preset, run.dataset.n_units, settings=run.encoding.settings
    )  # raises if they do not suit
    return InputFormat(run.dataset.n_units, run.encoding)


def keep_words(names: ClipNames, words: set[str], files: set[str]) -> ClipNames:
    """Select recordings by word and file.

    Parameters
    ----------
    names
        Recordings with their labels.
    words
        The words.
    files
        The recordings, by their relative paths.

    Returns
    -------
    ClipNames
        The recordings that match both, without notices.
    """
    wanted = {label for label, key in enumerate(names.keys) if key in words}
    both = zip(names.clips, names.labels.tolist(), strict=True)
    here = [i for i, (clip, label) in enumerate(both) if label in wanted and clip.relative in files]
    return replace(
        names,
        clips=[names.clips[i] for i in here],
        labels=names.labels[here],
        speakers=names.speakers[here],
        splits=tuple(names.splits[i] for i in here),
        skipped=[],
        notices=[],
    )


def convert_fresh(
    source: Path,
    names: ClipNames,
    digests: Sequence[str],
    input_format: InputFormat,
    folder: Path,
    seed: int = 0,
    *,
    synthetic: bool = False,
    jobs: int | None = None,
    notify: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Path, list[Skipped]]:
    """Convert the recordings with one encoding; finished recordings are kept.

    Parameters
    ----------
    source
        The folder in which the recordings were found.
    names, digests
        The fresh recordings in it, and the SHA-256 of each.
    input_format
        The encoding.
    folder
        Folder of the spike file.
    seed
        Seed of the conversion.
    synthetic
        Whether the voices are synthetic.
    jobs, notify, progress
        As in :func:`spikebench.conversion.runner.convert`.

    Returns
    -------
    path : Path
        The spike file.
    skipped : list of Skipped
        Recordings that could not be converted.

    Raises
    ------
    SpikebenchError
        If the folder holds a file of other recordings or settings, or the conversion fails.
    """
    path = folder / input_format.file_name
    options = ConversionOptions(
        encoder=input_format.encoding.encoder,
        preset=input_format.encoding.preset,
        settings=input_format.encoding.settings,
        n_channels=input_format.n_units,
        seed=seed,
        synthetic=synthetic,
        time_origin=input_format.encoding.time_origin,
    )
    requested = json.dumps([request(source, options, names), list(digests)], sort_keys=True)
    mark = hashlib.sha256(requested.encode()).hexdigest()
    if path.is_file():
        with SpikeFile(path) as file:
            if file.provenance.get(_MARK) == mark:
                there = set(file.sources or ())
                lacks = [clip.relative for clip in names.clips if clip.relative not in there]
                return path, [Skipped(printable(one), "could not be converted") for one in lacks]
        raise SpikebenchError(
            f"{printable(str(path))}: made from other recordings or with other settings; choose another "
            "folder with -o, or remove it"
        )
    report = convert(
        source,
        path,
        options,
        jobs=jobs,
        names=lambda clips: names,
        describe=lambda n_samples: {_MARK: mark},
        notify=notify,
        progress=progress,
    )
    return path, report.skipped


def answer_fresh(
    spikes: Path,
    run: RunRecord,
    claimed: ModelRecord,
    weights: Sequence[Path],
    device: str = "cpu",
    *,
    large: bool = False,
) -> tuple[list[Predictions], int]:
    """Run every seed of an entry on the recordings whose words are among its classes.

    Parameters
    ----------
    spikes
        Spike file of the recordings, in the encoding of the entry.
    run
        Configuration of the entry.
    claimed
        The model as described in its result.
    weights
        One safetensors file per seed.
    device
        ``cpu`` or ``cuda``.
    large
        If true, do not limit its size.

    Returns
    -------
    predictions : list of Predictions
        One per seed; ``index`` is the position in the spike file, labels are those of the entry.
    unknown : int
        Number of recordings left out because their word is none of the entry's classes.

    Raises
    ------
    ResultError
        If no recording is of its classes, or weights do not fit or are too large.
    TrainingError
        If weights are damaged.
    """
    everything = SpikeDataset(str(spikes))
    labels = number_labels(everything.labels, everything.keys, run.dataset.classes)
    (known,) = np.nonzero(labels >= 0)
    if known.size == 0:
        raise ResultError("none of the recordings is of one of its classes")
    events = replace(everything.events, labels=labels, keys=tuple(run.dataset.classes), folder=None)
    samples = SpikeDataset(events, known)
    answers = [predict_again(path, run, claimed, samples, device, large=large) for path in weights]
    return answers, len(everything) - known.size


@dataclass(frozen=True)
class Measured:
    """Accuracy over all seeds on one test set, its 95 % interval, and the number of samples."""

    accuracy: float
    interval: Interval
    samples: int
    seeds: int


def measure_accuracy(predictions: Sequence[Predictions]) -> Measured:
    """Compute the accuracy over all seeds, with an interval for other recordings of this kind.

    Parameters
    ----------
    predictions
        One per seed, all of the same samples.

    Returns
    -------
    Measured
        The mean over seeds. Its interval is a bootstrap over speakers where they are known; each sample counts with
        the fraction of seeds that classified it correctly. Where speakers are not known, the interval is that of a
        single seed of the same accuracy.
    """
    ordered = [one.in_order() for one in predictions]
    mean = np.mean([one.label == one.predicted for one in ordered], axis=0)
    low, high, method = speaker_interval(mean, ordered[0].speaker)
    return Measured(
        float(mean.mean()),
        Interval(low=low, high=high, method=method),
        int(mean.size),
        len(predictions),
    )
