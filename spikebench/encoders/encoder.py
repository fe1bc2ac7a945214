"""The contract of an encoder: from the samples of a recording to spikes.

An encoder is a preset (named parameters) for a number of units. It knows nothing of files: decoding, pieces,
seeds, journals and spike files are the same for all of them. ``encode`` is the whole work of one clip on a CPU;
an encoder that also runs on a GPU gives its :class:`DeviceEncoder`.

Encoders are named in :data:`spikebench.encoders.ENCODERS`; :func:`make_encoder` makes one by its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from spikebench import __version__
from spikebench.encoders import ENCODERS
from spikebench.errors import SpikebenchError, UnknownNameError

__all__ = ["DeviceEncoder", "Encoder", "Spikes", "make_encoder"]


class Spikes(NamedTuple):
    """Spikes of one clip.

    Attributes
    ----------
    times : ndarray of float64, shape (spikes,)
        Seconds from the start of the clip, not decreasing.
    units : ndarray of uint16, shape (spikes,)
        The unit of each spike.
    """

    times: NDArray[np.float64]
    units: NDArray[np.uint16]


class DeviceEncoder(Protocol):
    """The part of an encoder that runs on a GPU."""

    def prepare(self, samples: NDArray[np.float64], sample_rate: int) -> object:
        """Do what needs no device; runs in another process, so the result is pickled.

        Parameters
        ----------
        samples, sample_rate
            As for :meth:`Encoder.encode`.

        Returns
        -------
        object
            What ``encode_prepared`` takes.

        Raises
        ------
        ValueError
            If the clip cannot be encoded; the message is the reason.
        """

    def encode_prepared(
        self, prepared: Sequence[Any], seeds: Sequence[Sequence[int]], device: str
    ) -> Sequence[Spikes]:
        """Encode clips on a device; which clips share a call must change no spike.

        Parameters
        ----------
        prepared
            Clips, from ``prepare``.
        seeds
            Of each clip, as for :meth:`Encoder.encode`.
        device
            As for :func:`spikebench.encoders.device.find_device`.

        Returns
        -------
        sequence of Spikes
            Of each clip.

        Raises
        ------
        SpikebenchError
            If the device cannot be used.
        """

    def describe(self, device: str) -> str:
        """Say on what the spikes depend when a device makes them.

        Parameters
        ----------
        device
            As for :func:`spikebench.encoders.device.find_device`.

        Returns
        -------
        str
            Name of the device, libraries, precision and generator; the spike file keeps it.

        Raises
        ------
        SpikebenchError
            If there is no such device.
        """


@dataclass(frozen=True)
class Encoder(ABC):
    """One way to make spikes, as a worker gets it; equal encoders give equal spikes.

    Attributes
    ----------
    name
        The key in :data:`spikebench.encoders.ENCODERS`.
    presets
        Parameters by name; the first is the default.
    libraries
        Packages on whose versions the bits of a spike depend.
    preset
        Name of the parameters.
    params
        A frozen dataclass. The spike file keeps all its fields; units belong in their names or docstring.
        A field ``input_rate`` (int or None) is the rate to which recordings are resampled first [Hz].
    n_units
        Units, 1 … 65,536.
    """

    name: ClassVar[str]
    presets: ClassVar[Mapping[str, Any]]
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    preset: str
    params: Any
    n_units: int

    @classmethod
    def from_preset(
        cls, preset: str | None = None, n_units: int = 700, *, native_rate: bool = False
    ) -> Self:
        """Make an encoder.

        Parameters
        ----------
        preset
            Name of a preset; the default one if None.
        n_units
            Units.
        native_rate
            Keep the rate of each recording, whatever the preset says.

        Returns
        -------
        Encoder
            Ready to encode.

        Raises
        ------
        UnknownNameError
            If there is no such preset.
        """
        name = next(iter(cls.presets)) if preset is None else preset
        if name not in cls.presets:
            raise UnknownNameError("preset", name, cls.presets)
        params = cls.presets[name]
        if native_rate and getattr(params, "input_rate", None) is not None:
            params = replace(params, input_rate=None)
        return cls(name, params, n_units)

    @classmethod
    def software(cls) -> str:
        """Name the versions on which the bits of a spike depend.

        Returns
        -------
        str
            As in ``spikebench 0.1.0 (numpy …, scipy …)``.
        """
        return _software(cls.libraries)

    @property
    def input_rate(self) -> int | None:
        """Rate to which every recording is resampled first [Hz]; None keeps its own."""
        rate: int | None = getattr(self.params, "input_rate", None)
        return rate

    @property
    def keeps_offset(self) -> bool:
        """Whether a constant offset of a recording is always kept."""
        return False

    @abstractmethod
    def encode(self, samples: NDArray[np.float64], sample_rate: int, seed: Sequence[int]) -> Spikes:
        """Encode one clip.

        Parameters
        ----------
        samples
            Mono, shape (n,), full scale 1; finite and not silent.
        sample_rate
            Their rate [Hz].
        seed
            Non-negative numbers that together are one seed; all randomness comes from it.

        Returns
        -------
        Spikes
            Times [s] and units, sorted by time.

        Raises
        ------
        ValueError
            If the clip cannot be encoded; the message is the reason.
        """

    def characteristic_frequencies(self) -> NDArray[np.float64] | None:
        """Compute the frequency that drives each unit most.

        Returns
        -------
        ndarray of float64, shape (n_units,), or None
            Hz, falling; None where units stand for something else.
        """
        return None

    def warm(self) -> None:
        """Compile and design what every clip needs; called before workers are forked, which share it."""
        self.encode(np.sin(np.arange(2000.0)), self.input_rate or 16_000, [0])

    def on_device(self) -> DeviceEncoder:
        """Give the part that runs on a GPU.

        Returns
        -------
        DeviceEncoder
            With the same parameters.

        Raises
        ------
        SpikebenchError
            If there is none.
        """
        raise SpikebenchError(f"encoder {self.name} runs on the CPU alone; leave --device out")


def make_encoder(
    name: str, preset: str | None = None, n_units: int = 700, *, native_rate: bool = False
) -> Encoder:
    """Make an encoder by its name.

    Parameters
    ----------
    name
        Key of :data:`spikebench.encoders.ENCODERS`.
    preset, n_units, native_rate
        As for :meth:`Encoder.from_preset`.

    Returns
    -------
    Encoder
        Ready to encode.

    Raises
    ------
    UnknownNameError
        If there is no such encoder or preset.
    """
    if name not in ENCODERS:
        raise UnknownNameError("encoder", name, ENCODERS)
    module, _, kind = ENCODERS[name].partition(":")
    found: type[Encoder] = getattr(import_module(module), kind)
    return found.from_preset(preset, n_units, native_rate=native_rate)


@cache
def _software(libraries: tuple[str, ...]) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    return f"spikebench {__version__} ({versions})"
