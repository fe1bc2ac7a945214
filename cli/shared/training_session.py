"""Steps of ``train`` and ``evaluate`` around a fit: announce it, show progress, print how to resume it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cli.progress.compiling import announce_compilation
from cli.progress.training import training_progress
from spikebench.learning.ranks import this_rank
from spikebench.protocol.opening import SelectionData, open_oracle, open_selection
from spikebench.training.checkpoint import Epoch
from spikebench.training.epochs import Report
from spikebench.training.loop import check_recordings, fit
from spikebench.training.run import audio_path, data_path
from spikebench.training.run_record import RunRecord


def run_training(
    folder: Path,
    record: RunRecord,
    selection: SelectionData,
    device: str,
    quiet: bool,
    tensorboard: bool = False,
) -> RunRecord:
    """Train a run to its end, and show the progress.

    Parameters
    ----------
    folder, record, selection, device
        As in :func:`spikebench.training.loop.fit`.
    quiet
        Print nothing.
    tensorboard
        Also write the history for TensorBoard.

    Returns
    -------
    RunRecord
        The finished run.
    """
    if record.status == "trained":
        return record
    title = f"{record.model} seed {record.seed}"
    quiet = quiet or not this_rank().is_first
    if not quiet:
        click.echo(f"training {title} on {record.dataset.name}: {_plan(record)}", err=True)
        if record.late_events:
            what = "spikes" if record.preset.mel is None else "frames"
            click.echo(
                f"{record.late_events} {what} of the training split lie after "
                f"{record.preset.input.duration_ms:g} ms and are ignored (input.duration_ms)",
                err=True,
            )
    with (
        announce_compilation(quiet),
        training_progress(title, quiet) as progress,
        _scalars(folder, tensorboard) as scalars,
    ):

        def report(epoch: Epoch, epochs: int) -> None:
            for report in (progress, scalars):
                if report is not None:
                    report(epoch, epochs)

        return fit(folder, record, selection, device, report)


def warn_of_copies(selection: SelectionData, quiet: bool) -> None:
    """Warn if the splits of the file put copies of training or validation samples into the test split.

    Parameters
    ----------
    selection
        The data opened for selection.
    quiet
        Print nothing.
    """
    if selection.test_copies and not quiet and this_rank().is_first:
        click.echo(
            f"WARNING: {selection.test_copies} of {selection.dataset.split.test_samples} test samples are copies of "
            "training or validation samples, so the test accuracy is too high ('spikebench validate' lists them)",
            err=True,
        )


def _plan(record: RunRecord) -> str:
    """Describe the samples for training and for selection."""
    split = record.dataset.split
    closed = f"the test split is {'' if record.selected_on == 'test' else 'not '}opened"
    closed += f"; spikes changed: {record.condition}" if record.condition else ""
    refit = f"refitted on all {split.train_samples + split.validation_samples}"
    if record.status == "chosen":
        return f"selection is done, now {refit} samples; {closed}"
    then = f", then {refit}" if record.refit else ""
    return (
        f"{split.train_samples} samples, selected on {split.validation_samples} ({split.rule}){then}; "
        f"{closed}"
    )


@contextmanager
def _scalars(folder: Path, wanted: bool) -> Iterator[Report | None]:
    if not wanted or not this_rank().is_first:
        yield None
        return
    from spikebench.training.tensorboard import write_scalars

    with write_scalars(folder) as report:
        yield report


def reopen(folder: Path, record: RunRecord, audio: Path | None = None) -> SelectionData:
    """Open the data of a run in the same way as at its start.

    Parameters
    ----------
    folder, record
        The run.
    audio
        Folder of the recordings, if it is another one than at the start.

    Returns
    -------
    SelectionData
        The samples that the run may use.

    Raises
    ------
    TrainingError
        If the folder of the recordings of a model on audio is not known, or given for another model.
    """
    data, audio = data_path(folder, record), audio or audio_path(folder)
    check_recordings(record.model, record.preset, audio)
    if record.selected_on == "test":
        return open_oracle(data, audio)
    return open_selection(data, record.fold, audio)


@contextmanager
def resume_hint(command: str) -> Iterator[None]:
    """Print on Ctrl-C how to resume the work.

    Parameters
    ----------
    command
        The command that resumes it.

    Yields
    ------
    None
    """
    try:
        yield
    except KeyboardInterrupt:
        if not this_rank().is_first:
            raise
        click.echo(f"\nstopped; finished epochs are kept. Resume with: {command}", err=True)
        raise
