"""Entries of models that really were trained, quickly, with logs and weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import make_entry, read_entry, write_entry
from spikebench.evaluation.final_test import evaluate
from spikebench.metrics.cost import GROUPS
from spikebench.metrics.cost_table import COST_TABLES, read_cost_table
from spikebench.presets.preset import read_preset
from spikebench.protocol.opening import open_selection
from spikebench.records.whole_files import file_sha256
from spikebench.training.loop import fit, start_run
from spikebench.training.run_record import RunLog, log_text

SMALL = {
    "lif": [  # not so good that two seeds give the same answers
        *("model.hidden_units=[24]", "training.learning_rate=3e-2", "training.batch_size=8"),
        *("model.readout=max", "model.tau_readout_ms=300", "input.mode=binary"),
        *("regulariser.lower_strength=0.01", "regulariser.lower_spikes=1.0"),
        *("regulariser.upper_strength=1e-5", "regulariser.upper_spikes=20"),
    ],
    "lstm": ["model.hidden_units=8", "training.learning_rate=1e-2", "training.batch_size=16"],
    "cnn": ["model.filters=[4, 4, 4]", "model.dense_units=8", "training.batch_size=8"],
    "svm": ["model.C=[1.0]", "model.gamma_scale=[1.0]"],
}
ON_AUDIO = {
    "mel_lstm": [
        *("model.hidden_units=8", "training.learning_rate=2e-2", "training.batch_size=16"),
        *("mel.bands=12", "mel.sample_rate_hz=8000", "mel.highest_hz=4000"),
    ],
}


def make_trained_entry(
    folder: Path,
    data: Path | str,
    model: str,
    seeds: int = 2,
    epochs: int = 6,
    weights: bool = True,
    refit: bool = False,
    audio: Path | None = None,
) -> Path:
    """Train, test and submit; the entry's folder."""
    selection = open_selection(str(data), audio=audio)
    words = ["input.duration_ms=300", f"training.epochs={epochs}", *(SMALL | ON_AUDIO)[model]]
    preset = read_preset(model, None, words)
    runs = [folder / f"seed{seed}" for seed in range(seeds)]
    for seed, run in enumerate(runs):
        fit(run, start_run(run, model, preset, selection, seed, refit=refit), selection)
    tables = [read_cost_table(name) for name in COST_TABLES]
    command = f"spikebench evaluate --model {model}"
    evaluate(runs, selection, folder / "result", command, "cpu", GROUPS, tables)
    result = verify_result(folder / "result")
    return write_entry(
        *(folder / "result", folder / "entries", make_entry(result), result),
        overwrite=False,
        weights=weights,
    )


Change = Callable[[dict[str, Any]], None]


def forge(
    folder: Path, change: Change, change_run: Change = lambda run: None, reads: bool = True
) -> Path:
    """Change the result and every run of an entry, and whatever SHA-256 or copy would give that away."""
    result, entry = (
        json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("result.json", "entry.json")
    )
    if (folder / "run.json").exists():
        logs = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        for log, seed in zip(logs["runs"], result["seeds"], strict=True):
            change_run(log["run"])
            text = log_text(RunLog.model_validate(log))
            seed["run_sha256"] = hashlib.sha256(text.encode()).hexdigest()
        (folder / "run.json").write_text(json.dumps(logs), encoding="utf-8")
        run = logs["runs"][0]["run"]
        result["model"]["config"] |= run["preset"]["model"]
        result["training"] |= {k: v for k, v in run["preset"].items() if k != "model"}
        result["dataset"] = run["dataset"]
    change(result)
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    step, length = (result["training"]["input"][k] for k in ("time_step_ms", "duration_ms"))
    entry["declared"] |= {"time_step_ms": step, "time_steps": round(length / step)}
    entry["result_sha256"] = file_sha256(folder / "result.json")
    (folder / "entry.json").write_text(json.dumps(entry), encoding="utf-8")
    if reads:  # otherwise a forgery that is found out by reading proves nothing
        read_entry(folder)
    return folder
