"""Inner hair cell: converts membrane velocity to the probability of transmitter release per sample.

Explicit Euler with dt = 1/rate; every right-hand side uses the old q, c, w::

    k = g·(v+A)/(v+A+B)·dt  if v + A > 0 else 0                     (H1)
    replenish = y(M−q)·dt  if q < M else 0                          (H2)
    eject = k·q;  back = x·w·dt                                     (H3)
    q ← max(q + replenish − eject + back, 0)                        (H4)
    c ← max(c + eject − (l+r)·c·dt, 0)                              (H5)
    w ← max(w + r·c·dt − back, 0)                                   (H6)
    p_fire = h·c·dt, with the new c                                 (H7)

Start, at rest for v = 0::

    k0 = g·A/(A+B);  c = M·y·k0/(l·k0 + y(l+r));  q = c(l+r)/k0;  w = c·r/x     (H8)

======  =======  ====  ==========================  ========================================
symbol  value    unit  meaning                     source
======  =======  ====  ==========================  ========================================
A       5        –     permeability offset         Meddis, Hewitt, Shackleton (1990)
B       300      –     permeability scale          "
M       1        –     transmitter at most         "
y       5.05     1/s   replenishment               ", medium spontaneous rate
g       2000     1/s   release                     "
l       2500     1/s   loss from the cleft         "
r       6580     1/s   reuptake                    "
x       66.3     1/s   reprocessing                "
h       50000    1/s   firing per cleft content    "
======  =======  ====  ==========================  ========================================

Equations: Meddis (1986) JASA 79(3) 702; Meddis (1988) JASA 83(3) 1056.
The step is only valid while (l+r)·dt < 1, i.e. above 9.08 kHz; at lower rates the cleft overshoots
and is clipped every step. The original implementation does the same; this is kept for identical results.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cochlea.compiled import compiled
from cochlea.lanes import LANES, blocks_of
from cochlea.vectors import WIDTH, Vector, load, repeated, select, store, straight


@dataclass(frozen=True)
class HairCellParams:
    """Constants of the inner hair cell; the module's table gives the sources.

    Attributes
    ----------
    permeability_offset, permeability_scale : float
        A and B, in the unit of the velocity.
    pool_size : float
        M.
    replenish_rate, release_rate, loss_rate, reuptake_rate, reprocess_rate : float
        y, g, l, r, x in 1/s.
    firing_rate : float
        h in 1/s.
    """

    permeability_offset: float = 5.0
    permeability_scale: float = 300.0
    pool_size: float = 1.0
    replenish_rate: float = 5.05
    release_rate: float = 2000.0
    loss_rate: float = 2500.0
    reuptake_rate: float = 6580.0
    reprocess_rate: float = 66.3
    firing_rate: float = 50000.0


@dataclass(frozen=True)
class HairCellCoeffs:
    """Constants of the kernel, per step: rates times dt, and the state at rest (q, c, w)."""

    offset: float
    scale: float
    pool_size: float
    replenish: float
    release: float
    loss_and_reuptake: float
    reuptake: float
    reprocess: float
    firing: float
    q_rest: float
    c_rest: float
    w_rest: float


def design_hair_cell(sample_rate: float, params: HairCellParams | None = None) -> HairCellCoeffs:
    """Convert rates to steps and compute the state at rest, eq. (H8).

    Parameters
    ----------
    sample_rate
        Rate of the velocity [Hz].
    params
        Constants; by default those of the article.

    Returns
    -------
    HairCellCoeffs
        Constants for :func:`run_hair_cell`.
    """
    p = params or HairCellParams()
    dt = 1.0 / sample_rate
    lr = p.loss_rate + p.reuptake_rate
    # eq. (H8)
    k0 = p.release_rate * p.permeability_offset / (p.permeability_offset + p.permeability_scale)
    c = p.pool_size * p.replenish_rate * k0 / (p.loss_rate * k0 + p.replenish_rate * lr)
    return HairCellCoeffs(
        offset=p.permeability_offset,
        scale=p.permeability_scale,
        pool_size=p.pool_size,
        replenish=p.replenish_rate * dt,
        release=p.release_rate * dt,
        loss_and_reuptake=lr * dt,
        reuptake=p.reuptake_rate * dt,
        reprocess=p.reprocess_rate * dt,
        firing=p.firing_rate * dt,
        q_rest=c * lr / k0,
        c_rest=c,
        w_rest=c * p.reuptake_rate / p.reprocess_rate,
    )


def run_hair_cell(velocity: NDArray[np.float64], coeffs: HairCellCoeffs) -> NDArray[np.float64]:
    """Compute the release probability of every sample, eqs. (H1)–(H7).

    Parameters
    ----------
    velocity
        Membrane velocity, float64, shape (channels, n).
    coeffs
        From :func:`design_hair_cell`, for the velocity's rate.

    Returns
    -------
    ndarray of float64, shape (channels, n)
        ``p_fire``, the probability of a release event in each sample; it can exceed 1 at rates too low for
        the step.

    Raises
    ------
    ValueError
        If ``velocity`` is not two-dimensional.
    """
    if velocity.ndim != 2:
        raise ValueError(f"velocity must have shape (channels, n), got {velocity.shape}")
    p_fire = np.empty(velocity.shape)
    for where, block in blocks_of(velocity):
        hair_cell_block(block, coeffs)
        p_fire[where] = block[:, : where.stop - where.start].T
    return p_fire


def hair_cell_block(block: NDArray[np.float64], coeffs: HairCellCoeffs) -> None:
    """Convert the velocity of sixteen channels to their release probability, in place.

    Parameters
    ----------
    block
        Velocity, float64, shape (n, 16); overwritten with ``p_fire``.
    coeffs
        From :func:`design_hair_cell`.
    """
    c = coeffs
    _hair_cell_kernel(
        block,
        c.offset,
        c.scale,
        c.pool_size,
        c.replenish,
        c.release,
        c.loss_and_reuptake,
        c.reuptake,
        c.reprocess,
        c.firing,
        c.q_rest,
        c.c_rest,
        c.w_rest,
    )


@straight
def _step(
    state: tuple[Vector, ...],
    block: NDArray[np.float64],
    at: int,
    membrane: tuple[float, float, float],
    rates: tuple[float, ...],
) -> tuple[Vector, ...]:
    """Compute one sample of sixteen cells, in place; return the new q, c and w of either half."""
    offset, scale, pool_size = membrane
    replenish, release, loss_and_reuptake, reuptake, reprocess, firing = rates
    new = []
    for half in range(2):
        q, c, w = state[half * 3 : half * 3 + 3]
        drive = load(block, at + half * WIDTH) + offset
        k = select(drive > 0.0, drive * release / (drive + scale), 0.0)  # eq. (H1)
        supply = select(q < pool_size, (pool_size - q) * replenish, 0.0)  # eq. (H2)
        eject = k * q  # eq. (H3)
        back = w * reprocess
        q_new = q + supply - eject + back  # eq. (H4)
        c_new = c + eject - c * loss_and_reuptake  # eq. (H5)
        w_new = w + c * reuptake - back  # eq. (H6)
        c = select(c_new > 0.0, c_new, 0.0)
        new += [select(q_new > 0.0, q_new, 0.0), c, select(w_new > 0.0, w_new, 0.0)]
        store(block, at + half * WIDTH, c * firing)  # eq. (H7)
    return tuple(new)


@compiled
def _hair_cell_kernel(
    block: NDArray[np.float64],
    offset: float,
    scale: float,
    pool_size: float,
    replenish: float,
    release: float,
    loss_and_reuptake: float,
    reuptake: float,
    reprocess: float,
    firing: float,
    q_rest: float,
    c_rest: float,
    w_rest: float,
) -> None:
    membrane = (offset, scale, pool_size)
    rates = (replenish, release, loss_and_reuptake, reuptake, reprocess, firing)
    q, c, w = repeated(q_rest), repeated(c_rest), repeated(w_rest)
    state = (q, c, w, q, c, w)
    for s in range(block.shape[0]):
        state = _step(state, block, s * LANES, membrane, rates)
