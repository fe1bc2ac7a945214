"""The parts of ``convert.py``: their commands and measurements.

A figure *per clip* is always the difference of two runs of the same command, one with few clips and one with
many, divided by the difference of their number: start-up, compilation and design are in both and cancel. The
same command runs once before as an untimed warm-up.

* ``peer``: the clips are words at even places when all are ordered by length. lauscher: its own command,
  called in one process first for a twentieth of a second at 4 channels (which imports and compiles everything),
  then for every clip; the run with few clips makes only the first call. spikebench: ``spikebench convert``
  of 4 and of 44 copies of each of these clips (under different names). Both use all cores.
  Memory: the peak of the larger run.
* ``stages``: see ``convert_stages.py``.
* ``start``: one word with empty caches (loops of numba, design of the membrane), then with full ones, median of three;
  start to end.
* ``throughput``: ``--clips`` words at even places, start to end; extrapolated to the 2.09 hours of all 10,420
  unless all were converted. Memory: its peak until half of the time and until the end.
* ``load``: 2 processes convert words alone and beside four processes that compute without a pause, alternately,
  start to end less a run of few words. The system shares the cores equally among runnable processes, so on c cores
  w workers beside b others get min(1, c/(w + b)) of a core each, instead of min(1, c/w); the ratio is the expected
  share. Only the workers count: the coordinator needs a few milliseconds per clip.
  A rate that falls further shows in the CPU time per clip, or in workers that wait. Judged on an idle machine only
  (load average below 1 before).
* ``workers``: local processes and a Dask cluster on the loopback address (scheduler and workers of one thread,
  started and ended by this part), 1 and 2 of each; and 16 kHz words for comparison.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile
from convert_stages import Clip, measure
from process_tree import Cost, background, run

from spikebench.recordings.search import find_clips
from spikebench.workers import available_cores

LAUSCHER = "1.0.1"
FEW, MANY = 4, 44  # copies of a clip in the spikebench runs of part peer
WORKER_FEW, WORKER_MANY = 8, 64  # clips
STAGE_CLIPS = 8
LOAD_FEW, LOAD_MANY, LOAD_ROUNDS = 4, 44, 3  # clips, and runs of each kind
BUSY = 4  # processes beside the conversion
_LAUSCHER_DRIVER = """
import sys
from importlib.metadata import distributions, entry_points
there = [one.version for one in distributions(name="lauscher")]
if there != [sys.argv[1]]:
    sys.exit(f"lauscher {sys.argv[1]} is needed, {sys.executable} has {there[0] if there else 'none'}")
(command,) = entry_points(group="console_scripts", name="lauscher")
convert = command.load()
jobs, channels, first, *clips = sys.argv[2:]
for clip, count in [(first, "4"), *((clip, channels) for clip in clips)]:
    sys.argv = ["lauscher", clip, "out.npz", "--num_channels", count, "--jobs", jobs]
    if convert():
        sys.exit("failed: " + clip)
"""


@dataclass(frozen=True)
class Word:
    """One recording of the corpus and its length [s]."""

    path: Path
    seconds: float


@dataclass(frozen=True)
class Bench:
    """Inputs of all parts: a scratch folder in which commands run, the words, and the options."""

    scratch: Path
    words: list[Word]
    options: argparse.Namespace

    def folder(self, name: str, words: Sequence[Word]) -> str:
        """Copy recordings into a folder of the scratch folder; equal ones get different names."""
        (self.scratch / name).mkdir(exist_ok=True)
        for i, word in enumerate(words):
            shutil.copyfile(word.path, self.scratch / name / f"{i:05d}-{word.path.name}")
        return name

    def convert(self, source: str, *options: str, env: dict[str, str] | None = None) -> Cost:
        """Run ``spikebench convert``."""
        command = [
            "convert",
            source,
            "out.h5",
            *self.channels,
            *options,
            *("--overwrite", "--json"),
        ]
        return run([sys.executable, "-m", "cli.main", *command], self.scratch, env)

    @property
    def channels(self) -> list[str]:
        """Options that differ from the defaults of ``spikebench convert``."""
        n = self.options.channels
        return [] if n == 700 else ["--channels", str(n)]

    def shown(self, source: str, *options: str) -> str:
        """Format a command as a user would type it."""
        return " ".join(["spikebench convert", source, "out.h5", *self.channels, *options])


def find_words(folder: Path) -> list[Word]:
    """List the recordings of a folder with their lengths."""
    clips, _ = find_clips(folder)
    return [Word(clip.path, soundfile.info(clip.path).duration) for clip in clips]


def spread(words: Sequence[Word], count: int) -> list[Word]:
    """Return evenly spaced words of the order by length, sorted by name, so that lengths are mixed."""
    ordered = sorted(words, key=lambda word: (word.seconds, word.path.name))
    count = min(count, len(ordered))
    chosen = [ordered[(2 * i + 1) * len(ordered) // (2 * count)] for i in range(count)]
    return sorted(chosen, key=lambda word: word.path.name)


def difference(few: Cost, many: Cost, clips: int, seconds: float) -> dict[str, float]:
    """Return the cost of the additional clips of the larger run."""
    wall, cpu = many.wall_s - few.wall_s, many.cpu_s - few.cpu_s
    return {
        "clips": clips,
        "audio_s": seconds,
        "wall_s_per_clip": wall / clips,
        "cpu_s_per_clip": cpu / clips,
        "main_cpu_s_per_clip": (many.main_cpu_s - few.main_cpu_s) / clips,
        "wall_s_per_audio_s": wall / seconds,
        "cpu_s_per_audio_s": cpu / seconds,
        "peak_bytes": many.peak_bytes,
    }


def ours(bench: Bench, few: list[Word], many: list[Word], *options: str) -> dict[str, Any]:
    """Measure ``spikebench convert`` by the difference of two runs."""
    small = bench.folder(f"clips-{len(few)}", few)
    large = bench.folder(f"clips-{len(many)}", many)
    bench.convert(small, *options)
    costs = bench.convert(small, *options), bench.convert(large, *options)
    for source in (small, large):
        shutil.rmtree(bench.scratch / source)
    clips = len(many) - len(few)
    seconds = sum(word.seconds for word in many) - sum(word.seconds for word in few)
    commands = [bench.shown(f"{source}/", *options) for source in (small, large)]
    return {"commands": commands, **difference(*costs, clips, seconds)}


def peer(bench: Bench) -> dict[str, Any]:
    """Measure lauscher and spikebench on the same clips."""
    clips = spread(bench.words, bench.options.lauscher_clips)
    spikebench = ours(bench, clips * FEW, clips * MANY)
    python = str(bench.options.lauscher or make_environment(bench.scratch))
    samples, rate = soundfile.read(clips[0].path)
    middle = samples.size // 2
    soundfile.write(bench.scratch / "first.flac", samples[middle : middle + rate // 20], rate)
    names = bench.folder("clips", clips)
    files = sorted(str(path) for path in (bench.scratch / names).iterdir())
    settings = [LAUSCHER, str(available_cores()), str(bench.options.channels), "first.flac"]
    (bench.scratch / "call_lauscher.py").write_text(_LAUSCHER_DRIVER)
    driver = [python, "call_lauscher.py", *settings]
    empty = run(driver, bench.scratch)
    full = run([*driver, *files], bench.scratch)
    cost = difference(empty, full, len(clips), sum(clip.seconds for clip in clips))
    shown = (
        f"lauscher CLIP out.npz --num_channels {settings[2]} --jobs {settings[1]}, for every clip"
    )
    return {
        "clips": [clip.path.name for clip in clips],
        "channels": bench.options.channels,
        "lauscher": {"version": LAUSCHER, "commands": [shown], **cost},
        "spikebench": spikebench,
    }


def make_environment(scratch: Path) -> Path:
    """Install lauscher in a separate virtual environment."""
    print("installing lauscher into a temporary environment", file=sys.stderr)
    folder = scratch / "lauscher-env"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run([str(python), *("-m", "pip", "install", "--quiet", f"lauscher=={LAUSCHER}")], scratch)
    return python


def stages(bench: Bench) -> dict[str, Any]:
    """Time every stage in this process."""
    chosen = spread(bench.words, STAGE_CLIPS)
    clips = [Clip(*soundfile.read(word.path)) for word in chosen]
    return {
        "commands": ["python benchmarks/convert.py --parts stages"],
        "channels": bench.options.channels,
        **measure(clips, bench.options.channels),
    }


def start(bench: Bench) -> dict[str, Any]:
    """Time the start with empty and with full caches."""
    (word,) = spread(bench.words, 1)
    shutil.copyfile(word.path, bench.scratch / "word.flac")
    cache = {
        "NUMBA_CACHE_DIR": str(bench.scratch / "numba-cache"),
        "XDG_CACHE_HOME": str(bench.scratch / "user-cache"),
    }
    cold = bench.convert("word.flac", env=cache)
    warm = [bench.convert("word.flac", env=cache).wall_s for _ in range(3)]
    return {
        "commands": [bench.shown("word.flac")],
        "audio_s": word.seconds,
        "cold_s": cold.wall_s,
        "warm_s": statistics.median(warm),
    }


def throughput(bench: Bench) -> dict[str, Any]:
    """Convert many words in one run."""
    words = spread(bench.words, bench.options.clips)
    source = bench.folder(f"clips-{len(words)}", words)
    cost = bench.convert(source)
    shutil.rmtree(bench.scratch / source)
    done = json.loads(cost.output)
    early = [look.bytes for look in cost.memory if look.at_s <= cost.wall_s / 2]
    return {
        "commands": [bench.shown(f"{source}/")],
        "clips": done["samples"],
        "audio_s": done["audio_seconds"],
        "wall_s": cost.wall_s,
        "cpu_s": cost.cpu_s,
        "peak_bytes_first_half": max(early, default=0),
        "peak_bytes": cost.peak_bytes,
    }


def load(bench: Bench) -> dict[str, Any]:
    """Measure the rate of two workers alone and beside busy processes."""
    count = min(available_cores(), 2)
    many = spread(bench.words, min(LOAD_MANY, bench.options.clips))
    few = spread(many, LOAD_FEW)
    loaded = os.getloadavg()[0]
    costs: dict[str, list[dict[str, Any]]] = {"alone": [], "beside": []}
    for _ in range(LOAD_ROUNDS):
        costs["alone"].append(ours(bench, few, many, "--jobs", str(count)))
        with busy(BUSY):
            costs["beside"].append(ours(bench, few, many, "--jobs", str(count)))

    def middle(kind: str, key: str) -> float:
        return statistics.median(cost[key] for cost in costs[kind])

    return {
        "commands": costs["alone"][0]["commands"],
        "cores": available_cores(),
        "workers": count,
        "busy": BUSY,
        "clips": costs["alone"][0]["clips"],
        "rounds": LOAD_ROUNDS,
        "load_before": loaded,
        "alone_per_s": 1 / middle("alone", "wall_s_per_clip"),
        "beside_per_s": 1 / middle("beside", "wall_s_per_clip"),
        "alone_cpu_s_per_clip": middle("alone", "cpu_s_per_clip"),
        "beside_cpu_s_per_clip": middle("beside", "cpu_s_per_clip"),
        "expected": expected_share(available_cores(), count, BUSY),
    }


def expected_share(cores: int, workers: int, others: int) -> float:
    """Return the share of its rate that a job keeps beside other processes, if all get equal shares of the cores.

    Parameters
    ----------
    cores
        Cores that all of them use.
    workers, others
        Processes of the job, and beside it, that are always runnable.

    Returns
    -------
    float
        At most 1: 2 workers and 4 others on 2 cores keep a third.
    """
    alone = min(1.0, cores / workers)
    return min(1.0, cores / (workers + others)) / alone


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Run processes that compute without a pause during a with block."""
    with ExitStack() as stack:
        for _ in range(count):
            process = stack.enter_context(
                subprocess.Popen([sys.executable, "-c", "while True: pass"])
            )
            stack.callback(process.kill)
        yield


def workers(bench: Bench) -> dict[str, Any]:
    """Measure rates with 1 and 2 workers, local and on a cluster, and of 16 kHz words."""
    many = spread(bench.words, WORKER_MANY)
    few = spread(many, WORKER_FEW)
    measured: dict[str, Any] = {}
    for count in (1, 2):
        measured[f"local-{count}"] = ours(bench, few, many, "--jobs", str(count))
    for count in (1, 2):
        with cluster(bench.scratch, count) as address:
            result = ours(bench, few, many, "--scheduler", address)
        result["commands"] = [
            command.replace(address, "tcp://127.0.0.1:PORT") for command in result["commands"]
        ]
        measured[f"cluster-{count}"] = result
    speech = find_words(bench.options.speech) if bench.options.speech.is_dir() else []
    if speech:
        many = spread(speech, WORKER_MANY)
        measured["speech-1"] = ours(bench, spread(many, WORKER_FEW), many, "--jobs", "1")
    return measured


@contextmanager
def cluster(scratch: Path, count: int) -> Iterator[str]:
    """Run a Dask scheduler and workers of one thread each during a with block."""
    python = [sys.executable, "-m"]
    file = scratch / "scheduler.json"
    file.unlink(missing_ok=True)
    quiet = ["--host", "127.0.0.1", "--no-dashboard"]
    with ExitStack() as stack:
        scheduler = [*python, "distributed.cli.dask_scheduler", *quiet, "--port", "0"]
        log = scratch / "scheduler.txt"
        command = [*scheduler, "--scheduler-file", str(file)]
        stack.enter_context(background(command, scratch, log, "Scheduler at"))
        address = str(json.loads(file.read_text())["address"])
        worker = [*python, "distributed.cli.dask_worker", address, *quiet, "--no-nanny"]
        for i in range(count):
            command = [*worker, "--nthreads", "1", "--local-directory", str(scratch)]
            log = scratch / f"worker-{i}.txt"
            stack.enter_context(background(command, scratch, log, "Registered to"))
        yield address


PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "peer": peer,
    "stages": stages,
    "start": start,
    "throughput": throughput,
    "load": load,
    "workers": workers,
}
