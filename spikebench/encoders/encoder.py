"""The interface of an encoder: from the samples of a recording to spikes.

An encoder is a preset (named parameters) for a number of units. It is independent of files: decoding, pieces,
seeds, journals and spike files are the same for all encoders. ``encode`` does the whole work of one clip on a CPU;
an encoder that also runs on a GPU provides a :class:`DeviceEncoder`.

Encoders are listed in :data:`spikebench.encoders.ENCODERS`; :func:`make_encoder` creates one by its name.
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
from spikebench.encoders.settings import changed, differences
from spikebench.errors import SpikebenchError, UnknownNameError

__all__ = ["DeviceEncoder", "Encoder", "Levels", "SpikeControl", "Spikes", "make_encoder"]


class Spikes(NamedTuple):
    """Spikes of one clip.

    Attributes
    ----------
    times : ndarray of float64, shape (spikes,)
        Seconds from the start of the clip, non-decreasing.
    units : ndarray of uint16, shape (spikes,)
        The unit of each spike.
    """

    times: NDArray[np.float64]
    units: NDArray[np.uint16]


class Levels(NamedTuple):
    """Levels of frequency bands that a decoder gets back from spikes.

    Attributes
    ----------
    levels : ndarray of float64, shape (frame, band)
        Levels [dB]; band 0 is the highest.
    time_step : float
        From one frame to the next [s]; the level of frame k holds from k to k + 1 steps.
    frequencies : ndarray of float64, shape (band,)
        Characteristic frequency of each band [Hz].
    floor : float
        Level of silence [dB].
    """

    levels: NDArray[np.float64]
    time_step: float
    frequencies: NDArray[np.float64]
    floor: float


class SpikeControl(NamedTuple):
    """The parameter that sets how many spikes an encoder gives, and its range.

    Attributes
    ----------
    setting : str
        Name of the parameter.
    least, most : float
        Positive bounds between which it is searched for a number of spikes.
    """

    setting: str
    least: float
    most: float


class DeviceEncoder(Protocol):
    """The part of an encoder that runs on a GPU."""

    def prepare(self, samples: NDArray[np.float64], sample_rate: int) -> object:
        """Do the part that needs no device; runs in another process, so the result is pickled.

        Parameters
        ----------
        samples, sample_rate
            As for :meth:`Encoder.encode`.

        Returns
        -------
        object
            Input of ``encode_prepared``.

        Raises
        ------
        ValueError
            If the clip cannot be encoded; the message is the reason.
        """

    def encode_prepared(
        self, prepared: Sequence[Any], seeds: Sequence[Sequence[int]], device: str
    ) -> Sequence[Spikes]:
        """Encode clips on a device; the spikes of a clip must not depend on the other clips of the call.

        Parameters
        ----------
        prepared
            Clips, from ``prepare``.
        seeds
            Seed of each clip, as for :meth:`Encoder.encode`.
        device
            As for :func:`spikebench.encoders.device.find_device`.

        Returns
        -------
        sequence of Spikes
            Spikes of each clip.

        Raises
        ------
        SpikebenchError
            If the device cannot be used.
        """

    def describe(self, device: str) -> str:
        """Describe everything on the device on which the spikes depend.

        Parameters
        ----------
        device
            As for :func:`spikebench.encoders.device.find_device`.

        Returns
        -------
        str
            Name of the device, libraries, precision and generator; stored in the spike file.

        Raises
        ------
        SpikebenchError
            If there is no such device.
        """


@dataclass(frozen=True)
class Encoder(ABC):
    """An encoder with its parameters, which can be sent to workers; equal encoders give equal spikes.

    Attributes
    ----------
    name
        The key in :data:`spikebench.encoders.ENCODERS`.
    presets
        Parameters by name; the first is the default.
    libraries
        Packages on whose versions the bits of a spike depend.
    default_units
        Number of units if none is given.
    polarities
        1, or 2 if the first half of the units fires when a level rises, and the second half when it falls.
    control
        The parameter that sets the number of spikes; None if there is none.
    preset
        Name of the parameters.
    params
        A frozen dataclass. All its fields are stored in the spike file; document their physical units in the field
        names or the docstring. A field ``input_rate`` (int or None) is the rate to which recordings are resampled
        first [Hz].
    n_units
        Number of units, 1 … 65,536.
    """

    name: ClassVar[str]
    presets: ClassVar[Mapping[str, Any]]
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    default_units: ClassVar[int] = 700
    polarities: ClassVar[int] = 1
    control: ClassVar[SpikeControl | None] = None

    preset: str
    params: Any
    n_units: int

    @classmethod
    def from_preset(
        cls,
        preset: str | None = None,
        n_units: int | None = None,
        *,
        native_rate: bool = False,
        settings: Mapping[str, object] | None = None,
    ) -> Self:
        """Create an encoder.

        Parameters
        ----------
        preset
            Name of a preset; the default one if None.
        n_units
            Number of units; :attr:`default_units` if None.
        native_rate
            Keep the rate of each recording, regardless of the preset.
        settings
            Parameters that differ from the preset.

        Returns
        -------
        Encoder
            The encoder.

        Raises
        ------
        UnknownNameError
            If there is no such preset or parameter.
        SpikebenchError
            If a parameter is out of bounds, or the number of units does not suit the encoder.
        """
        name = next(iter(cls.presets)) if preset is None else preset
        if name not in cls.presets:
            raise UnknownNameError("preset", name, cls.presets)
        params = changed(cls.presets[name], settings or {}, cls.name)
        if native_rate and getattr(params, "input_rate", None) is not None:
            params = replace(params, input_rate=None)
        encoder = cls(name, params, cls.default_units if n_units is None else n_units)
        encoder.check()
        return encoder

    def with_settings(self, settings: Mapping[str, object]) -> Self:
        """Change parameters by name.

        Parameters
        ----------
        settings
            New values.

        Returns
        -------
        Encoder
            Copy with the new values.

        Raises
        ------
        UnknownNameError, SpikebenchError
            As for :meth:`from_preset`.
        """
        encoder = replace(self, params=changed(self.params, settings, self.name))
        encoder.check()
        return encoder

    def check(self) -> None:
        """Raise :class:`SpikebenchError` if the number of units does not suit the parameters."""
        if self.n_units % self.polarities:
            raise SpikebenchError(
                f"encoder {self.name} has a rising and a falling unit per band: the number of units must be even, "
                f"got {self.n_units}"
            )

    @classmethod
    def software(cls) -> str:
        """Return the versions on which the bits of a spike depend.

        Returns
        -------
        str
            For example ``spikebench 0.1.0 (numpy …, scipy …)``.
        """
        return _software(cls.libraries)

    @property
    def settings(self) -> dict[str, Any]:
        """Parameters that differ from the preset."""
        return differences(self.params, self.presets[self.preset])

    @property
    def input_rate(self) -> int | None:
        """Rate to which every recording is resampled first [Hz]; None keeps its own."""
        rate: int | None = getattr(self.params, "input_rate", None)
        return rate

    @property
    def keeps_offset(self) -> bool:
        """Whether a constant offset of a recording is always kept."""
        return False

    @property
    def look_ahead(self) -> float | None:
        """How much sound after its time a spike may depend on [s]; None if it is not known.

        It counts neither the level of the recording, to which all encoders scale it, nor the resampling.
        """
        return None

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
            Non-negative integers that together are one seed; it determines all random numbers.

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
        """Compute the frequency to which each unit is most sensitive.

        Returns
        -------
        ndarray of float64, shape (n_units,), or None
            Frequencies [Hz], descending among the units of a polarity; None if units do not represent frequencies.
        """
        return None

    def signal(self, samples: NDArray[np.float64], sample_rate: int) -> Any:  # noqa: ANN401
        """Do the part of :meth:`encode` that depends neither on :attr:`control` nor on the seed.

        Parameters
        ----------
        samples, sample_rate
            As for :meth:`encode`.

        Returns
        -------
        object
            Input of :meth:`fire`.
        """
        return samples, sample_rate

    def fire(self, signal: Any, seed: Sequence[int]) -> Spikes:  # noqa: ANN401
        """Do the rest of :meth:`encode`.

        Parameters
        ----------
        signal
            From :meth:`signal`.
        seed
            As for :meth:`encode`.

        Returns
        -------
        Spikes
            As :meth:`encode` returns them.
        """
        samples, sample_rate = signal
        return self.encode(samples, sample_rate, seed)

    def decode(self, spikes: Spikes, duration: float) -> Levels | None:
        """Get the levels of the bands back from the spikes, as far as the code keeps them.

        Parameters
        ----------
        spikes
            Spikes of a clip, sorted by time.
        duration
            Length of the clip [s].

        Returns
        -------
        Levels or None
            The levels; None if the spikes are no code of levels.
        """
        return None

    def warm(self) -> None:
        """Compile and design the parts used by every clip; called before the workers are forked, which share them."""
        self.encode(np.sin(np.arange(2000.0)), self.input_rate or 16_000, [0])

    def on_device(self) -> DeviceEncoder:
        """Return the part that runs on a GPU.

        Returns
        -------
        DeviceEncoder
            Device encoder with the same parameters.

        Raises
        ------
        SpikebenchError
            If there is none.
        """
        raise SpikebenchError(f"encoder {self.name} runs on the CPU only; leave --device out")


def make_encoder(
    name: str,
    preset: str | None = None,
    n_units: int | None = None,
    *,
    native_rate: bool = False,
    settings: Mapping[str, object] | None = None,
) -> Encoder:
    """Create an encoder by its name.

    Parameters
    ----------
    name
        Key of :data:`spikebench.encoders.ENCODERS`.
    preset, n_units, native_rate, settings
        As for :meth:`Encoder.from_preset`.

    Returns
    -------
    Encoder
        The encoder.

    Raises
    ------
    UnknownNameError
        If there is no such encoder, preset or parameter.
    SpikebenchError
        If a parameter is out of bounds, or the number of units does not suit the encoder.
    """
    if name not in ENCODERS:
        raise UnknownNameError("encoder", name, ENCODERS)
    module, _, kind = ENCODERS[name].partition(":")
    found: type[Encoder] = getattr(import_module(module), kind)
    return found.from_preset(preset, n_units, native_rate=native_rate, settings=settings)


@cache
def _software(libraries: tuple[str, ...]) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    return f"spikebench {__version__} ({versions})"
