"""Recordings into a spike file: find, name, encode in parallel, write in order.

The samples of a file are in the order of their relative paths, unless the caller's ``names`` gives another order.
Every clip draws from a generator seeded by the seed and the SHA-256 of its decoded samples and their rate:
names, folders, lossless formats, the order, the number of workers and the other clips do not affect its spikes.

Finished clips are stored in a journal beside the file (:mod:`spikebench.conversion.journal`), in the order in
which they finish; the file is written from it at the end. The same command resumes an interrupted conversion:
finished recordings are checked against their SHA-256, the others are converted.
Only a bounded number of clips is in memory.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikebench.conversion.budget import settle_budget
from spikebench.conversion.job import (
    ConversionOptions,
    Job,
    encode_all,
    require_unchanged,
    stamp,
    write_samples,
)
from spikebench.conversion.journal import (
    ConversionJournal,
    as_asked,
    journal_path,
)
from spikebench.encoders.encoder import Encoder
from spikebench.encoders.provenance import encoder_attributes, rate_and_device
from spikebench.encoders.warm import note
from spikebench.errors import NothingConvertedError, SpikebenchError, UnknownNameError
from spikebench.naming.names import ClipNames, name_clips
from spikebench.recordings.search import Clip, Skipped, find_clips
from spikebench.records.text import printable, shareable, shareable_source
from spikebench.records.whole_files import refuse_existing
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.remarks import find_remarks
from spikebench.spike_files.writer import SpikeWriter, remove_left_overs
from spikebench.workers import available_cores, worker_pool

__all__ = ["ConversionOptions", "ConversionReport", "convert", "request"]

_SHOWN = 10  # classes shown in a notice
TIME_ORIGINS = {"clip-start": "clip start", "first-spike": "first spike"}


@dataclass(frozen=True)
class ConversionReport:
    """Result of a conversion: the file, its contents, and the recordings left out with the reasons.

    ``resumed`` counts the recordings that an earlier, interrupted run had finished; ``remarks`` are those on the
    samples (:func:`spikebench.spike_files.remarks.find_remarks`).
    """

    file: Path
    samples: int
    spikes: int
    audio_seconds: float
    classes: tuple[str, ...]
    skipped: list[Skipped]
    wall_seconds: float
    resumed: int
    remarks: tuple[str, ...] = ()


def convert(
    source: Path,
    output: Path,
    options: ConversionOptions | None = None,
    *,
    jobs: int | Callable[[], int] | None = None,
    overwrite: bool = False,
    restart: bool = False,
    executor: Executor | None = None,
    names: Callable[[list[Clip]], ClipNames] | None = None,
    describe: Callable[[int], Mapping[str, Any]] = lambda n_samples: {},
    notify: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ConversionReport:
    """Convert a folder of recordings, or one recording, into a spike file.

    Parameters
    ----------
    source
        Folder (searched recursively) or audio file.
    output
        The spike file, written completely or not at all.
    options
        Options that determine its contents.
    jobs
        Clips encoded at the same time; by default one per core. A function is called repeatedly.
    overwrite
        Whether an existing file may be replaced.
    restart
        Discard the finished recordings of an interrupted conversion of the same name.
    executor
        Executor that encodes instead of local processes; ``jobs`` is the number of clips it takes at a time.
    names
        Function that gives labels, speakers and splits of the clips, instead of the sources in the options; the
        samples are in the order that it returns.
    describe
        Function that returns further attributes of the file, from the number of its samples.
    notify
        Called with one line for every decision and every clip left out.
    progress
        Called with the number of clips done and their total.

    Returns
    -------
    ConversionReport
        The file, its contents and the recordings left out.

    Raises
    ------
    NothingConvertedError
        If no clip was usable; no file is written.
    ConversionStateError
        If an interrupted conversion cannot be resumed, a recording changes during the conversion, or the
        journal cannot be written. Finished recordings stay in the journal.
    AudioError, OutputExistsError, SpikeFileError, UnknownNameError, SpikebenchError
        If the source, the output or an option cannot be used; raised before any clip is converted.
    """
    started = time.monotonic()
    options = options or ConversionOptions()
    options.make_encoder()  # raises if it does not exist
    _check_options(options, executor)
    # A run killed after writing the file leaves its journal: checked once the journal is open.
    may_be_done = output.is_file() and journal_path(output).exists() and not restart
    refuse_existing(output, overwrite or may_be_done)
    clips, skipped = find_clips(source)
    if os.path.realpath(output) in {os.path.realpath(clip.path) for clip in clips}:
        raise SpikebenchError(f"{printable(str(output))}: is one of the recordings to convert")
    named = (
        names(clips)
        if names is not None
        else name_clips(clips, options.labels, options.speakers, options.split)
    )
    skipped += named.skipped
    notices = named.notices if clips else []  # without recordings there is nothing to report
    for line in [*notices, *(f"skipped {one.file}: {one.reason}" for one in skipped)]:
        notify(line)
    options, budget = settle_budget(options, named, notify, progress)
    encoder = options.make_encoder()
    job = Job(source, encoder, options, named, [stamp(clip) for clip in named.clips], notify)
    made_by = _provenance(source, encoder, options, named)
    asked = request(source, options, named)
    with ConversionJournal(journal_path(output), asked, options.time_dtype, restart) as journal:
        remove_left_overs(output)
        resumed = require_unchanged(job, journal)
        if may_be_done and not overwrite and not _is_finished(output, job, journal):
            refuse_existing(output, overwrite)
        place, window = _workers(job, jobs, executor, len(named.clips) - len(resumed))
        with place as pool:
            encode_all(job, journal, pool, window, resumed, progress)
        writer = SpikeWriter(
            output,
            n_units=encoder.n_units,
            keys=named.keys,
            provenance=made_by,
            time_dtype=options.time_dtype,
            overwrite=overwrite or may_be_done,
            speaker_names=named.speaker_names,
        )
        with writer:
            seconds = write_samples(job, journal, writer, skipped)
            if names is None:  # a caller that gives names also decides on the classes
                _settle_classes(named, writer, notify)
            writer.annotate({**budget, **describe(writer.n_samples)})
            if writer.n_samples == 0:
                journal.finish()
                raise NothingConvertedError(
                    f"{printable(str(source))}: no usable recording among {sum(one.files for one in skipped)}, no file "
                    f"written; the first: {skipped[0].file}: {skipped[0].reason}"
                )
        journal.finish()
    with SpikeFile(output) as spikes:
        remarks = tuple(find_remarks(spikes))
    for line in remarks:
        notify(line)
    return ConversionReport(
        output,
        samples=writer.n_samples,
        spikes=writer.n_spikes,
        audio_seconds=seconds,
        classes=writer.keys,
        skipped=skipped,
        wall_seconds=time.monotonic() - started,
        resumed=len(resumed),
        remarks=remarks,
    )


def _settle_classes(named: ClipNames, writer: SpikeWriter, notify: Callable[[str], None]) -> None:
    """Drop classes whose clips were all left out, unless a convention lists them."""
    if named.classes_are_fixed:
        empty = writer.empty_classes()
        what = f"classes of {printable(named.rules[0])} without recordings, kept as outputs"
    else:
        empty = writer.drop_empty_classes() if writer.n_samples else []
        what = "classes dropped, since none of their recordings could be used"
    if empty:
        names = ", ".join(map(printable, empty[:_SHOWN])) + (", …" if len(empty) > _SHOWN else "")
        notify(f"{what}: {len(empty)} of {len(named.keys)}: {names}")


def _is_finished(output: Path, job: Job, journal: ConversionJournal) -> bool:
    """Return whether the existing file has the contents of the journal, so that it may be written again."""
    done = journal.done()
    if len(done) < len(job.names.clips):
        return False
    kept = [
        (clip.sha256, piece.times.size)
        for clip in done
        for piece in journal.pieces(clip)
        if not piece.reason
    ]
    with SpikeFile(output) as spikes:
        there = zip(spikes.sha256 or (), spikes.spike_counts.tolist(), strict=False)
        return list(there) == kept


def request(source: Path, options: ConversionOptions, names: ClipNames) -> dict[str, str]:
    """List everything that determines the file, except the contents of the recordings.

    Parameters
    ----------
    source
        Folder or audio file.
    options
        Options of the conversion.
    names
        The recordings, their classes, speakers and splits.

    Returns
    -------
    dict
        Name → JSON text.

    Raises
    ------
    UnknownNameError
        If there is no such encoder or preset.
    """
    encoder = options.make_encoder()
    digest = hashlib.sha256()
    for i, clip in enumerate(names.clips):
        digest.update(clip.key + b"\0%d\0%d\0" % (names.labels[i], names.speakers[i]))
        digest.update(names.splits[i].encode() + b"\n")
    digest.update("\0".join([*names.keys, "", *names.speaker_names]).encode())
    return as_asked(
        {
            **_provenance(source, encoder, options, names),
            "channels": encoder.n_units,
            "max_duration": options.max_duration,
            "keep_offset": options.keep_offset,
            "time_dtype": options.time_dtype,
            "clips": f"{len(names.clips)} recordings, names and labels {digest.hexdigest()[:12]}",
        }
    )


def _workers(
    job: Job,
    jobs: int | Callable[[], int] | None,
    executor: Executor | None,
    n_clips: int,
) -> tuple[AbstractContextManager[Executor], Callable[[], int]]:
    """Choose the executor, and how many recordings are submitted at a time."""
    asked = jobs if callable(jobs) else lambda: jobs or available_cores()
    if executor is not None:
        return nullcontext(executor), lambda: 2 * asked()
    count = min(asked(), max(n_clips, 1))
    device = job.options.device
    if device != "cpu":
        from spikebench.encoders.device_executor import BATCH, device_executor

        return device_executor(device, count), lambda: 3 * BATCH
    pool = worker_pool(count, "spikebench.encoders.warm", note(job.encoder))
    return pool, lambda: 2 * count if count > 1 else 1


def _check_options(options: ConversionOptions, executor: Executor | None) -> None:
    if not 0 < options.max_duration < math.inf:
        raise SpikebenchError(f"the longest duration must be positive, got {options.max_duration}")
    if options.spikes is not None and options.spikes < 1:
        raise SpikebenchError(f"the number of spikes must be positive, got {options.spikes}")
    if options.segment is not None and not 0.01 <= options.segment <= options.max_duration:
        raise SpikebenchError(
            f"a segment must be between 0.01 s and the longest duration ({options.max_duration:g} s), "
            f"got {options.segment:g} s"
        )
    if executor is not None and options.device != "cpu":
        raise SpikebenchError("a device and a cluster cannot be combined: choose one")
    if options.time_origin not in TIME_ORIGINS:
        raise UnknownNameError("time origin", options.time_origin, TIME_ORIGINS)


def _provenance(
    source: Path, encoder: Encoder, options: ConversionOptions, names: ClipNames
) -> dict[str, Any]:
    """Return how the file is made, without times and numbers of workers, so that equal runs give equal bytes."""
    provenance = {
        **encoder_attributes(encoder),
        "seed": options.seed,
        "source_root": shareable(str(source)),
        "time_origin": TIME_ORIGINS[options.time_origin],
        "labels_from": shareable_source(names.rules[0]),
        "speakers_from": shareable_source(names.rules[1]),
        "split_from": shareable_source(names.rules[2]),
    }
    if options.synthetic:
        provenance["synthetic_voices"] = 1
    if options.segment is not None:
        provenance["segment_s"] = options.segment
    return provenance | rate_and_device(encoder, options.device)
