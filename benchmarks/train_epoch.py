"""Measure one epoch of training on ``shd-r`` with the training loop of spikebench.

    python benchmarks/train_epoch.py shd-r

The argument is the name of a data set or the path of a spike file of 700 units. Two networks of 2 × 256 neurons
are trained on its training samples with their presets, bins of 4 ms and batches of 128: ``c_silif`` with 140 inputs and
``adlif`` with 700. The second epoch counts, since the first one loads the compiled loops: batches are made from the
spikes, augmented, and learned. Validation, which follows every epoch, has a column of its own.
Writes ``benchmarks/results/train-epoch.json`` and ``train-epoch.md``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from train import RESULTS, machine
from train_peers_common import BATCH

from spikebench.learning.ranks import this_rank
from spikebench.presets.preset import read_preset
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.training.epochs import make_rule, one_epoch
from spikebench.training.inference import bin_samples, build_model, one_thread, run_model
from spikebench.training.loop import start_run

COMMON = ["input.time_step_ms=4", f"training.batch_size={BATCH}", "model.hidden_units=[256, 256]"]
NETWORKS: dict[str, tuple[list[str], float]] = {  # further settings; longest epoch [s]
    "c_silif": (["input.group_units=5"], 5.0),
    "adlif": (['model.surrogate="triangle"'], 12.0),
}
EPOCHS = 2


def measure(name: str, settings: list[str], selection: SelectionData) -> dict[str, Any]:
    """Train some epochs; return the seconds of the last."""
    preset = read_preset(name, None, settings)
    with tempfile.TemporaryDirectory() as folder:
        record = start_run(Path(folder) / "run", name, preset, selection, seed=0)
    model = build_model(record)
    samples = bin_samples(selection.train, preset)
    validation = bin_samples(selection.validation, preset)
    rule = make_rule(model, record, samples, this_rank())
    with one_thread():
        for epoch in range(1, EPOCHS + 1):
            began = time.perf_counter()
            loss = one_epoch(rule, samples, record, epoch, preset.training.learning_rate)
            trained = time.perf_counter()
            with rule.evaluated_weights():
                answers = run_model(model, validation, BATCH)
            ended = time.perf_counter()
    return {
        "samples": len(samples),
        "events_per_sample": samples.n_events / len(samples),
        "inputs": samples.n_units,
        "steps": samples.n_steps,
        "epoch_s": trained - began,
        "validation_samples": len(validation),
        "validation_s": ended - trained,
        "loss": loss,
        "hidden_spikes": answers.spikes_per_sample,
    }


def page(report: dict[str, Any]) -> str:
    """Write the report as a page."""
    lines = [
        f"# One epoch of training on {report['data']}",
        "",
        "Made by `python benchmarks/train_epoch.py DATA`; its docstring describes the measurement.",
        "",
        f"{report['machine']}. {report['date']}. SHA-256 `{report['sha256'][:16]}…`. Settings beside the presets: "
        f"`{' '.join(COMMON)}`.",
        "",
        "| network | samples | inputs | bins | events per sample | epoch, s | bar, s | | validation, s "
        "| hidden spikes per sample |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in report["networks"].items():
        settings, bar = NETWORKS[name]
        lines.append(
            f"| {name}, `{' '.join(settings)}` | {row['samples']:,} | {row['inputs']} | {row['steps']} | "
            f"{row['events_per_sample']:,.0f} | {row['epoch_s']:.2f} | ≤ {bar:g} | "
            f"{'pass' if row['pass'] else 'MISSED'} | {row['validation_s']:.2f} ({row['validation_samples']:,} "
            f"samples) | {row['hidden_spikes']:,.0f} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="the name of a data set, or a spike file of 700 units")
    parser.add_argument("--print-only", action="store_true", help="write nothing")
    options = parser.parse_args()
    selection = open_selection(options.data)
    networks = {}
    for name, (settings, bar) in NETWORKS.items():
        networks[name] = measure(name, [*COMMON, *settings], selection)
        networks[name]["pass"] = networks[name]["epoch_s"] <= bar
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "data": Path(options.data).name,
        "sha256": selection.dataset.sha256,
        "networks": networks,
    }
    text = page(report)
    print(text)
    if not options.print_only:
        written = json.dumps(report, indent=1) + "\n"
        (RESULTS / "train-epoch.json").write_text(written, encoding="utf-8")
        (RESULTS / "train-epoch.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
