"""Complex Fourier transforms of eight channels abreast, by passes of radix 5, 4, 3 and 2 in the order of Stockham.

A pass of radix r turns groups of r vectors, n/r apart, into r vectors of transforms that are n/r long::

    y_(q + s·(r·p + j)) = e^(2πi·j·p/n)·Σ_i x_(q + s·(p + i·n/r))·e^(2πi·i·j/r)       (P1)
    p = 0 … n/r − 1;  q = 0 … s − 1;  then n ← n/r, s ← r·s, from s = 1 on

The vectors lie one after the other: eight real parts (one per channel), then eight imaginary parts.

Source: Van Loan (1992), Computational Frameworks for the Fast Fourier Transform, 1.7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cochlea.compiled import compiled
from cochlea.vectors import WIDTH, Vector, load, store, straight

Floats = NDArray[np.float64]
PAIR = 2 * WIDTH  # numbers of a complex vector
Pairs = list[tuple[Vector, Vector]]  # real and imaginary parts

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


@straight
def put(y: Floats, at: int, re: Vector, im: Vector, turns: Floats, t: int) -> None:
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


def _group(x: Floats, at: int, step: int, radix: int) -> Pairs:
    return [(load(x, at + i * step), load(x, at + i * step + WIDTH)) for i in range(radix)]


# The sums of eq. (P1): from a group of vectors, ``step`` numbers apart, to their transform.


@straight
def _two(x: Floats, at: int, step: int) -> Pairs:
    (ar, ai), (br, bi) = _group(x, at, step, 2)
    return [(ar + br, ai + bi), (ar - br, ai - bi)]


@straight
def _three(x: Floats, at: int, step: int) -> Pairs:
    (ar, ai), (br, bi), (cr, ci) = _group(x, at, step, 3)
    sr, si = br + cr, bi + ci
    dr, di = (br - cr) * _SIN3, (bi - ci) * _SIN3
    mr, mi = ar - sr * 0.5, ai - si * 0.5
    return [(ar + sr, ai + si), (mr - di, mi + dr), (mr + di, mi - dr)]


@straight
def _four(x: Floats, at: int, step: int) -> Pairs:
    (ar, ai), (br, bi), (cr, ci), (dr, di) = _group(x, at, step, 4)
    er, ei, fr, fi = ar + cr, ai + ci, ar - cr, ai - ci
    gr, gi, hr, hi = br + dr, bi + di, br - dr, bi - di
    return [(er + gr, ei + gi), (fr - hi, fi + hr), (er - gr, ei - gi), (fr + hi, fi - hr)]


@straight
def _five(x: Floats, at: int, step: int) -> Pairs:
    (ar, ai), (br, bi), (cr, ci), (dr, di), (er, ei) = _group(x, at, step, 5)
    pr, pi, qr, qi = br + er, bi + ei, cr + dr, ci + di
    ur, ui, vr, vi = br - er, bi - ei, cr - dr, ci - di
    mr, mi = ar + pr * _COS51 + qr * _COS52, ai + pi * _COS51 + qi * _COS52
    nr, ni = ur * _SIN51 + vr * _SIN52, ui * _SIN51 + vi * _SIN52
    kr, ki = ar + pr * _COS52 + qr * _COS51, ai + pi * _COS52 + qi * _COS51
    lr, li = ur * _SIN52 - vr * _SIN51, ui * _SIN52 - vi * _SIN51
    ends = [(kr - li, ki + lr), (kr + li, ki - lr)]
    return [(ar + pr + qr, ai + pi + qi), (mr - ni, mi + nr), *ends, (mr + ni, mi - nr)]


def for_each_radix(finish: Callable[..., None]) -> tuple[Callable[..., None], ...]:
    """Combine the sums of each radix with what is done with their results.

    Parameters
    ----------
    finish
        Function that stores the results. It is called with them (real and imaginary parts), the radix, s, p, q of eq.
        (P1), and the arguments that follow.

    Returns
    -------
    tuple of four callables
        Straight-line functions for the radices 2, 3, 4 and 5, with the arguments ``x, at`` (the vectors, and the index
        at which they begin), n/r, s, p, q of eq. (P1), and those that follow.
    """

    def combined(radix: int, sums: Callable[[Floats, int, int], Pairs]) -> Callable[..., None]:
        @straight
        def run(
            x: Floats,
            at: int,
            rest: int,
            stride: int,
            p: int,
            q: int,
            *others: Any,  # noqa: ANN401
        ) -> None:
            results = sums(x, at + (q + stride * p) * PAIR, rest * stride * PAIR)
            finish(results, radix, stride, p, q, *others)

        return run

    return combined(2, _two), combined(3, _three), combined(4, _four), combined(5, _five)


def _turn(
    results: Pairs,
    radix: int,
    stride: int,
    p: int,
    q: int,
    y: Floats,
    to: int,
    turns: Floats,
    t: int,
) -> None:
    """Multiply all but the first result by the factors of the pass, from ``t`` on, and store them."""
    for j, (re, im) in enumerate(results):
        place = to + (q + stride * (p * radix + j)) * PAIR
        if j == 0:
            store(y, place, re)
            store(y, place + WIDTH, im)
        else:
            put(y, place, re, im, turns, t + p * (radix - 1) + (j - 1))


_pass_of_two, _pass_of_three, _pass_of_four, _pass_of_five = for_each_radix(_turn)


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
        Length of the transform; :func:`radices_of` and :func:`turns_of` it. With fewer radices, the later passes are
        left out.
    buffer
        float64, shape (at least 2·16·size,); overwritten.

    Returns
    -------
    int
        Index in ``buffer`` at which the result begins.
    """
    x, y = source, buffer
    stride, t, to = 1, 0, 0
    rest = size
    for radix in radices:
        rest = rest // radix
        for p in range(rest):
            for q in range(stride):
                if radix == 5:
                    _pass_of_five(x, at, rest, stride, p, q, y, to, turns, t)
                elif radix == 4:
                    _pass_of_four(x, at, rest, stride, p, q, y, to, turns, t)
                elif radix == 3:
                    _pass_of_three(x, at, rest, stride, p, q, y, to, turns, t)
                else:
                    _pass_of_two(x, at, rest, stride, p, q, y, to, turns, t)
        t += rest * (radix - 1)
        stride *= radix
        x, at, to = buffer, to, size * PAIR - to
    return at
