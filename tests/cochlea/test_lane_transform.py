"""Sixteen real inverse transforms abreast: against numpy's, and compiled against interpreted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cochlea import fft_passes
from cochlea.fft_passes import radices_of, run_passes, turns_of
from cochlea.lane_transform import (
    _transform_kernel,
    aligned,
    design_lane_transform,
    run_lane_transform,
)


def transformed(half: np.ndarray, length: int) -> np.ndarray:
    transform = design_lane_transform(length)
    work, signal = np.full(transform.work_size, np.nan), np.full((length, 16), np.nan)
    run_lane_transform(half, transform, work, signal)
    return signal


def some_bins(n_bins: int, rng: np.random.Generator) -> np.ndarray:
    half = rng.standard_normal((n_bins, 2, 16))
    half[0, 1] = 0.0
    return half


# Every radix first, last and alone; A = B; lengths of words.
@pytest.mark.parametrize("length", [12, 16, 18, 20, 24, 30, 32, 50, 120, 486, 17496, 25000])
@pytest.mark.parametrize("share", [0.0, 0.4, 0.67, 1.0])
def test_equals_numpy(length: int, share: float, rng: np.random.Generator) -> None:
    half = some_bins(max(int(share * length / 2), 1), rng)
    wanted = np.fft.irfft(half[:, 0] + 1j * half[:, 1], length, axis=0, norm="forward")
    error = np.abs(transformed(half, length) - wanted).max()
    assert error < 4e-16 * math.log2(length) * np.abs(wanted).max()


def test_channels_do_not_mix(rng: np.random.Generator) -> None:
    half = some_bins(20, rng)
    alone = np.zeros_like(half)
    alone[..., 11] = half[..., 11]
    assert np.array_equal(transformed(half, 60)[:, 11], transformed(alone, 60)[:, 11])
    assert not transformed(alone, 60)[:, :11].any()


@settings(max_examples=30)
@given(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2))
@example(0, 0, 1)
def test_passes_equal_numpy(twos: int, threes: int, fives: int) -> None:
    size = 2 ** max(twos, threes + fives == 0) * 3**threes * 5**fives
    vectors = np.random.default_rng(size).standard_normal((size, 2, 8))
    buffer, radices = np.empty(32 * size), radices_of(size)
    source = np.concatenate([np.zeros(16), vectors.reshape(-1)])
    at = run_passes(source, 16, size, radices, turns_of(size), buffer)
    result = buffer[at : at + 16 * size].reshape(size, 2, 8)
    wanted = np.fft.ifft(vectors[:, 0] + 1j * vectors[:, 1], axis=0, norm="forward")
    assert np.prod(radices) == size
    assert np.abs(result[:, 0] + 1j * result[:, 1] - wanted).max() < 1e-14 * size


def test_compiled_equals_uncompiled_bit_for_bit(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = 2 * 60 * 2  # all radices
    half = some_bins(70, rng)
    fast = transformed(half, length)
    for name in ("_two", "_three", "_four", "_five", "put"):
        monkeypatch.setattr(fft_passes, name, getattr(fft_passes, name).py_func)
    module = "cochlea.lane_transform"
    monkeypatch.setattr(f"{module}.put", fft_passes.put)
    monkeypatch.setattr(f"{module}.run_passes", run_passes.py_func)  # type: ignore[attr-defined]
    monkeypatch.setattr(f"{module}._transform_kernel", _transform_kernel.py_func)  # type: ignore[attr-defined]
    assert np.array_equal(fast, transformed(half, length))


def test_arrays_begin_with_cache_lines() -> None:
    arrays = aligned(3, 0, 17)
    assert [array.size for array in arrays] == [3, 0, 17]
    assert all(array.ctypes.data % 64 == 0 for array in arrays)
    for number, array in enumerate(arrays):
        array[:] = number
    assert [set(array.tolist()) for array in arrays] == [{0.0}, set(), {2.0}]
