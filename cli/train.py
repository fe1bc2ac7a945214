"""``spikebench train``: train a model without opening the test split."""

from __future__ import annotations

import json
import shlex
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.shared.training_options import default_folder, training_options
from cli.text.chance import chance_line

if TYPE_CHECKING:
    from spikebench.protocol.opening import SelectionData
    from spikebench.training.run_record import RunRecord


@click.command()
@training_options
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**32))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder of the run."
)
@click.option(
    "--fold",
    metavar="SPEAKER|all",
    help="Hold out one speaker of the training split for selection, or each of them in turn.",
)
@click.option(
    "--print-preset",
    is_flag=True,
    help="Print all settings that would be used, as TOML for --config, and train nothing.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path, file_okay=False),
    help="Resume an interrupted run with its own settings.",
)
def train(
    model: str | None,
    learning: str | None,
    data: str | None,
    audio: Path | None,
    preset_file: Path | None,
    config: Path | None,
    settings: tuple[str, ...],
    refit: bool,
    device: str,
    tensorboard: bool,
    quiet: bool,
    as_json: bool,
    seed: int,
    output: Path | None,
    fold: str | None,
    print_preset: bool,
    resume: Path | None,
) -> None:
    """Train a model with its preset and keep the run.

    The selected epoch is the one with the best accuracy on validation speakers, who are held out of the
    training split. The test split is not read. A run that is interrupted or killed can be resumed with --resume.

    --refit then trains the model again, from the same initial weights and with the validation speakers included, for
    the selected number of epochs, and keeps those weights. Epoch k has the same learning rate as before.

    --fold all trains once per speaker of the training split, selects on that speaker, and prints the mean and the
    spread between speakers, which a single list of held-out speakers cannot show. To resume it, run the same
    command with the same -o again.

    The models mel_… work on log-mel features of the recordings in the folder --audio; labels, speakers and splits are
    those of the spike file, which names the recordings.

    --model my_net.py:MyNet trains a network of your own: THE CODE OF THE FILE IS RUN on this machine, with your
    permissions, so name only a file that you trust. The run records its SHA-256 and the name of the class. To resume
    it, name the file again: --resume RUN --model my_net.py:MyNet.

    Several processes share every batch if torchrun starts them (give them an output folder):
    torchrun --nproc-per-node 2 -m spikebench train --model rlif -o run

    Next step: spikebench evaluate --checkpoint RUN
    """
    if model is None and resume is None:
        raise click.UsageError("give --model to start a run, or --resume to resume one")
    if resume is not None and (
        data or preset_file or config or settings or fold or refit or learning or print_preset
    ):
        raise click.UsageError(
            "--resume uses the data, preset, settings, learning rule, fold and refit of its run; leave out these "
            "options"
        )
    if fold and refit:
        raise click.UsageError(
            "--refit and --fold exclude each other: a refit would train on the speaker that the fold leaves out"
        )
    if model is not None and resume is None:  # before PyTorch is loaded, which takes longer
        from cli.shared.settings import Given
        from cli.shared.settings import print_preset as show

        data = data or "digits"
        given = Given(model, data, learning, preset_file, config, settings)
        preset = given.read()
        if print_preset:
            show(model, preset)
            return
    from cli.progress.audio import mel_progress
    from cli.shared.own_code import code_of_run, own_code
    from cli.shared.training_session import reopen, resume_hint, run_training, warn_of_copies
    from spikebench.errors import ProtocolError
    from spikebench.learning.ranks import this_rank
    from spikebench.protocol.opening import list_folds, open_selection
    from spikebench.training.inference import find_device
    from spikebench.training.loop import start_run
    from spikebench.training.run import read_run

    find_device(device)
    if resume is not None:
        folder, record = resume, read_run(resume)
        code_of_run(model, record, "--resume")
        selection = reopen(folder, record, audio)
        if selection.dataset.first_difference(record.dataset):
            raise ProtocolError(f"{record.data}: not the data with which {folder} was started")
        warn_of_copies(selection, quiet)
        with resume_hint(f"spikebench train --resume {shlex.quote(str(folder))}{_file(model)}"):
            record = run_training(folder, record, selection, device, quiet, tensorboard)
        if this_rank().is_first:
            _print_outcome(folder, record, _class_sizes(selection), as_json, _file(model))
        return
    assert model is not None
    assert data is not None
    code = own_code(model)
    name = code.name if code else model
    if not quiet and this_rank().is_first:
        given.announce(preset)
    if output is None and this_rank().size > 1:
        raise click.UsageError("several processes need a common folder: give it with -o")
    folder = output or default_folder(data, f"{name}-refit" if refit else name)
    speakers = list_folds(data) if fold == "all" else [_speaker(fold)]
    runs: list[tuple[Path, RunRecord]] = []
    sizes: list[list[int]] = []  # validation samples of each class
    for speaker in speakers:
        run = folder / f"fold-{speaker}" if fold == "all" else folder
        selection = open_selection(data, speaker, audio)
        if not runs:
            warn_of_copies(selection, quiet)
        sizes.append(_class_sizes(selection))
        with mel_progress(quiet or not this_rank().is_first) as progress:
            record = start_run(
                *(run, name, preset, selection, seed, device),
                refit=refit,
                code_sha256=code.sha256 if code else None,
                progress=progress,
            )
        again = f"spikebench train --resume {shlex.quote(str(run))}{_file(model if code else None)}"
        if fold == "all":
            again = f"the same command with -o {shlex.quote(str(folder))}"
        with resume_hint(again):
            runs.append((run, run_training(run, record, selection, device, quiet, tensorboard)))
    if not this_rank().is_first:
        return
    if fold == "all":
        _print_folds(folder, [record for _, record in runs], sizes, as_json)
    else:
        run, record = runs[0]
        _print_outcome(run, record, sizes[0], as_json, _file(model if code else None))


def _file(model: str | None) -> str:
    """Return the option that names the file of a network of the user again."""
    return f" --model {shlex.quote(model)}" if model else ""


def _speaker(fold: str | None) -> int | None:
    if fold is None:
        return None
    if not fold.isascii() or not fold.isdigit():
        raise click.UsageError(f"--fold takes the number of a speaker, or all; not {fold!r}")
    return int(fold)


def _class_sizes(selection: SelectionData) -> list[int]:
    """Count the validation samples of each class."""
    import numpy as np

    n_classes = len(selection.dataset.classes)
    sizes: list[int] = np.bincount(selection.validation.labels, minlength=n_classes).tolist()
    return sizes


def _print_outcome(
    folder: Path, record: RunRecord, class_sizes: list[int], as_json: bool, own: str = ""
) -> None:
    if as_json:
        click.echo(record.model_dump_json(indent=2))
        return
    oracle = ", ORACLE: chosen on the test split" if record.selected_on == "test" else ""
    click.echo(f"{_title(record)}: validation accuracy {_accuracy(record):.1%}{oracle}")
    if record.epochs:
        click.echo(
            f"epoch {record.selected_epoch} of {record.epochs}, {record.train_seconds:.0f} s"
        )
    if record.refit:
        split = record.dataset.split
        click.echo(
            f"refitted on all {split.train_samples + split.validation_samples} training and validation samples"
            + (f", {record.refit_epochs} epochs" if record.epochs else "")
        )
    right = round(_accuracy(record) * sum(class_sizes))
    for line in chance_line([right], class_sizes, "validation", record.epochs):
        click.echo(line)
    click.echo(f"run: {folder}\ntest split opened: {record.test_opened} times")
    click.echo(f"next: spikebench evaluate --checkpoint {shlex.quote(str(folder))}{own}")


def _print_folds(
    folder: Path, records: list[RunRecord], sizes: list[list[int]], as_json: bool
) -> None:
    accuracies = [_accuracy(record) for record in records]
    mean, spread = statistics.mean(accuracies), statistics.stdev(accuracies)
    if as_json:
        folds = [record.model_dump(mode="json") for record in records]
        document = {"validation_mean": mean, "validation_std": spread, "folds": folds}
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(f"{_title(records[0])}: leave one speaker out")
    for record, accuracy in zip(records, accuracies, strict=True):
        samples = record.dataset.split.validation_samples
        click.echo(f"  speaker {record.fold:>3}  {accuracy:6.1%} of {samples} samples")
    click.echo(f"  mean         {mean:6.1%} ± {spread:.1%} between {len(records)} speakers")
    right = sum(round(a * sum(size)) for a, size in zip(accuracies, sizes, strict=True))
    together = [sum(column) for column in zip(*sizes, strict=True)]
    epochs = max(record.epochs for record in records)
    for line in chance_line([right], together, "validation", epochs):
        click.echo(line)
    click.echo(f"runs: {folder}\ntest split opened: {sum(r.test_opened for r in records)} times")


def _accuracy(record: RunRecord) -> float:
    assert record.validation_accuracy is not None  # every trained run has one
    return record.validation_accuracy


def _title(record: RunRecord) -> str:
    voices = " (synthetic voices)" if record.dataset.synthetic else ""
    changed = f", spikes changed: {record.condition}" if record.condition else ""
    return f"{record.model} on {record.dataset.name}{voices}, seed {record.seed}{changed}"
