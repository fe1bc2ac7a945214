"""Basilar membrane: converts a recording into velocity at places along the cochlea, in the frequency domain.

``N`` samples at rate ``fs``; ``n = ⌊N/2⌋ + 1`` bins; output rate ``fs₂ = ⌊fs/2⌋``;
``ω_k = 2π·linspace(1, fs₂, n)_k``; ``X = FFT(x)[:n]``; places ``c ∈ linspace(0, 3.5 cm, n_channels)``::

    v_c = Re IFFT_n( V(ω, c)·X )                                     (M1)

    S(c) = C0·e^(−αc) − a;  R0 = δ·√(C0·m);  R(c) = R0·e^(−αc/2)     (M2)
    ξ(ω,c) = S(c) − m·ω² − i·ω·R(c)                                  (M3)
    g(ω,c) = ω·√( ρ / (h·ξ(ω,c)) )                                   (M4)
    G(ω,c) = 2·g(ω,0)/α − [ 2√2·i·ω / (α·√(2h·(mω² + a))) ]·ln( Num / Den(c) )       (M5)
      Num    = −α·√(C0 − a − ω(mω + i·R0)) + i·α·(2a + ω(2mω + i·R0)) / (2·√(a + mω²))   (M6)
      Den(c) = ½·α·e^(αc/2)·[ −2·√(C0·e^(−αc) − a − mω² − i·e^(−αc/2)·ω·R0)
                              + i·(2a + ω(2mω + i·e^(−αc/2)·R0)) / √(a + mω²) ]         (M7)
    P(ω,c) = √( G/g(ω,c) )·H0⁽¹⁾(G)                                  (M8)
    β(ω) = (2ω/α)·√( 2/(h·C0) )                                      (M9)
    Z(ω) = √(2·C0/h)·( i·J0(β) + Y0(β) ) / ( J1(β) − i·Y1(β) )       (M10)
    V(ω,c) = 2ω/ξ(ω,c)·Z(ω)·P(ω,c)/P(ω,0)                            (M11)

======  =======  ==========  ==========================
symbol  value    unit        meaning
======  =======  ==========  ==========================
C0      1e9      g s⁻² cm⁻²  stiffness at the base
a       3500     g s⁻² cm⁻²  stiffness offset
α       3.0      cm⁻¹        stiffness decay
δ       0.15     –           damping
m       0.05     g cm⁻²      membrane mass per area
h       0.1      cm          scala height
ρ       1.0      g cm⁻³      fluid density
–       3.5      cm          length
======  =======  ==========  ==========================

Sources: Sieroka, Dosch, Rupp (2006), JASA 120(1) 297; Cramer et al. (2020), arXiv:1910.07407.

Departures concern only how V is computed: the Hankel functions are evaluated once per output rate, at Chebyshev
nodes of panels along the frequency axis, and V in between is the polynomial through them. The error is at most
1e-11 of the channel's peak |V| (:data:`INTERPOLATION_BOUND`; tested).
Above the last panel in which |V| exceeds 1e-12 of its peak (:data:`NEGLIGIBLE`) V is taken as 0: the omitted
part reaches 1e-9 of a channel's velocity only where the recording has 60 dB more at these frequencies.
The real part is taken before the inverse transform, F_k = Y_k + conj(Y_(n−k)), Y = V·X, 0 ≤ k ≤ n/2, and
channels that need only part of these bins get a shorter FFT (:mod:`cochlea.inverse_transform`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from cochlea.compiled import compiled
from cochlea.inverse_transform import (
    InverseTransform,
    Window,
    design_inverse_transform,
    design_window,
    run_inverse_transform,
)
from cochlea.lane_transform import aligned
from cochlea.lanes import LANES
from cochlea.vectors import WIDTH, Vector, load, store, straight

INTERPOLATION_BOUND = 1e-11  # |V interpolated − V| / max_f |V|, for each channel
NEGLIGIBLE = 1e-12  # of max_f |V|: V is set to 0 above the cut-off of a channel
_DEGREE = 15
_PANELS_PER_OCTAVE = 14  # from _COARSE_BELOW up; satisfies the bound for damping 0.15
_POWERS = _DEGREE + 1
_ABREAST = 4  # bins whose polynomials are evaluated together; the loop below is written for it
_COARSE_BELOW = 32.0  # Hz; below it V has no resonance and two panels per octave suffice


@dataclass(frozen=True)
class BasilarMembraneParams:
    """Mechanics of the membrane; the module's table lists the symbols (CGS units).

    Attributes
    ----------
    stiffness_base, stiffness_offset : float
        C0, a [g s⁻² cm⁻²].
    stiffness_decay : float
        α [cm⁻¹].
    damping : float
        δ.
    mass : float
        m [g cm⁻²].
    scala_height, length : float
        h and the length of the membrane [cm].
    fluid_density : float
        ρ [g cm⁻³].
    """

    stiffness_base: float = 1e9
    stiffness_offset: float = 3500.0
    stiffness_decay: float = 3.0
    damping: float = 0.15
    mass: float = 0.05
    scala_height: float = 0.1
    fluid_density: float = 1.0
    length: float = 3.5


@dataclass(frozen=True)
class BasilarMembraneCoeffs:
    """V(f, c) as polynomials on panels of the frequency axis.

    Attributes
    ----------
    sample_rate : int
        Output rate fs₂ [Hz]; the panels end there.
    edges : ndarray of float64, shape (panels + 1,)
        Panel borders [Hz].
    polynomials : ndarray of complex128, shape (channels, panels, degree + 1)
        Powers of the position in the panel (−1 … 1), ascending.
    n_panels : ndarray of int64, shape (channels,)
        Number of panels used for each channel; V is 0 above them.
    window : Window
        Window of the inverse transforms.
    """

    sample_rate: int
    edges: NDArray[np.float64]
    polynomials: NDArray[np.complex128]
    n_panels: NDArray[np.int64]
    window: Window


def place(n_channels: int, params: BasilarMembraneParams | None = None) -> NDArray[np.float64]:
    """Return the distance of each channel from the base.

    Parameters
    ----------
    n_channels
        Number of channels; a single channel is at the base.
    params
        Mechanics; by default those of the article.

    Returns
    -------
    ndarray of float64, shape (n_channels,)
        Places [cm], ascending.
    """
    return np.linspace(0.0, (params or BasilarMembraneParams()).length, n_channels)


def transfer_function(
    frequency: NDArray[np.float64],
    places: NDArray[np.float64],
    params: BasilarMembraneParams | None = None,
) -> NDArray[np.complex128]:
    """Evaluate V(ω, c) directly, eqs. (M2)–(M11), as a reference; about 1 µs per value.

    Parameters
    ----------
    frequency
        Frequencies [Hz], float64, shape (f,), positive.
    places
        Places [cm], float64, shape (channels,).
    params
        Mechanics; by default those of the article.

    Returns
    -------
    ndarray of complex128, shape (f, channels)
        Velocity per unit input.
    """
    from scipy import (
        special,  # takes as long to load as a word to convert, and designs may be stored
    )

    p = params or BasilarMembraneParams()
    omega = 2 * np.pi * frequency[:, None].astype(np.complex128)
    base = np.zeros((1, 1))
    pressure, xi = _pressure(omega, places[None, :], p)
    pressure_at_base, _ = _pressure(omega, base, p)
    beta = 2 * omega.real / p.stiffness_decay * np.sqrt(2 / (p.scala_height * p.stiffness_base))
    # eqs. (M9), (M10)
    impedance = (
        np.sqrt(2 * p.stiffness_base / p.scala_height)
        * (1j * special.j0(beta) + special.y0(beta))
        / (special.j1(beta) - 1j * special.y1(beta))
    )
    response: NDArray[np.complex128] = (
        2 * omega / xi * impedance * pressure / pressure_at_base
    )  # eq. (M11)
    return response


def _pressure(
    omega: NDArray[np.complex128], c: NDArray[np.float64], p: BasilarMembraneParams
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Evaluate P(ω, c) and ξ(ω, c), eqs. (M2)–(M8)."""
    from scipy import special

    C0, a, alpha, m, h = (
        *(p.stiffness_base, p.stiffness_offset, p.stiffness_decay),
        *(p.mass, p.scala_height),
    )
    R0 = p.damping * np.sqrt(C0 * m)
    half = np.exp(-alpha * c / 2)
    root = np.sqrt(a + m * omega**2)

    def stiffness(half: NDArray[np.float64] | float) -> tuple[NDArray[np.complex128], ...]:
        """Evaluate √ξ and Den·e^(−αc/2)/α; Num is its value at the base."""
        root_xi = np.sqrt(C0 * half**2 - a - m * omega**2 - 1j * omega * R0 * half)  # eq. (M3)
        # eqs. (M6), (M7); 2a + 2mω² is 2·root², and the first root there is √ξ.
        return root_xi, -root_xi + 1j * root - 0.5 * omega * R0 * half / root

    root_xi, den = stiffness(half)
    root_xi_base, num = stiffness(1.0)
    g_root_xi = omega * np.sqrt(p.fluid_density / h)
    g, g_base = g_root_xi / root_xi, g_root_xi / root_xi_base  # eq. (M4)
    factor = 2 * np.sqrt(2) * 1j * omega / (alpha * np.sqrt(2 * h) * root)
    G = 2 * g_base / alpha - factor * np.log(num * half / den)  # eq. (M5)
    return np.sqrt(G / g) * special.hankel1(0, G), root_xi**2  # eq. (M8)


@lru_cache(maxsize=8)
def characteristic_frequency(
    n_channels: int = 700, params: BasilarMembraneParams | None = None
) -> NDArray[np.float64]:
    """Return the frequency at which each channel responds most: argmax over f of |V(f, c)|.

    Parameters
    ----------
    n_channels
        Number of channels.
    params
        Mechanics; by default those of the article.

    Returns
    -------
    ndarray of float64, shape (n_channels,), read-only
        Frequencies [Hz], descending: channel 0 is at the base. Accurate to 0.2 %.
    """
    p = params or BasilarMembraneParams()
    places = place(n_channels, p)
    stiffness = p.stiffness_base * np.exp(-p.stiffness_decay * places) - p.stiffness_offset
    resonance = np.sqrt(stiffness / p.mass) / (2 * np.pi)  # where Re ξ = 0; the peak is just below
    ratio = np.geomspace(0.5, 1.1, 80)
    cf = np.empty(n_channels)
    for channel in range(n_channels):
        response = np.abs(
            transfer_function(ratio * resonance[channel], places[channel : channel + 1], p)[:, 0]
        )
        k = int(np.clip(response.argmax(), 1, ratio.size - 2))
        below, top, above = np.log(response[k - 1 : k + 2])
        shift = 0.5 * (below - above) / (below - 2 * top + above)  # vertex of the parabola
        cf[channel] = resonance[channel] * ratio[k] * (ratio[1] / ratio[0]) ** shift
    cf.setflags(write=False)
    return cf


@lru_cache(maxsize=4)
def design_basilar_membrane(
    sample_rate: int,
    n_channels: int = 700,
    channels: tuple[int, ...] | None = None,
    params: BasilarMembraneParams | None = None,
) -> BasilarMembraneCoeffs:
    """Compute V for all clips of one sample rate: nodes, Hankel functions, polynomials; takes one or two seconds.

    Parameters
    ----------
    sample_rate
        Rate of the recording [Hz]; the output rate is half of it, rounded down.
    n_channels
        Number of channels along the membrane.
    channels
        Indices of the channels to compute; all by default.
    params
        Mechanics; by default those of the article.

    Returns
    -------
    BasilarMembraneCoeffs
        Polynomials for :func:`run_basilar_membrane`; cached for calls with the same arguments.
    """
    p = params or BasilarMembraneParams()
    output_rate = sample_rate // 2
    places = place(n_channels, p)
    if channels is not None:
        places = places[list(channels)]
    edges = _panel_edges(float(output_rate))
    position, to_powers = _nodes()
    polynomials = np.zeros((places.size, edges.size - 1, _DEGREE + 1), dtype=np.complex128)
    n_panels = np.zeros(places.size, dtype=np.int64)
    peak = np.zeros(places.size)
    active = np.ones(places.size, dtype=bool)
    for panel, (low, high) in enumerate(pairwise(edges)):
        frequency = low + (high - low) * (position + 1) / 2
        response = transfer_function(frequency, places[active], p)
        largest = np.abs(response).max(axis=0)
        peak[active] = np.maximum(peak[active], largest)
        # Summed node by node: the rounding of a matrix product may depend on the number of its threads.
        polynomials[active, panel] = sum(
            value[:, None] * powers for value, powers in zip(response, to_powers.T, strict=True)
        )
        n_panels[active] = panel + 1
        # Past its resonance the response of a channel only decreases: once negligible, it stays negligible.
        active[active] = largest > NEGLIGIBLE * peak[active]
        if not active.any():
            break
    for shared in (edges, polynomials, n_panels):
        shared.setflags(write=False)  # cached for later calls, so it must not be changed
    return BasilarMembraneCoeffs(output_rate, edges, polynomials, n_panels, design_window())


def _panel_edges(top: float) -> NDArray[np.float64]:
    """Return panel borders from 1 Hz to ``top``: coarse below all resonances, fine above."""
    fine_from = min(_COARSE_BELOW, top)
    n_coarse = max(int(np.ceil(2 * np.log2(fine_from))), 1)
    coarse = np.geomspace(1.0, fine_from, n_coarse + 1)
    if top <= fine_from:
        return coarse
    n_fine = int(np.ceil(_PANELS_PER_OCTAVE * np.log2(top / fine_from)))
    return np.concatenate([coarse[:-1], np.geomspace(fine_from, top, n_fine + 1)])


@lru_cache(maxsize=1)
def _nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Chebyshev nodes in −1 … 1 and the matrix from values at them to powers of the position."""
    position = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    to_chebyshev = np.linalg.inv(chebyshev.chebvander(position, _DEGREE))
    to_powers = np.zeros_like(to_chebyshev)
    for degree in range(_DEGREE + 1):
        powers = chebyshev.cheb2poly(np.eye(_DEGREE + 1)[degree])
        to_powers[: powers.size] += np.outer(powers, to_chebyshev[degree])
    return position, to_powers


@dataclass(frozen=True)
class Spectrum:
    """A recording in the frequency domain, with the position of each bin in the panels.

    Attributes
    ----------
    bins : ndarray of complex128, shape (n,)
        X, the one-sided spectrum.
    position : ndarray of float64, shape (n,)
        Position of each bin in its panel, −1 … 1.
    first_bin : ndarray of int64, shape (panels + 1,)
        First bin of each panel.
    """

    bins: NDArray[np.complex128]
    position: NDArray[np.float64]
    first_bin: NDArray[np.int64]


def analyse(samples: NDArray[np.float64], coeffs: BasilarMembraneCoeffs) -> Spectrum:
    """Transform a recording and assign its bins to the panels.

    Parameters
    ----------
    samples
        Recording after level and window, float64, shape (N,), at least 2 samples.
    coeffs
        From :func:`design_basilar_membrane` for the recording's rate.

    Returns
    -------
    Spectrum
        Input of :func:`run_basilar_membrane`.

    Raises
    ------
    ValueError
        If there are fewer than 2 samples.
    """
    if samples.size < 2:
        raise ValueError(f"a recording needs at least 2 samples, got {samples.size}")
    n = samples.size // 2 + 1
    bins = np.fft.rfft(samples)
    edges = coeffs.edges
    frequency = np.linspace(1.0, coeffs.sample_rate, n)
    first_bin = np.searchsorted(frequency, edges).astype(np.int64)
    first_bin[0], first_bin[-1] = 0, n
    panel = np.repeat(np.arange(edges.size - 1), np.diff(first_bin))
    low, high = edges[panel], edges[panel + 1]
    return Spectrum(bins, 2 * (frequency - low) / (high - low) - 1, first_bin)


def run_basilar_membrane(spectrum: Spectrum, coeffs: BasilarMembraneCoeffs) -> NDArray[np.float64]:
    """Compute membrane velocities, eq. (M1).

    Parameters
    ----------
    spectrum
        From :func:`analyse`.
    coeffs
        From :func:`design_basilar_membrane`, the same as for ``spectrum``.

    Returns
    -------
    ndarray of float64, shape (channels, n)
        Velocity at the output rate.
    """
    velocity = np.empty((coeffs.n_panels.size, spectrum.bins.size))
    for rows, block in velocity_blocks(spectrum, coeffs):
        velocity[rows] = block[:, : rows.size].T
    return velocity


def velocity_blocks(
    spectrum: Spectrum, coeffs: BasilarMembraneCoeffs
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Compute membrane velocities sixteen channels at a time.

    Channels whose |V| ends within the same half octave share the length of their FFT. This length is determined by the
    channel alone, so the velocity of a channel does not depend on the others.

    Parameters
    ----------
    spectrum, coeffs
        As in :func:`run_basilar_membrane`.

    Yields
    ------
    rows : ndarray of int64, shape (at most 16,)
        Indices among the designed channels.
    block : ndarray of float64, shape (n, 16)
        Their velocity, one column each; overwritten by the next block. Other columns are 0.
    """
    n = spectrum.bins.size
    ends = coeffs.edges[coeffs.n_panels] / coeffs.sample_rate
    # Half octaves below n/2 bins, beyond which bins fold.
    levels = np.maximum(np.floor(-2 * np.log2(2 * ends)), 0).astype(np.int64)
    re, im = spectrum.bins.real.copy(), spectrum.bins.imag.copy()
    all_half = work = all_points = velocity = np.empty(0)
    # From the longest FFT to the shortest, so that all use the same memory.
    for level in np.unique(levels):
        n_bins = _bins_of_level(int(level), n, coeffs.sample_rate)
        transform = design_inverse_transform(n, n_bins, coeffs.window)
        sizes = (n_bins * 2 * LANES, transform.work_size, (transform.length + LANES) * LANES)
        if any(a.size < size for a, size in zip((all_half, work, all_points), sizes, strict=True)):
            # At once: large pieces of memory come in large pages.
            all_half, work, all_points, velocity = aligned(*sizes, n * LANES)
        half = all_half[: sizes[0]].reshape(n_bins, 2, LANES)
        points = all_points[: sizes[2]].reshape(-1, LANES)
        block = velocity.reshape(n, LANES)
        members = np.flatnonzero(levels == level)
        for first in range(0, members.size, LANES):
            rows = members[first : first + LANES]
            _filter(spectrum, re, im, coeffs, rows, transform, half)
            run_inverse_transform(half, transform, work, points, block)
            yield rows, block


def _bins_of_level(level: int, n: int, sample_rate: int) -> int:
    """Return the number of bins, folded, of a channel whose |V| ends ``level`` half octaves below n/2 bins."""
    if level == 0:
        return n // 2 + 1
    end = sample_rate / 2 * 2.0 ** (-level / 2)  # bins are linspace(1, sample_rate, n)
    return min(int(np.ceil((end - 1) / (sample_rate - 1) * (n - 1))) + 1, n // 2 + 1)


def _filter(
    spectrum: Spectrum,
    re: NDArray[np.float64],
    im: NDArray[np.float64],
    coeffs: BasilarMembraneCoeffs,
    rows: NDArray[np.int64],
    transform: InverseTransform,
    half: NDArray[np.float64],
) -> None:
    _filter_kernel(
        coeffs.polynomials.view(np.float64).reshape(*coeffs.polynomials.shape, 2),
        rows,
        coeffs.n_panels,
        spectrum.first_bin,
        spectrum.position,
        re,
        im,
        transform.correction,
        half,
    )


@straight
def _copy(
    polynomials: NDArray[np.float64],
    row: int,
    panel: int,
    powers: NDArray[np.float64],
    lane: int,
) -> None:
    """Copy the polynomial of a channel into a column."""
    for power in range(_POWERS):
        for part in range(2):
            powers[(power * 2 + part) * LANES + lane] = polynomials[row, panel, power, part]


@straight
def _evaluate(
    powers: NDArray[np.float64],
    lane: int,
    position: NDArray[np.float64],
    bins: tuple[int, ...],
    products: NDArray[np.float64],
) -> None:
    """Evaluate the polynomials of eight channels at four bins: complex numbers, bin by bin."""
    parts = (0, LANES)
    last = (_POWERS - 1) * 2 * LANES
    xs = [position[k] for k in bins]
    values = [load(powers, lane + (last + part)) for part in parts for _ in xs]
    for power in range(_POWERS - 2, -1, -1):  # Horner's rule
        re, im = (load(powers, lane + (power * 2 * LANES + part)) for part in parts)
        added = [re] * _ABREAST + [im] * _ABREAST
        values = [v * x + a for v, x, a in zip(values, xs * 2, added, strict=True)]
    for place in range(_ABREAST):
        store(products, lane + place * 2 * LANES, values[place])
        store(products, lane + (place * 2 + 1) * LANES, values[place + _ABREAST])


def _multiplied(
    products: NDArray[np.float64], at: int, spectrum: tuple[NDArray[np.float64], ...], k: int
) -> tuple[Vector, Vector]:
    re, im = load(products, at), load(products, at + LANES)
    x_re, x_im = (part[k] for part in spectrum)
    return re * x_re - im * x_im, re * x_im + im * x_re


@straight
def _store_bin(
    products: NDArray[np.float64],
    number: int,
    spectrum: tuple[NDArray[np.float64], ...],
    k: int,
    correction: NDArray[np.float64],
    half: NDArray[np.float64],
    to: int,
) -> None:
    for lane in range(0, LANES, WIDTH):
        re, im = _multiplied(products, number * 2 * LANES + lane, spectrum, k)
        store(half, to * 2 * LANES + lane, re * correction[to])
        store(half, to * 2 * LANES + LANES + lane, im * correction[to])


@straight
def _add_conjugate(
    products: NDArray[np.float64],
    number: int,
    spectrum: tuple[NDArray[np.float64], ...],
    k: int,
    correction: NDArray[np.float64],
    half: NDArray[np.float64],
    to: int,
) -> None:
    for lane in range(0, LANES, WIDTH):
        at = to * 2 * LANES + lane
        re, im = _multiplied(products, number * 2 * LANES + lane, spectrum, k)
        store(half, at, load(half, at) + re * correction[to])
        store(half, at + LANES, load(half, at + LANES) - im * correction[to])


@straight
def _clear(array: NDArray[np.float64], at: int) -> None:
    for lane in range(0, LANES, WIDTH):
        store(array, at + lane, 0.0)


@compiled
def _filter_kernel(
    polynomials: NDArray[np.float64],
    rows: NDArray[np.int64],
    n_panels: NDArray[np.int64],
    first_bin: NDArray[np.int64],
    position: NDArray[np.float64],
    spectrum_re: NDArray[np.float64],
    spectrum_im: NDArray[np.float64],
    correction: NDArray[np.float64],
    half: NDArray[np.float64],
) -> None:
    """Multiply by V, take the Hermitian part, and multiply by the correction of the inverse transform.

    Four bins of eight channels at a time, so that the processor need not wait for any of their polynomials.
    """
    n = position.size
    powers, products = np.empty(_POWERS * 2 * LANES), np.empty(_ABREAST * 2 * LANES)
    spectrum = (spectrum_re, spectrum_im)
    n_used = 0
    for row in rows:
        n_used = n_panels[row] if n_panels[row] > n_used else n_used
    for panel in range(n_used):
        for at in range(0, powers.size, LANES):
            _clear(powers, at)
        for lane, row in enumerate(rows):
            if panel < n_panels[row]:
                _copy(polynomials, row, panel, powers, lane)
        end = first_bin[panel + 1]
        for start in range(first_bin[panel], end, _ABREAST):
            # Those past the end are evaluated, but not used.
            k1 = start + 1 if start + 1 < n else start
            k2 = start + 2 if start + 2 < n else start
            k3 = start + 3 if start + 3 < n else start
            for lane in range(0, LANES, WIDTH):
                _evaluate(powers, lane, position, (start, k1, k2, k3), products)
            for number in range(_ABREAST):
                k = start + number
                if k >= end:
                    break
                if k <= n // 2:
                    _store_bin(products, number, spectrum, k, correction, half, k)
                else:  # negative frequencies: conj(Y_(n−k))
                    _add_conjugate(products, number, spectrum, k, correction, half, n - k)
    cleared = first_bin[n_used] if first_bin[n_used] < n // 2 + 1 else n // 2 + 1
    for at in range(cleared * 2 * LANES, half.size, LANES):
        _clear(half, at)
    _clear(half, LANES)  # the mean is real
