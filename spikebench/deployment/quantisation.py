"""Rounding the weights of a finished run to few bits; see :mod:`spikebench.learning.few_bits`.

The result is a run of its own. It is the run that ``training.weight_bits`` with ``training.weight_rounding = "after"``
would give: training is the same up to its end, so it need not be repeated, and ``spikebench verify --training`` can
repeat it. Its validation accuracy is that of the selected model before rounding (as that of a refitted run is that
before the refit).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from spikebench.errors import OutputExistsError, TrainingError
from spikebench.learning.few_bits import connections, n_values, round_tensors
from spikebench.learning.rule import rule_class, rule_name
from spikebench.models.own_file import class_of
from spikebench.presets.preset import Preset
from spikebench.training.inference import load_trained
from spikebench.training.loop import weights_note
from spikebench.training.run import (
    AUDIO_FILE,
    DATA_FILE,
    RUN_FILE,
    WEIGHTS_FILE,
    read_run,
    save_tensors,
    write_run,
)
from spikebench.training.run_record import HISTORY_FILE, REFIT_HISTORY_FILE, RunRecord

_SAME = (DATA_FILE, AUDIO_FILE, HISTORY_FILE, REFIT_HISTORY_FILE)


@dataclass(frozen=True)
class RoundedTensor:
    """A tensor of rounded weights.

    Attributes
    ----------
    name : str
        Its name.
    weights : int
        Number of weights.
    values : int
        Number of different values after rounding.
    error : float
        Root mean square of the rounding errors, divided by that of the weights; 0 if all weights are 0.
    """

    name: str
    weights: int
    values: int
    error: float


def quantise(run: Path, folder: Path, bits: int) -> tuple[RunRecord, list[RoundedTensor]]:
    """Round the weights of a finished run, and write them as another run.

    Parameters
    ----------
    run
        Folder of the run; it is not changed.
    folder
        Folder of the new run.
    bits
        Bits per weight, 2 to 8.

    Returns
    -------
    record : RunRecord
        The new run.
    tensors : list of RoundedTensor
        What was rounded.

    Raises
    ------
    TrainingError
        If the run is not finished, its weights are rounded already, or its model has no weights to round.
    OutputExistsError
        If the folder contains a run.
    """
    record = read_run(run)
    if (folder / RUN_FILE).exists():
        raise OutputExistsError(f"{folder}: contains a run already; choose another folder with -o")
    if record.preset.training.weight_bits:
        raise TrainingError(
            f"{run}: its weights have {record.preset.training.weight_bits} bits already; round the run from "
            "which it was made"
        )
    if record.status != "trained":
        raise TrainingError(
            f"{run}: training is not finished; first run: spikebench train --resume {run}"
        )
    rule = rule_name(class_of(record.model, record.code_sha256), record.preset)
    if not rule_class(rule).rounds_weights:
        why = "is not trained by gradients" if rule == "counts" else f"is trained by {rule}"
        raise TrainingError(f"{run}: model {record.model} {why}; its weights are not rounded")
    model = load_trained(run, record)
    before = model.state_dict()
    after = round_tensors(model, before, bits)
    training = {"weight_bits": bits, "weight_rounding": "after"}
    settings = record.preset.model_dump(mode="json")
    preset = Preset.model_validate(settings | {"training": settings["training"] | training})
    done = record.model_copy(update={"preset": preset, "opened_for": ""})
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(folder / WEIGHTS_FILE, after, weights_note(done))
    for name in _SAME:
        if (run / name).is_file():
            shutil.copyfile(run / name, folder / name)
    write_run(folder, done)  # last: a folder without it is not a run
    return done, [
        RoundedTensor(
            name=name,
            weights=before[name].numel(),
            values=n_values(after[name]),
            error=float((after[name] - before[name]).norm() / before[name].norm().clamp(min=1e-30)),
        )
        for name in connections(model)
    ]
