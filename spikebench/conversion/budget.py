"""The encoder of a conversion with a wanted number of spikes per recording, found on its training recordings only.

At most 100 recordings of the training split are used, spread evenly over the list, so that a resumed conversion finds
the same parameter. Test and validation recordings are not read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from spikebench.conversion.job import ConversionOptions
from spikebench.encoders.budget import Heard, fit_budget
from spikebench.encoders.clip import EncodingSettings, each_piece
from spikebench.encoders.encoder import Spikes
from spikebench.errors import AudioError, SpikebenchError
from spikebench.naming.names import ClipNames
from spikebench.recordings.decoding import Recording, read_bytes
from spikebench.recordings.search import Clip

__all__ = ["settle_budget"]

_MOST_RECORDINGS = 100


def settle_budget(
    options: ConversionOptions,
    names: ClipNames,
    notify: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> tuple[ConversionOptions, dict[str, Any]]:
    """Find the setting of the encoder that gives ``options.spikes`` spikes per recording on average.

    Parameters
    ----------
    options
        Options of the conversion.
    names
        The recordings and their splits.
    notify
        Called with what is sought, and with what was found.
    progress
        Called after every step of the search with 0 and the number of recordings to convert.

    Returns
    -------
    options : ConversionOptions
        With the setting that was found; as they were if ``options.spikes`` is None.
    found : dict
        Attributes for the spike file: ``spike_budget`` with the wanted mean, the mean that was reached, and the number
        of recordings; empty if ``options.spikes`` is None.

    Raises
    ------
    SpikebenchError
        If there are no training recordings, or the number cannot be reached.
    """
    if options.spikes is None:
        return options, {}
    training = [
        clip for clip, split in zip(names.clips, names.splits, strict=True) if split == "train"
    ]
    if not training:
        raise SpikebenchError(
            "a number of spikes is set on training recordings, and no recording is one: name them with --split, or set "
            "the threshold yourself with --set"
        )
    encoder = options.make_encoder()
    keep_offset = options.keep_offset or encoder.keeps_offset
    settings = EncodingSettings(
        encoder, options.seed, options.max_duration, options.segment, keep_offset
    )
    spread = np.linspace(0, len(training) - 1, min(len(training), _MOST_RECORDINGS)).astype(int)
    heard = [piece for k in spread for piece in _pieces(training[k], settings)]
    if not heard:
        raise SpikebenchError("a number of spikes is set on training recordings: none is usable")
    notify(f"seeking {options.spikes:,} spikes per recording on {len(heard)} training recordings")
    best, mean = fit_budget(
        encoder, heard, options.spikes, lambda done, most: progress(0, len(names.clips))
    )
    set_here = ", ".join(f"{name} = {value}" for name, value in best.settings.items())
    notify(f"{set_here or 'the preset'} gives {mean:,.0f} spikes per training recording")
    budget = {"wanted": options.spikes, "mean": round(mean, 3), "recordings": len(heard)}
    return replace(options, settings=best.settings), {"spike_budget": budget}


def _pieces(clip: Clip, settings: EncodingSettings) -> list[Heard]:
    """Decode the usable pieces of a recording; what is not usable is reported by the conversion itself."""
    pieces: list[Heard] = []

    def keep(recording: Recording, seed: list[int]) -> Spikes:
        pieces.append(Heard(recording.samples, recording.sample_rate, seed))
        return Spikes(np.empty(0), np.empty(0, np.uint16))

    try:
        each_piece(read_bytes(clip.path), settings, keep)
    except AudioError:
        return []
    return pieces
