"""Whether the number of parameters of a result follows from the configuration in its logs, or is only claimed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spikebench.errors import ResultError, SpikebenchError
from spikebench.protocol.results import RESULT_FILE, Result
from spikebench.training.run_record import RunLog


def count_parameters(folder: Path, logs: Sequence[RunLog], result: Result) -> bool:
    """Compare the claimed number of parameters with that of the configured model, and with the weights of the entry.

    Parameters
    ----------
    folder
        The entry.
    logs
        Its logs, which agree with its result; empty for results of other programs.
    result
        Its result.

    Returns
    -------
    bool
        Whether it was counted. False for models that this version does not know, that are too large to be built from
        an untrusted configuration, or whose size follows only from their weights.

    Raises
    ------
    ResultError
        If the configured model has another number of parameters, the configuration in the result is not that of the
        logs, or weights in the entry are not those of such a model.
    """
    if not logs:
        return False
    from spikebench.evaluation.reproduction import (  # loads torch
        check_config,
        check_header,
        expected_weights,
    )

    where, is_counted = f"{folder / RESULT_FILE}", True
    expected: dict[str, tuple[dict[str, Any], int | None]] = {}
    for log, record in zip(logs, result.seeds, strict=True):
        key = log.run.preset.model_dump_json()
        try:
            if key not in expected:
                samples = log.run.dataset.split.test_samples
                expected[key] = expected_weights(log.run, samples)
        except SpikebenchError:
            return False
        state, counted = expected[key]
        try:
            check_config(log.run, result.model)
        except ResultError as error:
            raise ResultError(f"{where}: {error}") from None
        if counted is not None and counted != result.model.parameters:
            raise ResultError(
                f"{where}: model {result.model.name} as configured has {counted:,} parameters, the result records "
                f"{result.model.parameters:,}"
            )
        weights = folder / (record.weights_file or RESULT_FILE)
        if record.weights_file and weights.exists():
            check_header(weights, state)
        is_counted &= counted is not None
    return is_counted
