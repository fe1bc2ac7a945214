"""Plot of training: loss and accuracy of every epoch."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from spikebench.plots.panels import COLOURS
from spikebench.plots.sample import GRID, plain, style
from spikebench.training.run_record import RunLog

__all__ = ["draw_accuracy", "draw_loss"]


def draw_loss(panel: Axes, logs: Sequence[RunLog], names: Sequence[str]) -> None:
    """Draw the loss of the training samples (solid) and of the validation samples (dashed).

    Parameters
    ----------
    panel
        Where to draw.
    logs
        Training runs.
    names
        Their names.
    """
    for k, (log, name) in enumerate(zip(logs, names, strict=True)):
        epochs, colour = [line.epoch for line in log.history], COLOURS[k % len(COLOURS)]
        losses = [_number(line.loss) for line in log.history]
        panel.plot(epochs, losses, color=colour, linewidth=1.4, label=plain(name))
        losses = [_number(line.validation_loss) for line in log.history]
        panel.plot(epochs, losses, "--", color=colour, linewidth=1.2)
    panel.set_ylabel("loss (dashed: validation)")
    _finish(panel)
    if len(names) > 1:
        panel.legend(frameon=False, fontsize=8)


def draw_accuracy(panel: Axes, logs: Sequence[RunLog]) -> None:
    """Draw the validation accuracy, and a mark at the selected epoch.

    Parameters
    ----------
    panel
        Where to draw.
    logs
        Training runs.
    """
    for k, log in enumerate(logs):
        epochs, colour = [line.epoch for line in log.history], COLOURS[k % len(COLOURS)]
        accuracies = [100 * line.validation_accuracy for line in log.history]
        panel.plot(epochs, accuracies, color=colour, linewidth=1.4)
        selected = log.run.selected_epoch
        if selected in epochs:
            panel.plot([selected], [accuracies[epochs.index(selected)]], "o", color=colour)
    panel.set_ylabel("validation accuracy [%] (dot: selected)")
    panel.set_ylim(0, 102)
    _finish(panel)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _finish(panel: Axes) -> None:
    panel.set_xlabel("epoch")
    panel.grid(axis="y", color=GRID, linewidth=0.6)
    style(panel)
