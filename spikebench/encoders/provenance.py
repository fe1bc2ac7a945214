"""The encoder of a spike file, written to and read from its attributes.

=====================  =============================================================================
attribute              meaning
=====================  =============================================================================
``software``           versions on which the bits of the spikes depend
``encoder``            name of the encoder; absent for :data:`spikebench.encoders.DEFAULT_ENCODER`
``preset``             name of its parameters
``parameters``         the parameters, one by one
``settings``           those that differ from the preset, and determine the encoder with it; absent if none do
``resampled_rate_hz``  rate to which the recordings were resampled; absent if they were not resampled
``device``             the device that made the spikes; absent if it was a CPU
=====================  =============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from spikebench.encoders import DEFAULT_ENCODER
from spikebench.encoders.encoder import Encoder, make_encoder
from spikebench.errors import SpikebenchError

__all__ = ["encoder_attributes", "encoder_name", "encoder_of", "rate_and_device", "settings_of"]


def encoder_attributes(encoder: Encoder) -> dict[str, Any]:
    """Return the attributes that describe an encoder and its parameters.

    Parameters
    ----------
    encoder
        The encoder.

    Returns
    -------
    dict
        Attributes ``software``, ``encoder``, ``preset``, ``parameters`` and ``settings``.
    """
    named = {} if encoder.name == DEFAULT_ENCODER else {"encoder": encoder.name}
    set_here = {"settings": encoder.settings} if encoder.settings else {}
    return {
        "software": encoder.software(),
        **named,
        "preset": encoder.preset,
        "parameters": asdict(encoder.params),
        **set_here,
    }


def rate_and_device(encoder: Encoder, device: str) -> dict[str, Any]:
    """Return the attributes that describe the input rate and the device.

    Parameters
    ----------
    encoder
        The encoder.
    device
        ``cpu``, or as for :func:`spikebench.encoders.device.find_device`.

    Returns
    -------
    dict
        Attributes ``resampled_rate_hz`` and ``device``, where they apply.

    Raises
    ------
    SpikebenchError
        If the device is not available, or the encoder does not run on it.
    """
    attributes: dict[str, Any] = {}
    if encoder.input_rate is not None:
        attributes["resampled_rate_hz"] = encoder.input_rate
    if device != "cpu":
        attributes["device"] = encoder.on_device().describe(device)
    return attributes


def encoder_name(attributes: Mapping[str, Any]) -> str:
    """Return the name of the encoder that made a spike file.

    Parameters
    ----------
    attributes
        Attributes of the file.

    Returns
    -------
    str
        Name stored in the file; it may be the name of an encoder that is not registered.
    """
    return str(attributes.get("encoder", DEFAULT_ENCODER))


def settings_of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the encoder of a spike file that differ from its preset.

    Parameters
    ----------
    attributes
        Attributes of the file.

    Returns
    -------
    dict
        Names and values; empty if there are none.

    Raises
    ------
    SpikebenchError
        If the attribute is not a table of numbers and texts.
    """
    settings = attributes.get("settings", {})
    if not isinstance(settings, dict) or not all(
        value is None or isinstance(value, bool | int | float | str) for value in settings.values()
    ):
        raise SpikebenchError("attribute settings is not a table of numbers and texts")
    return settings


def encoder_of(attributes: Mapping[str, Any], n_units: int) -> Encoder:
    """Create the encoder that made a spike file, with its parameters in this version.

    Parameters
    ----------
    attributes
        Attributes of the file; without ``preset``, as in the published files, the default preset is used.
    n_units
        Number of units of the file.

    Returns
    -------
    Encoder
        Its ``params`` may differ from the ``parameters`` of the file, if another version wrote it.

    Raises
    ------
    UnknownNameError
        If there is no such encoder, preset or setting.
    SpikebenchError
        If the settings or the number of units are not those of such an encoder.
    """
    preset = attributes.get("preset")
    return make_encoder(
        encoder_name(attributes),
        None if preset is None else str(preset),
        n_units,
        native_rate=preset is not None and "resampled_rate_hz" not in attributes,
        settings=settings_of(attributes),
    )
