"""Whether the number of parameters of a result follows from the configuration in its logs, or is only claimed."""

from __future__ import annotations

from collections.abc import Sequence

from spikebench.errors import ResultError, SpikebenchError
from spikebench.protocol.results import Result
from spikebench.training.run_record import RunLog


def count_parameters(logs: Sequence[RunLog], result: Result, where: str) -> bool:
    """Compare the claimed number of parameters with that of the configured model.

    Parameters
    ----------
    logs
        Logs of the entry, which agree with its result; empty for results of other programs.
    result
        The result.
    where
        The result file, for messages.

    Returns
    -------
    bool
        Whether it was counted. False for models that this version does not know, that are too large to be built from
        an untrusted configuration, or whose size follows only from their weights.

    Raises
    ------
    ResultError
        If the configured model has another number of parameters.
    """
    if not logs:
        return False
    from spikebench.evaluation.reproduction import expected_weights  # loads torch

    run = logs[0].run
    try:
        _, counted = expected_weights(run, run.dataset.split.test_samples)
    except SpikebenchError:
        return False
    if counted is not None and counted != result.model.parameters:
        raise ResultError(
            f"{where}: model {result.model.name} as configured has {counted:,} parameters, the result records "
            f"{result.model.parameters:,}"
        )
    return counted is not None
