"""``spikebench train``: the first half of evaluate; the test split stays closed."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from cli.training_options import default_folder, training_options


@click.command()
@training_options
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**32))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder of the run."
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path, file_okay=False),
    help="Take up a run that was interrupted; its own settings hold.",
)
def train(
    model: str | None,
    data: str | None,
    preset_file: Path | None,
    settings: tuple[str, ...],
    device: str,
    quiet: bool,
    as_json: bool,
    seed: int,
    output: Path | None,
    resume: Path | None,
) -> None:
    """Train a model by its preset and keep the run.

    The selected epoch is the one with the best accuracy on validation speakers, who are held out of the
    training split. The test split is not read. Ctrl-C (or a kill) leaves a run that --resume takes up.

    Then: spikebench evaluate --checkpoint RUN
    """
    if (model is None) == (resume is None):
        raise click.UsageError("give --model to start a run, or --resume to take one up")
    from cli.training_session import run_training, say_interrupted
    from spikebench.errors import ProtocolError
    from spikebench.preset import read_preset
    from spikebench.protocol import open_selection
    from spikebench.run import read_run
    from spikebench.training import start_run

    if resume is not None:
        if data or preset_file or settings:
            raise click.UsageError(
                "a run that is taken up brings its own data, preset and settings"
            )
        folder, record = resume, read_run(resume)
        selection = open_selection(record.data)
        if selection.dataset != record.dataset:
            raise ProtocolError(f"{record.data}: not the data that {folder} was started on")
    else:
        assert model is not None
        data = data or "digits"
        preset = read_preset(model, preset_file, settings)
        selection = open_selection(data)
        folder = output or default_folder(data, model)
        record = start_run(folder, model, preset, data, selection, seed)
    with say_interrupted(f"spikebench train --resume {shlex.quote(str(folder))}"):
        record = run_training(folder, record, selection, device, quiet)
    if as_json:
        click.echo(record.model_dump_json(indent=2))
        return
    assert record.validation_accuracy is not None
    voices = " (synthetic voices)" if record.dataset.synthetic else ""
    click.echo(
        f"{record.model} on {record.dataset.name}{voices}, seed {record.seed}: validation accuracy "
        f"{record.validation_accuracy:.1%}"
    )
    if record.epochs:
        click.echo(
            f"epoch {record.selected_epoch} of {record.epochs}, {record.train_seconds:.0f} s"
        )
    click.echo(f"run: {folder}\ntest split opened: {record.test_opened} times")
    click.echo(f"next: spikebench evaluate --checkpoint {shlex.quote(str(folder))}")
