"""The option ``--device``, and beside it what is known about GPUs."""

from __future__ import annotations

import click

from spikebench.doctor.gpu_status import GPU_STATUS

__all__ = ["conversion_device", "training_device"]

_HELP = f"{GPU_STATUS}; it is tested in Triton's interpreter."

conversion_device = click.option(
    "--device",
    default="cpu",
    show_default=True,
    metavar="cpu|cuda|cuda:N",
    help=f"A GPU gives different spikes of the same distribution (cochlea only). {_HELP}",
)

training_device = click.option(
    "--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]), help=_HELP
)
