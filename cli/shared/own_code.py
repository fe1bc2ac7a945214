"""The option ``--model`` of a network of the user: its file is run, and only because the user names it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from spikebench.models.own_file import OwnCode
    from spikebench.presets.preset import Preset
    from spikebench.training.run_record import RunRecord


def own_code(model: str | None, sha256: str | None = None) -> OwnCode | None:
    """Run the file of a network of the user.

    Parameters
    ----------
    model
        As given with ``--model``.
    sha256
        SHA-256 that the file must have; another file is not run.

    Returns
    -------
    OwnCode or None
        None if it does not name a file.
    """
    from spikebench.models.own_file import load_code, names_a_file

    return load_code(model, sha256) if model is not None and names_a_file(model) else None


def code_of_run(model: str | None, record: RunRecord, option: str) -> None:
    """Run the file of a network of the user again, for a run of it.

    Parameters
    ----------
    model
        As given with ``--model``.
    record
        The run, whose SHA-256 the file must have.
    option
        The option that names the run.

    Raises
    ------
    click.UsageError
        If a model is given that the run does not need.
    TrainingError
        If the file is missing, or another one.
    """
    from spikebench.training.inference import check_input

    if model is not None and (
        record.code_sha256 is None or own_code(model, record.code_sha256) is None
    ):
        raise click.UsageError(
            f"{option} uses the model of its run; leave out --model, which is for the file of a network of your own"
        )
    check_input(record.model, record.preset, record.code_sha256)


def settings_of(
    model: str,
    code: OwnCode | None,
    preset_file: Path | None,
    settings: tuple[str, ...],
    data: str,
    learning: str,
) -> Preset:
    """Read the settings of a model, built-in or of the user.

    Parameters
    ----------
    model, code
        As given with ``--model``, and its file, if it names one.
    preset_file, settings, data, learning
        As given.

    Returns
    -------
    Preset
        The checked settings.
    """
    from spikebench.presets.preset import read_own_settings, read_preset

    if code is None:
        return read_preset(model, preset_file, settings, data, learning)
    rule = [f"learning.rule={learning}"] if learning else []
    return read_own_settings(preset_file, [*rule, *settings])
