"""Measure the speed of the cochlea on a GPU, and on one core of the CPU in the same run.

    python benchmarks/convert_device.py CLIPS [--device cuda] [--clips 512] [--channels 700]

CLIPS is a folder of recordings. The first ``--clips`` of them by name are converted with preset ``shd``:
prepared on one core, then encoded on the device ``--repeats`` times after one untimed run
that compiles and plans; the median counts. Some of the clips are converted by ``cochlea.encode`` on one core.
The release probabilities of both are compared too. Writes ``benchmarks/results/convert-DEVICE.json`` and
``….md``, DEVICE being the name of the GPU. ``benchmarks/gpu.sh`` includes the same measurement.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

import cochlea
from spikebench.encoders.clip import clip_seed
from spikebench.encoders.cochlea import device_cochlea
from spikebench.encoders.device import find_device
from spikebench.errors import SpikebenchError
from spikebench.recordings.decoding import Recording, read_clip
from spikebench.recordings.search import find_clips

RESULTS = Path(__file__).parent / "results"
PARAMS = cochlea.PRESETS["shd"]
CPU_CLIPS = 8


def timed(run: Callable[[], Any], repeats: int) -> float:
    """Return the median wall time of a run [s], without the first run."""
    run()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def stages(
    clips: list[device_cochlea.Prepared], channels: int, device: torch.device
) -> dict[str, float]:
    """Return the seconds of the device in one run, by kernel; the rest of the wall time is the host's."""
    seeds = [[0, i] for i in range(len(clips))]
    if device.type == "cpu":
        return {}
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        device_cochlea.encode_prepared(clips, seeds, PARAMS, channels, str(device))
        torch.cuda.synchronize(device)
    spent: dict[str, float] = {}
    for event in profile.key_averages():
        name = event.key.lower()
        kinds = {
            "_filter_kernel": "filter",
            "_hair_kernel": "hair cells",
            "_bushy_kernel": "bushy cells",
            "fft": "transforms",
            "memcpy": "copies",
        }
        kind = next((label for part, label in kinds.items() if part in name), "other")
        spent[kind] = spent.get(kind, 0.0) + event.self_device_time_total / 1e6
    return spent


def measure(folder: Path, name: str, n_clips: int, channels: int, repeats: int) -> dict[str, Any]:
    """Convert the same clips on the device and on the CPU; device ``cpu`` is the slow twin of the kernels."""
    device = find_device(name)
    on_gpu = device.type == "cuda"
    torch.set_num_threads(1)
    found, _ = find_clips(folder)
    chosen = found[:n_clips]
    recordings: list[Recording] = [read_clip(clip.path, 60.0) for clip in chosen]
    seeds = [clip_seed(0, one.samples, one.sample_rate) for one in recordings]
    audio = sum(recording.duration for recording in recordings)

    def prepare() -> list[device_cochlea.Prepared]:
        return [
            device_cochlea.prepare(recording.samples, recording.sample_rate, PARAMS)
            for recording in recordings
        ]

    prepared = prepare()
    spikes = device_cochlea.encode_prepared(prepared, seeds, PARAMS, channels, name)
    prepare_seconds = timed(prepare, repeats)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    device_seconds = timed(
        lambda: device_cochlea.encode_prepared(prepared, seeds, PARAMS, channels, name), repeats
    )
    few = recordings[:CPU_CLIPS]
    few_seconds = sum(recording.duration for recording in few)
    cpu_seconds = timed(
        lambda: [
            cochlea.encode(one.samples, one.sample_rate, PARAMS, channels, seed)
            for one, seed in zip(few, seeds, strict=False)
        ],
        1,
    )
    inputs = [(recording.samples, recording.sample_rate) for recording in few]
    traces = device_cochlea.trace_batch(inputs, PARAMS, channels, name)
    error = max(
        float(np.abs(trace - cochlea.trace(*one, PARAMS, channels).p_fire).max())
        for trace, one in zip(traces, inputs, strict=True)
    )
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else "CPU",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": {x: version(x) for x in ("spikebench", "torch", "triton", "numba", "numpy")},
        "cpu": platform.processor() or platform.machine(),
        "clips": len(chosen),
        "audio_s": audio,
        "channels": channels,
        "spikes": sum(one.times.size for one in spikes),
        "device_s": device_seconds,
        "prepare_one_core_s": prepare_seconds,
        "device_clips_per_s": len(chosen) / device_seconds,
        "device_times_real_time": audio / device_seconds,
        "with_preparation_times_real_time": audio / (device_seconds + prepare_seconds),
        "cpu_one_core_clips": len(few),
        "cpu_one_core_times_real_time": few_seconds / cpu_seconds,
        "device_over_cpu_core": audio / device_seconds * cpu_seconds / few_seconds,
        "p_fire_error": error,
        "peak_device_bytes": torch.cuda.max_memory_allocated(device) if on_gpu else 0,
        "device_stages_s": stages(prepared, channels, device),
    }


def report(result: dict[str, Any]) -> str:
    """Format the result as Markdown."""
    rows = [
        ("clips per second", f"{result['device_clips_per_s']:,.0f}"),
        ("times real time", f"{result['device_times_real_time']:,.0f}"),
        (
            "the same, preparing on one core in turn",
            f"{result['with_preparation_times_real_time']:,.0f}",
        ),
        ("one core of the CPU, times real time", f"{result['cpu_one_core_times_real_time']:,.1f}"),
        ("device over one core", f"{result['device_over_cpu_core']:,.0f}"),
        ("largest error of p_fire", f"{result['p_fire_error']:.1e}"),
        ("peak memory of the device [GiB]", f"{result['peak_device_bytes'] / 2**30:.1f}"),
    ]
    spent = sorted(result["device_stages_s"].items(), key=lambda item: -item[1])
    lines = [
        f"# Conversion on one {result['device']}",
        "",
        f"{result['clips']} clips, {result['audio_s']:.0f} s of audio, {result['channels']} channels, preset "
        f"`shd`; {', '.join(f'{k} {v}' for k, v in result['software'].items())}; {result['created'][:10]}.",
        f"The CPU ({result['cpu']}): {result['cpu_one_core_clips']} of the clips on one core.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {label} | {value} |" for label, value in rows),
        *(f"| of the device's time: {label} [s] | {value:.3f} |" for label, value in spent),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", type=Path, metavar="CLIPS")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--clips", type=int, default=512, dest="n_clips")
    parser.add_argument("--channels", type=int, default=700)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if not options.device.startswith("cuda"):
        sys.exit("error: this benchmark needs a GPU: --device cuda")
    try:
        result = measure(
            options.clips, options.device, options.n_clips, options.channels, options.repeats
        )
    except SpikebenchError as error:
        sys.exit(f"error: {error}")
    name = re.sub(r"[^a-z0-9]+", "-", result["device"].lower()).strip("-")
    page = report(result)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"convert-{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    (RESULTS / f"convert-{name}.md").write_text(page, encoding="utf-8")
    print(page, end="")


if __name__ == "__main__":
    main()
