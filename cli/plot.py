"""``spikebench plot``: draw one sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.shared.sample import characteristic_frequencies, find_recording

if TYPE_CHECKING:
    from spikebench.plots.sample import Stages
    from spikebench.recordings.decoding import Recording
    from spikebench.spike_files.reader import SpikeFile

_MAX_STAGE_ROWS = 350


@click.command()
@click.argument("data", metavar="FILE")
@click.option("--index", required=True, type=click.IntRange(0), help="Sample, counted from 0.")
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
@click.option("--stages", "with_stages", is_flag=True, help="Add velocity and release probability.")
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
def plot(
    data: str, index: int, output: Path, audio: Path | None, with_stages: bool, overwrite: bool
) -> None:
    """Draw one sample of FILE: its spikes and, if the audio is available, its spectrogram.

    The audio is used only if its SHA-256 is the one stored in FILE. With the encoder cochlea, low units are high
    frequencies. The right axis gives the characteristic frequency of each unit if the encoder has them. FILE is a
    spike file or the name of a data set.
    """
    from spikebench.errors import SpikebenchError
    from spikebench.plots.sample import Sample, draw_sample, write_figure
    from spikebench.records.whole_files import refuse_existing
    from spikebench.spike_files.reader import SpikeFile
    from spikebench.store.locate import resolve

    refuse_existing(output, overwrite)
    file, _ = resolve(data)
    with SpikeFile(file) as spikes:
        if index >= spikes.n_samples:
            raise SpikebenchError(
                f"{file}: there is no sample {index}; the file has {spikes.n_samples}, counted from 0"
            )
        times, units = spikes.events(index)
        recording = find_recording(
            spikes,
            index,
            audio,
            required=with_stages or audio is not None,
            without="no spectrogram",
        )
        stages = _stages(spikes, recording) if with_stages and recording else None
        sample = Sample(times, units, spikes.n_units, _title(spikes, index))
        figure = draw_sample(sample, characteristic_frequencies(spikes), recording, stages)
    write_figure(figure, output)


def _stages(spikes: SpikeFile, recording: Recording) -> Stages:
    from spikebench.encoders.cochlea.stages import trace_sample
    from spikebench.plots.sample import Stages

    step = -(-spikes.n_units // _MAX_STAGE_ROWS)
    channels = range(0, spikes.n_units, step)
    trace = trace_sample(spikes, recording, channels)
    return Stages(channels, trace.velocity, trace.p_fire, trace.sample_rate)


def _title(spikes: SpikeFile, index: int) -> str:
    label = int(spikes.labels[index])
    parts = [f"{spikes.path.name}, sample {index}"]
    if spikes.provenance.get("synthetic_voices"):
        parts.append("synthetic voice")
    if 0 <= label < len(spikes.keys):
        parts.append(f"“{spikes.keys[label]}”")
    if spikes.speakers[index] >= 0:
        parts.append(f"speaker {spikes.speakers[index]}")
    if spikes.sources:
        piece = f"#{spikes.segments[index]}" if spikes.segments is not None else ""
        parts.append(spikes.sources[index] + piece)
    return "  ·  ".join(parts)
