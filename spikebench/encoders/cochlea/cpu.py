"""The cochlea as an encoder: :func:`cochlea.encode` with a preset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

import cochlea
from spikebench.encoders.cochlea.stored_design import stored_design
from spikebench.encoders.encoder import Encoder, SpikeControl, Spikes
from spikebench.errors import SpikebenchError

if TYPE_CHECKING:
    from spikebench.encoders.cochlea.device_cochlea import DeviceCochlea

__all__ = ["Cochlea"]


class Cochlea(Encoder):
    """Basilar membrane, hair cells and bushy cells; one unit per channel along the membrane."""

    name = "cochlea"
    presets: ClassVar[Mapping[str, cochlea.CochleaParams]] = cochlea.PRESETS
    libraries = ("numpy", "scipy", "numba", "soxr")
    control = SpikeControl("level", 0.001, 100.0)

    params: cochlea.CochleaParams

    def check(self) -> None:
        """Raise :class:`SpikebenchError` if the level is not positive."""
        if not 0 < self.params.level < float("inf"):
            raise SpikebenchError(
                f"encoder cochlea: level must be positive, got {self.params.level}"
            )

    @property
    def keeps_offset(self) -> bool:
        """Whether an offset is always kept: true for the preset ``lauscher``, as in the original program."""
        return self.preset == "lauscher"

    def encode(self, samples: NDArray[np.float64], sample_rate: int, seed: Sequence[int]) -> Spikes:
        """Encode one clip; see :meth:`spikebench.encoders.encoder.Encoder.encode`."""
        membrane = self._membrane()
        return Spikes(
            *cochlea.encode(samples, sample_rate, self.params, self.n_units, seed, membrane)
        )

    def _membrane(self) -> cochlea.BasilarMembraneCoeffs | None:
        """Return the design if its rate is known in advance."""
        rate, membrane = self.input_rate, self.params.basilar_membrane
        return stored_design(rate, self.n_units, membrane, self.software()) if rate else None

    def characteristic_frequencies(self) -> NDArray[np.float64]:
        """Compute the characteristic frequency of each channel [Hz], float64, shape (n_units,), descending."""
        membrane = self.params.basilar_membrane
        return np.asarray(cochlea.characteristic_frequency(self.n_units, membrane), np.float64)

    def warm(self) -> None:
        """Compile the loops, and design the transfer function if the rate is known in advance."""
        self._membrane()
        few = min(self.n_units, 16)
        cochlea.encode(np.sin(np.arange(2000.0)), self.input_rate or 16_000, self.params, few)

    def on_device(self) -> DeviceCochlea:
        """Return the part that runs on a GPU."""
        from spikebench.encoders.cochlea.device_cochlea import DeviceCochlea  # loads torch

        return DeviceCochlea(self.params, self.n_units)
