"""Inverse transforms by a longer, smooth FFT: against numpy's direct ones, within the stated bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import fft

from cochlea.inverse_transform import (
    OVERSAMPLING,
    TRANSFORM_BOUND,
    _interpolation_kernel,
    _weights_kernel,
    aliasing,
    design_inverse_transform,
    design_window,
    run_inverse_transform,
    smooth_length,
    window_transform,
)


@pytest.mark.parametrize("n", [1, 2, 3, 16, 31, 32, 33, 1009, 2000, 17325, 19087])  # primes too
@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_equals_the_direct_transform(n: int, share: float, rng: np.random.Generator) -> None:
    n_bins = int(share * (n // 2)) + 1
    transform = design_inverse_transform(n, n_bins)
    wanted = rng.standard_normal((n_bins, 16)) + 1j * rng.standard_normal((n_bins, 16))
    wanted[0].imag = 0
    corrected = wanted * transform.correction[:, None]
    half = np.stack([corrected.real, corrected.imag], axis=1)
    work, points = np.empty(transform.work_size), np.empty((transform.length + 16, 16))
    signal = np.empty((n, 16))
    run_inverse_transform(half, transform, work, points, signal)
    full = np.zeros((n, 16), dtype=np.complex128)
    full[:n_bins] = wanted
    direct = np.fft.ifft(full, axis=0).real
    assert np.abs(signal - direct).max() < TRANSFORM_BOUND * np.abs(direct).max()


def test_aliasing_is_below_the_bound() -> None:
    frequency = np.linspace(0, 0.5 / OVERSAMPLING, 2001)
    assert aliasing(frequency).max() < 6e-12


def test_window_transform_is_that_of_the_window() -> None:
    """Gauss-Legendre over the sixteen polynomials against the closed form."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    powers = np.vander(nodes, 20, increasing=True) @ design_window().polynomials
    x = np.arange(16)[None, :] - 8 + (nodes[:, None] + 1) / 2
    frequency = np.linspace(0, 0.9, 50)
    values = np.array(
        [(powers * np.cos(2 * np.pi * f * x) * weights[:, None] / 2).sum() for f in frequency]
    )
    assert_allclose(values, window_transform(frequency), rtol=0, atol=1e-13)


def test_compiled_equals_uncompiled_bit_for_bit(rng: np.random.Generator) -> None:
    points, polynomials = rng.standard_normal((166, 16)), design_window().polynomials
    results = []
    for compiled in (True, False):
        first, weights, signal = np.empty(97, np.int64), np.empty((97, 16)), np.empty((97, 16))
        for kernel, arguments in (
            (_weights_kernel, (150, polynomials, first, weights)),
            (_interpolation_kernel, (points, first, weights, signal)),
        ):
            (kernel if compiled else kernel.py_func)(*arguments)  # type: ignore[attr-defined]
        results.append((first, weights, signal))
    for fast, slow in zip(*results, strict=True):
        assert np.array_equal(fast, slow)


@given(st.integers(1, 10**6))
def test_smooth_lengths_are_those_of_scipy(least: int) -> None:
    assert smooth_length(least) == fft.next_fast_len(least, real=True)
