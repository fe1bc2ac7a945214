"""One recording as the input of a trained model, encoded like its training data: as spikes, or as mel features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikebench.bands.mel import MelDesign, log_mel
from spikebench.encoders.clip import EncodingSettings, encode_clip
from spikebench.encoders.encoder import make_encoder
from spikebench.errors import AudioError
from spikebench.events.dataset import Sample
from spikebench.protocol.results import Encoding
from spikebench.recordings.decoding import read_bytes, read_clip
from spikebench.recordings.search import Clip
from spikebench.records.text import printable

__all__ = ["MelSample", "encode_recording", "mel_recording"]


@dataclass(frozen=True, eq=False)
class MelSample:
    """A recording as mel features.

    Attributes
    ----------
    levels : ndarray of float32, shape (frame, band)
        Levels [dB].
    duration : float
        Length of the recording [s].
    """

    levels: NDArray[np.float32]
    duration: float


def mel_recording(clip: Clip, design: MelDesign) -> MelSample:
    """Compute the mel features of a recording.

    Parameters
    ----------
    clip
        The recording.
    design
        Parameters of the features.

    Returns
    -------
    MelSample
        The features.

    Raises
    ------
    AudioError
        If it cannot be used.
    """
    try:
        recording = read_clip(clip.path).without_offset()
    except AudioError as error:
        raise AudioError(f"{printable(str(clip.path))}: {error}") from None
    levels = log_mel(recording.samples, recording.sample_rate, design)
    return MelSample(levels, recording.duration)


def encode_recording(clip: Clip, n_units: int, encoding: Encoding, seed: int = 0) -> Sample:
    """Encode a recording.

    Parameters
    ----------
    clip
        The recording.
    n_units
        Number of input units of the model.
    encoding
        Encoder, preset and origin of the times.
    seed
        Seed of the conversion; together with the samples it determines the random releases.

    Returns
    -------
    Sample
        Its spikes; label and speaker are -1.

    Raises
    ------
    AudioError
        If it cannot be used.
    UnknownNameError
        If there is no such encoder or preset.
    """
    encoder = make_encoder(encoding.encoder, encoding.preset, n_units, settings=encoding.settings)
    settings = EncodingSettings(
        encoder=encoder,
        seed=seed,
        max_duration=60.0,
        segment=None,
        keep_offset=encoder.keeps_offset,
    )
    try:
        encoded = encode_clip(read_bytes(clip.path), settings)
        reason = encoded.reason or encoded.pieces[0].reason
    except AudioError as error:
        reason = str(error)
    if reason:
        raise AudioError(f"{printable(str(clip.path))}: {reason}")
    (piece,) = encoded.pieces
    times, duration = piece.times, piece.duration
    if encoding.time_origin == "first-spike" and times.size:
        times, duration = times - times[0], duration - float(times[0])
    return Sample(times.astype(np.float32), piece.units, -1, -1, duration)
