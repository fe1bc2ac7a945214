"""What a code costs and keeps, measured on the training recordings of a spike file.

::

    spikes per word    mean number of spikes of a recording
    spikes per second  all spikes / all seconds of sound
    link [bit/s]       spikes per second · (⌈log₂ units⌉ + 14)                        (C1)
    speed              seconds of sound / seconds of encoding, one process
    correlation        of the spectrograms of a recording and of the sound of its spikes

(C1) is an address-event link: every spike is sent as the number of its unit and as its time within a second in steps of
0.1 ms, which needs ⌈log₂ 10,000⌉ = 14 bits. A link in real time whose events mean "now" sends the address alone. Speed
and correlation are measured on some recordings, spread evenly over the list; the speed is the best of two passes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikebench.encoders.clip import clip_seed
from spikebench.encoders.encoder import Encoder
from spikebench.encoders.provenance import encoder_of
from spikebench.errors import AudioError, SpikebenchError
from spikebench.recordings.decoding import Recording, read_clip
from spikebench.records.fields import Count, Name, NonNegative, Record
from spikebench.resynthesis.decoded import sound_of_spikes
from spikebench.resynthesis.similarity import spectrogram_correlation
from spikebench.spike_files.reader import SpikeFile

__all__ = ["TIME_BITS", "CodeMeasures", "address_bits", "first_training", "measure_code"]

TIME_BITS = 14  # 0.1 ms within a second


class CodeMeasures(Record):
    """Measures of a code.

    ``look_ahead_ms`` is how much sound after its time a spike may depend on
    (:attr:`spikebench.encoders.encoder.Encoder.look_ahead`); ``recordings`` counts those behind spikes per word, per
    second and link, ``heard`` those behind speed and correlation.
    """

    encoder: Name
    settings: dict[str, Any]
    units: Count
    recordings: Count
    spikes_per_word: NonNegative
    spikes_per_second: NonNegative
    link_bits_per_second: NonNegative
    heard: Count
    times_real_time: NonNegative
    look_ahead_ms: NonNegative | None
    correlation: float | None


def address_bits(n_units: int) -> int:
    """Return the bits of the number of a unit, ⌈log₂ units⌉; a single unit needs none.

    Parameters
    ----------
    n_units
        Number of units, at least 1.

    Returns
    -------
    int
        Bits.
    """
    return (n_units - 1).bit_length()


def measure_code(path: Path, audio: Path, words: int) -> CodeMeasures:
    """Measure the code of a spike file.

    Parameters
    ----------
    path
        Spike file with recordings as samples.
    audio
        Folder that was converted.
    words
        Number of recordings on which speed and correlation are measured.

    Returns
    -------
    CodeMeasures
        The measures; test recordings are not used.

    Raises
    ------
    SpikebenchError
        If the file has no training recordings, or its encoder or durations are unknown.
    """
    with SpikeFile(path) as file:
        encoder = encoder_of(file.provenance, file.n_units)
        rows, durations = _training(file), file.durations_s
        assert durations is not None
        assert file.sources is not None
        counts, seconds = file.spike_counts[rows], np.asarray(durations)[rows]
        spread = rows[np.linspace(0, rows.size - 1, min(words, rows.size)).astype(int)]
        seed = int(file.provenance.get("seed", 0))
        heard = [_read(audio, file.sources[row]) for row in spread]
    rate = float(counts.sum() / seconds.sum())
    return CodeMeasures(
        encoder=encoder.name,
        settings=encoder.settings,
        units=encoder.n_units,
        recordings=rows.size,
        spikes_per_word=float(counts.mean()),
        spikes_per_second=rate,
        link_bits_per_second=rate * (address_bits(encoder.n_units) + TIME_BITS),  # eq. (C1)
        heard=len(heard),
        times_real_time=_speed(encoder, heard),
        look_ahead_ms=None if encoder.look_ahead is None else 1e3 * encoder.look_ahead,
        correlation=_correlation(encoder, heard, seed),
    )


def first_training(file: SpikeFile) -> int:
    """Return the first training recording of a spike file.

    Parameters
    ----------
    file
        Spike file with recordings as samples.

    Returns
    -------
    int
        Its sample.

    Raises
    ------
    SpikebenchError
        If there is none.
    """
    return int(_training(file)[0])


def _training(file: SpikeFile) -> NDArray[np.int64]:
    """Return the samples of the training split, or all if there are no splits."""
    splits = file.splits or ("",) * file.n_samples
    rows = np.flatnonzero([split in ("train", "") for split in splits])
    if not rows.size or file.durations_s is None or file.sources is None:
        raise SpikebenchError(
            f"{file.path}: has no training recordings with names and durations; test recordings are not measured"
        )
    return rows


def _read(audio: Path, source: str) -> Recording:
    path = audio / source if audio.is_dir() else audio
    try:
        return read_clip(path).without_offset()
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from None


def _speed(encoder: Encoder, heard: list[Recording]) -> float:
    encoder.warm()
    took = []
    for _ in range(2):
        began = time.perf_counter()
        for recording in heard:
            encoder.encode(recording.samples, recording.sample_rate, [0])
        took.append(time.perf_counter() - began)
    return sum(recording.duration for recording in heard) / min(took)


def _correlation(encoder: Encoder, heard: list[Recording], seed: int) -> float | None:
    frequencies = encoder.characteristic_frequencies()
    if frequencies is None:
        return None
    return float(np.mean([_similarity(encoder, one, frequencies, seed) for one in heard]))


def _similarity(
    encoder: Encoder, recording: Recording, frequencies: NDArray[np.float64], seed: int
) -> float:
    samples, rate = recording.samples, recording.sample_rate
    spikes = encoder.encode(samples, rate, clip_seed(seed, samples, rate))
    sound = sound_of_spikes(spikes, frequencies, samples.size / rate, encoder.decode)
    return spectrogram_correlation(samples, rate, sound, 16_000)
