"""Exponential waiting times, bit for bit the same on every machine.

A counter-based generator gives 64 random bits W for each (key, stream, index), from which a waiting time is
computed::

    k = ⌊W / 2¹¹⌋ + 1,  U = k·2⁻⁵³        uniform on 2⁻⁵³, 2·2⁻⁵³, …, 1      (W1)
    E = −ln U                             exponential with mean 1            (W2)
    U = m·2ᵉ,  √½ ≤ m < √2                read off the bits of U             (W3)
    −ln U = −e·ln 2 − 2·artanh z,  z = (m − 1)/(m + 1),  |z| < 0.172         (W4)
    artanh z = Σ z^(2j+1)/(2j+1),  j = 0 … 10; truncation error below 1e-18      (W5)

Every step is an integer operation or + − × ÷ on float64, whose rounding IEEE 754 defines; the logarithm of a
mathematical library is not used. So a waiting time depends only on key, stream and index. The words are those of
``numpy.random.Philox`` (tested), computed here: asking NumPy for them takes longer than the rest. The largest waiting
time is 53·ln 2 = 36.7; an exact exponential variable exceeds it with probability 1e-16.

Source of the words: Philox 4×64 with 10 rounds (Salmon, Moraes, Dror, Shaw 2011, doi:10.1145/2063384.2063405).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cochlea.compiled import compiled
from cochlea.vectors import product, straight

_LN2 = 0.6931471805599453
_SQRT2 = 1.4142135623730951
_MANTISSA = (1 << 52) - 1
_ONE = 1023 << 52  # the exponent bits of 1.0
# Constants of Philox 4×64; the keys of later rounds are multiples of the second further.
_ROUNDS = 10
_FACTORS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = np.array([0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B], np.uint64)


def philox_key(seed: int | Sequence[int]) -> NDArray[np.uint64]:
    """Make the key of a clip from its seed.

    Parameters
    ----------
    seed
        A non-negative integer, or a sequence of them.

    Returns
    -------
    ndarray of uint64, shape (2,)
        Output of NumPy's SeedSequence, which NumPy guarantees for all releases.
    """
    return np.random.SeedSequence(seed).generate_state(2, np.uint64).astype(np.uint64)


def waiting_times(key: NDArray[np.uint64], stream: int, count: int) -> NDArray[np.float64]:
    """Draw the first waiting times of a stream, eqs. (W1)–(W5).

    Parameters
    ----------
    key
        From :func:`philox_key`.
    stream
        Index of the stream, 0 … 2⁶⁴ − 1; streams of one key are independent.
    count
        Number of waiting times; a larger number extends the same sequence.

    Returns
    -------
    ndarray of float64, shape (count,)
        Exponential with mean 1; 0 … 36.7.
    """
    waits = np.empty((1, count))
    draw_waiting_times(key, [stream], waits)
    drawn: NDArray[np.float64] = waits[0]
    return drawn


def draw_waiting_times(
    key: NDArray[np.uint64], streams: Iterable[int], waits: NDArray[np.float64]
) -> None:
    """Draw the first waiting times of several streams.

    Parameters
    ----------
    key, streams
        As in :func:`waiting_times`.
    waits
        float64, shape (at least as many rows as streams, count); the first rows are overwritten.
    """
    count = waits.shape[1]
    words = np.empty(-(-count // 4) * 4, np.uint64)
    mantissa, exponent = np.empty((2, count))
    bits = mantissa.view(np.int64)
    keys = (key + _WEYL * np.arange(_ROUNDS, dtype=np.uint64)[:, None]).reshape(-1)
    used, counter = words[:count], np.empty(2, np.uint64)
    for row, stream in zip(waits, streams, strict=False):
        counter[0], counter[1] = 0, stream
        _words_kernel(keys, counter, words)
        _split_kernel(used, mantissa, bits, exponent)
        _logarithm_kernel(mantissa, exponent, row)


@straight
def _draw_four(
    keys: NDArray[np.uint64], counter: NDArray[np.uint64], words: NDArray[np.uint64], at: int
) -> None:
    """Count, and encrypt the counter: Philox 4×64."""
    a, b, c, d = counter[0] + 1, 0, counter[1], 0
    counter[0] = a
    for round_ in range(_ROUNDS):
        a_high, a_low = product(a, _FACTORS[0])
        c_high, c_low = product(c, _FACTORS[1])
        a, b, c, d = c_high ^ keys[2 * round_] ^ b, c_low, a_high ^ keys[2 * round_ + 1] ^ d, a_low
    for number, word in enumerate((a, b, c, d)):
        words[at + number] = word


@compiled
def _words_kernel(
    keys: NDArray[np.uint64], counter: NDArray[np.uint64], words: NDArray[np.uint64]
) -> None:
    """Draw the next words; their number is a multiple of four.

    The counter is in memory, so that the compiler does not draw several fours with vector instructions, which have no
    product of 128 bits.
    """
    for at in range(0, words.size, 4):
        _draw_four(keys, counter, words, at)


@compiled
def _split_kernel(
    words: NDArray[np.uint64],
    mantissa: NDArray[np.float64],
    bits: NDArray[np.int64],
    exponent: NDArray[np.float64],
) -> None:
    """Compute mantissa and exponent of U, eq. (W1); ``bits`` is the memory of ``mantissa``."""
    for i in range(words.size):
        mantissa[i] = np.float64((words[i] >> np.uint64(11)) + np.uint64(1)) * 2.0**-53
    for i in range(words.size):
        exponent[i] = (bits[i] >> 52) - 1023
        bits[i] = (bits[i] & _MANTISSA) | _ONE


@compiled
def _logarithm_kernel(
    mantissa: NDArray[np.float64], exponent: NDArray[np.float64], waits: NDArray[np.float64]
) -> None:
    """Compute −ln(m·2ᵉ), 1 ≤ m < 2."""
    for i in range(waits.size):
        large = mantissa[i] >= _SQRT2
        m = 0.5 * mantissa[i] if large else mantissa[i]  # eq. (W3)
        e = exponent[i] + 1.0 if large else exponent[i]
        z = (m - 1.0) / (m + 1.0)
        s = z * z
        sum_ = 1.0 / 19.0 + s * (1.0 / 21.0)  # eq. (W5), Horner's rule
        sum_ = 1.0 / 17.0 + s * sum_
        sum_ = 1.0 / 15.0 + s * sum_
        sum_ = 1.0 / 13.0 + s * sum_
        sum_ = 1.0 / 11.0 + s * sum_
        sum_ = 1.0 / 9.0 + s * sum_
        sum_ = 1.0 / 7.0 + s * sum_
        sum_ = 1.0 / 5.0 + s * sum_
        sum_ = 1.0 / 3.0 + s * sum_
        waits[i] = -(e * _LN2) - (2.0 * z + 2.0 * z * (s * sum_))  # eq. (W4)
