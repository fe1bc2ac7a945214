"""``spikebench listen``: a sound of the spikes of one sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.shared.sample import encoder_behind, find_recording

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spikebench.spike_files.reader import SpikeFile

_LONGEST = 600.0  # seconds


@click.command()
@click.argument("data", metavar="FILE")
@click.option("--index", required=True, type=click.IntRange(0), help="Sample, counted from 0.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Sound to make: .wav or .flac.",
)
@click.option(
    "--audio",
    type=click.Path(path_type=Path),
    help="The recording, or the folder that was converted, to measure the similarity.  [default: as stored in FILE]",
)
@click.option(
    "--rate",
    "sample_rate",
    type=click.IntRange(2000, 192_000),
    default=16_000,
    show_default=True,
    help="Sample rate of the sound in Hz.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing sound.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def listen(
    data: str,
    index: int,
    output: Path,
    audio: Path | None,
    sample_rate: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Make a sound of the spikes of one sample of FILE.

    Every unit becomes a tone at its characteristic frequency, louder the more it fires; units up to 1,500 Hz keep the
    phase of their spikes. Spikes that code levels, as those of the mel encoders, are decoded. The sound is a rough
    reconstruction. If the recording is available, the correlation of both spectrograms is printed: 1 for equal
    spectrograms, about 0.5 on average for two different words (docs/listening.md).
    FILE is a spike file or the name of a data set whose encoder has characteristic frequencies.
    """
    from spikebench.encoders.encoder import Spikes
    from spikebench.errors import SpikebenchError
    from spikebench.records.whole_files import refuse_existing
    from spikebench.resynthesis.decoded import sound_of_spikes
    from spikebench.resynthesis.similarity import spectrogram_correlation
    from spikebench.resynthesis.sound import SoundDesign, sound_format, write_sound
    from spikebench.spike_files.reader import SpikeFile
    from spikebench.store.locate import resolve

    sound_format(output)
    refuse_existing(output, overwrite)
    file, _ = resolve(data)
    with SpikeFile(file) as spikes:
        if index >= spikes.n_samples:
            raise SpikebenchError(
                f"{file}: there is no sample {index}; the file has {spikes.n_samples}, counted from 0"
            )
        encoder = encoder_behind(spikes)
        frequencies = None if encoder is None else encoder.characteristic_frequencies()
        if encoder is None or frequencies is None:
            raise SpikebenchError(
                f"{file}: the encoder of its spikes is unknown or has no characteristic frequencies; "
                "listen needs a spike file of: spikebench convert"
            )
        times, units = spikes.events(index)
        duration = _duration(spikes, index, times)
        sound = sound_of_spikes(
            Spikes(times, units.astype("uint16")),
            frequencies,
            duration,
            encoder.decode,
            SoundDesign(sample_rate=sample_rate),
        )
        recording = find_recording(
            spikes, index, audio, required=audio is not None, without="no similarity"
        )
    similarity = None
    if recording is not None:
        similarity = spectrogram_correlation(
            recording.samples, recording.sample_rate, sound, sample_rate
        )
    write_sound(output, sound, sample_rate)
    if as_json:
        said = {
            "sound": str(output),
            "spikes": int(times.size),
            "duration_s": round(sound.size / sample_rate, 6),
            "sample_rate_hz": sample_rate,
            "spectrogram_correlation": similarity,
        }
        click.echo(json.dumps(said, ensure_ascii=False, indent=2))
        return
    click.echo(f"{output}: {times.size:,} spikes, {sound.size / sample_rate:.2f} s")
    if similarity is not None:
        click.echo(f"correlation with the spectrogram of the recording: {similarity:.2f}")


def _duration(spikes: SpikeFile, index: int, times: NDArray[np.float64]) -> float:
    """Return the length of the sound [s]: that of the recording, or up to the last spike."""
    from spikebench.errors import SpikebenchError

    last = float(times.max(initial=0.0)) + 0.05
    stored = spikes.durations_s
    duration = max(last, float(stored[index]) if stored is not None else 0.0)
    if duration > _LONGEST:
        raise SpikebenchError(
            f"{spikes.path}: sample {index} lasts {duration:,.0f} s; at most {_LONGEST:.0f} s become a sound"
        )
    return duration
