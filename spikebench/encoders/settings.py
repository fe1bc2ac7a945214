"""Parameters of an encoder that differ from its preset: changed by name, and read back from a spike file.

The parameters of most encoders are strict pydantic dataclasses, whose fields have bounds; those of the cochlea are
standard dataclasses. Both are checked here. ``input_rate`` is not a setting: it is that of the preset, or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import is_pydantic_dataclass

from spikebench.errors import SpikebenchError, UnknownNameError
from spikebench.records.problems import invalid

__all__ = ["STRICT", "changed", "differences"]

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
_NOT_SETTINGS = ("input_rate",)


def changed(params: Any, settings: Mapping[str, object], encoder: str) -> Any:  # noqa: ANN401
    """Change parameters by name.

    Parameters
    ----------
    params
        A frozen dataclass.
    settings
        New values.
    encoder
        Name of the encoder, for messages.

    Returns
    -------
    dataclass
        Copy with the new values, checked against types and bounds.

    Raises
    ------
    UnknownNameError
        If there is no such parameter.
    SpikebenchError
        If a value has the wrong type or is out of bounds.
    """
    if not settings:
        return params
    known = [field.name for field in fields(params) if field.name not in _NOT_SETTINGS]
    for name in settings:
        if name not in known:
            raise UnknownNameError("setting", name, known)
    values = {field.name: getattr(params, field.name) for field in fields(params)} | dict(settings)
    kind = type(params)
    try:
        if is_pydantic_dataclass(kind):
            return kind(**values)
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise invalid(SpikebenchError, f"encoder {encoder}", error) from None


def differences(params: Any, preset: Any) -> dict[str, Any]:  # noqa: ANN401
    """List the parameters that differ from a preset.

    Parameters
    ----------
    params
        A frozen dataclass.
    preset
        Another one of the same type.

    Returns
    -------
    dict
        Names and values; :func:`changed` makes ``params`` from ``preset`` with them.
    """
    names = [field.name for field in fields(params) if field.name not in _NOT_SETTINGS]
    return {
        name: getattr(params, name)
        for name in names
        if getattr(params, name) != getattr(preset, name)
    }
