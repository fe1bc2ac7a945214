"""Exponential waiting times, bit for bit the same on every machine.

A counter-based generator gives 64 random bits W for each (key, stream, index), from which a waiting time is
computed::

    k = ⌊W / 2¹¹⌋ + 1,  U = k·2⁻⁵³        uniform on 2⁻⁵³, 2·2⁻⁵³, …, 1      (W1)
    E = −ln U                             exponential with mean 1            (W2)
    U = m·2ᵉ,  √½ ≤ m < √2                read off the bits of U             (W3)
    −ln U = −e·ln 2 − 2·artanh z,  z = (m − 1)/(m + 1),  |z| < 0.172         (W4)
    artanh z = Σ z^(2j+1)/(2j+1),  j = 0 … 10; truncation error below 1e-18      (W5)

Every step is an integer operation or + − × ÷ on float64, whose rounding IEEE 754 defines; the logarithm of a
mathematical library is not used. So a waiting time depends only on the words, and NumPy guarantees the words of
its bit generators for all releases (but not its distributions). The largest waiting time is 53·ln 2 = 36.7; an
exact exponential variable exceeds it with probability 1e-16.

Source of the words: Philox 4×64 with 10 rounds (Salmon, Moraes, Dror, Shaw 2011, doi:10.1145/2063384.2063405).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cochlea.compiled import compiled

_LN2 = 0.6931471805599453
_SQRT2 = 1.4142135623730951
_MANTISSA = (1 << 52) - 1
_ONE = 1023 << 52  # the exponent bits of 1.0
_NO_WORDS = np.zeros(4, np.uint64)  # a buffer of 4 words that are all used


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
    generator = np.random.Philox(key=key)
    mantissa, exponent = np.empty((2, waits.shape[1]))
    bits = mantissa.view(np.int64)
    counter = np.zeros(4, dtype=np.uint64)
    # Setting the state costs a fifth of another generator.
    state: Any = {
        "bit_generator": "Philox",
        "state": {"counter": counter, "key": key},
        "buffer": _NO_WORDS,
        "buffer_pos": 4,
        "has_uint32": 0,
        "uinteger": 0,
    }
    for row, stream in zip(waits, streams, strict=False):
        counter[2] = stream
        generator.state = state
        _split_kernel(generator.random_raw(row.size), mantissa, bits, exponent)
        _logarithm_kernel(mantissa, exponent, row)


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
