"""Recordings under conditions, and the random numbers that belong to a recording.

The random numbers of a recording are determined by the seed, the kind of the condition, and the SHA-256 and start of
the recording: not by its name, its place, other recordings, or the strength. The noise at 5 dB is therefore the same as
that at 15 dB, only louder, and packets lost at 10 % are also lost at 30 %. They come from a Philox generator whose key
is made of all these by SHA-256 and ``numpy.random.SeedSequence``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from spikebench.degradation.additive import mix, pink_noise, speech_active, white_noise
from spikebench.degradation.conditions import Condition
from spikebench.degradation.lines import (
    change_level,
    change_speed,
    clip_peaks,
    lose_packets,
    telephone,
)
from spikebench.degradation.rooms import reverberate, room_response
from spikebench.degradation.sources import Babble, RecordedNoise
from spikebench.errors import AudioError, DataError
from spikebench.recordings.decoding import Recording
from spikebench.recordings.named import NamedRecordings, Piece

__all__ = ["DegradedRecordings", "Sources", "degrade", "generator_of"]

DEGRADATIONS = 1  # version of the definitions in this package

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Sources:
    """Recorded noise; None for what no condition needs."""

    babble: Babble | None = None
    recorded: RecordedNoise | None = None

    def digest_for(self, kind: str) -> str:
        """Return the SHA-256 of what determines the noise of a kind; empty if it is not recorded."""
        source = {"babble": self.babble, "recorded": self.recorded}.get(kind)
        return source.digest if source else ""


def generator_of(seed: int, kind: str, sha256: str, start: float = 0.0) -> np.random.Generator:
    """Make the generator of a recording under a kind of condition.

    Parameters
    ----------
    seed
        Seed of the study, not negative.
    kind
        Kind of the condition.
    sha256, start
        SHA-256 of the file, and start of the recording in it [s].

    Returns
    -------
    numpy.random.Generator
        A Philox generator.
    """
    said = f"{seed} {kind} {sha256} {start:.9g}".encode()
    words = np.frombuffer(hashlib.sha256(said).digest(), dtype="<u4").tolist()
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))


def degrade(
    samples: Samples,
    sample_rate: int,
    condition: Condition,
    generator: np.random.Generator,
    sources: Sources | None = None,
    speaker: int = -1,
) -> Samples:
    """Degrade a recording under a condition.

    Parameters
    ----------
    samples
        Mono recording, float64, shape (n,), full scale 1, finite, not silent.
    sample_rate
        Its sample rate [Hz].
    condition
        What is done to it.
    generator
        Source of all draws, see :func:`generator_of`.
    sources
        Recorded noise, for ``babble`` and ``recorded``.
    speaker
        Speaker of the recording, who does not take part in babble.

    Returns
    -------
    ndarray of float64
        The degraded recording at the same rate; of the same length, except under ``speed``. It may be silent.

    Raises
    ------
    DataError, AudioError
        If there is no such recorded noise.
    """
    n, strength = samples.size, condition.strength
    sources = sources or Sources()
    match condition.kind:
        case "clean":
            return samples
        case "white":
            return mix(samples, white_noise(n, generator), sample_rate, strength)
        case "pink":
            return mix(samples, pink_noise(n, sample_rate, generator), sample_rate, strength)
        case "babble":
            if sources.babble is None:
                raise DataError(
                    "condition babble: needs the recordings of the training split; choose other conditions with "
                    "--conditions"
                )
            noise = sources.babble.draw(n, sample_rate, speaker, generator)
            return mix(samples, noise, sample_rate, strength)
        case "recorded":
            if sources.recorded is None:
                raise DataError(
                    "condition recorded: needs recordings; give their folder with --noise FOLDER"
                )
            active = speech_active(samples, sample_rate)
            noise = sources.recorded.draw(n, sample_rate, active, generator)
            return mix(samples, noise, sample_rate, strength)
        case "reverb":
            return reverberate(samples, room_response(strength * 1e-3, sample_rate, generator))
        case "telephone":
            return telephone(samples, sample_rate)
        case "clipping":
            return clip_peaks(samples, strength)
        case "level":
            return change_level(samples, strength)
        case "speed":
            return change_speed(samples, strength)
        case "loss":
            return lose_packets(samples, sample_rate, strength / 100, generator)
    raise ValueError(f"no degradation is defined for {condition}")


@dataclass(frozen=True)
class DegradedRecordings(NamedRecordings):
    """Recordings behind samples, each under a condition.

    Attributes
    ----------
    conditions : tuple of Condition
        One per recording.
    speakers : tuple of int
        Speaker of each, who does not take part in babble; -1 is unknown.
    seed : int
        Seed of all random numbers.
    sources : Sources
        Recorded noise.
    """

    conditions: tuple[Condition, ...] = ()
    speakers: tuple[int, ...] = ()
    seed: int = 0
    sources: Sources = field(default_factory=Sources)

    @classmethod
    def under(
        cls,
        recordings: NamedRecordings,
        conditions: Sequence[Condition],
        speakers: Sequence[int],
        seed: int,
        sources: Sources,
    ) -> Self:
        """Put recordings under conditions, one for each."""
        return cls(
            recordings.folder,
            recordings.spike_file,
            recordings.pieces,
            recordings.keep_offset,
            tuple(conditions),
            tuple(speakers),
            seed,
            sources,
        )

    def of(self, positions: Sequence[int]) -> Self:
        """Choose some of the recordings."""
        return replace(
            super().of(positions),
            conditions=tuple(self.conditions[k] for k in positions),
            speakers=tuple(self.speakers[k] for k in positions),
        )

    @property
    def treatment(self) -> str:
        """SHA-256 of everything that is done to the recordings."""
        kinds = sorted({one.kind for one in self.conditions})
        # Only babble depends on who speaks.
        who = [
            s if c.kind == "babble" else 0
            for s, c in zip(self.speakers, self.conditions, strict=True)
        ]
        said = [
            DEGRADATIONS,
            self.seed,
            list(map(str, self.conditions)),
            who,
            [self.sources.digest_for(kind) for kind in kinds],
        ]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def read(self) -> Iterator[Recording]:
        """Read every recording, and degrade it.

        Yields
        ------
        Recording
            Mono; it may be silent.

        Raises
        ------
        DataError, AudioError
            As :meth:`NamedRecordings.read`, or if there is no noise to mix with.
        """
        for piece, condition, speaker, recording in zip(
            self.pieces, self.conditions, self.speakers, super().read(), strict=True
        ):
            yield replace(recording, samples=self._degraded(piece, condition, speaker, recording))

    def _degraded(
        self, piece: Piece, condition: Condition, speaker: int, recording: Recording
    ) -> Samples:
        generator = generator_of(self.seed, condition.kind, piece.sha256, piece.start)
        samples, rate = recording.samples, recording.sample_rate
        try:
            return degrade(samples, rate, condition, generator, self.sources, speaker)
        except ValueError as error:
            raise AudioError(f"{self.path_of(piece)}: {condition}: {error}") from None
