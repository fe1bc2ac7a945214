"""Options that ``train`` and ``evaluate`` share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cli.shared.device import training_device
from spikebench.learning import LEARNING_RULES
from spikebench.models import MODELS


def _completes(names: Iterable[str]) -> Callable[..., list[str]]:
    """Return a function that completes one of some names in a shell."""
    return lambda context, option, begun: [name for name in names if name.startswith(begun)]


_OPTIONS = [
    click.option(
        "--model",
        shell_complete=_completes(MODELS),
        help=f"One of {', '.join(MODELS)}; or FILE.py:CLASS, a network of your own, whose code is then RUN on this "
        "machine (docs/own_model.md).",
    ),
    click.option(
        "--learning",
        help=f"Learning rule instead of the model's own: {', '.join(LEARNING_RULES)}; see docs/methods.",
        shell_complete=_completes(LEARNING_RULES),
    ),
    click.option(
        "--data",
        help="A data set's name, or a spike file written by convert.  [default: digits]",
    ),
    click.option(
        "--audio",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of the recordings of which the samples were made, for the models mel_….",
    ),
    click.option(
        "--preset",
        "preset_file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A TOML file instead of the model's preset.",
    ),
    click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A TOML file with some settings, which replace those of the preset (of FILE.py:CLASS: the defaults); "
        "'train --print-preset' prints all.",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="TABLE.KEY=VALUE",
        help="Change one setting, e.g. training.epochs=10; may be repeated.",
    ),
    click.option(
        "--refit",
        is_flag=True,
        help="Train again with the validation speakers included, for the number of epochs that they selected (or for "
        "training.refit_epochs).",
    ),
    training_device,
    click.option(
        "--tensorboard",
        is_flag=True,
        help="Write the history for TensorBoard into the folder of the run.",
    ),
    click.option("--quiet", is_flag=True, help="Print only errors and the result."),
    click.option("--json", "as_json", is_flag=True, help="Print the record as JSON."),
]


def training_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the shared options to a command.

    Parameters
    ----------
    function
        The command.

    Returns
    -------
    callable
        The same, with options.
    """
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def default_folder(data: str, model: str) -> Path:
    """Return the default folder of a run.

    Parameters
    ----------
    data, model
        Names of the data set and of the model.

    Returns
    -------
    Path
        ``runs/<data>-<model>-<UTC time>``.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    return Path("runs") / f"{Path(data).stem}-{model.replace('.py:', '-')}-{stamp}"
