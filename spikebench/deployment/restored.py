"""Runs of a result or of a leaderboard entry, from its logs and weights.

A result names the SHA-256 of the log and the weights of every run. Both are untrusted and checked against it; weights
are checked again where they are loaded.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from spikebench.errors import ResultError
from spikebench.protocol.results import RESULT_FILE, read_result
from spikebench.records.whole_files import check_sha256, file_sha256, plain_file, write_text
from spikebench.training.result_logs import read_logs
from spikebench.training.run import RUN_FILE, WEIGHTS_FILE, find_runs, write_run
from spikebench.training.run_record import (
    HISTORY_FILE,
    REFIT_HISTORY_FILE,
    LoggedEpoch,
    LoggedRefitEpoch,
)


@contextmanager
def runs_or_restored(folder: Path) -> Iterator[list[Path]]:
    """Find the runs of a folder; those of a result or an entry without runs are restored for the time of the context.

    Parameters
    ----------
    folder
        A run, a folder of runs, a result, or a leaderboard entry.

    Yields
    ------
    list of Path
        Folders of the runs, in the order of their seeds.

    Raises
    ------
    ResultError
        If there is a result, but not the log and the weights of every run.
    TrainingError
        If there is neither a run nor a result.
    """
    if not (folder / RESULT_FILE).is_file() or list(folder.glob(f"*/{RUN_FILE}")):
        yield find_runs(folder)
        return
    with tempfile.TemporaryDirectory() as place:
        yield restore_runs(folder, Path(place))


def restore_runs(result_folder: Path, folder: Path) -> list[Path]:
    """Write the runs of a result as folders of runs.

    Parameters
    ----------
    result_folder
        Folder of a result, or a leaderboard entry.
    folder
        Where the runs are written, one folder per seed.

    Returns
    -------
    list of Path
        Folders of the runs, in the order of their seeds.

    Raises
    ------
    ResultError
        If the log or the weights of a run are missing, or are not those of the result.
    """
    result = read_result(result_folder)
    logs = read_logs(result_folder, result)
    if logs is None:
        raise ResultError(
            f"{result_folder}: the logs of its runs are missing; give a run or a result with logs"
        )
    if len(logs) != len(result.seeds):
        raise ResultError(f"{result_folder}: {len(logs)} logs for {len(result.seeds)} seeds")
    runs = []
    for seed, (path, sha256, log) in zip(result.seeds, logs, strict=True):
        check_sha256(path, sha256, seed.run_sha256)
        name = seed.weights_file
        if name is None or not (result_folder / name).exists():
            raise ResultError(
                f"{result_folder}: the weights of seed {seed.seed} are missing; "
                "an entry has them if it was made by: spikebench submit --weights"
            )
        weights = plain_file(result_folder, name)
        check_sha256(weights, file_sha256(weights), seed.weights_sha256)
        run = folder / f"seed{seed.seed}"
        run.mkdir(parents=True)
        shutil.copyfile(weights, run / WEIGHTS_FILE)
        _write_history(run / HISTORY_FILE, log.history)
        _write_history(run / REFIT_HISTORY_FILE, log.refit_history)
        write_run(run, log.run)
        runs.append(run)
    return [run for _, run in sorted(zip([one.seed for one in result.seeds], runs, strict=True))]


def _write_history(path: Path, lines: Sequence[LoggedEpoch | LoggedRefitEpoch]) -> None:
    """Write a history with those columns that have values; nothing for a model without epochs."""
    if not lines:
        return
    rows = [line.model_dump(mode="json", exclude_none=True) for line in lines]
    columns = list(rows[0])
    text = [",".join(columns), *(",".join(f"{row[name]:.6g}" for name in columns) for row in rows)]
    write_text(path, "\n".join(text) + "\n")
