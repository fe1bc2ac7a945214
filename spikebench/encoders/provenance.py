"""Which encoder made a spike file: written as attributes, read from them.

=====================  =============================================================================
attribute              meaning
=====================  =============================================================================
``software``           versions on which the bits of the spikes depend
``encoder``            name of the encoder; missing where it is :data:`spikebench.encoders.DEFAULT_ENCODER`
``preset``             name of its parameters
``parameters``         the parameters, one by one
``resampled_rate_hz``  rate to which the recordings were resampled; missing where they were not
``device``             the device that made the spikes; missing where it was a CPU
=====================  =============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from spikebench.encoders import DEFAULT_ENCODER
from spikebench.encoders.encoder import Encoder, make_encoder

__all__ = ["encoder_attributes", "encoder_name", "encoder_of", "rate_and_device"]


def encoder_attributes(encoder: Encoder) -> dict[str, Any]:
    """Say which encoder makes the spikes, and with which parameters.

    Parameters
    ----------
    encoder
        The encoder.

    Returns
    -------
    dict
        Attributes ``software``, ``encoder``, ``preset`` and ``parameters``.
    """
    named = {} if encoder.name == DEFAULT_ENCODER else {"encoder": encoder.name}
    return {
        "software": encoder.software(),
        **named,
        "preset": encoder.preset,
        "parameters": asdict(encoder.params),
    }


def rate_and_device(encoder: Encoder, device: str) -> dict[str, Any]:
    """Say at which rate and on which device the spikes are made.

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
        If the device, or the encoder on it, is not there.
    """
    attributes: dict[str, Any] = {}
    if encoder.input_rate is not None:
        attributes["resampled_rate_hz"] = encoder.input_rate
    if device != "cpu":
        attributes["device"] = encoder.on_device().describe(device)
    return attributes


def encoder_name(attributes: Mapping[str, Any]) -> str:
    """Find the name of the encoder that made a spike file.

    Parameters
    ----------
    attributes
        Of the file.

    Returns
    -------
    str
        As the file says; it may be that of an encoder which is not known here.
    """
    return str(attributes.get("encoder", DEFAULT_ENCODER))


def encoder_of(attributes: Mapping[str, Any], n_units: int) -> Encoder:
    """Make the encoder that made a spike file, as it is in this version.

    Parameters
    ----------
    attributes
        Of the file; without ``preset``, as in the published files, the default one is taken.
    n_units
        Units of the file.

    Returns
    -------
    Encoder
        Its ``params`` may differ from ``parameters`` of the file, if another version wrote it.

    Raises
    ------
    UnknownNameError
        If there is no such encoder or preset.
    """
    preset = attributes.get("preset")
    return make_encoder(
        encoder_name(attributes),
        None if preset is None else str(preset),
        n_units,
        native_rate=preset is not None and "resampled_rate_hz" not in attributes,
    )
