"""``spikebench plot``: pictures of spike files, results and trained models."""

from __future__ import annotations

from pathlib import Path

import click

from cli.shared.plot_kinds import KINDS, Request


@click.command()
@click.argument("source", metavar="FILE|RESULT|RUN|RESULTS")
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    default="sample",
    show_default=True,
    help="What to draw; see above.",
)
@click.option("--index", type=click.IntRange(0), help="Sample, counted from 0.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Picture to make: .png, .pdf or .svg.",
)
@click.option(
    "--audio",
    type=click.Path(path_type=Path),
    help="The recording, or the folder that was converted.  [default: as stored in FILE]",
)
@click.option("--stages", is_flag=True, help="Add velocity and release probability to a sample.")
@click.option(
    "--data",
    metavar="FILE",
    help="The spike file, or the name of a data set, with the sample (activity), or to compare with (comparison).",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
def plot(
    source: str,
    kind: str,
    index: int | None,
    output: Path,
    audio: Path | None,
    stages: bool,
    data: str | None,
    overwrite: bool,
) -> None:
    """Draw a picture.

    \b
    kind         source   what is drawn
    sample       FILE     spikes of the sample --index, and its spectrogram if the
                          recording is available; --stages adds velocity and
                          release probability
    classes      FILE     mean spikes of every class by unit and time
    frequencies  FILE     characteristic frequency of every unit
    tuning       FILE     tuning curves of ten units: how much the membrane moves
                          there for tones of all frequencies
    comparison   FILE     how close FILE and --data are, paired by recordings
    confusion    RESULT   confusion matrix of the test samples, over all seeds
    latency      RESULT   test accuracy against the duration of the input
    pareto       RESULTS  test accuracy against parameters, operations and spikes of
                          all results in a folder, and the front that none beats
    training     RUN      loss and validation accuracy of every epoch
    parameters   RUN      learned time constants and delays
    activity     RUN      spikes of the hidden layers for sample --index of --data;
                          not for samples of the test split of the model's data

    The audio is used only if its SHA-256 is the one stored in FILE. With the encoder cochlea, low units are high
    frequencies. The right axis of a sample gives the characteristic frequency of each unit if the encoder has them.
    FILE is a spike file or the name of a data set, RESULT a result or a leaderboard entry, RUN a run, a folder of runs,
    or a RESULT with logs and weights (parameters and activity: of the first seed), RESULTS a folder of results or
    entries. `spikebench compare --plot` draws whether results differ, `spikebench data compare` has all options for two
    files.
    """  # noqa: D301
    from spikebench.plots.sample import write_figure
    from spikebench.records.whole_files import refuse_existing

    given = {"--index": index, "--audio": audio, "--stages": stages or None, "--data": data}
    draw, required, optional = KINDS[kind]
    for option, value in given.items():
        if value is None and option in required:
            raise click.UsageError(f"Missing option '{option}', which the kind {kind} needs.")
        if value is not None and option not in (*required, *optional):
            raise click.UsageError(f"{option} does not apply to the kind {kind}; leave it out.")
    refuse_existing(output, overwrite)
    write_figure(draw(Request(source, index or 0, audio, stages, data or "")), output)
