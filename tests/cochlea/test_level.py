"""Level and window by pen and paper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from cochlea import hann_ramp, normalize_rms


def test_level_by_hand() -> None:
    # rms of (3, 4, 0, 0) is 2.5, so the factor is 0.3/2.5 = 0.12
    assert_allclose(normalize_rms(np.array([3.0, 4.0, 0.0, 0.0])), [0.36, 0.48, 0, 0], rtol=1e-12)


@given(st.floats(1e-150, 1e150), st.integers(0, 2**32 - 1))
def test_level_forgets_the_scale(scale: float, seed: int) -> None:
    samples = np.random.default_rng(seed).standard_normal(50)
    assert_allclose(normalize_rms(samples * scale), normalize_rms(samples), rtol=1e-9)


def test_silence_is_an_error() -> None:
    with pytest.raises(ValueError, match="silent"):
        normalize_rms(np.zeros(10))


def test_ramp_by_hand() -> None:
    # hanning(4) = (0, 3/4, 3/4, 0)
    assert_allclose(hann_ramp(np.ones(6), 2), [0, 0.75, 1, 1, 0.75, 0], rtol=1e-12, atol=1e-15)


def test_ramp_is_cut_to_half_the_clip_and_leaves_its_input() -> None:
    samples = np.ones(5)
    assert_allclose(hann_ramp(samples, 100), [0, 0.75, 1, 0.75, 0], rtol=1e-12, atol=1e-15)
    assert_allclose(samples, 1, rtol=0)
    assert_allclose(hann_ramp(samples, 0), samples, rtol=0)
    with pytest.raises(ValueError, match="negative"):
        hann_ramp(samples, -1)
