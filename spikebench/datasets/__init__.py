"""The registered data sets: one module each, listed as strings so that the list costs no import.

A module defines one constant, ``SPEC``, a :class:`~spikebench.datasets.spec.DatasetSpec`. An argument that
takes a data set accepts a registered name or the path of a spike file. The name takes precedence, so a
file called ``digits`` is given as ``./digits``. This package downloads nothing.
"""

from __future__ import annotations

import importlib

from spikebench.datasets.spec import DatasetSpec
from spikebench.errors import UnknownNameError

__all__ = ["DATASETS", "DatasetSpec", "load_spec"]

DATASETS = {
    "digits": "spikebench.datasets.digits:SPEC",
    "shd": "spikebench.datasets.shd:SPEC",
    "ssc": "spikebench.datasets.ssc:SPEC",
    "shd-r": "spikebench.datasets.shd_r:SPEC",
    "ssc-r": "spikebench.datasets.ssc_r:SPEC",
    "heidelberg-digits": "spikebench.datasets.heidelberg_digits:SPEC",
    "speech-commands": "spikebench.datasets.speech_commands:SPEC",
    "fsdd": "spikebench.datasets.fsdd:SPEC",
}


def load_spec(name: str) -> DatasetSpec:
    """Look up a registered data set.

    Parameters
    ----------
    name
        Its name.

    Returns
    -------
    DatasetSpec
        Its specification.

    Raises
    ------
    UnknownNameError
        If no data set has this name.
    """
    if name not in DATASETS:
        raise UnknownNameError("data set", name, DATASETS)
    module, _, attribute = DATASETS[name].partition(":")
    spec: DatasetSpec = getattr(importlib.import_module(module), attribute)
    return spec
