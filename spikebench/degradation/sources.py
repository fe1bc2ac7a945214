"""Noise that was recorded: babble of the speakers of a training split, and recordings of the user.

Babble is the sum of six talkers, each a different speaker where there are enough, none of them the speaker who is
disturbed. A talker says recordings of that speaker one after the other, in random order, each scaled to the same power
on its speech-active parts; where the first begins is random. Of every speaker, at most 24 recordings are used, those
with the smallest SHA-256, so that they fit into memory.

Of the recordings of the user, one is drawn, and a random start in it. It is repeated if it is shorter than what it is
mixed with. A draw that is silent where there is speech is replaced by the next one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikebench.degradation.additive import speech_active
from spikebench.errors import AudioError, DataError
from spikebench.recordings.decoding import read_clip
from spikebench.recordings.named import NamedRecordings, Piece
from spikebench.recordings.search import find_clips
from spikebench.records.text import printable

__all__ = ["TALKERS", "Babble", "RecordedNoise", "gather_babble", "read_noise"]

TALKERS = 6
PER_SPEAKER = 24
_LONGEST_S, _LONGEST_IN_ALL_S = 600.0, 1800.0
_DRAWS = 100

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Babble:
    """The recordings of which babble is made.

    Attributes
    ----------
    recordings
        They, in an order that does not depend on their names.
    speakers
        Speaker of each.
    """

    recordings: NamedRecordings
    speakers: tuple[int, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of everything that determines the babble."""
        pieces = [(one.sha256, one.start, one.duration) for one in self.recordings.pieces]
        return hashlib.sha256(repr((TALKERS, pieces, self.speakers)).encode()).hexdigest()

    def draw(
        self, n: int, sample_rate: int, speaker: int, generator: np.random.Generator
    ) -> Samples:
        """Draw babble without one speaker.

        Parameters
        ----------
        n
            Number of samples.
        sample_rate
            Their rate [Hz].
        speaker
            The speaker who does not take part.
        generator
            Source of the draws.

        Returns
        -------
        ndarray of float64, shape (n,)
            The sum of the talkers.

        Raises
        ------
        DataError
            If there is no other speaker.
        """
        others = sorted({*self.speakers} - {speaker})
        if not others:
            raise DataError(
                "condition babble: needs recordings of another known speaker in the training split; choose other "
                "conditions with --conditions"
            )
        talkers = generator.permutation(others)[:TALKERS].tolist()
        talkers += generator.choice(others, TALKERS - len(talkers)).tolist()
        heard = np.stack([self._talk(n, sample_rate, one, generator) for one in talkers])
        return np.asarray(heard.sum(axis=0))

    def _talk(
        self, n: int, sample_rate: int, speaker: int, generator: np.random.Generator
    ) -> Samples:
        own = [k for k, one in enumerate(self.speakers) if one == speaker]
        order = generator.permutation(own).tolist()
        first = _heard(self.recordings, order[0], sample_rate)
        start = int(generator.integers(first.size))
        said = [first[start:]]
        total, turn = said[0].size, 0
        while total < n:
            turn += 1
            said.append(_heard(self.recordings, order[turn % len(order)], sample_rate))
            total += said[-1].size
        return np.concatenate(said)[:n]


@lru_cache(maxsize=1024)
def _heard(recordings: NamedRecordings, position: int, sample_rate: int) -> Samples:
    """Return one recording at a rate, with a power of 1 where there is speech."""
    (recording,) = recordings.of([position]).read()
    samples = _at_rate(recording.samples, recording.sample_rate, sample_rate)
    active = speech_active(samples, sample_rate)
    power = float(np.mean(np.square(samples[active]))) if active.any() else 0.0
    return samples / np.sqrt(power) if power else samples


def _at_rate(samples: Samples, own: int, wanted: int) -> Samples:
    """Resample; a recording has at least one sample."""
    if own == wanted:
        return samples
    import soxr

    resampled: Samples = soxr.resample(samples, own, wanted)
    return resampled if resampled.size else samples[:1]


def gather_babble(recordings: NamedRecordings, speakers: Sequence[int]) -> Babble:
    """Choose the recordings of which babble is made.

    Parameters
    ----------
    recordings
        Those of the training split.
    speakers
        Speaker of each; those of unknown speakers (-1) are not used.

    Returns
    -------
    Babble
        At most 24 recordings of each speaker.
    """
    known = [k for k, speaker in enumerate(speakers) if speaker >= 0]
    known.sort(key=lambda k: (speakers[k], _place(recordings.pieces[k])))
    chosen: list[int] = []
    taken: dict[int, int] = {}
    for k in known:
        taken[speakers[k]] = taken.get(speakers[k], 0) + 1
        if taken[speakers[k]] <= PER_SPEAKER:
            chosen.append(k)
    return Babble(recordings.of(chosen), tuple(int(speakers[k]) for k in chosen))


def _place(piece: Piece) -> tuple[str, float]:
    return piece.sha256, piece.start


@dataclass(frozen=True, eq=False)
class RecordedNoise:
    """Recordings of the user as noise.

    Attributes
    ----------
    samples
        Mono, float64, in the order of their SHA-256.
    rates
        Sample rate of each [Hz].
    digest
        SHA-256 of everything that determines the noise.
    folder
        Where they were found, for messages.
    """

    samples: tuple[Samples, ...]
    rates: tuple[int, ...]
    digest: str
    folder: str

    def draw(
        self, n: int, sample_rate: int, active: NDArray[np.bool_], generator: np.random.Generator
    ) -> Samples:
        """Draw noise.

        Parameters
        ----------
        n
            Number of samples.
        sample_rate
            Their rate [Hz].
        active
            Where there is speech, bool, shape (n,).
        generator
            Source of the draws.

        Returns
        -------
        ndarray of float64, shape (n,)
            A part of one recording, repeated if it is shorter; not silent where there is speech.

        Raises
        ------
        AudioError
            If 100 draws were silent there.
        """
        for _ in range(_DRAWS):
            noise = _resampled(self, int(generator.integers(len(self.samples))), sample_rate)
            starts = noise.size - n + 1 if noise.size >= n else noise.size
            start = int(generator.integers(starts))
            part = np.take(noise, np.arange(start, start + n), mode="wrap")
            if part[active].any():
                return part
        raise AudioError(
            f"{self.folder}: is silent in {_DRAWS} places drawn at random; give recordings of noise"
        )


@lru_cache(maxsize=64)
def _resampled(noise: RecordedNoise, position: int, sample_rate: int) -> Samples:
    return _at_rate(noise.samples[position], noise.rates[position], sample_rate)


def read_noise(folder: Path) -> RecordedNoise:
    """Read the recordings of a folder, or one recording, as noise.

    Parameters
    ----------
    folder
        Folder, searched recursively, or audio file. Of several channels the mean is used.

    Returns
    -------
    RecordedNoise
        Its recordings.

    Raises
    ------
    AudioError
        If there is none, one cannot be used, or they last more than half an hour in all.
    """
    shown = printable(str(folder))
    clips, skipped = find_clips(folder)
    if skipped:
        raise AudioError(f"{skipped[0].file}: {skipped[0].reason}; remove it from {shown}")
    found, seconds = [], 0.0
    for clip in clips:
        try:
            recording = read_clip(clip.path, _LONGEST_S).without_offset()
            recording.require_usable()
        except AudioError as error:
            raise AudioError(f"{printable(str(clip.path))}: {error}") from None
        seconds += recording.duration
        if seconds > _LONGEST_IN_ALL_S:
            raise AudioError(
                f"{shown}: contains more than {_LONGEST_IN_ALL_S / 60:g} minutes; give fewer recordings"
            )
        found.append(recording)
    found.sort(key=lambda one: one.sha256)
    digest = hashlib.sha256("".join(one.sha256 for one in found).encode()).hexdigest()
    return RecordedNoise(
        tuple(one.samples for one in found), tuple(one.sample_rate for one in found), digest, shown
    )
