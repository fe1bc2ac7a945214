"""Discrete Fourier transforms of any length, including primes, through transforms of a few good lengths.

With ``w = e^(±2πi/n)`` and ``k·s = (k² + s² − (s − k)²)/2``::

    z_s = Σ_k x_k·w^(k·s) = w^(s²/2) · Σ_k [ x_k·w^(k²/2) ] · w^(−(s−k)²/2)        (Z1)

which is a convolution with a chirp, computed by transforms of any length L ≥ n_in + n_out − 1. A GPU library plans
a transform once per length: clips of 10,000 different lengths would need 10,000 plans; here they share
six lengths per octave. The phases are exact, because k² mod 2n is computed in integers.

Source: Bluestein (1970), IEEE Trans. Audio Electroacoust. 18(4) 451.
"""

from __future__ import annotations

import math

import torch

__all__ = ["chirp_z", "padded_length"]

_SIXTEENTHS = (8, 9, 10, 12, 14, 15, 16)  # good lengths: these times a power of two


def padded_length(n_in: int, n_out: int) -> int:
    """Return the length of the transforms in :func:`chirp_z`.

    Parameters
    ----------
    n_in, n_out
        Number of terms of a sum, and number of sums.

    Returns
    -------
    int
        The smallest good length that holds the convolution, at most a fifth more than required.
    """
    need = max(n_in + n_out - 1, 8)
    power = 1 << (need.bit_length() - 4)
    return next(part * power for part in _SIXTEENTHS if part * power >= need)


def chirp_z(rows: torch.Tensor, n_in: int, period: int, sign: int, out: torch.Tensor) -> None:
    """Compute ``out[r, s] = Σ_k rows[r, k]·exp(sign·2πi·k·s/period)``, k < n_in, eq. (Z1).

    Parameters
    ----------
    rows
        Complex, shape (rows, :func:`padded_length`), 0 from ``n_in`` on; overwritten.
    n_in
        Terms of each sum.
    period
        n.
    sign
        +1 or −1.
    out
        The result, complex, shape (rows, sums), any strides; must not overlap ``rows``.
    """
    length, n_out = rows.shape[1], out.shape[1]
    chirp = _chirp(max(n_in, n_out), period, sign, rows)
    back = chirp.conj().resolve_conj()
    kernel = rows.new_zeros(length)
    kernel[:n_out] = back[:n_out]
    # Positions −(n_in − 1) … −1 wrap around the end; the chirp is even.
    kernel[length - n_in + 1 :] = back[1:n_in].flip(0)
    rows[:, :n_in] *= chirp[:n_in]
    spectrum = torch.fft.fft(rows)
    spectrum *= torch.fft.fft(kernel)
    torch.mul(torch.fft.ifft(spectrum)[:, :n_out], chirp[:n_out], out=out)


def _chirp(size: int, period: int, sign: int, like: torch.Tensor) -> torch.Tensor:
    """Compute w^(k²/2), k < size, in the dtype of ``like``."""
    k = torch.arange(size, dtype=torch.int64, device=like.device)
    phase = (k * k % (2 * period)).to(torch.float64) * (sign * math.pi / period)
    return torch.polar(torch.ones_like(phase), phase).to(like.dtype)
