"""Training in one call, for programs; the command line reports progress between the same steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spikebench.presets.preset import read_preset
from spikebench.protocol.opening import open_selection
from spikebench.training.epochs import Report
from spikebench.training.loop import fit, start_run
from spikebench.training.run_record import RunRecord


def train(
    model: str,
    data: str,
    folder: Path | str,
    *,
    seed: int = 0,
    preset: Path | None = None,
    settings: Sequence[str] = (),
    device: str = "cpu",
    refit: bool = False,
    audio: Path | str | None = None,
    report: Report | None = None,
) -> RunRecord:
    """Train a model and select it on validation samples; the test split stays closed.

    An interrupted training continues if the call is repeated.

    Parameters
    ----------
    model
        Name of a model, see ``spikebench train --help``.
    data
        Name of a data set, or path of a spike file.
    folder
        Folder of the run; made if it does not exist.
    seed
        Seed of the initial weights, the order of samples, augmentation and dropout.
    preset
        TOML file with the settings; by default that of the model for the data set.
    settings
        Changes of single settings, such as ``"training.epochs=20"``.
    device
        ``cpu`` or ``cuda``.
    refit
        Whether to train again on training and validation samples after the selection.
    audio
        Folder of the recordings of which the samples were made, for a model on audio.
    report
        Called after every epoch with its numbers and the number of epochs.

    Returns
    -------
    RunRecord
        The finished run, with ``selected_epoch`` and ``validation_accuracy``.

    Raises
    ------
    SpikebenchError
        If the data, the model or a setting do not exist or do not fit, or the loss is not finite.
    """
    folder = Path(folder)
    selection = open_selection(data, audio=None if audio is None else Path(audio))
    record = start_run(
        folder,
        model,
        read_preset(model, preset, settings, str(data)),
        selection,
        seed,
        device,
        refit=refit,
    )
    return fit(folder, record, selection, device, report)
