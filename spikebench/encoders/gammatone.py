"""The encoder ``gammatone``: gammatone filters, half-wave rectification, compression and one neuron per band.

::

    y_c[n]  gammatone filter c of the recording, scaled so that a sine has the amplitude 1: spikebench.bands.gammatone
    x       = max(y_c[n], 0)^p                                                        (N1)
    v[n]    = α · v[n−1] + (1 − α) · x,   α = exp(−1/(τ_mem · f_s))                   (N2)
    spike at n/f_s if v[n] ≥ θ; then v = 0 for the next round(τ_ref · f_s) samples    (N3)

======  ================  ========  ======================================================
symbol  setting           default   meaning
======  ================  ========  ======================================================
f_s     input_rate        16 kHz    sample rate
p       compression       1/3       exponent of the compression
τ_mem   tau_mem_ms        10 ms     time constant of the membrane
τ_ref   tau_ref_ms        1 ms      refractory time
θ       threshold         0.12      threshold, in units of the compressed amplitude
======  ================  ========  ======================================================

Nothing is random. Neurons below some hundred hertz lock to the phase of the sound.

Sources: :mod:`spikebench.bands.gammatone` for the filters; Zhao and Wang (2013), "Analyzing noise robustness of MFCC
and GFCC features in speaker identification", ICASSP, for the cubic root as compression; Gerstner and Kistler (2002),
"Spiking Neuron Models", section 4.1, for the neuron.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from spikebench.bands.gammatone import ORDER, design_gammatone, erb_spaced
from spikebench.bands.level import resampled, sine_scaled
from spikebench.encoders.encoder import Encoder, SpikeControl, Spikes
from spikebench.encoders.settings import STRICT

__all__ = ["Gammatone", "GammatoneParams"]


@dataclass(frozen=True, config=STRICT)
class GammatoneParams:
    """Parameters of the encoder.

    Attributes
    ----------
    input_rate : int or None
        Rate to which recordings are resampled first [Hz]; None keeps the original rate.
    lowest_hz, highest_hz : float
        Lowest and highest centre frequency [Hz].
    compression : float
        Exponent of the rectified amplitude; 1 leaves it as it is.
    tau_mem_ms, tau_ref_ms : float
        Time constant of the membrane and refractory time [ms].
    threshold : float
        Threshold, in units of the compressed amplitude.
    """

    input_rate: Annotated[int, Field(ge=4000, le=192_000)] | None = 16_000
    lowest_hz: Annotated[float, Field(ge=20, le=50_000)] = 100.0
    highest_hz: Annotated[float, Field(ge=20, le=50_000)] = 7000.0
    compression: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    tau_mem_ms: Annotated[float, Field(ge=0.1, le=1000)] = 10.0
    tau_ref_ms: Annotated[float, Field(ge=0, le=100)] = 1.0
    threshold: Annotated[float, Field(gt=0, le=1000)] = 0.12

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lowest_hz >= self.highest_hz:
            raise ValueError(f"lowest_hz = {self.lowest_hz:g} is not below highest_hz")
        if self.input_rate is not None and self.highest_hz >= self.input_rate / 2:
            raise ValueError(f"highest_hz = {self.highest_hz:g} is not below half the sample rate")
        return self


class Gammatone(Encoder):
    """One neuron per gammatone filter; unit 0 has the highest frequency."""

    name = "gammatone"
    presets: ClassVar[Mapping[str, GammatoneParams]] = {"default": GammatoneParams()}
    libraries = ("numpy", "numba", "soxr")
    default_units = 64
    control = SpikeControl("threshold", 1e-4, 10.0)

    params: GammatoneParams

    @property
    def look_ahead(self) -> float:
        """How much sound after its time a spike may depend on: none, filters and neurons are causal."""
        return 0.0

    def encode(self, samples: NDArray[np.float64], sample_rate: int, seed: Sequence[int]) -> Spikes:
        """Encode one clip; see :meth:`spikebench.encoders.encoder.Encoder.encode`."""
        return self.fire(self.signal(samples, sample_rate), seed)

    def signal(self, samples: NDArray[np.float64], sample_rate: int) -> tuple[Any, int]:
        """Resample and scale a recording."""
        rate = self.input_rate or sample_rate
        if self.params.highest_hz >= rate / 2:
            raise ValueError(
                f"highest_hz = {self.params.highest_hz:g} is not below half the sample rate of {rate} Hz"
            )
        return sine_scaled(resampled(samples, sample_rate, rate)), rate

    def fire(self, signal: tuple[NDArray[np.float64], int], seed: Sequence[int]) -> Spikes:
        """Filter the scaled recording, and run the neurons on the bands."""
        from spikebench.encoders.gammatone_loop import run_bands  # loads numba

        sound, rate = signal
        p = self.params
        real, imaginary, gain = design_gammatone(self.characteristic_frequencies(), rate)
        decay = np.exp(-1e3 / (p.tau_mem_ms * rate))
        n_ref = round(p.tau_ref_ms * 1e-3 * rate)
        at, units = run_bands(
            np.ascontiguousarray(sound),
            real,
            imaginary,
            gain,
            ORDER,
            compression=p.compression,
            decay=float(decay),
            threshold=p.threshold,
            n_ref=n_ref,
        )
        order = np.lexsort((units, at))
        return Spikes(at[order] / rate, units[order].astype(np.uint16))

    def characteristic_frequencies(self) -> NDArray[np.float64]:
        """Compute the centre frequency of each filter [Hz], float64, shape (n_units,), descending."""
        p = self.params
        return np.ascontiguousarray(erb_spaced(self.n_units, p.lowest_hz, p.highest_hz)[::-1])

    def warm(self) -> None:
        """Compile the loop."""
        self.encode(np.sin(np.arange(100.0)), self.input_rate or 16_000, [0])
