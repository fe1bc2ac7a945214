"""The JSON Schemas of the files of an entry, for checking or writing entries with other tools."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from leaderboard.claims.entry import Entry
from leaderboard.claims.hardware import Hardware
from leaderboard.claims.outside import Form
from leaderboard.claims.tier import Verifications
from spikebench.errors import UnknownNameError
from spikebench.protocol.results import Result
from spikebench.training.run_record import Logs

SCHEMAS: dict[str, type[BaseModel]] = {
    "entry": Entry,
    "result": Result,
    "run": Logs,
    "verification": Verifications,
    "form": Form,
    "hardware": Hardware,
}


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of one file of an entry.

    Parameters
    ----------
    name
        A key of :data:`SCHEMAS`.

    Returns
    -------
    dict
        JSON Schema, draft 2020-12.

    Raises
    ------
    UnknownNameError
        If the file does not exist.
    """
    if name not in SCHEMAS:
        raise UnknownNameError("schema", name, SCHEMAS)
    found = SCHEMAS[name].model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
