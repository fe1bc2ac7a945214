"""The option ``--model`` of a network of the user: its file is run, and only because the user names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from spikebench.models.own_file import OwnCode
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
    from spikebench.models import names_a_file
    from spikebench.models.own_file import load_code

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
