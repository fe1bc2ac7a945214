"""``spikebench encoders``: compare encoders on the same recordings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.progress.sweep import sweep_progress
from cli.shared.conversion import running, stop_cleanly
from spikebench.encoders import ENCODERS

if TYPE_CHECKING:
    from spikebench.codes.files import Code
    from spikebench.codes.measures import CodeMeasures
    from spikebench.codes.report import CodeRow, ModelAccuracy
    from spikebench.conversion.job import ConversionOptions
    from spikebench.sweeps.spec import SweepSpec


@click.command()
@click.argument("audio", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the spike files, the runs and the table.",
)
@click.option(
    "--encoder",
    "encoders",
    multiple=True,
    metavar="NAME",
    help=f"Encoder, may be repeated: {', '.join(ENCODERS)}.  [default: all]",
)
@click.option(
    "--spikes",
    "budgets",
    multiple=True,
    type=click.IntRange(1),
    metavar="N",
    help="Set thresholds for N spikes per training recording; may be repeated.  [default: presets]",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    help="Train this model on every code, e.g. svm; may be repeated.  [default: none]",
)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=1, show_default=True, help="Seeds 0 … N-1."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="TABLE.KEY=VALUE",
    help="Change one setting of every model, e.g. training.epochs=10; may be repeated.",
)
@click.option("--labels", default="auto", show_default=True, help="As for convert.")
@click.option("--speakers", default="auto", show_default=True, help="As for convert.")
@click.option("--split", default="auto", show_default=True, help="As for convert.")
@click.option(
    "--words",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="Recordings for speed and correlation.",
)
@click.option(
    "--plot",
    "picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the first of these recordings in every code: .png, .pdf or .svg.",
)
@click.option("--jobs", type=click.IntRange(1, 1024), help="Processes.  [default: one per core]")
@click.option("--restart", is_flag=True, help="Discard the work of an interrupted conversion.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--quiet", is_flag=True, help="Print only errors and the table.")
def encoders(
    audio: Path,
    output: Path,
    encoders: tuple[str, ...],
    budgets: tuple[int, ...],
    models: tuple[str, ...],
    seeds: int,
    settings: tuple[str, ...],
    labels: str,
    speakers: str,
    split: str,
    words: int,
    picture: Path | None,
    jobs: int | None,
    restart: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compare encoders on the recordings of the folder AUDIO.

    \b
      spikebench encoders hd_audio -o codes
      spikebench encoders hd_audio -o codes --spikes 2000 --model svm --model c_silif --seeds 3

    Every encoder converts all recordings with its first preset, with --spikes at every number of spikes per training
    recording. The table has, of training recordings: spikes per word and second, the bits per second of an
    address-event link, the speed of one process, how much sound after its time a spike depends on, and the
    correlation of spectrograms before and after decoding (listen). Accuracies are those on the validation samples; the
    test split stays closed.

    To resume, run the same command again: finished files and runs are kept. docs/encoders.md describes encoders and
    measures.
    """  # noqa: D301
    from spikebench.codes.files import list_codes
    from spikebench.codes.report import CodeRow, EncoderReport, table, write_report
    from spikebench.conversion.job import ConversionOptions
    from spikebench.encoders.encoder import make_encoder
    from spikebench.errors import TrainingError
    from spikebench.plots.sample import figure_format
    from spikebench.records.text import shareable
    from spikebench.sweeps.spec import list_configurations

    codes = list_codes(encoders, budgets)
    if picture is not None:
        figure_format(picture)
    if models:
        list_configurations(_spec(output / f"{codes[0].name}.h5", models, seeds, settings))
    options = ConversionOptions(labels=labels, speakers=speakers, split=split)
    study = _Study(audio, output, options, words, jobs, restart, quiet)
    rows = []
    for k, code in enumerate(codes):
        measures = study.measure(code, is_first=k == 0)
        path = study.path(code)
        found = study.train(_spec(path, models, seeds, settings), path) if models else []
        rows.append(
            CodeRow(file=path.name, budget=code.spikes, measures=measures, accuracies=found)
        )
    software = make_encoder(codes[0].encoder).software()
    report = EncoderReport(software=software, audio=shareable(str(audio)), rows=rows)
    write_report(output, report)
    if picture is not None:
        _draw(picture, rows, audio, output)
    if as_json:
        click.echo(report.model_dump_json(indent=2))
    else:
        _print(table(rows))
        click.echo(f"table: {output / 'encoders.md'}", err=True)
    if failed := sum(one.failed for row in rows for one in row.accuracies):
        raise TrainingError(f"{failed} runs failed; their folders in {output} have the reasons")


@dataclass(frozen=True)
class _Study:
    """The options of a comparison, and its steps for one code."""

    audio: Path
    output: Path
    options: ConversionOptions
    words: int
    jobs: int | None
    restart: bool
    quiet: bool

    def path(self, code: Code) -> Path:
        return self.output / f"{code.name}.h5"

    def measure(self, code: Code, *, is_first: bool) -> CodeMeasures:
        """Convert the recordings, and measure the spikes."""
        from spikebench.codes.files import convert_code
        from spikebench.codes.measures import measure_code

        with running([self.path(code)], self.quiet, None) as here:
            here.notify(f"{code.name}:")
            path = convert_code(
                code,
                self.audio,
                self.output,
                self.options,
                jobs=self.jobs,
                restart=self.restart,
                # What is said about the recordings is the same for all codes.
                notify=here.notify if is_first else lambda text: None,
                progress=here.progress,
            )
        return measure_code(path, self.audio, self.words)

    def train(self, spec: SweepSpec, path: Path) -> list[ModelAccuracy]:
        """Train the models on the spikes."""
        from spikebench.codes.report import accuracies
        from spikebench.sweeps.runner import plan_sweep, run_sweep

        plan = plan_sweep(spec, path.parent / f"runs-{path.stem}")
        with stop_cleanly(()) as check, sweep_progress(self.quiet, check) as progress:
            return accuracies(run_sweep(plan, workers=self.jobs, progress=progress))


def _spec(path: Path, models: tuple[str, ...], seeds: int, settings: tuple[str, ...]) -> SweepSpec:
    from cli.shared.encoder_settings import read_settings
    from spikebench.sweeps.spec import make_spec

    tables = {"model": list(models), "data": str(path.absolute()), "seeds": seeds}
    return make_spec({**tables, "settings": read_settings(settings)}, "models")


def _draw(picture: Path, rows: list[CodeRow], audio: Path, output: Path) -> None:
    """Draw the first training recording as the spikes of every code."""
    from spikebench.codes.measures import first_training
    from spikebench.encoders.encoder import Spikes
    from spikebench.encoders.provenance import encoder_of
    from spikebench.plots.encoders import Coded, draw_encoders
    from spikebench.plots.sample import write_figure
    from spikebench.spike_files.reader import SpikeFile

    coded, duration, source = [], 0.0, ""
    for row in rows:
        with SpikeFile(output / row.file) as file:
            index = first_training(file)
            times, units = file.events(index)
            encoder = encoder_of(file.provenance, file.n_units)
            coded.append(Coded(encoder, Spikes(times, units.astype("uint16"))))
            assert file.durations_s is not None
            assert file.sources is not None
            duration, source = float(file.durations_s[index]), file.sources[index]
    write_figure(draw_encoders(source, coded, duration), picture)


def _print(cells: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        first, *others = (
            cell.ljust(width) if k in (0, 2) else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join((first, *others)).rstrip())
