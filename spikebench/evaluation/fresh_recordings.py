"""Which recordings are fresh: in no data set that is known here, and each of them once.

Two recordings are the same if their files have the same SHA-256, or if their sound is: same rate, same samples after
mixing down, compared at 16 bits, so that a WAV file and a FLAC file of it are one. What was cut, resampled or made
louder is not recognised.

Known recordings are those whose SHA-256 the spike files of ``spikebench convert`` hold, those in the ``SHA256SUMS``
of the data sets on this machine, and what the user names. The published files of SHD and SSC name no recording.
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
from spikebench.spike_files.reader import SpikeFile
from spikebench.store.contents import recording_folders
from spikebench.store.folder import folder_of, part_paths
from spikebench.store.manifest import read_manifest

# What the published spikes, which name no recording, were made from.
_PUBLISHED = {"shd": "heidelberg-digits", "ssc": "speech-commands"}


@dataclass
class Known:
    """Recordings that are not fresh.

    Attributes
    ----------
    counts
        How many each source told of.
    silent
        Spike files here that name none of their recordings.
    files
        SHA-256 of a recording's file → its source.
    audio
        Recordings on this machine, whose sound can be compared, and their source.
    data
        SHA-256 of the spike files whose recordings are known.
    """

    counts: dict[str, int] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    audio: list[tuple[Clip, str]] = field(default_factory=list)
    data: set[str] = field(default_factory=set)

    def covers(self, dataset: DatasetRecord) -> bool:
        """Tell whether the recordings of a data set are among them.

        Parameters
        ----------
        dataset
            As a result records it.

        Returns
        -------
        bool
            Whether its spike file, or the recordings that it was made from, were compared with.
        """
        made = load_spec(dataset.name).audio if dataset.name in DATASETS else ""
        audio = _PUBLISHED.get(dataset.name, made)
        return dataset.sha256 in self.data or bool(audio and audio in self.counts)


def known_recordings(more: Sequence[Path] = ()) -> Known:
    """Collect what is known on this machine.

    Parameters
    ----------
    more
        Spike files and folders of recordings that are known as well.

    Returns
    -------
    Known
        All of it.

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
    known.data.add(file_sha256(path))
    _add(known, where, digests)


def _add(known: Known, where: str, digests: list[str]) -> None:
    if digests:
        known.counts[where] = known.counts.get(where, 0) + len(digests)
    for digest in digests:
        known.files.setdefault(digest, where)


@dataclass(frozen=True)
class Sifted:
    """Recordings that are fresh, and those that were left out, with the reason.

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
    """Leave out what is known, what is there twice, and what cannot be read.

    Parameters
    ----------
    clips
        Recordings that may be fresh.
    known
        From :func:`known_recordings`.
    progress
        Called with the number of recordings looked at and their total.

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
    said = b"%d\n" % recording.sample_rate
    return hashlib.sha256(said + samples.tobytes()).hexdigest()


def _known_sounds(known: Known, shapes: set[tuple[int, int]]) -> dict[str, str]:
    """Digest the known recordings that are as long as one that may be fresh; only they can be the same."""
    sounds: dict[str, str] = {}
    for clip, where in known.audio:
        try:
            with quiet_decoder():
                about = soundfile.info(str(clip.path))
            if (about.samplerate, about.frames) in shapes:
                sounds.setdefault(_sound(_decode(clip)), where)
        except (AudioError, soundfile.LibsndfileError, RuntimeError):
            continue  # a known recording that cannot be read is told by its SHA-256 alone
    return sounds
