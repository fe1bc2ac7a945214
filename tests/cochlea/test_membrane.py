"""The membrane against its slow twins: V evaluated directly, and the inverse transform as written."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cochlea import (
    analyse,
    characteristic_frequency,
    design_basilar_membrane,
    place,
    run_basilar_membrane,
    transfer_function,
)
from cochlea.basilar_membrane import (
    INTERPOLATION_BOUND,
    NEGLIGIBLE,
    BasilarMembraneCoeffs,
    _filter_kernel,
)


def oracle(
    samples: NDArray[np.float64], sample_rate: int, places: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Eq. (M1) word for word: Hankel functions per bin, complex inverse transform, real part."""
    n = samples.size // 2 + 1
    spectrum = np.fft.fft(samples)[:n]
    response = transfer_function(np.linspace(1, sample_rate // 2, n), places)
    return np.fft.ifft(response * spectrum[:, None], axis=0).real.T


@pytest.mark.parametrize("n", [2000, 2001, 1906, 1907])  # n bins even and odd, and N of both kinds
@pytest.mark.parametrize("sample_rate", [48000, 16000])
def test_equals_the_oracle(n: int, sample_rate: int, rng: np.random.Generator) -> None:
    samples = rng.standard_normal(n)
    coeffs = design_basilar_membrane(sample_rate, 24)
    velocity = run_basilar_membrane(analyse(samples, coeffs), coeffs)
    truth = oracle(samples, sample_rate, place(24))
    assert velocity.shape == (24, n // 2 + 1)
    error = np.abs(velocity - truth).max(axis=1) / np.abs(truth).max(axis=1)
    assert error.max() < 1e-9


def interpolated(
    coeffs: BasilarMembraneCoeffs, frequency: NDArray[np.float64]
) -> NDArray[np.complex128]:
    panel = np.clip(np.searchsorted(coeffs.edges, frequency, "right") - 1, 0, coeffs.edges.size - 2)
    low, high = coeffs.edges[panel], coeffs.edges[panel + 1]
    powers = np.vander(2 * (frequency - low) / (high - low) - 1, 16, increasing=True)
    values = np.einsum("cfd,fd->fc", coeffs.polynomials[:, panel], powers)
    values[panel[:, None] >= coeffs.n_panels] = 0
    return values


@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100, 48000, 96000])
def test_interpolation_keeps_its_bound(sample_rate: int, rng: np.random.Generator) -> None:
    coeffs = design_basilar_membrane(sample_rate, 35)
    top = sample_rate // 2
    frequency = np.concatenate([rng.uniform(1, top, 1000), np.geomspace(1, top, 3000)])
    truth = transfer_function(frequency, place(35))
    error = np.abs(interpolated(coeffs, frequency) - truth) / np.abs(truth).max(axis=0)
    assert error.max() < INTERPOLATION_BOUND + NEGLIGIBLE


def test_low_channels_of_a_hiss_keep_the_bound(rng: np.random.Generator) -> None:
    """40 dB more above every low channel's cut-off than at its place: still 1e-9 of its velocity."""
    n, rate = 4001, 48000
    bins = np.fft.rfft(rng.standard_normal(n))
    bins[np.fft.rfftfreq(n, 1 / rate) < 8000] *= 0.01
    samples = np.fft.irfft(bins, n)
    coeffs = design_basilar_membrane(rate, 24)
    velocity = run_basilar_membrane(analyse(samples, coeffs), coeffs)
    truth = oracle(samples, rate, place(24))
    assert (np.abs(velocity - truth).max(axis=1) / np.abs(truth).max(axis=1)).max() < 1e-9


def test_filter_compiled_equals_uncompiled_bit_for_bit(rng: np.random.Generator) -> None:
    coeffs = design_basilar_membrane(4000, 5)
    spectrum = analyse(rng.standard_normal(300), coeffs)
    results = []
    for kernel in (_filter_kernel, _filter_kernel.py_func):  # type: ignore[attr-defined]
        half = np.full((76, 2, 16), 7.0)
        kernel(
            coeffs.polynomials.view(np.float64).reshape(*coeffs.polynomials.shape, 2),
            np.array([4, 0, 2]),
            *(coeffs.n_panels, spectrum.first_bin, spectrum.position),
            *(spectrum.bins.real.copy(), spectrum.bins.imag.copy(), np.linspace(1, 2, 76), half),
        )
        results.append(half)
    assert np.array_equal(results[0], results[1])
    assert results[0][..., :3].any(axis=(0, 1)).all()
    assert not results[0][..., 3:].any()


def test_chosen_channels_are_the_same_channels() -> None:
    whole = design_basilar_membrane(48000, 20)
    chosen = design_basilar_membrane(48000, 20, (3, 17))
    n = int(chosen.n_panels.min())
    assert np.array_equal(chosen.n_panels, whole.n_panels[[3, 17]])
    assert np.array_equal(chosen.polynomials[:, :n], whole.polynomials[[3, 17], :n])


def test_characteristic_frequency_is_where_the_response_peaks() -> None:
    cf = characteristic_frequency(8)
    assert np.all(np.diff(cf) < 0)
    places = place(8)
    for channel, frequency in enumerate(cf):
        grid = frequency * np.linspace(0.9, 1.1, 401)
        response = np.abs(transfer_function(grid, places[channel : channel + 1])[:, 0])
        assert abs(grid[response.argmax()] / frequency - 1) < 2e-3


def test_a_tone_excites_its_channel_most() -> None:
    sample_rate, cf = 48000, characteristic_frequency(70)
    tone = np.sin(2 * np.pi * 1000 * np.arange(9600) / sample_rate)
    coeffs = design_basilar_membrane(sample_rate, 70)
    velocity = run_basilar_membrane(analyse(tone, coeffs), coeffs)
    strongest = int(np.sqrt((velocity**2).mean(axis=1)).argmax())
    assert abs(np.log2(cf[strongest] / 1000)) < 0.25


def test_one_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 samples"):
        analyse(np.ones(1), design_basilar_membrane(48000, 2))
