"""Hair cells: the loop against numpy column by column, and against itself uncompiled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from cochlea import HairCellParams, design_hair_cell, run_hair_cell
from cochlea.hair_cell import _hair_cell_kernel


def oracle(velocity: NDArray[np.float64], rate: float, p: HairCellParams) -> NDArray[np.float64]:
    """Meddis's equations as the specification writes them, in 1/s and dt."""
    A, B, M = p.permeability_offset, p.permeability_scale, p.pool_size
    y, g, l_, r, x = (
        *(p.replenish_rate, p.release_rate, p.loss_rate),
        *(p.reuptake_rate, p.reprocess_rate),
    )
    dt = 1 / rate
    k0 = g * A / (A + B)
    c = np.full(velocity.shape[0], M * y * k0 / (l_ * k0 + y * (l_ + r)))
    q, w = c * (l_ + r) / k0, c * r / x
    p_fire = np.empty_like(velocity)
    for s, v in enumerate(velocity.T):
        k = np.where(v + A > 0, g * (v + A) / np.where(v + A > 0, v + A + B, 1) * dt, 0)
        replenish = np.where(q < M, y * (M - q) * dt, 0)
        eject, back = k * q, x * w * dt
        q, c, w = (
            np.maximum(q + replenish - eject + back, 0),
            np.maximum(c + eject - (l_ + r) * c * dt, 0),
            np.maximum(w + r * c * dt - back, 0),
        )
        p_fire[:, s] = p.firing_rate * c * dt
    return p_fire


@pytest.mark.parametrize("rate", [24000, 8000, 4000])  # at 8 and 4 kHz the cleft is clipped
@pytest.mark.parametrize("shape", [(1, 1), (3, 63), (16, 64), (17, 200), (40, 129)])
def test_equals_the_oracle(rate: int, shape: tuple[int, int], rng: np.random.Generator) -> None:
    velocity = 100 * rng.standard_normal(shape)
    p_fire = run_hair_cell(velocity, design_hair_cell(rate))
    truth = oracle(velocity, rate, HairCellParams())
    assert_allclose(p_fire, truth, rtol=0, atol=1e-12 * truth.max())


def test_rest_state_stays() -> None:
    p_fire = run_hair_cell(np.zeros((2, 500)), design_hair_cell(24000))
    # by hand: k0 = 2000·5/305, c = 5.05·k0/(2500·k0 + 5.05·9080), p = 50000·c/24000
    assert_allclose(p_fire, 0.0026986549946, rtol=1e-9)


def test_compiled_equals_uncompiled_bit_for_bit(rng: np.random.Generator) -> None:
    velocity = 50 * rng.standard_normal((100, 16))
    coeffs = design_hair_cell(8000)
    slow = velocity.copy()
    _hair_cell_kernel.py_func(slow, *vars(coeffs).values())  # type: ignore[attr-defined]
    assert np.array_equal(run_hair_cell(velocity.T, coeffs), slow.T)


def test_more_release_fires_more() -> None:
    strong = replace(HairCellParams(), firing_rate=60000.0)
    quiet = np.zeros((1, 10))
    ratio = run_hair_cell(quiet, design_hair_cell(24000, strong)) / run_hair_cell(
        quiet, design_hair_cell(24000)
    )
    assert_allclose(ratio, 1.2, rtol=1e-12)


def test_one_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        run_hair_cell(np.zeros(5), design_hair_cell(24000))
