"""Predictions of a run on the test split, kept in the folder of the run.

A test that was interrupted after them (a kill, a full disk) is continued without opening the test split again. They
are bound to the SHA-256 of the weights and to the data: for other weights or data the split is opened, and counted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from spikebench.errors import ResultError
from spikebench.metrics.cost_table import CostTable
from spikebench.metrics.record import Metrics
from spikebench.protocol.results import (
    DatasetRecord,
    Predictions,
    read_predictions,
    write_predictions,
)
from spikebench.records.fields import NonNegative, Record, Sha256
from spikebench.records.strict_json import read_record
from spikebench.records.whole_files import file_sha256, write_text

TEST_FILE = "test.json"
PREDICTIONS_FILE = "test-predictions.csv"


class KeptTest(Record):
    """Contents of ``test.json``: what one test of a run gave, beside the predictions.

    ``opening`` is the SHA-256 of weights and data (:func:`opening_of`), ``measured`` that of the cost metrics and
    their cost tables (:func:`measured_of`).
    """

    format_version: Literal[1] = 1
    opening: Sha256
    measured: Sha256
    device: Literal["cpu", "cuda"]
    predictions_sha256: Sha256
    spikes_per_sample: NonNegative | None
    test_seconds: NonNegative
    environment: dict[str, str]
    metrics: Metrics | None


def opening_of(weights_sha256: str, dataset: DatasetRecord) -> str:
    """Name what the test split is opened for.

    Parameters
    ----------
    weights_sha256
        Of the file of the weights.
    dataset
        The data and their split.

    Returns
    -------
    str
        SHA-256, equal for the same weights and data.
    """
    return _digest([weights_sha256, dataset.model_dump(mode="json")])


def measured_of(groups: Sequence[str], tables: Sequence[CostTable]) -> str:
    """Name the cost metrics that are measured with a test.

    Parameters
    ----------
    groups
        Names of :data:`spikebench.metrics.cost.GROUPS`.
    tables
        Cost tables for the energy.

    Returns
    -------
    str
        SHA-256.
    """
    return _digest([sorted(groups), [table.model_dump(mode="json") for table in tables]])


def keep_test(run: Path, kept: KeptTest, predictions: Predictions) -> KeptTest:
    """Keep a test in the folder of its run; ``test.json`` is written last and makes it valid.

    Parameters
    ----------
    run
        Folder of the run, locked by the caller.
    kept
        The test; its ``predictions_sha256`` is replaced.
    predictions
        Of every test sample.

    Returns
    -------
    KeptTest
        As it was written.
    """
    path = run / PREDICTIONS_FILE
    write_predictions(path, predictions)
    kept = kept.model_copy(update={"predictions_sha256": file_sha256(path)})
    write_text(run / TEST_FILE, kept.model_dump_json(indent=2) + "\n")
    return kept


def read_kept_test(run: Path, opening: str) -> tuple[KeptTest, Predictions] | None:
    """Read the test that a run keeps.

    Parameters
    ----------
    run
        Folder of the run, locked by the caller.
    opening
        What it must be of (:func:`opening_of`).

    Returns
    -------
    tuple of KeptTest and Predictions, or None
        None if there is none, it is of other weights or data, or a file is damaged.
    """
    try:
        kept = read_record(run / TEST_FILE, KeptTest)
        if kept.opening != opening:
            return None
        return kept, read_predictions(run / PREDICTIONS_FILE, kept.predictions_sha256)
    except (ResultError, ValidationError):
        return None


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
