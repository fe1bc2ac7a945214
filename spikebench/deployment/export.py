"""A trained run as a file for other programs: NIR for spiking models, ONNX for conventional ones.

A model that the format cannot express is refused before anything is written. The same run gives the same bytes.
``docs/export.md`` describes the contents of the files.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from spikebench import __version__
from spikebench.deployment.nir_obstacles import nir_obstacle
from spikebench.errors import ExportError
from spikebench.events.raster_loops import EDGE_TOLERANCE
from spikebench.models.base import Classifier
from spikebench.records.whole_files import refuse_existing, write_bytes
from spikebench.training.inference import load_trained
from spikebench.training.run import find_run, read_run
from spikebench.training.run_record import RunRecord

Format = Literal["nir", "onnx"]
About = dict[str, str | int | float]

# Function (model, about) -> bytes for every network of spiking layers that :func:`fits_nir` accepts.
NIR = "spikebench.deployment.nir_graph:spiking_network"
# model -> function (model, about) -> bytes. Other names are refused.
ONNX = {
    "lstm": "spikebench.deployment.onnx_graph:lstm",
    "gru": "spikebench.deployment.onnx_graph:gru",
    "cnn": "spikebench.deployment.onnx_graph:cnn",
    "tcn": "spikebench.deployment.onnx_graph:tcn",
    "mlp_counts": "spikebench.deployment.onnx_graph:mlp_counts",
    "svm": "spikebench.deployment.onnx_graph:svm",
    "linear_bins": "spikebench.deployment.onnx_graph:linear_bins",
    "mel_cnn": "spikebench.deployment.onnx_graph:mel_cnn",
    "mel_lstm": "spikebench.deployment.onnx_graph:lstm",
    "mel_tcn": "spikebench.deployment.onnx_graph:tcn",
}
# Conventional models without a graph, and the reason.
NO_ONNX = {
    "event_ssm": "takes single events, and the input of an ONNX graph is a raster",
}
_INPUT = (
    "cell (t, u): events of unit u in time step t, [t, t + 1)·time_step_ms from the start of the clip, where an event "
    "up to edge_tolerance_us before an edge is on it; input_mode counts: how many, binary: 0 or 1; later events are "
    "left out"
)
_MEL_INPUT = (
    "cell (t, b): level in dB of mel band b, from the lowest, in the window that ends with time step t, at least "
    "mel_floor_db, which is also the level after the end of the clip; the clip is resampled and scaled to the root "
    "mean square of a sine of amplitude 1, whose level is about 0; Hann window, transform of the next power of two, "
    "triangles of height 1 on the mel scale of Slaney (librosa.filters.mel)"
)


@dataclass(frozen=True)
class Exported:
    """An exported file.

    Attributes
    ----------
    path : Path
        The file.
    sha256 : str
        Its SHA-256.
    format : {"nir", "onnx"}
        Its format.
    record : RunRecord
        The run from which it was made.
    """

    path: Path
    sha256: str
    format: Format
    record: RunRecord


def export_run(folder: Path, form: Format, path: Path, *, overwrite: bool = False) -> Exported:
    """Write the model of a finished run as NIR or ONNX, completely or not at all.

    Parameters
    ----------
    folder
        Folder of the run, or of a result with one run.
    form
        ``nir`` or ``onnx``.
    path
        The file to write.
    overwrite
        Whether an existing file may be replaced.

    Returns
    -------
    Exported
        The written file.

    Raises
    ------
    OutputError
        If the file exists already, or its folder is missing.
    TrainingError
        If the folder is not a run, or contains several, or the run is not finished or damaged.
    ExportError
        If the format cannot express the model, or its package is not installed.
    """
    refuse_existing(path, overwrite)
    folder = find_run(folder)
    record = read_run(folder)
    model = load_trained(folder, record)
    write = _find_writer(model, record.model, form)
    content = write(model, describe(record))
    write_bytes(path, content)
    return Exported(path, hashlib.sha256(content).hexdigest(), form, record)


def fits_nir(model: Classifier) -> bool:
    """Return whether NIR has nodes for a model.

    Parameters
    ----------
    model
        Any model.

    Returns
    -------
    bool
        True if there is no obstacle; see :func:`spikebench.deployment.nir_obstacles.nir_obstacle`.
    """
    return not nir_obstacle(model)


def formats(model: Classifier, name: str) -> tuple[Format, ...]:
    """Return the formats in which a model can be written.

    Parameters
    ----------
    model, name
        The model and its name.

    Returns
    -------
    tuple of str
        Empty for a model that no format can express.
    """
    nir: tuple[Format, ...] = ("nir",) if fits_nir(model) else ()
    onnx: tuple[Format, ...] = ("onnx",) if name in ONNX else ()
    return nir + onnx


def _find_writer(model: Classifier, name: str, form: Format) -> Callable[[Any, About], bytes]:
    """Return the function that writes a model, or raise with the reason why there is none."""
    place = ONNX.get(name) if form == "onnx" else NIR if fits_nir(model) else None
    if place is None:
        raise ExportError(f"model {name} {_why_not(model, name, form)}")
    module, _, attribute = place.partition(":")
    try:
        found: Callable[[Any, About], bytes] = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != form:
            raise
        raise ExportError(
            f"--{form} needs the package {form}: pip install 'spikebench[export]'"
        ) from None
    return found


def _why_not(model: Classifier, name: str, form: Format) -> str:
    if form == "nir":
        other = "; export it with --onnx" if name in ONNX else ""
        return nir_obstacle(model) + other
    if model.spiking:
        return "is a spiking model, and ONNX has no spiking neurons" + (
            "; export it with --nir" if fits_nir(model) else ""
        )
    return NO_ONNX.get(name, "has no ONNX graph in spikebench yet")


def describe(record: RunRecord) -> About:
    """Describe the run for readers of an exported model.

    Parameters
    ----------
    record
        The run.

    Returns
    -------
    dict
        Text and numbers; physical quantities have their unit in the key, ``classes`` is a JSON list.
    """
    settings, data = record.preset.input, record.dataset
    about: About = {
        "exported_by": f"spikebench {__version__}",
        "trained_by": record.software,
        "model": record.model,
        "dataset": data.name,
        "dataset_sha256": data.sha256,
        "dataset_fingerprint": data.fingerprint or "",
        "synthetic_voices": int(data.synthetic),
        "seed": record.seed,
        # An exported file may be shared alone, so it records how its weights were selected.
        "selected_on": record.selected_on,
        "classes": json.dumps(data.classes),
        "time_step_ms": settings.time_step_ms,
        "n_steps": settings.n_steps,
        "n_units": record.preset.n_inputs(data.n_units),
        "input_mode": settings.mode,
    }
    if record.preset.mel is None:
        about |= {"edge_tolerance_us": round(EDGE_TOLERANCE * 1e6, 3), "input": _INPUT}
    else:
        about |= {f"mel_{key}": value for key, value in record.preset.mel.model_dump().items()}
        about["input"] = _MEL_INPUT
    if settings.group_units > 1:
        about["group_units"] = settings.group_units
    if record.refit_epochs is not None:
        about["refit_epochs"] = record.refit_epochs
    if record.condition:
        about["condition"] = record.condition
    return about if record.fold is None else about | {"fold": record.fold}
