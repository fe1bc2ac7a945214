"""The whole cochlea: level → window → basilar membrane → hair cells → bushy cells.

Channels are processed in blocks of sixteen, so that memory does not grow with their number and every stage finds its
input in the cache. A spike depends on the samples, the parameters, the seed and the channel, not on the blocks, the
threads or other clips.

The same recording, parameters and seed give the same spikes on every machine: random numbers are computed from the
raw words of a counter-based generator (:mod:`cochlea.waiting_times`), and loops consist of + − × ÷ √ and
comparisons in a fixed order. Another processor or library release may round the FFT differently and, in the design,
exponential and Bessel functions. That moves a release only if its accumulated hazard is within the rounding error of
a waiting time. Measured (``benchmarks/results/same-spikes.md``): a relative error e of the velocity changes the spikes
of about 1.2e5·e of the 700 channels of a word. The largest difference seen, without vector instructions, is 4.2e-13:
one channel in some 20 million words. None of the 1,440 recordings that were tried differed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import soxr
from numpy.typing import ArrayLike, NDArray

from cochlea.basilar_membrane import (
    BasilarMembraneCoeffs,
    Spectrum,
    analyse,
    design_basilar_membrane,
    velocity_blocks,
)
from cochlea.bushy_cell import bushy_cell_block, design_bushy_cell
from cochlea.hair_cell import design_hair_cell, hair_cell_block
from cochlea.level import hann_ramp, normalize_rms
from cochlea.presets import PRESETS, CochleaParams
from cochlea.waiting_times import philox_key

MAX_CHANNELS = 2**16


class Spikes(NamedTuple):
    """Spikes of one clip, ordered by time, then unit.

    Attributes
    ----------
    times : ndarray of float64, shape (spikes,)
        Seconds from the start of the clip, on the grid of the output rate.
    units : ndarray of uint16, shape (spikes,)
        Channel of each spike; 0 is the highest frequency.
    """

    times: NDArray[np.float64]
    units: NDArray[np.uint16]


class Trace(NamedTuple):
    """The stages before the spikes.

    Attributes
    ----------
    velocity : ndarray of float64, shape (channels, n)
        Membrane velocity.
    p_fire : ndarray of float64, shape (channels, n)
        Release probability per sample and train.
    sample_rate : int
        Rate of both [Hz].
    """

    velocity: NDArray[np.float64]
    p_fire: NDArray[np.float64]
    sample_rate: int


def encode(
    samples: ArrayLike,
    sample_rate: float,
    preset: str | CochleaParams = "shd",
    n_channels: int = 700,
    seed: int | Sequence[int] = 0,
    membrane: BasilarMembraneCoeffs | None = None,
) -> Spikes:
    """Convert one recording into spikes.

    Parameters
    ----------
    samples
        Mono recording, shape (n,), any real dtype and unit; its level does not matter.
    sample_rate
        Rate [Hz], a whole number.
    preset
        Name of a preset, or a set of parameters.
    n_channels
        Number of channels along the membrane, 1 … 65,536.
    seed
        Seed, or several non-negative numbers that form one seed.
    membrane
        Coefficients from :func:`cochlea.design_basilar_membrane` for the rate of the prepared recording, the number of
        channels and the parameters; computed by default.

    Returns
    -------
    Spikes
        Times [s] and channels.

    Raises
    ------
    ValueError
        If the recording is not mono, empty, too short, silent or not finite, the rate is not a
        positive whole number, the number of channels is out of range, the preset is unknown, or
        ``membrane`` is for another rate or number of channels.

    Notes
    -----
    Equations and sources are given in the modules of the stages. The same arguments give the same spikes;
    the limits of this guarantee are described in :mod:`cochlea.pipeline`.

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(4800) / 48000)
    >>> spikes = encode(tone, 48000, n_channels=70, seed=1)
    >>> bool(np.all(np.diff(spikes.times) >= 0)), spikes.units.dtype
    (True, dtype('uint16'))
    """
    params = _params(preset)
    coeffs, spectrum = _prepare(samples, sample_rate, params, n_channels, None, membrane)
    bushy = design_bushy_cell(coeffs.sample_rate, params.bushy_cell)
    key = philox_key(seed)
    at, channel = [], []
    hair = design_hair_cell(coeffs.sample_rate, params.hair_cell)
    for channels, block in velocity_blocks(spectrum, coeffs):
        hair_cell_block(block, hair)
        spike_samples, spike_channels = bushy_cell_block(block, bushy, key, channels)
        at.append(spike_samples)
        channel.append(spike_channels)
    # One sort key for (time, unit): both are small integers.
    key = np.sort(np.concatenate(at) * n_channels + np.concatenate(channel))
    return Spikes(key // n_channels / coeffs.sample_rate, (key % n_channels).astype(np.uint16))


def trace(
    samples: ArrayLike,
    sample_rate: float,
    preset: str | CochleaParams = "shd",
    n_channels: int = 700,
    channels: Sequence[int] | None = None,
) -> Trace:
    """Compute the stages before the spikes, which are deterministic.

    Parameters
    ----------
    samples, sample_rate, preset, n_channels
        As in :func:`encode`.
    channels
        Indices of the channels to return, in this order; all by default. All channels of a long
        clip take 16 bytes per channel and sample.

    Returns
    -------
    Trace
        Velocity and release probability, shape (channels, n) each.

    Raises
    ------
    ValueError
        As in :func:`encode`, or if a channel index is out of range.
    """
    params = _params(preset)
    chosen = None if channels is None else tuple(int(channel) for channel in channels)
    if chosen is not None and (not chosen or min(chosen) < 0 or max(chosen) >= n_channels):
        raise ValueError(f"channels must be indices in 0 … {n_channels - 1}, at least one")
    coeffs, spectrum = _prepare(samples, sample_rate, params, n_channels, chosen)
    shape = (coeffs.n_panels.size, spectrum.bins.size)
    velocity, p_fire = np.empty(shape), np.empty(shape)
    hair = design_hair_cell(coeffs.sample_rate, params.hair_cell)
    for rows, block in velocity_blocks(spectrum, coeffs):
        velocity[rows] = block[:, : rows.size].T
        hair_cell_block(block, hair)
        p_fire[rows] = block[:, : rows.size].T
    return Trace(velocity, p_fire, coeffs.sample_rate)


def _params(preset: str | CochleaParams) -> CochleaParams:
    if isinstance(preset, CochleaParams):
        return preset
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}; available are {', '.join(PRESETS)}")
    return PRESETS[preset]


def prepare_recording(
    samples: ArrayLike, sample_rate: float, preset: str | CochleaParams = "shd"
) -> tuple[NDArray[np.float64], int]:
    """Check, resample, scale and window a recording, the input of the membrane.

    Parameters
    ----------
    samples, sample_rate, preset
        As in :func:`encode`.

    Returns
    -------
    samples : ndarray of float64, shape (N,)
        The prepared recording, N ≥ 4.
    sample_rate : int
        Rate of the prepared recording [Hz].

    Raises
    ------
    ValueError
        As in :func:`encode`.
    """
    params = _params(preset)
    recording, rate = _checked(samples, sample_rate)
    if params.input_rate is not None and rate != params.input_rate:
        recording = soxr.resample(recording, rate, params.input_rate, quality="VHQ")
        rate = params.input_rate
    if recording.size < 4:
        raise ValueError(f"the recording is too short: {recording.size} samples at {rate} Hz")
    levelled = normalize_rms(recording, params.level)
    n_ramp = recording.size // 2 if params.ramp is None else round(params.ramp * rate)
    return hann_ramp(levelled, n_ramp), rate


def _prepare(
    samples: ArrayLike,
    sample_rate: float,
    params: CochleaParams,
    n_channels: int,
    channels: tuple[int, ...] | None,
    membrane: BasilarMembraneCoeffs | None = None,
) -> tuple[BasilarMembraneCoeffs, Spectrum]:
    """Prepare the recording; design and transform."""
    if not 1 <= n_channels <= MAX_CHANNELS:
        raise ValueError(f"n_channels must be in 1 … {MAX_CHANNELS}, got {n_channels}")
    recording, rate = prepare_recording(samples, sample_rate, params)
    if membrane is None:
        membrane = design_basilar_membrane(rate, n_channels, channels, params.basilar_membrane)
    elif (membrane.sample_rate, membrane.n_panels.size) != (rate // 2, n_channels):
        raise ValueError(
            f"the membrane is designed for {membrane.n_panels.size} channels and a recording of "
            f"{2 * membrane.sample_rate} Hz, not for {n_channels} and {rate} Hz"
        )
    return membrane, analyse(recording, membrane)


def _checked(samples: ArrayLike, sample_rate: float) -> tuple[NDArray[np.float64], int]:
    if np.iscomplexobj(samples):
        raise ValueError("samples must be real")
    recording = np.asarray(samples, dtype=np.float64)
    if recording.ndim != 1:
        raise ValueError(f"samples must be mono, shape (n,), got {recording.shape}")
    if not math.isfinite(sample_rate) or sample_rate != int(sample_rate) or sample_rate < 1000:
        raise ValueError(
            f"sample_rate must be a whole number of at least 1000 Hz, got {sample_rate}"
        )
    if recording.size == 0:
        raise ValueError("the recording is empty")
    if not np.isfinite(recording).all():
        raise ValueError("the recording contains values that are not finite")
    if not recording.any():
        raise ValueError("the recording is silent: every sample is 0")
    return recording, int(sample_rate)
