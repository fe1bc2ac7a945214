"""The spike files of a comparison, one per encoder and budget of spikes; made once, and resumed.

A file holds the digest of all that determines it, so it is used again only for the same recordings and options.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import convert, request
from spikebench.encoders import ENCODERS
from spikebench.errors import SpikebenchError, UnknownNameError
from spikebench.naming.names import name_clips
from spikebench.recordings.search import find_clips
from spikebench.records.text import printable
from spikebench.spike_files.reader import SpikeFile

__all__ = ["Code", "convert_code", "list_codes"]

_MARK = "comparison_of_encoders"


@dataclass(frozen=True)
class Code:
    """An encoder with its first preset, and the spikes per training recording for which its threshold is set.

    Attributes
    ----------
    encoder
        Name of the encoder.
    spikes
        Mean number per training recording; None leaves the threshold of the preset.
    """

    encoder: str
    spikes: int | None

    @property
    def name(self) -> str:
        """Name of its files."""
        return self.encoder if self.spikes is None else f"{self.encoder}-{self.spikes}"


def list_codes(encoders: Sequence[str], budgets: Sequence[int]) -> list[Code]:
    """List the codes of a comparison.

    Parameters
    ----------
    encoders
        Names; all encoders if empty.
    budgets
        Spikes per training recording; the thresholds of the presets if empty.

    Returns
    -------
    list of Code
        Every encoder with every budget.

    Raises
    ------
    UnknownNameError
        If there is no such encoder.
    """
    for name in encoders:
        if name not in ENCODERS:
            raise UnknownNameError("encoder", name, ENCODERS)
    chosen = list(dict.fromkeys(encoders)) or list(ENCODERS)
    wanted: list[int | None] = [*dict.fromkeys(budgets)] or [None]
    return [Code(name, spikes) for spikes in wanted for name in chosen]


def convert_code(
    code: Code,
    audio: Path,
    folder: Path,
    options: ConversionOptions,
    *,
    jobs: int | Callable[[], int] | None = None,
    restart: bool = False,
    notify: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Make the spike file of a code, or find it finished.

    Parameters
    ----------
    code
        Encoder and budget.
    audio
        Folder of recordings.
    folder
        Folder of the comparison.
    options
        Options of the conversion apart from encoder and budget.
    jobs, restart, notify, progress
        As for :func:`spikebench.conversion.runner.convert`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    SpikebenchError
        If a file of other recordings or options is in the way, or the conversion fails.
    """
    path = folder / f"{code.name}.h5"
    options = replace(options, encoder=code.encoder)
    clips, _ = find_clips(audio)
    names = name_clips(clips, options.labels, options.speakers, options.split)
    sizes = [clip.path.stat().st_size for clip in names.clips]
    asked = json.dumps([request(audio, options, names), code.spikes, sizes], sort_keys=True)
    mark = hashlib.sha256(asked.encode()).hexdigest()
    if path.is_file():
        with SpikeFile(path) as file:
            if file.provenance.get(_MARK) == mark:
                notify(f"{path.name} is there")
                return path
        raise SpikebenchError(
            f"{printable(str(path))}: made from other recordings or with other options; choose another folder with -o"
        )
    folder.mkdir(parents=True, exist_ok=True)
    convert(
        audio,
        path,
        replace(options, spikes=code.spikes),
        jobs=jobs,
        restart=restart,
        describe=lambda n_samples: {_MARK: mark},
        notify=notify,
        progress=progress,
    )
    return path
