"""One recording as a trained model hears it: converted as the data were on which it was trained."""

from __future__ import annotations

import numpy as np

import cochlea
from spikebench.encoders.clip import EncodingSettings, encode_clip
from spikebench.errors import AudioError, UnknownNameError
from spikebench.events.dataset import Sample
from spikebench.protocol.results import Encoding
from spikebench.recordings.decoding import read_bytes
from spikebench.recordings.search import Clip
from spikebench.records.text import printable


def hear_clip(clip: Clip, n_channels: int, encoding: Encoding, seed: int = 0) -> Sample:
    """Convert a recording.

    Parameters
    ----------
    clip
        The recording.
    n_channels
        Units of the model.
    encoding
        Preset of the cochlea, and what time 0 is.
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
        If there is no such preset.
    """
    if encoding.preset not in cochlea.PRESETS:
        raise UnknownNameError("preset", encoding.preset, cochlea.PRESETS)
    settings = EncodingSettings(
        params=cochlea.PRESETS[encoding.preset],
        n_channels=n_channels,
        seed=seed,
        max_duration=60.0,
        segment=None,
        keep_offset=encoding.preset == "lauscher",
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
