"""Cached fingerprints of data sets, so that a file is read for it only once."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spikebench.errors import DataError
from spikebench.records.text import os_error_text
from spikebench.records.whole_files import write_text
from spikebench.spike_files.fingerprint import VERSION, Part, fingerprint
from spikebench.store.folder import data_root

__all__ = ["dataset_fingerprint"]


def dataset_fingerprint(parts: Sequence[Part], sha256: str) -> str:
    """Return the fingerprint of a data set from the cache, or compute and cache it.

    Parameters
    ----------
    parts
        As for :func:`fingerprint`.
    sha256
        SHA-256 of the bytes of its files.

    Returns
    -------
    str
        64 lower-case hexadecimal digits; cached in a folder beside the data sets.

    Raises
    ------
    SpikeFileError
        If a file is missing or damaged.
    DataError
        If the fingerprint cannot be written to the cache.
    """
    splits = "".join(f"-{part.split}" for part in parts if part.split)
    kept = data_root() / "fingerprints" / f"{sha256}{splits}-v{VERSION}"
    try:
        if re.fullmatch(r"[0-9a-f]{64}\n", text := kept.read_text(encoding="ascii")):
            return text.strip()
    except (OSError, UnicodeDecodeError):
        pass
    found = fingerprint(parts)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_text(kept, f"{found}\n")
    except OSError as error:
        raise DataError(
            f"{kept.parent}: the fingerprint cannot be written: {os_error_text(error)}; choose another folder with "
            "SPIKEBENCH_DATA=FOLDER"
        ) from None
    return found
