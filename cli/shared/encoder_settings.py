"""Parameters of an encoder as the option ``--set`` gives them."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any


def read_settings(words: Sequence[str]) -> dict[str, Any]:
    """Read settings of the form ``key=value``, with the value as in TOML; a value that is none is a text."""
    from spikebench.errors import SpikebenchError

    settings: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or "\n" in word:
            raise SpikebenchError(f"setting {word!r}: must have the form key=value")
        try:
            settings[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            settings[key.strip()] = text.strip()
    return settings
