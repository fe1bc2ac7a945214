"""Training a run to its end: selection, and a refit; without access to the test split.

The loop over epochs and batches is :mod:`spikebench.training.epochs`.

A refit follows the selection: the model is trained again, from the same initial weights, on training and validation
samples, for the number of epochs that validation selected (or that the preset sets), and the last weights are kept.
Epoch k has the same learning rate as before the refit, so the schedule is that of the preset, cut off at the selected
epoch, as measured by validation; ``plateau`` reduces the rate after the same epochs. An epoch is one pass over more
samples than before, and therefore has more steps.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from spikebench import __version__
from spikebench.errors import SpikebenchError, TrainingError, out_of_memory
from spikebench.events.batches import BinnedSamples
from spikebench.events.dataset import SpikeDataset
from spikebench.learning.few_bits import round_tensors
from spikebench.learning.ranks import Ranks, this_rank, together
from spikebench.learning.rule import rule_class, rule_name
from spikebench.mel.cache import Progress, silent
from spikebench.models.base import Classifier
from spikebench.models.own import in_one_line
from spikebench.presets.preset import Preset
from spikebench.protocol.opening import SelectionData, open_training
from spikebench.records.text import shareable
from spikebench.training.changed import changed
from spikebench.training.checkpoint import State, checkpoint_of
from spikebench.training.epochs import Report, rate_reductions, train
from spikebench.training.inference import (
    bin_samples,
    build_model,
    check_input,
    find_device,
    one_thread,
    place,
)
from spikebench.training.own import check_own, try_out
from spikebench.training.precision import check_precision
from spikebench.training.run import (
    RUN_FILE,
    WEIGHTS_FILE,
    count_opening,
    create_run,
    identity,
    keep_paths,
    locked,
    read_run,
    save_tensors,
    write_run,
)
from spikebench.training.run_record import RunRecord

__all__ = ["Report", "check_recordings", "fit", "start_run"]


def start_run(
    folder: Path,
    model: str,
    preset: Preset,
    selection: SelectionData,
    seed: int,
    device: str | None = "cpu",
    *,
    refit: bool = False,
    condition: str = "",
    code_sha256: str | None = None,
    progress: Progress = silent,
) -> RunRecord:
    """Start a run, or continue the same run.

    Parameters
    ----------
    folder
        Folder of the run.
    model, preset, seed
        The model, its settings and its seed.
    selection
        The data opened for selection.
    device
        Device of the training, ``cpu`` or ``cuda``, whose support of the precision is tested here; None if
        another machine trains, which tests it when training begins.
    refit
        Whether to train again on training and validation samples after selection.
    condition
        Name of a change of the spikes of all samples (:mod:`spikebench.events.conditions`); empty for none.
    code_sha256
        SHA-256 of the file of a network of the user (:mod:`spikebench.models.own_file`), whose name ``model`` is.
    progress
        For a model on audio, called after every recording whose mel features are computed.

    Returns
    -------
    RunRecord
        New, or the existing record in the folder.

    Raises
    ------
    TrainingError
        If the folder contains another run, a new run cannot be trained with the preset (then nothing is written), or
        a refit is not possible, or no spike remains under the condition. If the model needs recordings and the data
        were opened without them, or the reverse.
    DataError, AudioError
        If a recording is missing, is another one, or cannot be used.
    """
    _check_refit(preset, selection, refit)
    check_input(model, preset, code_sha256)
    check_recordings(model, preset, selection.audio)
    if condition and selection.audio is not None:
        raise TrainingError(f"{condition} changes spikes, and {model} has none; it works on audio")
    train_samples = selection.train
    binned = bin_samples(
        changed(train_samples, train_samples, condition, seed, preset), preset, progress
    )
    if condition and not binned.n_events:
        raise TrainingError(f"no spike of the training samples remains under {condition}")
    cells = len(binned) * binned.n_steps * binned.n_units
    record = RunRecord(
        software=f"spikebench {__version__}",
        model=model,
        preset=preset,
        data=shareable(selection.data),
        dataset=selection.dataset,
        input_rate=None if preset.mel else binned.n_events / cells,
        seed=seed,
        late_events=binned.n_late,
        fold=selection.fold,
        encoding=None if preset.mel else selection.encoding,
        selected_on="test" if selection.is_oracle else "validation",
        refit=refit,
        condition=condition or selection.condition,
        code_sha256=code_sha256,
    )
    if not (folder / RUN_FILE).exists():
        # A bad configuration is reported before anything is written.
        trained_on = None if device is None else torch.device(device)
        _check(build_model(record), record, this_rank(), trained_on)
        if code_sha256 is not None:
            try_out(build_model(record), record, binned)
        create_run(folder, record)
    found = read_run(folder)
    if identity(found) != identity(record):
        raise TrainingError(f"{folder}: contains another run; choose another folder")
    keep_paths(folder, selection)
    return found


def check_recordings(model: str, preset: Preset, audio: Path | None) -> None:
    """Refuse a model on audio without recordings, and recordings that would not be used.

    Parameters
    ----------
    model, preset
        Name and settings of the model.
    audio
        Folder of the recordings.

    Raises
    ------
    TrainingError
        The message names the option.
    """
    if preset.mel is not None and audio is None:
        raise TrainingError(
            f"model {model} works on the recordings behind the spikes: give their folder with --audio FOLDER"
        )
    if preset.mel is None and audio is not None:
        raise TrainingError(
            f"model {model} works on spikes: leave out --audio, or choose a mel_… model"
        )


def _check_refit(preset: Preset, selection: SelectionData, refit: bool) -> None:
    if preset.training.refit_epochs and not refit:
        raise TrainingError(
            "training.refit_epochs is set without a refit; add --refit, or remove the setting"
        )
    if refit and selection.is_oracle:
        raise TrainingError(
            "--refit and --oracle exclude each other: a refit would train on the test split, which the oracle uses"
        )
    if refit and selection.fold is not None:
        raise TrainingError(
            "--refit and --fold exclude each other: a refit would train on the speaker that the fold leaves out"
        )


def fit(
    folder: Path,
    record: RunRecord,
    selection: SelectionData,
    device: str = "cpu",
    report: Report | None = None,
) -> RunRecord:
    """Train a run to its end, continuing from its state.

    Under ``torchrun``, every process calls this function; they share the batches, and the first one writes files.

    Parameters
    ----------
    folder, record
        From :func:`start_run`.
    selection
        The data with which it was started.
    device
        ``cpu`` or ``cuda``.
    report
        Called after every epoch with its numbers and the number of epochs.

    Returns
    -------
    RunRecord
        With status ``trained``.

    Raises
    ------
    TrainingError
        If the device is not available, the model cannot be trained with the preset, or the loss is no longer finite
        (the last good checkpoint is kept).
    """
    if record.status == "trained":
        return record
    where = find_device(device)
    with (
        one_thread(),
        together(where) as ranks,
        locked(folder) if ranks.is_first else nullcontext(),
    ):
        try:
            return _fit(folder, record, selection, where, report, ranks)
        except Exception as error:
            if out_of_memory(error):
                raise TrainingError(
                    f"model {record.model} needs more memory than is available; try a smaller training.batch_size or "
                    "wider bins (input.time_step_ms)"
                ) from None
            if record.code_sha256 is not None and not isinstance(error, SpikebenchError | OSError):
                raise in_one_line(record.model, "its training", error) from None
            raise


def _fit(
    folder: Path,
    record: RunRecord,
    selection: SelectionData,
    device: torch.device,
    report: Report | None,
    ranks: Ranks,
) -> RunRecord:
    if record.status == "training":
        record = _choose(folder, record, selection, device, report, ranks)
    if record.status == "chosen":
        record = _refit(folder, record, selection, device, report, ranks)
    return record


def _choose(
    folder: Path,
    record: RunRecord,
    selection: SelectionData,
    device: torch.device,
    report: Report | None,
    ranks: Ranks,
) -> RunRecord:
    """Train on the training split, and select on validation."""
    model = build_model(record)
    _check(model, record, ranks, device)  # a resumed run may have been started on another machine
    if selection.is_oracle and ranks.is_first:
        record = count_opening(folder)  # the test split selects the epoch, so it is open
    samples = _bin(selection.train, selection, record)
    validation = _bin(selection.validation, selection, record)
    model = place(model, device, record)
    state = train(folder, record, model, samples, validation, report, ranks)
    chosen = RunRecord.model_validate(
        record.model_dump()
        | {
            "status": "chosen" if record.refit else "trained",
            "epochs": len(state.history),
            "selected_epoch": state.epoch,
            "validation_accuracy": state.accuracy,
            "train_seconds": state.seconds,
            "choice": state.choice,
            "rate_reductions": rate_reductions(record, state),
        }
    )
    _finish(folder, record, chosen, state, ranks)
    return chosen


def _refit(
    folder: Path,
    record: RunRecord,
    selection: SelectionData,
    device: torch.device,
    report: Report | None,
    ranks: Ranks,
) -> RunRecord:
    """Train again on training and validation samples, with the settings that validation selected."""
    model = build_model(record)
    _check(model, record, ranks, device)
    samples = _bin(open_training(selection), selection, record)
    model = place(model, device, record)
    state = train(folder, record, model, samples, None, report, ranks)
    seconds = record.train_seconds + state.seconds
    done = record.model_copy(update={"status": "trained", "train_seconds": seconds})
    _finish(folder, record, done, state, ranks)
    return done


def _bin(samples: SpikeDataset, selection: SelectionData, record: RunRecord) -> BinnedSamples:
    """Bin samples, under the condition of the run, unless their recordings were changed already."""
    preset = record.preset
    condition = record.condition if record.condition != selection.condition else ""
    return bin_samples(changed(samples, selection.train, condition, record.seed, preset), preset)


def _check(model: Classifier, record: RunRecord, ranks: Ranks, device: torch.device | None) -> None:
    """Refuse what the learning rule or this processor does not support; None is the device of another machine."""
    if record.code_sha256 is not None:
        check_own(record)
    rule_class(rule_name(model, record.preset)).check(record.model, model, record.preset, ranks)
    if device is not None:
        check_precision(model, record, device)


def _finish(folder: Path, phase: RunRecord, done: RunRecord, state: State, ranks: Ranks) -> None:
    """Record the end of a phase; its checkpoint is deleted last, so that an interruption loses nothing."""
    if ranks.is_first:
        if done.status == "trained":
            save_tensors(folder / WEIGHTS_FILE, _weights_of(done, state.best), weights_note(done))
        write_run(folder, done)
        checkpoint_of(folder, phase).unlink(missing_ok=True)
    ranks.wait()


def _weights_of(record: RunRecord, best: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Round the selected weights, if the preset rounds them after training."""
    settings = record.preset.training
    if settings.weight_rounding != "after":
        return best
    return round_tensors(build_model(record), best, settings.weight_bits)


def weights_note(record: RunRecord) -> dict[str, Any]:
    """Make the header of the weights, for weights that are copied alone.

    Parameters
    ----------
    record
        The finished run.

    Returns
    -------
    dict
        Model and seed, and oracle, fold, refit, condition and bits, as far as they apply.
    """
    note: dict[str, Any] = {"model": record.model, "seed": record.seed}
    if record.selected_on == "test":
        note["selected_on"] = record.selected_on
    if record.fold is not None:
        note["fold"] = record.fold
    if record.refit:
        note["refit_epochs"] = record.refit_epochs
    if record.condition:
        note["condition"] = record.condition
    if record.preset.training.weight_bits:
        note["weight_bits"] = record.preset.training.weight_bits
    return note
