"""The history of a run for TensorBoard (extra ``tensorboard``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from spikebench.errors import TrainingError
from spikebench.training.checkpoint import Epoch

FOLDER = "tensorboard"  # within the run


@contextmanager
def write_scalars(folder: Path) -> Iterator[Callable[[Epoch, int], None]]:
    """Open the event file of a run.

    Parameters
    ----------
    folder
        The run.

    Yields
    ------
    callable
        Function to call with the arguments that :func:`spikebench.training.loop.fit` reports after every epoch.

    Raises
    ------
    TrainingError
        If TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise TrainingError(
            "TensorBoard is not installed: pip install 'spikebench[tensorboard]'"
        ) from None
    with SummaryWriter(str(folder / FOLDER)) as writer:

        def report(epoch: Epoch, epochs: int) -> None:
            for name, value in asdict(epoch).items():
                if name != "epoch" and value is not None:
                    tag = f"refit/{name}" if epoch.is_refit else name
                    writer.add_scalar(tag, value, epoch.epoch)
            writer.flush()

        yield report
