"""Recomputing the claims of a result: run its weights on the test split, or train every seed again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spikebench.errors import ResultError
from spikebench.evaluation.final_test import evaluate
from spikebench.evaluation.reproduction import (
    bounded_memory,
    check_size,
    measure_again,
    open_claimed,
    predict_again,
)
from spikebench.events.dataset import SpikeDataset
from spikebench.protocol.opening import SelectionData
from spikebench.protocol.results import Predictions, Result, read_predictions
from spikebench.records.whole_files import file_sha256, plain_file
from spikebench.training.loop import check_recordings, start_run
from spikebench.training.run_record import RunLog, RunRecord

__all__ = ["Claim", "costs_differ", "open_claim", "run_weights", "train_again"]


@dataclass(frozen=True)
class Claim:
    """A result, the configuration of each of its seeds, and its data, opened on this machine."""

    result: Result
    runs: tuple[RunRecord, ...]
    selection: SelectionData


def open_claim(
    result: Result,
    logs: Sequence[RunLog],
    data: str | None = None,
    audio: Path | None = None,
) -> Claim:
    """Open the data of a result to recompute it.

    Parameters
    ----------
    result
        The result.
    logs
        One per seed.
    data
        A registered name, or the path of a spike file; by default the registered data set of the claimed name.
    audio
        Folder of the recordings, for a model on audio.

    Returns
    -------
    Claim
        The claim; its configurations refer to the data opened here.

    Raises
    ------
    ProtocolError
        If the data differ, or their location is not given.
    UnknownNameError, SpikeFileError, DataError
        If they are not on this machine.
    TrainingError
        If the folder of the recordings of a model on audio is not given, or given for another model.
    """
    for log in logs:
        check_recordings(log.run.model, log.run.preset, audio)
    selection = open_claimed(result.dataset, data, audio)
    here = {"dataset": selection.dataset, "data": selection.data}
    runs = tuple(log.run.model_copy(update=here) for log in logs)
    return Claim(result, runs, selection)


def run_weights(
    claim: Claim, test: SpikeDataset, folder: Path, device: str = "cpu", *, large: bool = False
) -> list[Predictions]:
    """Run the weights of every seed on the test split.

    Parameters
    ----------
    claim
        The result.
    test
        The test split of its data.
    folder
        Folder of the weights that the result names.
    device
        ``cpu`` or ``cuda``.
    large
        If true, do not limit the size of models and inputs.

    Returns
    -------
    list of Predictions
        One per seed.

    Raises
    ------
    ResultError
        If weights are missing, differ from those of the result, or are too large.
    TrainingError
        If weights are damaged, or the device is not available.
    """
    result = claim.result
    paths = []
    for record in result.seeds:
        if record.weights_file is None:
            raise ResultError(f"{folder}, seed {record.seed}: the result names no weights")
        try:
            path = plain_file(folder, record.weights_file)
        except ResultError as error:
            raise ResultError(
                f"{str(error).partition(';')[0]}; give the folder of the weights with --weights FOLDER"
            ) from None
        if file_sha256(path) != record.weights_sha256:
            raise ResultError(f"{path}: not the weights of the result: their SHA-256 differs")
        paths.append(path)
    return [
        predict_again(path, run, result.model, test, device, large=large)
        for path, run in zip(paths, claim.runs, strict=True)
    ]


def costs_differ(
    claim: Claim,
    test: SpikeDataset,
    folder: Path,
    answers: Sequence[Predictions],
    device: str = "cpu",
    *,
    large: bool = False,
) -> str:
    """Measure the costs of a result again and compare them.

    Parameters
    ----------
    claim, test, folder, device, large
        As for :func:`run_weights`.
    answers
        The predictions returned by :func:`run_weights`.

    Returns
    -------
    str
        The first seed and metric that differ, with both values; empty if all agree.
    """
    for run, record, predictions in zip(claim.runs, claim.result.seeds, answers, strict=True):
        path = folder / str(record.weights_file)
        if odd := measure_again(
            path, run, record, test, predictions.predicted, device, large=large
        ):
            return f"seed {record.seed}: {odd}"
    return ""


def train_again(
    claim: Claim,
    folder: Path,
    train: Callable[[Path, RunRecord], object],
    command: str = "",
    device: str = "cpu",
    *,
    large: bool = False,
) -> list[Predictions]:
    """Train and select every seed again, then test each once.

    Parameters
    ----------
    claim
        The result.
    folder
        Folder of the runs; interrupted runs in it are resumed.
    train
        Function that trains a run to its end, given its folder and record.
    command
        The command that reproduces the result.
    device, large
        As for :func:`run_weights`.

    Returns
    -------
    list of Predictions
        One per seed.

    Raises
    ------
    ResultError
        If the seeds were trained with different settings, or require too much memory.
    TrainingError
        If a training fails.
    """
    first = claim.runs[0]
    if any((run.preset, run.refit) != (first.preset, first.refit) for run in claim.runs):
        raise ResultError("the seeds of the result were trained with different settings")
    selection = claim.selection
    samples = len(selection.train) + (len(selection.validation) if first.refit else 0)
    check_size(first, claim.result.model, samples, large=large)
    again = [folder / f"seed{run.seed}" for run in claim.runs]
    with bounded_memory(large, device):
        for run, place in zip(claim.runs, again, strict=True):
            record = start_run(
                *(place, run.model, run.preset, selection, run.seed, device),
                refit=run.refit,
                code_sha256=run.code_sha256,
            )
            train(place, record)
        result = evaluate(again, selection, folder / "result", command, device)
    return [read_predictions(folder / "result" / seed.predictions_file) for seed in result.seeds]
