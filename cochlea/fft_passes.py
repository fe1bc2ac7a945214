"""Complex Fourier transforms of eight channels abreast, by passes of radix 5, 4, 3 and 2 in the order of Stockham.

A pass of radix r turns groups of r vectors, n/r apart, into r vectors of transforms that are n/r long::

    y_(q + s·(r·p + j)) = e^(2πi·j·p/n)·Σ_i x_(q + s·(p + i·n/r))·e^(2πi·i·j/r)       (P1)
    p = 0 … n/r − 1;  q = 0 … s − 1;  then n ← n/r, s ← r·s, from s = 1 on

The vectors lie one after the other: eight real parts (one per channel), then eight imaginary parts.

Source: Van Loan (1992), Computational Frameworks for the Fast Fourier Transform, 1.7.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cochlea.compiled import compiled
from cochlea.vectors import WIDTH, load, store

Floats = NDArray[np.float64]
PAIR = 2 * WIDTH  # numbers of a complex vector

_SIN3 = math.sin(2 * math.pi / 3)
_COS51, _COS52 = math.cos(0.4 * math.pi), math.cos(0.8 * math.pi)
_SIN51, _SIN52 = math.sin(0.4 * math.pi), math.sin(0.8 * math.pi)


def radices_of(size: int) -> NDArray[np.int64]:
    """Return the radix of each pass.

    Parameters
    ----------
    size
        Length of a transform, of the form 2^a·3^b·5^c, at least 2.

    Returns
    -------
    ndarray of int64, shape (passes,)
        Their product is ``size``.
    """
    radices = []
    for radix in (5, 3, 4, 2):
        while size % radix == 0:
            radices.append(radix)
            size //= radix
    return np.array(radices, dtype=np.int64)


def turns_of(size: int) -> Floats:
    """Return the factors e^(2πi·j·p/n) of eq. (P1), pass by pass.

    Parameters
    ----------
    size
        As for :func:`radices_of`.

    Returns
    -------
    ndarray of float64, shape (factors, 2)
        Cosine and sine, for p = 0 … n/r − 1 and j = 1 … r − 1.
    """
    parts = [np.empty(0, np.complex128)]
    for radix in radices_of(size).tolist():
        p, j = np.arange(size // radix)[:, None], np.arange(1, radix)
        parts.append(np.exp(2j * np.pi / size * (p * j)).ravel())
        size //= radix
    return np.concatenate(parts).view(np.float64).reshape(-1, 2)


@compiled
def run_passes(
    source: Floats,
    at: int,
    size: int,
    radices: NDArray[np.int64],
    turns: Floats,
    buffer: Floats,
) -> int:
    """Transform ``size`` complex vectors, eq. (P1).

    Parameters
    ----------
    source, at
        float64, shape (n,), and the index at which the vectors begin; not changed.
    size, radices, turns
        Length of the transform; :func:`radices_of` and :func:`turns_of` it.
    buffer
        float64, shape (at least 2·16·size,); overwritten.

    Returns
    -------
    int
        Index in ``buffer`` at which the result begins.
    """
    x, y = source, buffer
    # Not literals, for which the passes would be compiled once more.
    stride: Any = np.int64(1)
    t: Any = np.int64(0)
    to: Any = np.int64(0)
    rest = size
    for radix in radices:
        rest = rest // radix
        if radix == 5:
            _five(x, at, y, to, rest, stride, turns, t)
        elif radix == 4:
            _four(x, at, y, to, rest, stride, turns, t)
        elif radix == 3:
            _three(x, at, y, to, rest, stride, turns, t)
        else:
            _two(x, at, y, to, rest, stride, turns, t)
        t += rest * (radix - 1)
        stride *= radix
        x, at, to = buffer, to, size * PAIR - to
    return at


@compiled
def put(y: Floats, at: int, re: Any, im: Any, turns: Floats, t: int) -> None:  # noqa: ANN401
    """Multiply a complex vector by a factor and store it.

    Parameters
    ----------
    y, at
        Where to store it.
    re, im
        The vector.
    turns, t
        Cosines and sines, float64, shape (factors, 2), and the index of the factor.
    """
    cos, sin = turns[t, 0], turns[t, 1]
    store(y, at, re * cos - im * sin)
    store(y, at + WIDTH, re * sin + im * cos)


@compiled
def _two(
    x: Floats, at: int, y: Floats, to: int, rest: int, stride: int, turns: Floats, t: int
) -> None:
    step, over = rest * stride * PAIR, stride * PAIR
    for p in range(rest):
        for q in range(stride):
            i, o = at + (q + stride * p) * PAIR, to + (q + stride * 2 * p) * PAIR
            ar, ai = load(x, i), load(x, i + WIDTH)
            br, bi = load(x, i + step), load(x, i + step + WIDTH)
            store(y, o, ar + br)
            store(y, o + WIDTH, ai + bi)
            put(y, o + over, ar - br, ai - bi, turns, t + p)


@compiled
def _three(
    x: Floats, at: int, y: Floats, to: int, rest: int, stride: int, turns: Floats, t: int
) -> None:
    step, over = rest * stride * PAIR, stride * PAIR
    for p in range(rest):
        turn = t + 2 * p
        for q in range(stride):
            i, o = at + (q + stride * p) * PAIR, to + (q + stride * 3 * p) * PAIR
            ar, ai = load(x, i), load(x, i + WIDTH)
            br, bi = load(x, i + step), load(x, i + step + WIDTH)
            cr, ci = load(x, i + 2 * step), load(x, i + 2 * step + WIDTH)
            sr, si = br + cr, bi + ci
            dr, di = (br - cr) * _SIN3, (bi - ci) * _SIN3
            store(y, o, ar + sr)
            store(y, o + WIDTH, ai + si)
            mr, mi = ar - sr * 0.5, ai - si * 0.5
            put(y, o + over, mr - di, mi + dr, turns, turn)
            put(y, o + 2 * over, mr + di, mi - dr, turns, turn + 1)


@compiled
def _four(
    x: Floats, at: int, y: Floats, to: int, rest: int, stride: int, turns: Floats, t: int
) -> None:
    step, over = rest * stride * PAIR, stride * PAIR
    for p in range(rest):
        turn = t + 3 * p
        for q in range(stride):
            i, o = at + (q + stride * p) * PAIR, to + (q + stride * 4 * p) * PAIR
            ar, ai = load(x, i), load(x, i + WIDTH)
            br, bi = load(x, i + step), load(x, i + step + WIDTH)
            cr, ci = load(x, i + 2 * step), load(x, i + 2 * step + WIDTH)
            dr, di = load(x, i + 3 * step), load(x, i + 3 * step + WIDTH)
            er, ei, fr, fi = ar + cr, ai + ci, ar - cr, ai - ci
            gr, gi, hr, hi = br + dr, bi + di, br - dr, bi - di
            store(y, o, er + gr)
            store(y, o + WIDTH, ei + gi)
            put(y, o + over, fr - hi, fi + hr, turns, turn)
            put(y, o + 2 * over, er - gr, ei - gi, turns, turn + 1)
            put(y, o + 3 * over, fr + hi, fi - hr, turns, turn + 2)


@compiled
def _five(
    x: Floats, at: int, y: Floats, to: int, rest: int, stride: int, turns: Floats, t: int
) -> None:
    step, over = rest * stride * PAIR, stride * PAIR
    for p in range(rest):
        turn = t + 4 * p
        for q in range(stride):
            i, o = at + (q + stride * p) * PAIR, to + (q + stride * 5 * p) * PAIR
            ar, ai = load(x, i), load(x, i + WIDTH)
            br, bi = load(x, i + step), load(x, i + step + WIDTH)
            cr, ci = load(x, i + 2 * step), load(x, i + 2 * step + WIDTH)
            dr, di = load(x, i + 3 * step), load(x, i + 3 * step + WIDTH)
            er, ei = load(x, i + 4 * step), load(x, i + 4 * step + WIDTH)
            pr, pi, qr, qi = br + er, bi + ei, cr + dr, ci + di
            ur, ui, vr, vi = br - er, bi - ei, cr - dr, ci - di
            store(y, o, ar + pr + qr)
            store(y, o + WIDTH, ai + pi + qi)
            mr, mi = ar + pr * _COS51 + qr * _COS52, ai + pi * _COS51 + qi * _COS52
            nr, ni = ur * _SIN51 + vr * _SIN52, ui * _SIN51 + vi * _SIN52
            put(y, o + over, mr - ni, mi + nr, turns, turn)
            put(y, o + 4 * over, mr + ni, mi - nr, turns, turn + 3)
            mr, mi = ar + pr * _COS52 + qr * _COS51, ai + pi * _COS52 + qi * _COS51
            nr, ni = ur * _SIN52 - vr * _SIN51, ui * _SIN52 - vi * _SIN51
            put(y, o + 2 * over, mr - ni, mi + nr, turns, turn + 1)
            put(y, o + 3 * over, mr + ni, mi - nr, turns, turn + 2)
