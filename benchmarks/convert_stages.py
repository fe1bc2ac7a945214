"""Measure the time of each stage of a conversion, and compute a lower limit for it.

:func:`measure` runs ``cochlea.encode`` itself, on one core, with timers around its stages, so the program
itself is timed and not a copy of it. The timers count the time of the processor, so that other processes on the
machine matter less. Every call also adds to the minimal work of the stage. The *limit* of a
stage is the largest of:

* **bytes**: arrays that the stage must read and write once, at the speed of a numpy copy between two arrays
  of the size of a block (n × 16 float64: they lie in the cache that all cores share, not in memory; a copy
  between arrays that do not fit any cache is measured beside it and is slower);
* **operations**: additions, multiplications, comparisons and selections at the speed of a loop of independent
  multiply-adds over an array in the first-level cache, compiled like ours: numba, float64, no ``fastmath``,
  hence no fused operations; divisions at the speed of a loop of independent divisions, if that takes longer;
* **library**: the forward transform, or as many random numbers, by the library alone. The inverse transforms of the
  same lengths and counts by the fastest of numpy's and scipy's FFT, over rows or over columns, memory already touched,
  are measured too, but are no limit: ours is faster.

Counts per sample (or bin) and channel unless stated otherwise; N samples, n = N//2 + 1, FFT length m:

===================  ==================  ==============================================  =====================
stage                bytes               operations                                      library
===================  ==================  ==============================================  =====================
prepare              –                   –                                               one rfft of N
weights              n·16·8 per length   2·19 per weight, n·16 weights per length        –
filter               16 per bin kept     2 polynomials of degree 15, a complex product,  –
                                         the correction: 68 per bin below the cut-off
inverse FFT          16 per bin kept, 8m 2.5·m·log₂ m per channel                        (irfft of m)
interpolation        8(n+m), 8n·16 per   31                                              –
                     block for weights
hair cells           16                  21 and 1 division                               –
hazards              16                  28 and 1 division                               –
waiting times        –                   –                                               as many exponentials
bushy cells          8                   18, events apart                                –
rest                 –                   –                                               allocation, sorting
===================  ==================  ==============================================  =====================

A limit may not be reachable: hair and bushy cells are recursions, in which each step depends on the previous one.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, ParamSpec, TypeVar
from unittest import mock

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import fft

import cochlea
from cochlea import basilar_membrane, bushy_cell, inverse_transform, lane_transform, pipeline
from cochlea.lanes import LANES

Floats = NDArray[np.float64]
P = ParamSpec("P")
T = TypeVar("T")

STAGES = (
    *("prepare", "weights", "filter", "inverse FFT", "interpolation"),
    *("hair cells", "hazards", "waiting times", "bushy cells"),
)
HAIR_OPERATIONS, HAZARD_OPERATIONS, BUSHY_OPERATIONS = 21, 27, 18
FILTER_OPERATIONS = 2 * 2 * 15 + 6 + 2
INTERPOLATION_OPERATIONS = 31
FFT_OPERATIONS = 2.5  # times m·log₂ m, the usual count of a real FFT
WEIGHT_OPERATIONS = 2 * 19


class Clip(NamedTuple):
    """A recording: samples, shape (N,), and their rate [Hz]."""

    samples: Floats
    sample_rate: int


@dataclass
class _Needs:
    """Minimal work of the calls of the stages, and the time that they took."""

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    bytes: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    divisions: Counter[str] = field(default_factory=Counter)
    forward: Counter[int] = field(default_factory=Counter)  # transforms by length
    inverse: Counter[int] = field(default_factory=Counter)  # of sixteen channels, by length
    draws: int = 0

    def add(self, stage: str, size: float, operations: float, divisions: float = 0) -> None:
        self.bytes[stage] += int(size)
        self.operations[stage] += int(operations)
        self.divisions[stage] += int(divisions)

    # One method per stage, with the arguments of the stage.

    def weights(self, n: int, n_bins: int, window: inverse_transform.Window) -> None:
        self.add("weights", n * LANES * 8, n * LANES * WEIGHT_OPERATIONS)

    def filter(
        self,
        spectrum: basilar_membrane.Spectrum,
        re: Floats,
        im: Floats,
        coeffs: basilar_membrane.BasilarMembraneCoeffs,
        rows: NDArray[np.int64],
        transform: inverse_transform.InverseTransform,
        half: Floats,
    ) -> None:
        bins = int(spectrum.first_bin[coeffs.n_panels[rows]].sum())
        self.add("filter", half.nbytes, bins * FILTER_OPERATIONS)

    def transform(
        self, half: Floats, transform: lane_transform.LaneTransform, work: Floats, signal: Floats
    ) -> None:
        length = signal.shape[0]
        needed = FFT_OPERATIONS * length * math.log2(length) * LANES
        self.add("inverse FFT", half.nbytes + signal.nbytes, needed)
        self.inverse[length] += 1

    def interpolation(
        self, points: Floats, first: NDArray[np.int64], weights: Floats, signal: Floats
    ) -> None:
        size = points.nbytes + weights.nbytes + signal.nbytes
        self.add("interpolation", size, signal.size * INTERPOLATION_OPERATIONS)

    def hair(self, block: Floats, coeffs: object) -> None:
        self.add("hair cells", 2 * block.nbytes, block.size * HAIR_OPERATIONS, block.size)

    def hazard(self, block: Floats, n_dead: int, expected: Floats) -> None:
        self.add("hazards", 2 * block.nbytes, block.size * (HAZARD_OPERATIONS + 1), block.size)

    def waiting(self, key: NDArray[np.uint64], streams: list[int], waits: Floats) -> None:
        self.draws += len(streams) * waits.shape[1]

    def bushy(self, hazard: Floats, *rest: object) -> None:
        self.add("bushy cells", hazard.nbytes, hazard.size * BUSHY_OPERATIONS)


def _timed(
    needs: _Needs, stage: str, call: Callable[P, T], count: Callable[P, None] | None = None
) -> Callable[P, T]:
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        if count is not None:
            count(*args, **kwargs)
        started = time.thread_time()
        result = call(*args, **kwargs)
        needs.seconds[stage] += time.thread_time() - started
        return result

    return run


@contextlib.contextmanager
def _clocks(needs: _Needs) -> Iterator[None]:
    """Wrap the stages in their modules; a missing stage raises AttributeError."""
    wrapped: list[tuple[Any, str, str, Callable[..., None] | None]] = [
        (pipeline, "_prepare", "prepare", None),
        (basilar_membrane, "design_inverse_transform", "weights", needs.weights),
        (basilar_membrane, "_filter", "filter", needs.filter),
        (inverse_transform, "run_lane_transform", "inverse FFT", needs.transform),
        (inverse_transform, "_interpolation_kernel", "interpolation", needs.interpolation),
        (pipeline, "hair_cell_block", "hair cells", needs.hair),
        (bushy_cell, "_hazards_of_block", "hazards", needs.hazard),
        (bushy_cell, "draw_waiting_times", "waiting times", needs.waiting),
        (bushy_cell, "_bushy_cell_kernel", "bushy cells", needs.bushy),
    ]
    with contextlib.ExitStack() as stack:
        for module, name, stage, count in wrapped:
            clock = _timed(needs, stage, getattr(module, name), count)
            stack.enter_context(mock.patch.object(module, name, clock))
        yield


def measure(clips: list[Clip], n_channels: int) -> dict[str, Any]:
    """Time the stages over some recordings and compute their limits.

    Parameters
    ----------
    clips
        Recordings of one rate; each is encoded twice, and the second time counts.
    n_channels
        Channels along the membrane.

    Returns
    -------
    dict
        ``speeds`` of the machine, ``stages``: milliseconds per clip, measured and minimal.
    """
    needs, total = _Needs(), 0.0
    for clip in clips:
        cochlea.encode(*clip, n_channels=n_channels)
        with _clocks(needs):
            started = time.thread_time()
            cochlea.encode(*clip, n_channels=n_channels)
            total += time.thread_time() - started
        needs.forward[clip.samples.size] += 1
    block = max(clip.samples.size // 2 + 1 for clip in clips) * LANES
    speeds = {
        "copy_memory_bytes_per_s": copy_speed(2**25),
        "copy_block_bytes_per_s": copy_speed(block),
        "operations_per_s": operation_speed(),
        "divisions_per_s": division_speed(),
        "exponentials_per_s": exponential_speed(),
    }
    library = {
        "prepare": sum(count * _forward_seconds(m) for m, count in needs.forward.items()),
        "inverse FFT": sum(count * _inverse_seconds(m) for m, count in needs.inverse.items()),
        "waiting times": needs.draws / speeds["exponentials_per_s"],
    }
    n = len(clips)
    stages = []
    for stage in STAGES:
        at_least = {
            "bytes": needs.bytes[stage] / speeds["copy_block_bytes_per_s"],
            "operations": max(
                needs.operations[stage] / speeds["operations_per_s"],
                needs.divisions[stage] / speeds["divisions_per_s"],
            ),
            "library": library.get(stage, 0.0),
        }
        seconds = needs.seconds[stage]
        stages.append(_row(stage, seconds, at_least, n))
    stages.append(_row("rest", total - sum(needs.seconds.values()), {}, n))
    return {
        "clips": n,
        "audio_s": sum(clip.samples.size / clip.sample_rate for clip in clips),
        "total_ms_per_clip": 1000 * total / n,
        "speeds": speeds,
        "stages": stages,
    }


def _row(stage: str, seconds: float, at_least: dict[str, float], n_clips: int) -> dict[str, Any]:
    per_clip = {name: 1000 * value / n_clips for name, value in at_least.items()}
    limits = [ms for name, ms in per_clip.items() if (stage, name) != ("inverse FFT", "library")]
    limit = max(limits, default=0.0)
    return {"stage": stage, "ms": 1000 * seconds / n_clips, **per_clip, "limit": limit}


def _best(call: Callable[[], Any], repeats: int = 5) -> float:
    """Return the shortest of some runs after a warm-up run [s]."""
    call()
    seconds = []
    for _ in range(repeats):
        started = time.thread_time()
        call()
        seconds.append(time.thread_time() - started)
    return min(seconds)


def copy_speed(size: int) -> float:
    """Return the bytes read and written per second by a copy between float64 arrays of ``size`` values."""
    source, target = np.ones(size), np.ones(size)
    return 2 * source.nbytes / _best(lambda: np.copyto(target, source))


@njit(error_model="numpy")
def _multiply_adds(values: Floats, repeats: int) -> None:
    for _ in range(repeats):
        for i in range(values.size):
            x = values[i]
            x = ((x * 0.5 + 1.0) * 0.5 + 1.0) * 0.5 + 1.0
            x = ((x * 0.5 + 1.0) * 0.5 + 1.0) * 0.5 + 1.0
            x = ((x * 0.5 + 1.0) * 0.5 + 1.0) * 0.5 + 1.0
            x = ((x * 0.5 + 1.0) * 0.5 + 1.0) * 0.5 + 1.0
            values[i] = x


@njit(error_model="numpy")
def _divisions(values: Floats, repeats: int) -> None:
    for _ in range(repeats):
        for i in range(values.size):
            values[i] = 1.0 / values[i]


def operation_speed() -> float:
    """Return the additions and multiplications per second in the first-level cache."""
    values, repeats = np.full(1024, 2.0), 2000
    return 24 * repeats * values.size / _best(lambda: _multiply_adds(values, repeats))


def division_speed() -> float:
    """Return the divisions per second in the first-level cache."""
    values, repeats = np.full(1024, 2.0), 2000
    return repeats * values.size / _best(lambda: _divisions(values, repeats))


def exponential_speed() -> float:
    """Return the exponentially distributed numbers drawn per second."""
    generator, out = np.random.Generator(np.random.PCG64(0)), np.empty(2**14)
    return out.size / _best(lambda: generator.standard_exponential(out=out), 50)


def _forward_seconds(length: int) -> float:
    samples = np.random.default_rng(0).standard_normal(length)
    return min(_best(lambda: fft.rfft(samples)), _best(lambda: np.fft.rfft(samples)))


def _inverse_seconds(length: int) -> float:
    """Return the time of sixteen real inverse transforms of a length by the fastest call."""
    rng = np.random.default_rng(0)
    columns = rng.standard_normal((length // 2 + 1, LANES)) + 0j
    rows = np.ascontiguousarray(columns.T)
    out_columns, out_rows = np.ones((length, LANES)), np.ones((LANES, length))
    ways: list[Callable[[], Any]] = [
        lambda: np.fft.irfft(columns, length, axis=0, norm="forward", out=out_columns),
        lambda: np.fft.irfft(rows, length, axis=1, norm="forward", out=out_rows),
        lambda: fft.irfft(columns, length, axis=0, norm="forward", workers=1),
        lambda: fft.irfft(rows, length, axis=1, norm="forward", workers=1),
    ]
    return min(_best(way, 3) for way in ways)
