"""Testing: each run opens the test split once; its predictions become a result."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from spikebench import __version__
from spikebench.errors import ProtocolError, ResultError, TrainingError
from spikebench.evaluation.kept_test import (
    KeptTest,
    keep_test,
    measured_of,
    opening_of,
    read_kept_test,
)
from spikebench.evaluation.measurement import measure_cost, spikes_of_test
from spikebench.kernels.cpu.threads import n_threads
from spikebench.mel.cache import Progress, silent
from spikebench.metrics.cost_table import CostTable
from spikebench.models.base import Classifier
from spikebench.protocol.opening import SelectionData
from spikebench.protocol.results import (
    ModelRecord,
    Predictions,
    Result,
    SeedRecord,
    write_predictions,
    write_result,
)
from spikebench.protocol.scoring import score, summarise
from spikebench.records.text import os_error_text
from spikebench.records.whole_files import file_sha256, remove_partials
from spikebench.training.changed import MIXED
from spikebench.training.inference import (
    bin_samples,
    find_device,
    load_trained,
    one_thread,
    place,
    run_model,
)
from spikebench.training.run import WEIGHTS_FILE, locked, open_test_of_run, read_run
from spikebench.training.run_record import collect_log, write_run_log


def evaluate(
    runs: Sequence[Path],
    selection: SelectionData,
    folder: Path,
    command: str,
    device: str = "cpu",
    groups: Sequence[str] = (),
    tables: Sequence[CostTable] = (),
    progress: Progress = silent,
) -> Result:
    """Test finished runs that differ only in their seed, and write the result folder.

    Parameters
    ----------
    runs
        Folders of the runs, one per seed.
    selection
        The data they were trained on.
    folder
        Folder to which ``result.json``, predictions and weights are written.
    command
        The command that reproduces the result.
    device
        ``cpu`` or ``cuda``.
    groups
        Cost metrics to measure on the test split: names of :data:`spikebench.metrics.cost.GROUPS`.
    tables
        Cost tables for the energy.
    progress
        For a model on audio, called after every recording whose mel features are computed.

    Returns
    -------
    Result
        The written result.

    Raises
    ------
    TrainingError
        If a run is not finished or was trained on changed spikes, its weights do not fit, or the runs differ in more
        than their seeds.
    ProtocolError
        If the data have changed since training.
    """
    records = [read_run(run) for run in runs]
    settings = [
        (one.model, one.preset, one.dataset.identity, one.refit, one.code_sha256) for one in records
    ]
    seeds_given = {record.seed for record in records}
    if any(setting != settings[0] for setting in settings) or len(seeds_given) < len(runs):
        raise TrainingError(
            "the runs must differ in the seed, and in nothing else: test other runs separately"
        )
    if any(record.dataset.first_difference(selection.dataset) for record in records):
        raise ProtocolError(f"{selection.data}: not the data on which {runs[0]} was trained")
    if found := [record.condition for record in records if record.condition]:
        study = "noise" if found[0].startswith(MIXED) else "timing"
        raise TrainingError(
            f"{runs[0]}: was trained on changed spikes ({found[0]}); it is tested by: spikebench {study}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    remove_partials(folder)
    tested = [_test(run, selection, folder, device, groups, tables, progress) for run in runs]
    record, seeds = records[0], [seed for seed, _, _ in tested]
    result = Result(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        software=f"spikebench {__version__}",
        command=command,
        dataset=record.dataset,
        model=tested[0][1],
        training=record.preset.model_dump(
            mode="json",
            include={"input", "mel", "training", "regulariser", "augmentation", "learning"},
        ),
        seeds=seeds,
        summary=summarise(seeds),
        environment=tested[-1][2],
    )
    with _writing(folder):
        write_result(folder, result)
    return result


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Name the folder of the result if it cannot be written; the run keeps its predictions."""
    try:
        yield
    except OSError as error:
        raise ResultError(
            f"{folder}: cannot be written: {os_error_text(error)}; the run keeps its predictions, so run the same "
            "command again to complete the result"
        ) from None


def _test(
    run: Path,
    selection: SelectionData,
    folder: Path,
    device: str,
    groups: Sequence[str],
    tables: Sequence[CostTable],
    progress: Progress,
) -> tuple[SeedRecord, ModelRecord, dict[str, str]]:
    with locked(run):
        model = place(load_trained(run, read_run(run)), find_device(device), read_run(run))
        kept, predictions = _predict(run, model, selection, device, groups, tables, progress)
        record = read_run(run)
        predictions_file = f"predictions-seed{record.seed}.csv"
        weights_file = f"weights-seed{record.seed}.safetensors"
        run_file = f"run-seed{record.seed}.json"
        with _writing(folder):
            write_predictions(folder / predictions_file, predictions)
            shutil.copyfile(run / WEIGHTS_FILE, folder / weights_file)
            write_run_log(folder / run_file, collect_log(run, record))
    seed = SeedRecord(
        seed=record.seed,
        validation_accuracy=None if selection.is_oracle else record.validation_accuracy,
        **vars(score(predictions, record.dataset, record.refit)),
        spikes_per_sample=kept.spikes_per_sample,
        epochs=record.epochs,
        selected_epoch=record.selected_epoch,
        selected_on=record.selected_on,
        test_opened=record.test_opened,
        train_seconds=record.train_seconds,
        test_seconds=kept.test_seconds,
        predictions_file=predictions_file,
        predictions_sha256=file_sha256(folder / predictions_file),
        weights_file=weights_file,
        weights_sha256=file_sha256(folder / weights_file),
        run_file=run_file,
        run_sha256=file_sha256(folder / run_file),
        metrics=kept.metrics if groups else None,
        refit_epochs=record.refit_epochs,
    )
    described = ModelRecord(
        name=record.model,
        spiking=model.spiking,
        parameters=model.n_parameters(),
        # The configuration with all defaults filled in.
        config=model.Config.model_validate(record.preset.model).model_dump(mode="json"),
        look_ahead=model.looks_ahead,
        code_sha256=record.code_sha256,
    )
    return seed, described, kept.environment


def _predict(
    run: Path,
    model: Classifier,
    selection: SelectionData,
    device: str,
    groups: Sequence[str],
    tables: Sequence[CostTable],
    progress: Progress,
) -> tuple[KeptTest, Predictions]:
    """Open the test split and keep the predictions of a run, or read those that it kept."""
    record = read_run(run)
    opening = opening_of(file_sha256(run / WEIGHTS_FILE), record.dataset)
    measured = measured_of(groups, tables)
    found = read_kept_test(run, opening)
    if found and found[0].device == device and (not groups or found[0].measured == measured):
        return found
    # For other metrics or another device than those of the kept test the split is opened again, and counted.
    again = f"{opening}-{measured}-{device}"
    samples = open_test_of_run(run, selection, again if found else opening)
    binned = bin_samples(samples, record.preset, progress)
    began = time.perf_counter()
    batch_size = record.preset.training.batch_size
    with one_thread():
        answers = run_model(model, binned, batch_size)
        seconds = time.perf_counter() - began
        spikes = answers.spikes_per_sample if model.spiking else None
        if model.spiking and not model.shows_spikes:
            spikes = spikes_of_test(model, binned, answers.predicted, batch_size)
    metrics = None
    if groups:
        with one_thread():
            metrics = measure_cost(
                model,
                record.model,
                binned,
                answers.predicted,
                batch_size,
                groups,
                tables,
                record.preset.training.weight_bits,
            )
    predictions = Predictions(
        index=samples.index,
        label=samples.labels,
        predicted=answers.predicted,
        speaker=samples.speakers,
    )
    kept = KeptTest(
        opening=opening,
        measured=measured,
        device="cuda" if device == "cuda" else "cpu",
        predictions_sha256="0" * 64,
        spikes_per_sample=spikes,
        test_seconds=seconds,
        environment=describe_environment(device),
        metrics=metrics,
    )
    return keep_test(run, kept, predictions), predictions


def describe_environment(device: str) -> dict[str, str]:
    """Describe the computing environment: system, processor, device, versions.

    Parameters
    ----------
    device
        ``cpu`` or ``cuda``.

    Returns
    -------
    dict
        Name → text.
    """
    packages = ("torch", "numpy", "scipy", "scikit-learn", "h5py")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "threads": str(n_threads()),  # of the kernels; torch uses one
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        **{package: version(package) for package in packages},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or "unknown"
