"""The stages of the cochlea before the spikes, for a sample of a spike file, and the tuning of its membrane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

import cochlea
from cochlea import Trace
from spikebench.encoders.cochlea.cpu import Cochlea
from spikebench.encoders.provenance import encoder_name, encoder_of
from spikebench.errors import SpikeFileError
from spikebench.recordings.decoding import Recording
from spikebench.records.text import printable
from spikebench.spike_files.reader import SpikeFile

__all__ = ["membrane_tuning", "trace_sample"]


def trace_sample(spikes: SpikeFile, recording: Recording, channels: Sequence[int]) -> Trace:
    """Compute the stages before the spikes, with the settings with which the file was made.

    Parameters
    ----------
    spikes
        A file that :func:`spikebench.conversion.runner.convert` made with the encoder ``cochlea``.
    recording
        The recording of one of its samples.
    channels
        Indices of the channels.

    Returns
    -------
    Trace
        Membrane velocity and release probability, shape (len(channels), n) each, and their rate [Hz].

    Raises
    ------
    SpikeFileError
        If the file does not record its settings, or was made by another encoder or with parameters of another
        version.
    UnknownNameError
        If there is no such preset.
    """
    params = _params_of(spikes)
    if spikes.provenance.get("offsets_removed"):
        recording = recording.without_offset()
    return cochlea.trace(
        recording.samples, recording.sample_rate, params, spikes.n_units, list(channels)
    )


def membrane_tuning(
    spikes: SpikeFile, frequencies: NDArray[np.float64], channels: Sequence[int]
) -> NDArray[np.float64]:
    """Compute how much the membrane moves at some channels for tones of some frequencies.

    Parameters
    ----------
    spikes
        As for :func:`trace_sample`.
    frequencies
        Of the tones [Hz], float64, shape (tones,), positive.
    channels
        Indices of the channels.

    Returns
    -------
    ndarray of float64, shape (tones, channels)
        Amplitude of the velocity per unit input.

    Raises
    ------
    SpikeFileError, UnknownNameError
        As :func:`trace_sample`.
    """
    membrane = _params_of(spikes).basilar_membrane
    places = cochlea.place(spikes.n_units, membrane)[list(channels)]
    return np.abs(cochlea.transfer_function(frequencies, places, membrane))


def _params_of(spikes: SpikeFile) -> cochlea.CochleaParams:
    """Return the parameters with which a file was made."""
    made = spikes.provenance
    name = printable(str(spikes.path))
    if encoder_name(made) != Cochlea.name:
        raise SpikeFileError(
            f"{name}: made by the encoder {printable(encoder_name(made))}; only {Cochlea.name} has these stages"
        )
    if not isinstance(made.get("preset"), str) or "parameters" not in made:
        raise SpikeFileError(
            f"{name}: does not record its preset and parameters, so its stages are not known"
        )
    params: cochlea.CochleaParams = encoder_of(made, spikes.n_units).params
    if made["parameters"] != asdict(params):
        raise SpikeFileError(
            f"{name}: made with other parameters than those of preset {made['preset']} in this version"
        )
    return params
