"""``spikebench plot``: draw one sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
        recording = _find_recording(spikes, index, audio, required=with_stages or audio is not None)
        stages = _stages(spikes, recording) if with_stages and recording else None
        sample = Sample(times, units, spikes.n_units, _title(spikes, index))
        figure = draw_sample(sample, _frequencies(spikes), recording, stages)
    write_figure(figure, output)


def _find_recording(
    spikes: SpikeFile, index: int, audio: Path | None, *, required: bool
) -> Recording | None:
    """Find the recording of a sample; if there is none, print the reason, or raise if it is required."""
    from spikebench.errors import AudioError, SpikebenchError
    from spikebench.recordings.decoding import read_clip
    from spikebench.records.text import printable

    source = spikes.sources[index] if spikes.sources else ""
    digest = spikes.sha256[index] if spikes.sha256 else ""
    root = audio or _recorded_root(spikes)
    path = root / source if source and root.is_dir() else root
    reason = "the file names no recording"
    # A path from an untrusted file must not leave the folder that the user gave.
    if source and digest and not Path(source).is_absolute() and ".." not in Path(source).parts:
        try:
            recording = read_clip(path, max_duration=3600.0)
        except AudioError as error:
            reason = f"{printable(str(path))}: {error}"
        else:
            if recording.sha256 == digest:
                if spikes.segments is None or spikes.durations_s is None:
                    return recording
                return recording.cut(spikes.starts_s[index], spikes.durations_s[index])
            reason = f"{printable(str(path))}: is not the recording that was converted (SHA-256)"
    if required:
        raise SpikebenchError(f"{reason} (give the recording or its folder with --audio)")
    click.echo(
        f"no spectrogram: {reason} (give the recording or its folder with --audio)", err=True
    )
    return None


def _recorded_root(spikes: SpikeFile) -> Path:
    """Return the folder of the recordings that the file names: here, beside the spike file, or above it.

    The file has the name as it was given, relative to the folder in which it was made, which is often one above.
    """
    named = Path(str(spikes.provenance.get("source_root", "")))
    above = (folder / named for folder in spikes.path.absolute().parents)
    return next((place for place in (named, *above) if place.exists()), named)


def _frequencies(spikes: SpikeFile) -> NDArray[np.float64] | None:
    """Characteristic frequencies [Hz], shape (n_units,); None if the encoder has none or is unknown."""
    from spikebench.encoders.provenance import encoder_of
    from spikebench.errors import UnknownNameError

    try:
        return encoder_of(spikes.provenance, spikes.n_units).characteristic_frequencies()
    except UnknownNameError:
        return None


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
