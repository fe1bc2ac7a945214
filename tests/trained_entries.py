"""Entries of models that really were trained, quickly, with logs and weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leaderboard.entry import make_entry, read_entry, write_entry
from leaderboard.verification import verify_result
from spikebench.evaluation import evaluate
from spikebench.preset import read_preset
from spikebench.protocol import open_selection
from spikebench.training import fit, start_run

SMALL = {
    "lif": ["model.hidden_units=[24]", "training.learning_rate=3e-2", "training.batch_size=8"],
    "lstm": ["model.hidden_units=8", "training.learning_rate=1e-2", "training.batch_size=16"],
    "cnn": ["model.filters=[4, 4, 4]", "model.dense_units=8", "training.batch_size=8"],
    "svm": ["model.C=[1.0]", "model.gamma_scale=[1.0]"],
}


def make_trained_entry(
    folder: Path,
    data: Path | str,
    model: str,
    seeds: int = 2,
    epochs: int = 6,
    weights: bool = True,
) -> Path:
    """Train, test and submit; the entry's folder."""
    selection = open_selection(str(data))
    words = ["input.duration_ms=300", f"training.epochs={epochs}", *SMALL[model]]
    preset = read_preset(model, None, words)
    runs = [folder / f"seed{seed}" for seed in range(seeds)]
    for seed, run in enumerate(runs):
        fit(run, start_run(run, model, preset, selection, seed), selection)
    evaluate(runs, selection, folder / "result", f"spikebench evaluate --model {model}")
    result = verify_result(folder / "result")
    return write_entry(
        *(folder / "result", folder / "entries", make_entry(result), result),
        overwrite=False,
        weights=weights,
    )


def forge(
    folder: Path, change: Callable[[dict[str, Any]], None], name: str = "result.json"
) -> Path:
    """Change a JSON file of an entry, and whatever SHA-256 would give that away."""
    path = folder / name
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    entry = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
    result = (folder / "result.json").read_bytes()
    entry["result_sha256"] = hashlib.sha256(result).hexdigest()
    (folder / "entry.json").write_text(json.dumps(entry), encoding="utf-8")
    read_entry(folder)  # a forgery that is found out by reading proves nothing here
    return folder
