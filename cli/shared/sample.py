"""The recording of a sample of a spike file, and the frequencies of its units."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spikebench.encoders.encoder import Encoder
    from spikebench.recordings.decoding import Recording
    from spikebench.spike_files.reader import SpikeFile


def find_recording(
    spikes: SpikeFile, index: int, audio: Path | None, *, required: bool, without: str
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
    click.echo(f"{without}: {reason} (give the recording or its folder with --audio)", err=True)
    return None


def recording_finder(spikes: SpikeFile, audio: Path | None) -> Callable[[int], Recording]:
    """Return a function that finds the recording of a sample, or raises with the reason."""

    def find(index: int) -> Recording:
        found = find_recording(spikes, index, audio, required=True, without="")
        assert found is not None
        return found

    return find


def _recorded_root(spikes: SpikeFile) -> Path:
    """Return the folder of the recordings that the file names: here, beside the spike file, or above it.

    The file has the name as it was given, relative to the folder in which it was made, which is often one above.
    """
    named = Path(str(spikes.provenance.get("source_root", "")))
    above = (folder / named for folder in spikes.path.absolute().parents)
    return next((place for place in (named, *above) if place.exists()), named)


def encoder_behind(spikes: SpikeFile) -> Encoder | None:
    """Return the encoder that made a spike file; None if it is unknown."""
    from spikebench.encoders.provenance import encoder_of
    from spikebench.errors import SpikebenchError

    try:
        return encoder_of(spikes.provenance, spikes.n_units)
    except SpikebenchError:
        return None


def characteristic_frequencies(spikes: SpikeFile) -> NDArray[np.float64] | None:
    """Characteristic frequencies [Hz], shape (n_units,); None if the encoder has none or is unknown."""
    encoder = encoder_behind(spikes)
    return None if encoder is None else encoder.characteristic_frequencies()
