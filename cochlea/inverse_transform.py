"""Inverse Fourier transforms of any length, including primes, by an FFT of a longer, smooth, even length.

A transform of ``n`` bins whose length is prime costs three times one of a smooth length. The real signal with the
spectrum ``Y_k``, 0 ≤ k ≤ K ≤ n/2::

    v_s = (1/n)·Re Σ_k Y_k·e^(2πi·k·s/n),  s = 0 … n − 1                      (T1)

is needed on n points but is band-limited, so it can be interpolated from m > 2K points::

    D_k = Y_k / (n·φ̂(k/m))                                                    (T2)
    u_j = Re Σ_k D_k·e^(2πi·k·j/m),  j = 0 … m − 1, by :mod:`cochlea.lane_transform`    (T3)
    v_s = Σ_j φ(j − s·m/n)·u_j, over the 16 points j around s·m/n, cyclically      (T4)

with the Kaiser-Bessel window φ of width w = 16 and its Fourier transform::

    φ(x) = I0(β·√(1 − (2x/w)²)) / I0(β),  |x| < w/2                            (T5)
    φ̂(ξ) = w·sinh(√(β² − (π·w·ξ)²)) / (√(β² − (π·w·ξ)²)·I0(β))                 (T6)
    β = π·√( (w/σ)²·(σ − ½)² − 0.8 ),  σ = m/(2K), at least 1.5                (T7)

The omitted terms are the aliases of φ̂: |φ̂(k/m + l)/φ̂(k/m)| summed over l ≠ 0 is below 6e-12 at the worst
bin (``aliasing``; tested). φ is a polynomial of degree 19 on each of its 16 pieces, with an error of 1e-13 of its
peak relative to (T5). Together with the rounding of the amplified band edge, the result is within
:data:`TRANSFORM_BOUND` of the direct transform, relative to the largest value (tested).

Sources: Jackson, Meyer, Nishimura, Macovski (1991), IEEE Trans. Med. Imaging 10(3) 473; (T7) from Beatty,
Nishimura, Pauly (2005), IEEE Trans. Med. Imaging 24(6) 799; the method is that of the non-uniform FFT.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from cochlea.compiled import compiled
from cochlea.lane_transform import LaneTransform, design_lane_transform, run_lane_transform
from cochlea.lanes import LANES
from cochlea.vectors import WIDTH, load, store, straight

TRANSFORM_BOUND = 1e-11  # |v − direct transform| / max |v|
OVERSAMPLING = 1.5  # minimum of σ
_WIDTH = 16  # w; the loops below are written for it
_DEGREE = 19  # likewise


@dataclass(frozen=True)
class InverseTransform:
    """Constants that depend only on the lengths.

    Attributes
    ----------
    n : int
        Length of the signal.
    n_bins : int
        Number of bins that may be nonzero: K + 1.
    length : int
        m, length of the FFT, even.
    fft : LaneTransform
        The FFT of that length.
    correction : ndarray of float64, shape (n_bins,)
        1/(n·φ̂(k/m)), halved where a real transform counts a bin twice.
    first : ndarray of int64, shape (n,)
        First of the 16 points around each sample; it may be below 0 or end after m.
    weights : ndarray of float64, shape (n, 16)
        φ at the distances of these points.
    """

    n: int
    n_bins: int
    length: int
    fft: LaneTransform
    correction: NDArray[np.float64]
    first: NDArray[np.int64]
    weights: NDArray[np.float64]

    @property
    def work_size(self) -> int:
        """Numbers in the working memory of :func:`run_inverse_transform`."""
        return self.fft.work_size


@dataclass(frozen=True)
class Window:
    """The Kaiser-Bessel window, eqs. (T5) and (T7).

    Attributes
    ----------
    beta : float
        β at the smallest σ; the aliasing of a larger one is smaller.
    i0_beta : float
        I0(β).
    polynomials : ndarray of float64, shape (degree + 1, 16)
        φ on each of its pieces: powers of the position −1 … 1, ascending.
    """

    beta: float
    i0_beta: float
    polynomials: NDArray[np.float64]


def design_inverse_transform(n: int, n_bins: int, window: Window | None = None) -> InverseTransform:
    """Choose the length of the FFT and compute the weights, eqs. (T2) and (T5)–(T7).

    Parameters
    ----------
    n
        Length of the signal, at least 1.
    n_bins
        Number of bins of the half spectrum that are used, 1 … n//2 + 1.
    window
        From :func:`design_window`, by default.

    Returns
    -------
    InverseTransform
        For :func:`run_inverse_transform`.
    """
    window = window or design_window()
    top = n_bins - 1
    length = 2 * smooth_length(max(int(np.ceil(OVERSAMPLING * top)), _WIDTH))
    bins = np.arange(n_bins)
    # (F1) counts every bin but 0 twice; (T1) counts all once.
    correction = np.where(bins == 0, 1.0, 0.5) / (n * window_transform(bins / length, window))
    first = np.empty(n, dtype=np.int64)
    weights = np.empty((n, _WIDTH))
    _weights_kernel(length, window.polynomials, first, weights)
    fft = design_lane_transform(length)
    return InverseTransform(n, n_bins, length, fft, correction, first, weights)


def smooth_length(least: int) -> int:
    """Return the smallest number of the form 2^a·3^b·5^c that is not below ``least``.

    Parameters
    ----------
    least
        A positive number.

    Returns
    -------
    int
        A length for which an FFT is fast.
    """
    best = 1 << (least - 1).bit_length()
    fives = 1
    while fives < best:
        odd = fives
        while odd < best:
            twos = (-(-least // odd) - 1).bit_length()
            best = min(best, odd << twos)
            odd *= 3
        fives *= 5
    return best


def window_transform(
    frequency: NDArray[np.float64], window: Window | None = None
) -> NDArray[np.float64]:
    """Evaluate φ̂, eq. (T6).

    Parameters
    ----------
    frequency
        ξ in cycles per point, float64, any shape.
    window
        From :func:`design_window`, by default.

    Returns
    -------
    ndarray of float64, same shape
        φ̂(ξ).
    """
    window = window or design_window()
    root = np.sqrt((window.beta**2 - (np.pi * _WIDTH * frequency) ** 2).astype(np.complex128))
    root = np.where(root == 0, 1e-9, root)
    transform: NDArray[np.float64] = (np.sinh(root) / root).real * (_WIDTH / window.i0_beta)
    return transform


def aliasing(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum the aliases of each bin, relative to the bin itself.

    Parameters
    ----------
    frequency
        k/m of the bins, float64, shape (bins,), within ± 1/(2σ).

    Returns
    -------
    ndarray of float64, shape (bins,)
        Σ over l ≠ 0 of |φ̂(k/m + l)/φ̂(k/m)|, 100 periods on either side.
    """
    circles = np.concatenate([np.arange(-100, 0), np.arange(1, 101)])
    others = np.abs(window_transform(frequency[:, None] + circles)).sum(axis=1)
    return np.asarray(others / np.abs(window_transform(frequency)))


@lru_cache(maxsize=1)
def design_window() -> Window:
    """Compute the window, eqs. (T5) and (T7), and approximate it by polynomials.

    Returns
    -------
    Window
        For :func:`design_inverse_transform`; its array is read-only.
    """
    from scipy import special  # loaded only where a design is computed

    stretched = (_WIDTH / OVERSAMPLING * (OVERSAMPLING - 0.5)) ** 2
    beta = float(np.pi * np.sqrt(stretched - 0.8))
    i0_beta = special.i0(beta)
    position = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    to_chebyshev = np.linalg.inv(chebyshev.chebvander(position, _DEGREE))
    polynomials = np.zeros((_DEGREE + 1, _WIDTH))
    for piece in range(_WIDTH):
        x = piece - _WIDTH / 2 + (position + 1) / 2
        values = special.i0(beta * np.sqrt(np.maximum(1 - (2 * x / _WIDTH) ** 2, 0))) / i0_beta
        powers = chebyshev.cheb2poly(to_chebyshev @ values)
        polynomials[: powers.size, piece] = powers
    polynomials.setflags(write=False)
    return Window(beta, float(i0_beta), polynomials)


@straight
def _weights_of_four(
    polynomials: NDArray[np.float64], weights: NDArray[np.float64], samples: tuple[int, ...]
) -> None:
    """Replace the position of four samples, in the first column, by the polynomials of all pieces."""
    xs = [weights[s, 0] for s in samples]
    for piece in range(0, _WIDTH, WIDTH):
        values = [load(polynomials, _DEGREE * _WIDTH + piece)] * len(xs)
        for power in range(_DEGREE - 1, -1, -1):  # Horner's rule
            added = load(polynomials, power * _WIDTH + piece)
            values = [value * x + added for value, x in zip(values, xs, strict=True)]
        for s, value in zip(samples, values, strict=True):
            store(weights, s * _WIDTH + piece, value)


@compiled
def _weights_kernel(
    length: int,
    polynomials: NDArray[np.float64],
    first: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> None:
    """Compute the points around s·m/n in integer arithmetic, and φ at their distances."""
    n, width = weights.shape
    for s in range(n):
        floor = s * length // n
        first[s] = floor + 1 - width // 2
        # Point `first + j` is in piece j, at 1 − (s·m/n − floor) from the piece's lower end.
        weights[s, 0] = 1.0 - 2.0 * (s * length - floor * n) / n
    for s in range(0, n, 4):  # together, so that the processor need not wait for any of them
        s1 = s + 1 if s + 1 < n else s
        s2 = s + 2 if s + 2 < n else s
        s3 = s + 3 if s + 3 < n else s
        samples = (s, s1, s2, s3)
        _weights_of_four(polynomials, weights, samples)


def run_inverse_transform(
    half: NDArray[np.float64],
    transform: InverseTransform,
    work: NDArray[np.float64],
    points: NDArray[np.float64],
    signal: NDArray[np.float64],
) -> None:
    """Transform sixteen spectra, eqs. (T3) and (T4).

    Parameters
    ----------
    half
        D, float64, shape (n_bins, 2, 16): Y times ``correction``, real and imaginary part, one column per channel.
    transform
        From :func:`design_inverse_transform`.
    work
        Working memory, float64, shape (at least ``transform.work_size``,). Allocating it here would take as long as
        the FFT.
    points
        Buffer for u, float64, shape (m + 16, 16), with eight points of the other end before the first and after
        the last; overwritten.
    signal
        v, float64, shape (n, 16); overwritten.
    """
    m, around = transform.length, _WIDTH // 2
    run_lane_transform(half, transform.fft, work, points[around : m + around])
    points[:around] = points[m : m + around]
    points[m + around :] = points[around:_WIDTH]
    _interpolation_kernel(points, transform.first, transform.weights, signal)


@straight
def _sum_of_points(
    points: NDArray[np.float64],
    first: int,
    weights: NDArray[np.float64],
    s: int,
    signal: NDArray[np.float64],
) -> None:
    """Interpolate a sample of sixteen columns, eq. (T4)."""
    w = [weights[s, j] for j in range(_WIDTH)]
    at = (first + _WIDTH // 2) * LANES  # row 8 is the first point
    for lane in range(0, LANES, WIDTH):
        v = [load(points, at + (lane + j * LANES)) * w[j] for j in range(_WIDTH)]
        low = (v[0] + v[1] + v[2] + v[3]) + (v[4] + v[5] + v[6] + v[7])
        high = (v[8] + v[9] + v[10] + v[11]) + (v[12] + v[13] + v[14]) + v[15]
        store(signal, s * LANES + lane, low + high)


@compiled
def _interpolation_kernel(
    points: NDArray[np.float64],
    first: NDArray[np.int64],
    weights: NDArray[np.float64],
    signal: NDArray[np.float64],
) -> None:
    """Interpolate sixteen columns."""
    for s in range(signal.shape[0]):
        _sum_of_points(points, first[s], weights, s, signal)
