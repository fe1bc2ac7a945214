"""The logs of the runs of a result or of a leaderboard entry."""

from __future__ import annotations

from pathlib import Path

from spikebench.protocol.results import Result
from spikebench.records.strict_json import MAX_JSON_BYTES, read_record
from spikebench.records.whole_files import file_sha256, plain_file
from spikebench.training.run_record import LOGS_FILE, Logs, RunLog, log_sha256, read_run_log


def read_logs(folder: Path, result: Result) -> list[tuple[Path, str, RunLog]] | None:
    """Read the logs of all runs of a result, from an untrusted source.

    Parameters
    ----------
    folder
        Folder of the result, with one log per run, or of an entry, with all logs in one file.
    result
        The result.

    Returns
    -------
    list of tuple, or None
        Path, SHA-256 and log of each run; None if one is missing.

    Raises
    ------
    ResultError
        If a log is not valid.
    """
    if any(record.run_sha256 is None for record in result.seeds):
        return None
    if (folder / LOGS_FILE).exists():
        path = plain_file(folder, LOGS_FILE, MAX_JSON_BYTES)
        return [(path, log_sha256(log), log) for log in read_record(path, Logs).runs]
    names = [str(record.run_file) for record in result.seeds]
    if not all((folder / name).exists() for name in names):
        return None
    paths = [plain_file(folder, name, MAX_JSON_BYTES) for name in names]
    return [(path, file_sha256(path), read_run_log(path)) for path in paths]
