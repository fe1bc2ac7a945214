"""A run: the folder of one model trained with one seed, and the files in it.

::

    run.json                       settings, data and progress; how often the test split was opened
    checkpoint.safetensors         after the last complete epoch: weights, best weights, optimiser, history
    weights.safetensors            the selected weights (after a refit, those of the refit), once training is finished
    history.csv                    one line per epoch
    .data, .audio                  the paths of the data and, for a model on audio, of the folder of recordings on this
                                   machine, which run.json does not contain
    refit-checkpoint.safetensors, refit-history.csv   the same for a refit

Every file is replaced in one step, so a run that is killed at any time can be resumed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from spikebench.errors import TrainingError
from spikebench.events.dataset import SpikeDataset
from spikebench.protocol.opening import SelectionData, open_test
from spikebench.records.locks import file_lock
from spikebench.records.problems import first_problem
from spikebench.records.strict_json import read_json
from spikebench.records.text import printable
from spikebench.records.whole_files import (
    make_readable,
    partial_file,
    put_in_place,
    remove_partials,
    whole_file,
    write_bytes,
    write_text,
)
from spikebench.training.run_record import RunRecord as RunRecord

RUN_FILE = "run.json"
# Where data and recordings are on this machine; not for sharing.
DATA_FILE, AUDIO_FILE = ".data", ".audio"
WEIGHTS_FILE = "weights.safetensors"
CHECKPOINT_FILE = "checkpoint.safetensors"
REFIT_CHECKPOINT_FILE = "refit-checkpoint.safetensors"
_MAX_PATH_BYTES = 65_536


def read_run(folder: Path) -> RunRecord:
    """Read ``run.json``.

    Parameters
    ----------
    folder
        The run.

    Returns
    -------
    RunRecord
        Contents of the file.

    Raises
    ------
    TrainingError
        If the folder is not a run or its record is not valid.
    """
    path = folder / RUN_FILE
    if not path.is_file():
        raise TrainingError(f"{folder}: not a run (contains no {RUN_FILE})")
    try:
        return RunRecord.model_validate(read_json(path))
    except ValidationError as error:
        raise TrainingError(f"{path}: {first_problem(error)}") from None


def find_runs(folder: Path) -> list[Path]:
    """Find the runs of a folder.

    Parameters
    ----------
    folder
        A run, or a folder of runs.

    Returns
    -------
    list of Path
        Folders of the runs, in the order of their seeds.

    Raises
    ------
    TrainingError
        If there is none, or a record is not valid.
    """
    if (folder / RUN_FILE).is_file():
        return [folder]
    runs = sorted((path.parent for path in folder.glob(f"*/{RUN_FILE}")), key=str)
    if not runs:
        raise TrainingError(f"{folder}: not a run (no {RUN_FILE} in it), nor a folder of runs")
    return [run for _, run in sorted(zip([read_run(run).seed for run in runs], runs, strict=True))]


def find_run(folder: Path) -> Path:
    """Find the one run of a folder, such as the folder of a result with one seed.

    Parameters
    ----------
    folder
        A run, or a folder of one run.

    Returns
    -------
    Path
        Folder of the run; the folder itself if it contains none, which :func:`read_run` refuses.

    Raises
    ------
    TrainingError
        If there are several: the message names them.
    """
    if (folder / RUN_FILE).is_file() or not any(folder.glob(f"*/{RUN_FILE}")):
        return folder
    runs = find_runs(folder)
    if len(runs) > 1:
        names = ", ".join(run.name for run in runs)
        raise TrainingError(
            f"{folder}: is not a run but contains {len(runs)} runs, {names}; give one: {runs[0]}"
        )
    return runs[0]


def write_run(folder: Path, record: RunRecord) -> None:
    """Write ``run.json``, whole or not at all.

    Parameters
    ----------
    folder
        The run; created if it does not exist.
    record
        The record to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RUN_FILE, record.model_dump_json(indent=2) + "\n")


def create_run(folder: Path, record: RunRecord) -> bool:
    """Write ``run.json`` if there is none.

    Parameters
    ----------
    folder
        The run; created if it does not exist.
    record
        The record to write.

    Returns
    -------
    bool
        Whether it was written; False if there is one already, also from another process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with partial_file(folder / RUN_FILE) as partial:
        partial.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
        try:
            os.link(partial, folder / RUN_FILE)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if (folder / RUN_FILE).exists():
                return False
            put_in_place(partial, folder / RUN_FILE)
    return True


def keep_paths(folder: Path, selection: SelectionData) -> None:
    """Keep the paths of the data of a run and of their recordings, for this machine alone.

    Parameters
    ----------
    folder
        The run.
    selection
        The data, as they were opened.
    """
    if data_path(folder, read_run(folder)) != selection.data:
        write_bytes(folder / DATA_FILE, os.fsencode(selection.data))
    if selection.audio is not None and audio_path(folder) != selection.audio.absolute():
        write_bytes(folder / AUDIO_FILE, os.fsencode(selection.audio.absolute()))


def data_path(folder: Path, record: RunRecord) -> str:
    """Return where the data of a run are.

    Parameters
    ----------
    folder, record
        The run.

    Returns
    -------
    str
        Name or path of the data: the path kept on this machine, else the name in the record.
    """
    return _kept_path(folder / DATA_FILE) or record.data


def audio_path(folder: Path) -> Path | None:
    """Return where the recordings of a run are.

    Parameters
    ----------
    folder
        The run.

    Returns
    -------
    Path or None
        Their folder, as kept on this machine; None if none was kept.
    """
    kept = _kept_path(folder / AUDIO_FILE)
    return Path(kept) if kept else None


def _kept_path(file: Path) -> str:
    if file.is_file() and file.stat().st_size < _MAX_PATH_BYTES:
        return os.fsdecode(file.read_bytes())
    return ""


def identity(record: RunRecord) -> str:
    """Identify the training of a run, independently of its progress.

    Parameters
    ----------
    record
        A run.

    Returns
    -------
    str
        SHA-256 of model, preset, data, seed, selection, refit and condition; stored in checkpoints.
    """
    same = {"model", "preset", "dataset", "seed", "fold", "selected_on", "refit", "condition"}
    same.add("code_sha256")  # not in the text if there is none
    said = json.dumps(record.model_dump(mode="json", include=same), sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def count_opening(folder: Path, opening: str = "") -> RunRecord:
    """Increment the number of openings of the test split before it is opened, so that a crash does not hide one.

    Parameters
    ----------
    folder
        The run, locked by the caller.
    opening
        What is tested. If that is what the split was opened for last, this opening repeats one that was interrupted
        before its predictions were kept, and is not counted again. Empty: counted in any case.

    Returns
    -------
    RunRecord
        The updated record.
    """
    found = read_run(folder)
    if opening and found.opened_for == opening:
        return found
    count = found.test_opened + 1
    record = found.model_copy(update={"test_opened": count, "opened_for": opening})
    write_run(folder, record)
    return record


def open_test_of_run(folder: Path, selection: SelectionData, opening: str) -> SpikeDataset:
    """Count an opening of the test split of a run, and open it.

    Parameters
    ----------
    folder
        The run, locked by the caller.
    selection
        The data on which it was selected.
    opening
        What is tested, see :func:`count_opening`.

    Returns
    -------
    SpikeDataset
        The test samples.

    Raises
    ------
    ProtocolError
        If the file has changed since the selection was opened.
    """
    count_opening(folder, opening)
    return open_test(selection)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Prevent other processes from using the same run.

    Parameters
    ----------
    folder
        The run.

    Yields
    ------
    None

    Raises
    ------
    TrainingError
        If another process is using it.
    """

    def busy() -> None:
        raise TrainingError(f"{folder}: another process is using this run") from None

    with file_lock(folder / ".lock", busy):
        remove_partials(folder)
        yield


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], note: dict[str, Any]) -> None:
    """Write tensors and a JSON note into one safetensors file, whole or not at all.

    Parameters
    ----------
    path
        The file.
    tensors
        Named tensors.
    note
        Any JSON value, stored in the header.

    Raises
    ------
    TrainingError
        If it cannot be written (disk full, folder removed); an existing file is kept.
    """
    # Contiguous copies, since the format refuses tensors that share memory.
    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    try:
        with whole_file(path) as partial:
            save_file(whole, partial, metadata={"note": json.dumps(note)})
            make_readable(partial)
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"{path}: cannot be written: {error}") from None


def load_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a file written by :func:`save_tensors`.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    tensors : dict of Tensor
        Tensors by name, on the CPU.
    note : dict
        The note.

    Raises
    ------
    TrainingError
        If the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            note = json.loads((file.metadata() or {}).get("note", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, note  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        reason = printable(str(error))
        raise TrainingError(f"{path}: not readable as safetensors: {reason}") from None
