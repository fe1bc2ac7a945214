"""Selecting fresh recordings: in no data set known on this machine, each once.

Two recordings are the same if their files have the same SHA-256, or if their audio is equal: same rate, and same
samples after mixing down, compared at 16 bits. A WAV file and a FLAC file of one recording are therefore the same.
Recordings that were cut, resampled or amplified are not recognised.

Known recordings are those whose SHA-256 is stored in spike files made by ``spikebench convert``, those listed in the
``SHA256SUMS`` of the data sets on this machine, and those given by the user. The published files of SHD and SSC do not
identify their recordings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from spikebench.datasets import DATASETS, load_spec
from spikebench.errors import AudioError
from spikebench.protocol.results import DatasetRecord
from spikebench.recordings.decoder_output import quiet_decoder
from spikebench.recordings.decoding import Recording, decode_segments, read_bytes
from spikebench.recordings.search import Clip, Skipped, find_clips
from spikebench.records.text import printable
from spikebench.records.whole_files import file_sha256
from spikebench.spike_files.fingerprint import Part
from spikebench.spike_files.reader import SpikeFile
from spikebench.store.contents import recording_folders
from spikebench.store.fingerprints import dataset_fingerprint
from spikebench.store.folder import folder_of, part_paths
from spikebench.store.manifest import read_manifest

# Recordings from which the published spikes were made; the published files do not identify them.
_PUBLISHED = {"shd": "heidelberg-digits", "ssc": "speech-commands"}


@dataclass
class Known:
    """Recordings that are not fresh.

    Attributes
    ----------
    counts
        Number of recordings per source.
    silent
        Spike files on this machine that do not identify their recordings.
    files
        SHA-256 of a recording's file → its source.
    audio
        Recordings on this machine whose audio can be compared, with their source.
    data
        SHA-256 and fingerprint of the spike files whose recordings are known.
    """

    counts: dict[str, int] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    audio: list[tuple[Clip, str]] = field(default_factory=list)
    data: set[str] = field(default_factory=set)

    def covers(self, dataset: DatasetRecord) -> bool:
        """Return whether the recordings of a data set are among them.

        Parameters
        ----------
        dataset
            The data set as recorded in a result.

        Returns
        -------
        bool
            Whether its spike file, or the recordings from which it was made, were compared.
        """
        made = load_spec(dataset.name).audio if dataset.name in DATASETS else ""
        audio = _PUBLISHED.get(dataset.name, made)
        same = not self.data.isdisjoint({dataset.sha256, dataset.identity})
        return same or bool(audio and audio in self.counts)


def known_recordings(more: Sequence[Path] = ()) -> Known:
    """Collect the recordings known on this machine.

    Parameters
    ----------
    more
        More spike files and folders of known recordings.

    Returns
    -------
    Known
        The known recordings.

    Raises
    ------
    SpikeFileError, DataError, AudioError
        If a file, a manifest or a folder cannot be read.
    """
    known = Known()
    for name in DATASETS:
        spec = load_spec(name)
        there = [path for path in part_paths(spec) if path.is_file()]
        if there and spec.kind == "published":
            known.silent.append(name)
            continue
        for path in there:
            _add_spikes(known, path, name)
        if spec.kind == "packaged":
            continue
        manifest = read_manifest(folder_of(spec))
        _add(known, name, list(manifest.values()))
        for folder in recording_folders(spec):
            if folder.is_dir():
                known.audio += [(clip, name) for clip in find_clips(folder)[0]]
    for path in more:
        if path.suffix.lower() in (".h5", ".hdf5"):
            _add_spikes(known, path, printable(path.name))
            continue
        clips, _ = find_clips(path)
        where = printable(str(path))
        _add(known, where, [file_sha256(clip.path) for clip in clips])
        known.audio += [(clip, where) for clip in clips]
    return known


def _add_spikes(known: Known, path: Path, where: str) -> None:
    with SpikeFile(path) as file:
        digests = sorted(set(file.sha256 or ()))
    if not digests:
        known.silent.append(where)
        return
    sha256 = file_sha256(path)
    known.data |= {sha256, dataset_fingerprint([Part(path)], sha256)}
    _add(known, where, digests)


def _add(known: Known, where: str, digests: list[str]) -> None:
    if digests:
        known.counts[where] = known.counts.get(where, 0) + len(digests)
    for digest in digests:
        known.files.setdefault(digest, where)


@dataclass(frozen=True)
class Sifted:
    """Fresh recordings, and the ones left out with the reason.

    ``digests`` are the SHA-256 of the fresh ones; ``sounds`` counts the known recordings whose sound was compared.
    """

    clips: list[Clip]
    digests: list[str]
    left_out: list[Skipped]
    sounds: int


def sift(
    clips: Sequence[Clip],
    known: Known,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Sifted:
    """Leave out known, duplicate and unreadable recordings.

    Parameters
    ----------
    clips
        Recordings that may be fresh.
    known
        From :func:`known_recordings`.
    progress
        Called with the number of processed recordings and their total.

    Returns
    -------
    Sifted
        In the order given.
    """
    left_out: list[Skipped] = []
    read: list[tuple[Clip, str, str]] = []
    shapes: set[tuple[int, int]] = set()
    for done, clip in enumerate(clips, start=1):
        try:
            recording = _decode(clip)
        except AudioError as error:
            left_out.append(Skipped(printable(clip.relative), str(error)))
        else:
            read.append((clip, recording.sha256, _sound(recording)))
            shapes.add((recording.sample_rate, len(recording.samples)))
        progress(done, len(clips))
    sounds = _known_sounds(known, shapes)
    fresh: list[Clip] = []
    digests: list[str] = []
    first: dict[str, str] = {}
    for clip, digest, sound in read:
        name = printable(clip.relative)
        if digest in known.files:
            reason = f"is in {known.files[digest]} (the same file)"
        elif sound in sounds:
            reason = f"is in {sounds[sound]} (the same sound)"
        elif sound in first:
            reason = f"is the same recording as {first[sound]}"
        else:
            first[sound] = name
            fresh.append(clip)
            digests.append(digest)
            continue
        left_out.append(Skipped(name, reason))
    return Sifted(fresh, digests, left_out, len(known.audio))


def _decode(clip: Clip) -> Recording:
    (recording,) = decode_segments(read_bytes(clip.path))
    recording.require_usable()
    return recording


def _sound(recording: Recording) -> str:
    samples = np.rint(np.clip(recording.samples, -1, 1) * 32767).astype("<i2")
    header = b"%d\n" % recording.sample_rate
    return hashlib.sha256(header + samples.tobytes()).hexdigest()


def _known_sounds(known: Known, shapes: set[tuple[int, int]]) -> dict[str, str]:
    """Hash the known recordings that are as long as a candidate; only they can be equal."""
    sounds: dict[str, str] = {}
    for clip, where in known.audio:
        try:
            with quiet_decoder():
                about = soundfile.info(str(clip.path))
            if (about.samplerate, about.frames) in shapes:
                sounds.setdefault(_sound(_decode(clip)), where)
        except (AudioError, soundfile.LibsndfileError, RuntimeError):
            continue  # a known recording that cannot be read is recognised by its SHA-256 only
    return sounds
