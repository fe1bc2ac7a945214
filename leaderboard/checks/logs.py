"""``run.json`` of an entry: the logs of its runs, and their consistency with the result.

A log shows how the epoch was selected: it must be the best one on validation. A log that contains the test accuracy of
its epochs was made with the test split open after every epoch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from spikebench.errors import ResultError
from spikebench.protocol.results import Result, SeedRecord
from spikebench.records.strict_json import read_record
from spikebench.records.whole_files import write_text
from spikebench.training.run_record import LOGS_FILE, Logs, RunLog, log_sha256

_ROUNDING = 1e-5  # logs keep six digits
_CHOSEN_ON_TEST = (
    "such a result was selected on the test split; train again and select on validation"
)


def write_logs(folder: Path, logs: Sequence[RunLog]) -> None:
    """Write the logs of all seeds.

    Parameters
    ----------
    folder
        The entry.
    logs
        One per seed.
    """
    content = Logs(runs=list(logs)).model_dump(mode="json")
    write_text(folder / LOGS_FILE, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def read_logs(folder: Path) -> list[RunLog]:
    """Read the logs of an entry.

    Parameters
    ----------
    folder
        The entry.

    Returns
    -------
    list of RunLog
        One per seed; empty if the entry has none.

    Raises
    ------
    ResultError
        If they are not valid.
    """
    path = folder / LOGS_FILE
    if not path.exists():
        return []
    return read_record(path, Logs).runs


def check_logs(folder: Path, result: Result) -> list[RunLog]:
    """Compare the logs of an entry with its result, if it has any.

    Parameters
    ----------
    folder
        The entry.
    result
        Its result.

    Returns
    -------
    list of RunLog
        The logs, one per seed; empty for results of other programs.

    Raises
    ------
    ResultError
        If they differ from the result, or the epoch was not selected on validation.
    """
    logs = read_logs(folder)
    where = f"{folder / LOGS_FILE}"
    if not logs:
        if any(record.run_sha256 for record in result.seeds):
            raise ResultError(f"{where}: no such file; submit the result again")
        return []
    if [log.run.seed for log in logs] != [record.seed for record in result.seeds]:
        raise ResultError(f"{where}: its seeds differ from those of the result")
    for log, record in zip(logs, result.seeds, strict=True):
        if log_sha256(log) != record.run_sha256:
            raise ResultError(f"{where}, seed {record.seed}: not the log that was submitted")
        check_log(log, record, result, f"{where}, seed {record.seed}")
    return logs


def check_log(log: RunLog, record: SeedRecord, result: Result, where: str) -> None:
    """Compare one log with the record of its seed in the result.

    Parameters
    ----------
    log, record, result
        The log, its seed, and the result.
    where
        Location of the log, for messages.

    Raises
    ------
    ResultError
        As :func:`check_logs`.
    """
    run = log.run
    agree = {
        "seed": run.seed == record.seed,
        "model": run.model == result.model.name,
        "code_sha256": run.code_sha256 == result.model.code_sha256,
        "dataset": run.dataset == result.dataset,
        "epochs": run.epochs == record.epochs,
        "selected_epoch": run.selected_epoch == record.selected_epoch,
        "selected_on": run.selected_on == record.selected_on,
        "validation_accuracy": run.validation_accuracy == record.validation_accuracy,
        "test_opened": run.test_opened == record.test_opened,
        "fold": run.fold is None,
        "condition": run.condition == "",
        "refit": run.refit == (record.refit_epochs is not None),
        "refit_epochs": run.refit_epochs == record.refit_epochs,
        "preset": all(
            result.training.get(table) == settings
            for table, settings in run.preset.model_dump(mode="json").items()
            if table != "model"
        )
        and run.preset.model.items() <= result.model.config.items(),
    }
    for name, same in agree.items():
        if not same:
            raise ResultError(f"{where}: {name} differs from that of the result")
    _check_choice(log, where)
    if [line.epoch for line in log.refit_history] != list(range(1, (run.refit_epochs or 0) + 1)):
        raise ResultError(f"{where}: the epochs of its refit are not 1 to {run.refit_epochs or 0}")


def _check_choice(log: RunLog, where: str) -> None:
    run, history = log.run, log.history
    if any(line.test_accuracy is not None for line in history):
        raise ResultError(
            f"{where}: contains the test accuracy of its epochs, so the test split was opened after each; "
            + _CHOSEN_ON_TEST
        )
    if not history:
        return
    if [line.epoch for line in history] != list(range(1, run.epochs + 1)):
        raise ResultError(f"{where}: its epochs are not 1 to {run.epochs}")
    if not 1 <= run.selected_epoch <= len(history):
        raise ResultError(f"{where}: the selected epoch is not in its history")
    best = max(line.validation_accuracy for line in history)
    chosen = history[run.selected_epoch - 1].validation_accuracy
    if chosen < best - _ROUNDING:
        raise ResultError(
            f"{where}: epoch {run.selected_epoch} was selected with a validation accuracy of {chosen:.4f}, but another "
            f"has {best:.4f}: it was not selected on validation. If it was selected on test, "
            + _CHOSEN_ON_TEST
        )
    if run.validation_accuracy is None or abs(chosen - run.validation_accuracy) > _ROUNDING:
        raise ResultError(f"{where}: validation_accuracy differs from that of the selected epoch")
