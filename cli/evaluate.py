"""``spikebench evaluate``: train (or load) a model, test once, write a result."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.shared.training_options import default_folder, training_options
from cli.text.chance import chance_line
from cli.text.metrics import metric_lines

if TYPE_CHECKING:
    from spikebench.metrics.cost_table import CostTable
    from spikebench.protocol.results import Result


@click.command()
@training_options
@click.option("--seed", type=click.IntRange(0, 2**32), help="One seed.  [default: 0]")
@click.option("--seeds", type=click.IntRange(1, 1000), help="Several: 0 … N-1.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, file_okay=False),
    help="A finished run, or a folder of runs, to test without training.",
)
@click.option(
    "--oracle",
    is_flag=True,
    help="Select the epoch on the TEST split, only to reproduce figures that were selected so. The result is "
    "labelled oracle and cannot be submitted to the leaderboard.",
)
@click.option(
    "--metrics",
    "metrics_text",
    metavar="all|LIST",
    help="Measure the cost of the model on the test split: footprint, sparsity, operations, updates, spikes, latency, "
    "energy; see docs/metrics.md.",
)
@click.option(
    "--cost-table",
    "cost_tables",
    multiple=True,
    metavar="NAME|FILE.toml",
    help="Energy per operation, for the energy metric; may be repeated.  [default: horowitz-45nm, loihi]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the result.  [default: runs/…]",
)
def evaluate(
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
    seed: int | None,
    seeds: int | None,
    checkpoint: Path | None,
    oracle: bool,
    metrics_text: str | None,
    cost_tables: tuple[str, ...],
    output: Path | None,
) -> None:
    """Train a model with its preset, test it once, write a result.

    Selection uses validation speakers held out of the training split. The test split is opened after
    training, and the result records how often it was opened. Runs, predictions and weights are kept in
    the folder of the result. To resume an interrupted command, run it again with the same -o.

    The models mel_… work on log-mel features of the recordings in the folder --audio; labels, speakers and splits are
    those of the spike file, which names the recordings.

    --refit then trains the model again with the validation speakers included, for the selected number of epochs,
    and tests the refitted model. The result is marked as refitted.

    --model my_net.py:MyNet trains and tests a network of your own: THE CODE OF THE FILE IS RUN on this machine, with
    your permissions, so name only a file that you trust. The result records its SHA-256 and the name of the class. To
    test a run of it, name the file again: --checkpoint RUN --model my_net.py:MyNet.

    Next step: spikebench submit FOLDER
    """
    if model is None and checkpoint is None:
        raise click.UsageError(
            "give --model to train a model, or --checkpoint to test a trained one"
        )
    if seed is not None and seeds is not None:
        raise click.UsageError("--seed and --seeds exclude each other")
    if oracle and refit:
        raise click.UsageError(
            "--refit and --oracle exclude each other: a refit would train on the test split, which the oracle uses"
        )
    if model is not None and checkpoint is None:  # before PyTorch is loaded, which takes longer
        from cli.shared.settings import Given

        data = data or "digits"
        given = Given(model, data, learning, preset_file, config, settings)
        preset = given.read()
    from cli.progress.audio import mel_progress
    from cli.shared.own_code import code_of_run, own_code
    from cli.shared.training_session import reopen, resume_hint, run_training, warn_of_copies
    from spikebench.errors import OutputExistsError, SpikeFileError, TrainingError
    from spikebench.evaluation.final_test import evaluate as test
    from spikebench.learning.ranks import this_rank
    from spikebench.protocol.opening import open_oracle, open_selection
    from spikebench.protocol.results import RESULT_FILE
    from spikebench.records.text import shareable
    from spikebench.training.inference import find_device
    from spikebench.training.loop import start_run
    from spikebench.training.run import find_runs, read_run

    find_device(device)
    groups, tables = _choose_metrics(metrics_text, cost_tables)
    if checkpoint is not None:
        if tensorboard:
            raise click.UsageError("--tensorboard is for training; leave it out with --checkpoint")
        others = (data, preset_file, config, settings, oracle, refit, learning)
        if any(others) or seed is not None or seeds is not None:
            raise click.UsageError(
                "--checkpoint uses the data, preset, settings, learning rule, seed and refit of its run; leave out "
                "these options"
            )
        runs = find_runs(checkpoint)
        record = read_run(runs[0])
        words = ["--checkpoint", str(checkpoint), *(["--model", model] if model else [])]
        name, data = record.model, record.data
        code_of_run(model, record, "--checkpoint")
    else:
        assert model is not None
        assert data is not None
        code = own_code(model)
        name = code.name if code else model
        words = _words(model, data, audio, preset_file, settings, device, seed, seeds)
        words += ["--config", str(config)] if config else []
        words += ["--learning", learning] if learning else []
        words += [name for name, given in (("--oracle", oracle), ("--refit", refit)) if given]
    words += ["--metrics", metrics_text] if metrics_text else []
    for table in cost_tables:
        words += ["--cost-table", table]
    if output is None and this_rank().size > 1:
        raise click.UsageError("several processes need a common folder: give it with -o")
    kind = "-oracle" if oracle else "-refit" if refit else ""
    folder = output or default_folder(data, f"{name}{kind}")
    if (folder / RESULT_FILE).exists():
        raise OutputExistsError(
            f"{folder}: contains a result already; choose another folder with -o"
        )
    command = shlex.join(["spikebench", "evaluate", *words])
    published = shlex.join(["spikebench", "evaluate", *map(shareable, words)])
    if checkpoint is not None:
        try:
            selection = reopen(runs[0], record, audio)
        except SpikeFileError as error:
            raise TrainingError(f"{runs[0]}: cannot be tested without its data: {error}") from None
        warn_of_copies(selection, quiet)
    else:
        selection = open_oracle(data, audio) if oracle else open_selection(data, audio=audio)
        warn_of_copies(selection, quiet)
        if not quiet and this_rank().is_first:
            changed = " and changes" if settings or config else ""
            click.echo(f"no checkpoint: training {name} with {given.source}{changed}", err=True)
            given.announce(preset)
        numbers = range(seeds) if seeds else [seed or 0]
        runs = [folder / f"seed{number}" for number in numbers]
        with resume_hint(f"{command} -o {shlex.quote(str(folder))}"):
            for number, run in zip(numbers, runs, strict=True):
                with mel_progress(quiet or not this_rank().is_first) as progress:
                    record = start_run(
                        run,
                        model=name,
                        preset=preset,
                        selection=selection,
                        seed=number,
                        device=device,
                        refit=refit,
                        code_sha256=code.sha256 if code else None,
                        progress=progress,
                    )
                run_training(run, record, selection, device, quiet, tensorboard)
    if not this_rank().is_first:
        return
    with mel_progress(quiet) as progress:
        result = test(runs, selection, folder, published, device, groups, tables, progress)
    click.echo(result.model_dump_json(indent=2) if as_json else _summary(result, folder))


def _choose_metrics(text: str | None, tables: tuple[str, ...]) -> tuple[list[str], list[CostTable]]:
    """Return the requested groups of metrics, and the cost tables for the energy."""
    from spikebench.metrics.cost import read_groups
    from spikebench.metrics.cost_table import COST_TABLES, read_cost_tables

    groups = [] if text is None else read_groups(text)
    if tables:
        groups = read_groups(",".join([*groups, "energy"]))
    return groups, read_cost_tables(tables or COST_TABLES) if "energy" in groups else []


def _words(
    model: str,
    data: str,
    audio: Path | None,
    preset_file: Path | None,
    settings: tuple[str, ...],
    device: str,
    seed: int | None,
    seeds: int | None,
) -> list[str]:
    words = ["--model", model, "--data", data]
    words += ["--audio", str(audio)] if audio else []
    words += ["--seeds", str(seeds)] if seeds else ["--seed", str(seed or 0)]
    words += ["--preset", str(preset_file)] if preset_file else []
    for setting in settings:
        words += ["--set", setting]
    return words + (["--device", device] if device != "cpu" else [])


def _summary(result: Result, folder: Path) -> str:
    data, summary, seeds = result.dataset, result.summary, result.seeds
    interval = summary.test_interval
    synthetic = " (synthetic voices)" if data.synthetic else ""
    oracle = any(seed.selected_on == "test" for seed in seeds)
    opened = ", ".join(dict.fromkeys(str(seed.test_opened) for seed in seeds))
    lines = [
        f"{result.model.name} on {data.name}{synthetic}, {len(seeds)} seed{'s' * (len(seeds) > 1)}"
        + (", ORACLE: the epoch was chosen on the test split" if oracle else "")
        + (
            ", refitted: trained again with the validation speakers included"
            if result.is_refitted
            else ""
        ),
        f"  {'oracle' if oracle else 'test'} accuracy {'' if oracle else '  '}     {summary.test_mean:.1%}"
        + (f" ± {summary.test_std:.1%}" if summary.test_std is not None else "")
        + f"   95 %: {interval.low:.1%} … {interval.high:.1%} ({interval.method})",
        f"  validation accuracy  {_percent(summary.validation_mean)}"
        + (" (of the selected model, before the refit)" if result.is_refitted else ""),
        f"  speakers seen        {_percent(_mean([s.seen_accuracy for s in seeds]))}",
        f"  speakers unseen      {_percent(_mean([s.unseen_accuracy for s in seeds]))}",
        f"  parameters           {result.model.parameters:,}",
    ]
    if result.model.spiking:
        spikes = _mean([seed.spikes_per_sample for seed in seeds])
        shown = "not counted" if spikes is None else f"{spikes:,.0f} (hidden)"
        lines.append(f"  spikes per sample    {shown}")
    times = {"1": "once", "2": "twice"}.get(opened, f"{opened} times")
    lines += [
        *metric_lines([seed.metrics for seed in seeds if seed.metrics]),
        f"  training             {_mean([seed.train_seconds for seed in seeds]) or 0:.0f} s per seed",
        f"  test split opened    {times}" + (" per seed" if len(seeds) > 1 else ""),
        *_at_chance(result, oracle),
        f"result: {folder}",
        _next(result, folder, oracle),
    ]
    return "\n".join(lines)


def _at_chance(result: Result, oracle: bool) -> list[str]:
    confusions = [seed.confusion for seed in result.seeds]
    right = [sum(row[label] for label, row in enumerate(matrix)) for matrix in confusions]
    tries = max(seed.epochs for seed in result.seeds) if oracle else 1
    return chance_line(right, [sum(row) for row in confusions[0]], "test", tries)


def _next(result: Result, folder: Path, oracle: bool) -> str:
    from spikebench.protocol.splits import LEAVE_ONE_OUT

    if oracle:
        return "an oracle result is for comparison with figures that were selected on test; it cannot be submitted"
    if LEAVE_ONE_OUT in result.dataset.split.rule:
        return "a fold is for comparing settings and cannot be submitted; a run without --fold can"
    return f"next: spikebench submit {shlex.quote(str(folder))}"


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
