"""Measure the cost of loading a sample: published layout, cache of spikebench, other libraries.

    make peers
    .venv-peers/bin/python benchmarks/loading.py FILE [--samples 2000] [--rounds 5] [--only augmentation]

FILE is a spike file of the size of SHD's training split (``shd-r_train.h5`` of ``spikebench data make shd-r``). It is
copied into the published layout: float16 seconds and integers of variable length, no chunks, no filters.
All contenders read warm files, the same random samples, in the same process. They take turns in ``--rounds``
rounds, of which the fastest counts.

* **Random access**: one sample after the other. spikebench: ``SpikeDataset``; h5py: times, units and label of the file
  opened once; tonic and SpikingJelly: their own data sets of SHD.
* **Loader**: the same through ``torch.utils.data.DataLoader``, batches of 128 as lists, in order, without and with two
  workers (per sample, start of the workers left out).
* **Epoch**: every sample once, shuffled, as ``EventBatch`` of 128, on one core.
* **Binning**: one word after the other into a raster of 700 units, each released before the next. spikebench: counts in
  the default type, int16 for words of this size, and in int32; numpy: ``histogram2d`` (float64);
  torch.sparse: ``numpy.digitize``, a sparse tensor, ``to_dense``, as in common tutorials (which build it from
  Python lists, which is slower than the arrays used here). Then batches of 128 words: as an ``EventBatch`` or a sparse
  tensor, which the bar compares, and as a raster. The time for a raster is dominated by its memory (36 to 358 MB a
  batch) in every library, and torch's type is half as wide as numpy's: the ratios to ``to_dense`` are in the table and
  below ten.
* **Augmentation**: words of 8,000 spikes as ``EventBatch`` of 128, on one core: the compiled changes, and the functions
  of ``spikebench.augmentation`` one after the other, word by word; processor time. ``--only augmentation`` measures
  this alone and prints it.

Writes ``benchmarks/results/loading.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import h5py
import numpy as np
import torch

from spikebench.events.augmented import AugmentedSamples, Changes
from spikebench.events.batches import BinnedSamples, DenseBuffer
from spikebench.events.cache import FlatEvents
from spikebench.events.dataset import SpikeDataset
from spikebench.events.raster import bin_spikes

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests")]

from helpers.augmented_one_by_one import augmented_batch  # noqa: E402

RESULTS = Path(__file__).parent / "results"
BATCH = 128
GRIDS = ((100, 0.01), (250, 0.004), (1000, 0.001))  # bins, seconds
Contender = tuple[str, Callable[[], Any]]


class PlainH5py:
    """Reader of a few lines of h5py: a file opened once per process, one sample at a time."""

    def __init__(self, path: Path) -> None:
        self.path, self.arrays, self.pid = path, None, -1
        with h5py.File(path) as file:
            self.n = len(file["labels"])

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        if self.pid != os.getpid():
            file = h5py.File(self.path)
            self.arrays = (file["spikes/times"], file["spikes/units"], file["labels"])
            self.pid = os.getpid()
        times, units, labels = self.arrays
        return times[index], units[index], labels[index]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "arrays": None, "pid": -1}


def publish(source: Path, target: Path) -> None:
    """Copy a spike file into the published layout."""
    samples = SpikeDataset(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(target, "w", libver="latest") as file:
        for name, kind in (("times", np.float16), ("units", np.uint16)):
            data = file.create_dataset(
                f"spikes/{name}", (len(samples),), h5py.vlen_dtype(np.dtype(kind))
            )
            for i in range(len(samples)):
                data[i] = getattr(samples[i], name).astype(kind)
        file["labels"] = samples.labels.astype(np.uint16)
        file["extra/speaker"] = samples.speakers.astype(np.uint16)
        file["extra/keys"] = np.array([key.encode() for key in samples.keys])


def fastest(
    contenders: Sequence[Contender],
    rounds: int,
    per: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Run contenders in turns; return seconds per unit of work in the fastest round of each."""
    best: dict[str, float] = {}
    for _, work in contenders:  # compiled, opened, in memory
        work()
    for _ in range(rounds):
        for name, work in contenders:
            began = clock()
            work()
            seconds = (clock() - began) / per
            best[name] = min(best.get(name, seconds), seconds)
    return best


def peers(folder: Path) -> dict[str, Any]:
    """Open the published file with the data set of each library that is installed."""
    found: dict[str, Any] = {}
    if importlib.util.find_spec("tonic"):
        tonic = importlib.import_module("tonic.datasets.hsd")

        class Here(tonic.SHD):
            def _check_exists(self) -> bool:
                return True

        home = folder / "tonic" / "Here"
        home.mkdir(parents=True)
        (home / "shd_train.h5").symlink_to(folder / "events_h5" / "shd_train.h5")
        found["tonic"] = Here(str(folder / "tonic"))
    if importlib.util.find_spec("spikingjelly"):
        jelly = importlib.import_module("spikingjelly.datasets.shd")
        found["SpikingJelly"] = jelly.SpikingHeidelbergDigits(str(folder), train=True)
    return found


def access(sets: dict[str, Any], chosen: list[int], rounds: int) -> dict[str, float]:
    """Measure random access, seconds per sample."""

    def read(data: Any) -> Callable[[], None]:  # noqa: ANN401
        def work() -> None:
            for i in chosen:
                data[i]

        return work

    return fastest([(name, read(data)) for name, data in sets.items()], rounds, len(chosen))


def as_list(samples: list[Any]) -> list[Any]:
    """Collate to a list; a module-level function, so that workers can unpickle it."""
    return samples


def loader(sets: dict[str, Any], chosen: list[int], workers: int, rounds: int) -> dict[str, float]:
    """Measure a DataLoader, seconds per sample."""

    def read(data: Any) -> Callable[[], None]:  # noqa: ANN401
        batches = torch.utils.data.DataLoader(
            data,
            batch_sampler=[chosen[i : i + BATCH] for i in range(0, len(chosen), BATCH)],
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=as_list,
            multiprocessing_context="fork" if workers else None,
        )

        def work() -> None:
            for _ in batches:
                pass

        return work

    return fastest([(name, read(data)) for name, data in sets.items()], rounds, len(chosen))


def epoch(samples: SpikeDataset, rounds: int) -> dict[str, float]:
    """Measure EventBatches of a whole epoch, seconds per epoch."""

    def read(n_steps: int, time_step: float) -> Callable[[], None]:
        binned = BinnedSamples(samples, time_step, n_steps, "counts")
        order = np.random.default_rng(0).permutation(len(samples))

        def work() -> None:
            for start in range(0, order.size, BATCH):
                binned.batch(order[start : start + BATCH])

        return work

    return fastest([(f"{n} bins", read(n, step)) for n, step in GRIDS], rounds, 1)


def torch_sparse(
    samples: list[tuple[Any, Any]],
    n_steps: int,
    time_step: float,
    n_units: int,
    dense: bool = True,
) -> torch.Tensor:
    """Make a raster with a sparse tensor: digitize, list the cells, make it dense."""
    edges = np.arange(n_steps) * time_step
    bins = [np.digitize(times, edges) - 1 for times, _ in samples]
    rows = np.repeat(np.arange(len(samples)), [len(times) for times, _ in samples])
    index = np.stack([rows, np.concatenate(bins), np.concatenate([u for _, u in samples])])
    values = torch.ones(index.shape[1])
    shape = (len(samples), n_steps, n_units)
    cells = torch.from_numpy(index)
    raster = torch.sparse_coo_tensor(cells, values, shape, check_invariants=False)
    return raster.to_dense() if dense else raster


def histogram(times: Any, units: Any, n_steps: int, time_step: float, n_units: int) -> Any:  # noqa: ANN401
    """Make a raster with numpy.histogram2d."""
    ends = ((0, n_steps * time_step), (0, n_units))
    return np.histogram2d(times, units, bins=(n_steps, n_units), range=ends)[0]


def binning(samples: SpikeDataset, rounds: int) -> dict[str, dict[str, float]]:
    """Measure rasters of words, seconds per word, singly and in batches."""
    words = [
        (s.times[s.times < 0.999].astype(np.float64), s.units[s.times < 0.999].astype(np.int64))
        for s in (samples[i] for i in range(BATCH))
    ]
    found = {}
    for n_steps, step in GRIDS:
        grid = (n_steps, step, samples.n_units)
        truth = bin_spikes(*words[0], step, n_steps, samples.n_units)
        for other in (histogram(*words[0], *grid), torch_sparse(words[:1], *grid)[0].numpy()):
            assert np.array_equal(truth.sum(0), other.sum(0))
        found[f"{n_steps} bins"] = fastest(_one_by_one(words[:32], grid), rounds, 32)
        binned = BinnedSamples(samples, step, n_steps, "counts")
        found[f"batch of {BATCH}, {n_steps} bins"] = fastest(
            _batches(binned, words, grid), rounds, BATCH
        )
    return found


def _one_by_one(words: list[Any], grid: tuple[int, float, int]) -> list[Contender]:
    """Measure rasters of single words, each released before the next."""
    n_steps, step, n_units = grid

    def each(work: Callable[[Any, Any], Any]) -> Callable[[], None]:
        def run() -> None:
            for times, units in words:
                work(times, units)

        return run

    return [
        ("spikebench", each(lambda t, u: bin_spikes(t, u, step, n_steps, n_units))),
        (
            "spikebench, int32",
            each(lambda t, u: bin_spikes(t, u, step, n_steps, n_units, dtype=np.int32)),
        ),
        ("numpy.histogram2d", each(lambda t, u: histogram(t, u, *grid))),
        ("torch.sparse", each(lambda t, u: torch_sparse([(t, u)], *grid))),
    ]


def _batches(
    binned: BinnedSamples, words: list[Any], grid: tuple[int, float, int]
) -> list[Contender]:
    """Measure batches: sparse ones, and rasters."""
    chosen, buffer = np.arange(BATCH), DenseBuffer()
    return [
        ("EventBatch", lambda: binned.batch(chosen)),
        ("torch.sparse", lambda: torch_sparse(words, *grid, dense=False)),
        ("EventBatch, raster in a buffer", lambda: buffer.fill(binned.batch(chosen))),
        ("EventBatch, raster made anew", lambda: binned.batch(chosen).dense()),
        ("torch.sparse, raster made anew", lambda: torch_sparse(words, *grid)),
    ]


def augmentation(rounds: int) -> dict[str, dict[str, float]]:
    """Measure augmented batches, seconds of processor time per word of 8,000 spikes."""
    rng, n_spikes, n_units = np.random.default_rng(0), 8000, 700
    words = [(rng.random(n_spikes), rng.integers(0, n_units, n_spikes)) for _ in range(BATCH)]
    events = FlatEvents.from_samples(words, n_units, labels=np.arange(BATCH) % 20)
    events = replace(events, times=events.times.astype(np.float32))
    binned, chosen = BinnedSamples(SpikeDataset(events), 0.004, 250, "counts"), np.arange(BATCH)
    eight = Changes(
        blend_probability=1.0,
        max_unit_shift=40,
        max_time_shift=0.05,
        longest_warp=1.1,
        delete_probability=0.1,
        max_unit_mask=175,
        max_time_mask=0.2,
        time_jitter=0.005,
    )
    found = {}
    for name, changes in (
        ("all eight", eight),
        ("without blend", eight._replace(blend_probability=0.0)),
        ("all eight and jitter of units", eight._replace(unit_jitter=20.0)),
    ):
        found[name] = fastest(_augmented(binned, chosen, changes), rounds, BATCH, time.thread_time)
    return found


def _augmented(binned: BinnedSamples, chosen: np.ndarray, changes: Changes) -> list[Contender]:
    """Make a batch with the compiled changes, and word by word."""
    augmented = AugmentedSamples(binned, changes)
    generators = [np.random.default_rng([1, k]) for k in range(BATCH)]
    return [
        ("compiled", lambda: augmented.batch(chosen, (0, 1))),
        (
            "one function after the other",
            lambda: augmented_batch(binned, chosen, changes, generators),
        ),
    ]


def bars(report: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """List every bar with the measured and the required value, and whether it is passed."""
    reach = report["access"]
    rows = []
    for name, least in (("tonic", 15), ("h5py", 8)):
        if name in reach:
            ratio = reach[name] / reach["spikebench"]
            rows.append(
                (
                    f"random access, {name} over spikebench",
                    f"{ratio:.0f} ×",
                    f"≥ {least} ×",
                    ratio >= least,
                )
            )
    slowest = max(report["epoch"].values())
    rows.append(("epoch into EventBatches, slowest grid", f"{slowest:.2f} s", "< 2 s", slowest < 2))
    # Compare equal outputs: a raster with a raster, a batch without raster with a batch without raster.
    for what, peer, ours in (
        ("a batch, no raster", "torch.sparse", "EventBatch"),
        ("a word into a raster", "numpy.histogram2d", "spikebench"),
    ):
        ratio = min(grid[peer] / grid[ours] for grid in report["binning"].values() if ours in grid)
        bar = f"binning {what}, {peer} over {ours}, least of the grids"
        rows.append((bar, f"{ratio:.1f} ×", "≥ 10 ×", ratio >= 10))
    return rows


def table(rows: dict[str, dict[str, float]], scale: float, head: str) -> list[str]:
    """Make a table, one line per contender."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [f"| {head} | {' | '.join(rows)} |", f"|{'---|' * (len(rows) + 1)}"]
    for name in names:
        cells = [f"{row[name] * scale:,.1f}" if name in row else "–" for row in rows.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def augmentation_lines(found: dict[str, dict[str, float]]) -> list[str]:
    """Write the part about augmentation."""
    return ["## Augmentation, µs per word of 8,000 spikes", "", *table(found, 1e6, "by"), ""]


def write(report: dict[str, Any]) -> None:
    """Write the report as JSON and as a page."""
    asked = bars(report)
    report["bars"] = [
        dict(zip(("bar", "measured", "asked", "pass"), row, strict=True)) for row in asked
    ]
    (RESULTS / "loading.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    data = report["data"]
    lines = [
        "# Cost of loading a sample",
        "",
        "Made by `python benchmarks/loading.py FILE`; its docstring describes the measurements.",
        "",
        f"{report['machine']}. {report['date']}. {data['file']}: {data['samples']:,} samples, "
        f"{data['spikes']:,} spikes, {data['units']} units.",
        "",
        "| bar | measured | asked | |",
        "|---|---|---|---|",
        *(
            f"| {bar} | {got} | {want} | {'pass' if good else 'MISSED'} |"
            for bar, got, want, good in asked
        ),
        "",
        "## One sample, µs",
        "",
        *table(
            {
                "random access": report["access"],
                "DataLoader, 0 workers": report["loader 0"],
                "DataLoader, 2 workers": report["loader 2"],
            },
            1e6,
            "read by",
        ),
        "",
        f"Building the cache, once: {report['build_s']:.1f} s.",
        "",
        "## A whole epoch into EventBatches of 128, ms on one core",
        "",
        *table({"shuffled": report["epoch"]}, 1e3, "grid"),
        "",
        "## Binning, µs per word",
        "",
        *table(report["binning"], 1e6, "by"),
        "",
        *augmentation_lines(report["augmentation"]),
    ]
    (RESULTS / "loading.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


def machine() -> str:
    """Describe where this ran."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        name = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    packages = ("numpy", "h5py", "numba", "torch", "tonic", "spikingjelly")
    there = [
        f"{package} {version(package)}" for package in packages if importlib.util.find_spec(package)
    ]
    return f"{name}, {os.cpu_count()} cores; python {platform.python_version()}, {', '.join(there)}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["augmentation"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.only:
        print("\n".join([machine(), "", *augmentation_lines(augmentation(options.rounds))]))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["SPIKEBENCH_DATA"] = str(folder / "data")
        published = folder / "events_h5" / "shd_train.h5"
        publish(options.file, published)
        (folder / "events_h5" / "shd_test.h5").symlink_to(published)  # required, but not read
        began = time.perf_counter()
        samples = SpikeDataset(published)
        build = time.perf_counter() - began
        sets = {"spikebench": samples, "h5py": PlainH5py(published), **peers(folder)}
        order = np.random.default_rng(0).permutation(len(samples))
        chosen = order[: options.samples].tolist()
        report = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine(),
            "data": {
                "file": options.file.name,
                "samples": len(samples),
                "spikes": int(samples.spike_counts.sum()),
                "units": samples.n_units,
            },
            "build_s": build,
            "access": access(sets, chosen, options.rounds),
            "loader 0": loader(sets, chosen, 0, options.rounds),
            "loader 2": loader(sets, chosen, 2, options.rounds),
            "epoch": epoch(samples, options.rounds),
            "binning": binning(samples, options.rounds),
            "augmentation": augmentation(options.rounds),
        }
    write(report)


if __name__ == "__main__":
    main()
