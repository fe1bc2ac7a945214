"""Real inverse Fourier transforms of sixteen spectra abreast.

The spectra of sixteen channels lie side by side, so each operation works on eight channels at a time
(:mod:`cochlea.vectors`), and neither spectra nor signals are transposed. For an even length m = 2·H and
``D_k = 0`` from k = H on::

    u_j = Re D_0 + 2·Re Σ_k D_k·e^(2πi·k·j/m),  1 ≤ k < H,  j = 0 … m − 1              (F1)
    Z_k = D_k + conj D_(H−k) + i·e^(2πi·k/m)·(D_k − conj D_(H−k)),  k = 0 … H − 1       (F2)
    u_2j + i·u_(2j+1) = z_j = Σ_k Z_k·e^(2πi·k·j/H),  j = 0 … H − 1                     (F3)

The complex transform (F3) of length H = A·B is computed in two steps, each by transforms that fit into the
first-level cache (k = a·B + b, j = d·A + c)::

    Y_(c,b) = e^(2πi·b·c/H)·Σ_a Z_(a·B+b)·e^(2πi·a·c/A)                                 (F4)
    z_(d·A+c) = Σ_b Y_(c,b)·e^(2πi·b·d/B)                                              (F5)

Its slow twin is ``numpy.fft.irfft``.

Source: Bailey (1990), J. Supercomputing 4(1) 23.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cochlea.compiled import compiled
from cochlea.fft_passes import (
    PAIR,
    Pairs,
    for_each_radix,
    put,
    radices_of,
    run_passes,
    turns_of,
)
from cochlea.lanes import LANES
from cochlea.vectors import WIDTH, Vector, load, repeated, store, straight

Floats = NDArray[np.float64]
_LINE = 8  # numbers in a cache line


@dataclass(frozen=True)
class LaneTransform:
    """Constants of a transform of length m = 2·A·B.

    Attributes
    ----------
    sizes : tuple of two int
        A and B.
    radices, turns : tuple of two arrays
        Of the transforms of length A and B: :func:`radices_of` and :func:`turns_of`.
    half_turns : ndarray of float64, shape (H, 2)
        i·e^(2πi·k/m), eq. (F2), in the order b·A + a.
    between : ndarray of float64, shape (H, 2)
        e^(2πi·b·c/H), eq. (F4), in the order b·A + c.
    """

    sizes: tuple[int, int]
    radices: tuple[NDArray[np.int64], NDArray[np.int64]]
    turns: tuple[Floats, Floats]
    half_turns: Floats
    between: Floats

    @property
    def work_size(self) -> int:
        """Numbers in the working memory of :func:`run_lane_transform`."""
        size_a, size_b = self.sizes
        return (size_a * size_b + 3 * max(self.sizes)) * PAIR


@lru_cache(maxsize=64)
def design_lane_transform(length: int) -> LaneTransform:
    """Split a transform into passes and compute the factors.

    Parameters
    ----------
    length
        m, even, of the form 2^a·3^b·5^c, at least 12.

    Returns
    -------
    LaneTransform
        For :func:`run_lane_transform`.
    """
    half = length // 2
    # As near to each other as possible.
    size_b = next(b for b in range(math.isqrt(half), 0, -1) if half % b == 0)
    size_a = half // size_b
    a, b = np.arange(size_a), np.arange(size_b)[:, None]
    half_turns = 1j * np.exp(2j * np.pi / length * (a * size_b + b))
    between = np.exp(2j * np.pi / half * (a * b))
    return LaneTransform(
        (size_a, size_b),
        (radices_of(size_a), radices_of(size_b)),
        (turns_of(size_a), turns_of(size_b)),
        half_turns.view(np.float64).reshape(-1, 2),
        between.view(np.float64).reshape(-1, 2),
    )


def aligned(*sizes: int) -> list[Floats]:
    """Allocate arrays in one piece, each from the start of a cache line, so that no vector lies in two lines.

    Parameters
    ----------
    *sizes
        Numbers in each array.

    Returns
    -------
    list of ndarray of float64, shape (size,) each
        Not initialised.
    """
    starts = np.cumsum([0, *(-(-size // _LINE) * _LINE for size in sizes)])
    memory = np.empty(int(starts[-1]) + _LINE)
    memory = memory[-(memory.ctypes.data // memory.itemsize) % _LINE :]
    return [memory[start : start + size] for start, size in zip(starts, sizes, strict=False)]


def run_lane_transform(
    half: Floats, transform: LaneTransform, work: Floats, signal: Floats
) -> None:
    """Transform sixteen spectra, eqs. (F1)–(F5).

    Parameters
    ----------
    half
        D, float64, shape (n_bins, 2, 16): real and imaginary part, one column per channel; n_bins ≤ m/2, and the
        imaginary part of D_0 is 0. Further bins are 0.
    transform
        From :func:`design_lane_transform`.
    work
        Working memory, float64, shape (at least ``transform.work_size``,); best from :func:`aligned`.
    signal
        u, float64, shape (m, 16), contiguous; overwritten.
    """
    size_a, size_b = transform.sizes
    largest = max(size_a, size_b) * PAIR
    column, buffer, middle = work[:largest], work[largest : 3 * largest], work[3 * largest :]
    radices_a, radices_b = transform.radices
    for lane in range(0, LANES, WIDTH):
        _transform_kernel(
            *(half, half.shape[0], lane, size_a, size_b),
            *(radices_a[:-1], radices_b[:-1], int(radices_a[-1]), int(radices_b[-1])),
            *transform.turns,
            *(transform.half_turns, transform.between),
            *(column, buffer, middle, signal),
        )


@straight
def _bin(half: Floats, k: int, lane: int) -> tuple[Vector, Vector]:
    return load(half, k * 2 * LANES + lane), load(half, k * 2 * LANES + LANES + lane)


@straight
def _fold(
    column: Floats,
    a: int,
    d: tuple[Vector, Vector],
    mirrored: tuple[Vector, Vector],
    half_turns: Floats,
    turn: int,
) -> None:
    """Store Z, eq. (F2)."""
    cos, sin = half_turns[turn, 0], half_turns[turn, 1]
    re, im = d[0] - mirrored[0], d[1] + mirrored[1]
    store(column, a * PAIR, re * cos - im * sin + (d[0] + mirrored[0]))
    store(column, a * PAIR + WIDTH, re * sin + im * cos + (d[1] - mirrored[1]))


def _put_all(
    results: Pairs,
    radix: int,
    stride: int,
    p: int,
    q: int,
    middle: Floats,
    b: int,
    size_a: int,
    size_b: int,
    between: Floats,
) -> None:
    """Store Y, eq. (F4)."""
    for j, (re, im) in enumerate(results):
        c = q + stride * j
        put(middle, (c * size_b + b) * PAIR, re, im, between, b * size_a + c)


def _store_all(
    results: Pairs,
    radix: int,
    stride: int,
    p: int,
    q: int,
    signal: Floats,
    c: int,
    size_a: int,
    lane: int,
) -> None:
    """Store even and odd samples, eqs. (F3) and (F5)."""
    for j, (re, im) in enumerate(results):
        to = ((q + stride * j) * size_a + c) * 2 * LANES + lane
        store(signal, to, re)
        store(signal, to + LANES, im)


# The last pass of each of the two steps stores its results where the next step, or the caller, needs them.
_put_two, _put_three, _put_four, _put_five = for_each_radix(_put_all)
_store_two, _store_three, _store_four, _store_five = for_each_radix(_store_all)


@compiled
def _transform_kernel(
    half: Floats,
    n_bins: int,
    lane: int,
    size_a: int,
    size_b: int,
    radices_a: NDArray[np.int64],
    radices_b: NDArray[np.int64],
    last_a: int,
    last_b: int,
    turns_a: Floats,
    turns_b: Floats,
    half_turns: Floats,
    between: Floats,
    column: Floats,
    buffer: Floats,
    middle: Floats,
    signal: Floats,
) -> None:
    """Transform the spectra of eight channels from ``lane`` on; the last radices are separate."""
    start = 0 * size_a  # not a literal, for which the passes would be compiled once more
    stride = size_a // last_a
    nothing = (repeated(0.0), repeated(0.0))
    for b in range(size_b):
        for a in range(size_a):
            k = a * size_b + b
            mirror = size_a * size_b - k
            d = _bin(half, k, lane) if k < n_bins else nothing
            mirrored = _bin(half, mirror, lane) if mirror < n_bins else nothing
            _fold(column, a, d, mirrored, half_turns, b * size_a + a)
        at = run_passes(column, start, size_a, radices_a, turns_a, buffer)
        x = buffer if stride > 1 else column
        for q in range(stride):
            if last_a == 5:
                _put_five(x, at, 1, stride, 0, q, middle, b, size_a, size_b, between)
            elif last_a == 4:
                _put_four(x, at, 1, stride, 0, q, middle, b, size_a, size_b, between)
            elif last_a == 3:
                _put_three(x, at, 1, stride, 0, q, middle, b, size_a, size_b, between)
            else:
                _put_two(x, at, 1, stride, 0, q, middle, b, size_a, size_b, between)
    stride = size_b // last_b
    for c in range(size_a):
        at = run_passes(middle, c * size_b * PAIR, size_b, radices_b, turns_b, buffer)
        x = buffer if stride > 1 else middle
        for q in range(stride):
            if last_b == 5:
                _store_five(x, at, 1, stride, 0, q, signal, c, size_a, lane)
            elif last_b == 4:
                _store_four(x, at, 1, stride, 0, q, signal, c, size_a, lane)
            elif last_b == 3:
                _store_three(x, at, 1, stride, 0, q, signal, c, size_a, lane)
            else:
                _store_two(x, at, 1, stride, 0, q, signal, c, size_a, lane)
