"""All settings of a training, with those that a preset leaves out: as tables, as TOML, and what differs."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from spikebench.models import names_a_file
from spikebench.models.configs import config_class
from spikebench.presets.preset import Preset

Tables = dict[str, dict[str, Any]]


def resolved(model: str, preset: Preset) -> Tables:
    """Return all settings of a preset, with their defaults.

    Parameters
    ----------
    model
        Name of the model.
    preset
        Its checked preset.

    Returns
    -------
    dict of dict
        Values by table and key; settings without a value (None) and empty tables are left out. The table ``learning``
        is as the preset has it.
    """
    tables = {name: getattr(preset, name) for name in type(preset).model_fields}
    if not names_a_file(
        model
    ):  # the arguments of a network of the user have defaults in its file alone
        tables["model"] = config_class(model).model_validate(preset.model)
    values = {name: _values(table) for name, table in tables.items() if table is not None}
    return {name: table for name, table in values.items() if table}


def _values(table: BaseModel | dict[str, Any]) -> dict[str, Any]:
    values = table if isinstance(table, dict) else dict(table)
    return {key: value for key, value in values.items() if value is not None}


def differences(before: Tables, after: Tables) -> list[str]:
    """Describe the settings that differ.

    Parameters
    ----------
    before, after
        As :func:`resolved` returns them.

    Returns
    -------
    list of str
        Such as ``training.epochs 40 → 10``.
    """
    names = [
        (table, key)
        for table in {**before, **after}
        for key in {**before.get(table, {}), **after.get(table, {})}
    ]
    found = []
    for table, key in names:
        old, new = (_shown(tables.get(table, {}).get(key)) for tables in (before, after))
        if old != new:
            found.append(f"{table}.{key} {old} → {new}")
    return found


def _shown(value: object) -> str:
    return "–" if value is None else as_toml_value(value)


def as_toml(tables: Tables) -> str:
    """Write settings as TOML.

    Parameters
    ----------
    tables
        Values by table and key.

    Returns
    -------
    str
        One table after another.
    """
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {as_toml_value(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )


def as_toml_value(value: object) -> str:
    """Write a value as TOML.

    Parameters
    ----------
    value
        A number, a truth value, text, or a list of these.

    Returns
    -------
    str
        Its TOML.
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_toml_value, value))}]"
    # For printable text, JSON uses no escapes that TOML does not have.
    return (
        json.dumps(value, ensure_ascii=False)
        if isinstance(value, str | bool | int)
        else repr(value)
    )
