"""Measure conversion, training and accuracy on a GPU, one part per call.

    python benchmarks/gpu_speed.py conversion|training|more-training|epoch|accuracy FILE.json [--device cuda]
        [--data DATA] [--tiny]

Stages of ``gpu.sh``:

* **conversion**: ``data/digits`` at 700 channels. ``device`` is the encoding of prepared recordings, as in
  ``convert_device.py``; ``whole`` is everything from the recordings to the spike file.
* **training**: ms per step of the recurrent network at T = 250, H = 256, each library in a process of its own, as in
  ``train.py``; **more-training** the other rows there, and plain PyTorch through ``torch.compile``. Peers that are
  not installed are left out, and spyx, which is measured on the CPU only.
* **epoch**: an epoch of ``shd-r`` with model ``rlif`` at T = 250, H = 256 and batches of 128, as in
  ``spikebench train``: making the batches, copying them to the device, and the steps.
* **accuracy**: ``spikebench evaluate`` of one model with its preset on ``digits``, one seed, on the GPU and on the CPU.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from gpu_data import bar, open_words, tiny_words, write
from train import COMPILED, OURS, ROWS, Row, write_batch
from train_peers_common import BATCH

from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import convert
from spikebench.encoders.device_executor import device_executor
from spikebench.events.batches import BinnedSamples
from spikebench.learning.ranks import this_rank
from spikebench.learning.rule import rule_class
from spikebench.models.base import DataShape, model_class
from spikebench.presets.preset import read_preset
from spikebench.protocol.opening import SelectionData
from spikebench.training.epochs import one_epoch
from spikebench.training.inference import bin_samples, place
from spikebench.training.run_record import RunRecord

HERE = Path(__file__).parent
ROOT = HERE.parent
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
MODULES = {
    "snnTorch": "snntorch",
    "SpikingJelly": "spikingjelly",
    "norse": "norse",
}  # of peers; others: torch
FIRST_ROW, COMPILED_ROW = "recurrent LIF, T = 250, H = 256", "feed-forward LIF, T = 250, H = 256"
REAL_TIME, PEER_FACTOR, EPOCH_SECONDS = 1000.0, 8.0, 1.0  # asked for
MODEL, MOST_DIFFERENCE = "c_silif", 0.08  # of accuracies: three standard deviations of a difference


def conversion(options: argparse.Namespace) -> None:
    """Measure the conversion of the packaged recordings."""
    from convert_device import measure

    tiny: bool = options.tiny
    with tempfile.TemporaryDirectory() as temporary:
        folder = short_clips(Path(temporary)) if tiny else ROOT / "data" / "digits"
        channels, repeats = (2, 1) if tiny else (700, 3)
        result = measure(folder, options.device, 1 if tiny else 512, channels, repeats)
        speed = result["device_times_real_time"]
        bars = [bar("conversion on the device", speed, REAL_TIME, "× real time", at_most=False)]
        found = {"device": result, "bars": bars}
        write(options.file, found)
        began = time.perf_counter()
        with device_executor(options.device, 1 if tiny else None) as executor:
            settings = ConversionOptions(n_channels=channels)
            report = convert(folder, Path(temporary) / "out.h5", settings, executor=executor)
        seconds = time.perf_counter() - began
        found["whole"] = {"samples": report.samples, "seconds": seconds}
        write(options.file, found)


def short_clips(folder: Path) -> Path:
    """Write a recording of a few samples."""
    import soundfile

    tone = 0.5 * np.sin(np.arange(100) / 3)
    soundfile.write(folder / "tone.wav", tone, 16000, subtype="PCM_16")
    return folder


def contenders(row: Row) -> dict[str, str]:
    """Return the libraries that are installed and can use a GPU, with the interpreter of each."""
    found = {OURS: sys.executable}
    for name in row.peers:
        if name == "spyx":
            continue
        if PEERS_PYTHON.exists():
            found[name] = str(PEERS_PYTHON)
        elif importlib.util.find_spec(MODULES.get(name, "torch")):
            found[name] = sys.executable
    return found


def training(options: argparse.Namespace, more: bool = False) -> None:
    """Measure a training step of every library."""
    tiny: bool = options.tiny
    words = tiny_words(4) if tiny else open_words(options.data, BATCH)
    selection = cast(SelectionData, SimpleNamespace(train=words.train))
    rows = {title: row for title, row in ROWS.items() if (title == FIRST_ROW) != more}
    if tiny:
        rows = {
            f"{title.split(',')[0]}, T = 3, H = 8": row._replace(n_steps=3, n_hidden=8)
            for title, row in rows.items()
        }
    found: dict[str, Any] = {"data": words.description, "shapes": {}, "bars": []}
    with tempfile.TemporaryDirectory() as temporary:
        arguments = {
            title: step_arguments(Path(temporary) / f"{number}.npz", selection, row, options)
            for number, (title, row) in enumerate(rows.items())
        }
        steps = [(title, name) for title, row in rows.items() for name in contenders(row)]
        if more and not tiny:  # it compiles for up to a minute
            steps.append((COMPILED_ROW, "plain torch" + COMPILED))
        for title, name in steps:
            python = contenders(rows[title])[name.removesuffix(COMPILED)]
            network = ["--network", rows[title].network] if name == OURS else []
            measured = found["shapes"].setdefault(title, {})
            measured[name] = step(name, python, arguments[title] + network, tiny)
            found["bars"] = [one for each in found["shapes"].items() for one in peer_bar(*each)]
            write(options.file, found)
    failed = [one[OURS]["error"] for one in found["shapes"].values() if "error" in one[OURS]]
    if failed:
        sys.exit(f"spikebench was not measured: {failed[0]}")


def step_arguments(
    file: Path, selection: SelectionData, row: Row, options: argparse.Namespace
) -> list[str]:
    """Write the batch of a row into a file, and return the arguments of a measurement of it."""
    write_batch(file, row, selection)
    words = [*row.words(), "--events", str(file), "--device", options.device, "--json"]
    return [*words, "--repeat", "1" if options.tiny else "10"]


def step(name: str, python: str, arguments: list[str], interpreted: bool) -> dict[str, Any]:
    """Measure one library in a process of its own; the last line of its errors if it fails."""
    script = ["train_spikebench.py"] if name == OURS else ["train_peers.py", name]
    runner = [str(HERE / "gpu_interpreted.py")] if interpreted and name == OURS else []
    command = [python, *runner, str(HERE / script[0]), *script[1:], *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    row: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    del row["scores"], row["losses"]
    print(f"{name}: {1e3 * row['median_s']:.2f} ms", flush=True)
    return row


def peer_bar(title: str, rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Compare with the fastest of the other libraries."""
    times = {name: row["median_s"] for name, row in rows.items() if "median_s" in row}
    others = [name for name in times if name != OURS]
    if OURS not in times or not others:
        return []
    fastest = min(others, key=lambda name: times[name])
    ratio = times[fastest] / times[OURS]
    return [bar(f"step, {title}, against {fastest}", ratio, PEER_FACTOR, "×", at_most=False)]


def epoch(options: argparse.Namespace) -> None:
    """Measure an epoch of training as users run it."""
    tiny: bool = options.tiny
    words = tiny_words(8) if tiny else open_words(options.data)
    grid = ["input.time_step_ms=250", "model.hidden_units=8", "training.batch_size=4"]
    if not tiny:
        grid = ["input.time_step_ms=4", "model.hidden_units=256", "training.batch_size=128"]
    preset = read_preset("rlif", overrides=grid)
    samples = bin_samples(words.train, preset)
    rate = samples.n_events / (len(samples) * samples.n_steps * samples.n_units)
    shape = DataShape(
        samples.n_units, 20, samples.n_steps, preset.input.time_step_ms * 1e-3, input_rate=rate
    )
    kind = model_class("rlif")
    torch.manual_seed(0)
    record = cast(RunRecord, SimpleNamespace(preset=preset, seed=0))
    model = kind(kind.Config.model_validate(preset.model), shape)
    model = place(model, torch.device(options.device), record)
    rule = rule_class(model.learning)(model, preset, torch.ones(20), this_rank(), 0)
    warm_up = BinnedSamples(
        words.train.subset(np.arange(min(len(samples), 2 * preset.training.batch_size))),
        samples.time_step,
        samples.n_steps,
        samples.mode,
    )
    began = time.perf_counter()
    one_epoch(rule, warm_up, record, 1, 1e-3)
    found: dict[str, Any] = {
        "data": words.description,
        "shape": f"T = {samples.n_steps}, H = {preset.model['hidden_units']}, recurrent, batches of "
        f"{preset.training.batch_size}",
        "first_steps_s": time.perf_counter() - began,
        "seconds": [],
    }
    for number in range(2, 3 if tiny else 7):
        began = time.perf_counter()
        found["loss"] = one_epoch(rule, samples, record, number, 1e-3)
        found["seconds"].append(time.perf_counter() - began)
        seconds = statistics.median(found["seconds"])
        found["bars"] = [
            bar(f"epoch: {words.description}", seconds, EPOCH_SECONDS, "s", at_most=True)
        ]
        write(options.file, found)


def accuracy(options: argparse.Namespace) -> None:
    """Train and test a model on the GPU and on the CPU."""
    data, settings = "digits", []
    found: dict[str, Any] = {"model": MODEL, "test": {}, "seconds": {}, "checks": []}
    with tempfile.TemporaryDirectory() as temporary:
        if options.tiny:
            sys.path.insert(0, str(ROOT / "tests"))
            from helpers.toy import write_toy

            data = str(write_toy(Path(temporary) / "toy.h5", takes=1, marked=True))
            settings = ["training.epochs=1", "input.time_step_ms=500", "model.hidden_units=[8]"]
        for title, device in (("GPU", options.device), ("CPU", "cpu")):
            folder = Path(temporary) / title
            interpreted = options.tiny and title == "GPU"
            runner = [str(HERE / "gpu_interpreted.py")] if interpreted else []
            words = ["evaluate", "--model", MODEL, "--data", data, "--seeds", "1", "--quiet"]
            words += ["--device", device, "-o", str(folder)]
            words += [word for setting in settings for word in ("--set", setting)]
            began = time.perf_counter()
            subprocess.run([sys.executable, *runner, "-m", "cli.main", *words], check=True)
            found["seconds"][title] = time.perf_counter() - began
            result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
            found["test"][title] = result["summary"]["test_mean"]
            write(options.file, found)
    difference = abs(found["test"]["GPU"] - found["test"]["CPU"])
    found["checks"] = [
        {
            "check": f"accuracy of {MODEL} on {Path(data).stem}",
            "what": "difference between GPU and CPU, one seed",
            "value": difference,
            "most": MOST_DIFFERENCE,
            "pass": difference <= MOST_DIFFERENCE,
        }
    ]
    write(options.file, found)


def main() -> None:
    """Run one part."""
    parts = {
        "conversion": conversion,
        "training": training,
        "more-training": lambda options: training(options, more=True),
        "epoch": epoch,
        "accuracy": accuracy,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=parts)
    parser.add_argument("file", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--data", default="")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    parts[options.part](options)


if __name__ == "__main__":
    main()
