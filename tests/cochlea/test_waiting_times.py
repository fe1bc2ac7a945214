import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from cochlea.waiting_times import (
    _logarithm_kernel,
    _split_kernel,
    _words_kernel,
    draw_waiting_times,
    philox_key,
    waiting_times,
)

_MASK = 2**64 - 1
WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
KNOWN = [
    "0x1.b34375e3a86e5p-5",
    "0x1.e17f98d33e315p-2",
    "0x1.06ed32bc75a43p+0",
    "0x1.5924e2e27a5fep-5",
]


def philox_words(key: list[int], stream: int, count: int) -> list[int]:
    """Philox 4×64, 10 rounds, after Salmon et al. (2011), in whole numbers of any size."""
    words: list[int] = []
    counter = 0
    while len(words) < count:
        counter += 1  # numpy counts before it draws
        block = [counter, 0, stream, 0]
        k0, k1 = key
        for round_ in range(10):
            if round_:
                k0, k1 = (k0 + 0x9E3779B97F4A7C15) & _MASK, (k1 + 0xBB67AE8584CAA73B) & _MASK
            first, second = 0xD2E7470EE14C6C93 * block[0], 0xCA5A826395121157 * block[2]
            block = [
                (second >> 64) ^ block[1] ^ k0,
                second & _MASK,
                (first >> 64) ^ block[3] ^ k1,
                first & _MASK,
            ]
        words += block
    return words[:count]


def test_the_words_are_those_of_philox() -> None:
    key = philox_key([3, 1, 4])
    expected = [
        -math.log(((word >> 11) + 1) * 2.0**-53) for word in philox_words(key.tolist(), 699, 50)
    ]
    assert_allclose(waiting_times(key, 699, 50), expected, rtol=1e-15)


@pytest.mark.parametrize("stream", [0, 699, 2**64 - 1])
def test_the_words_are_those_of_numpy_compiled_and_interpreted(stream: int) -> None:
    key, count = philox_key([2, 7]), 40
    generator = np.random.Philox(key=key, counter=np.array([0, 0, stream, 0], np.uint64))
    expected = generator.random_raw(count)
    keys = np.array(
        [(int(k) + r * w) & _MASK for r in range(10) for k, w in zip(key, WEYL, strict=True)],
        np.uint64,
    )
    for kernel in (_words_kernel, _words_kernel.py_func):  # type: ignore[attr-defined]
        words, counter = np.empty(count, np.uint64), np.array([0, stream], np.uint64)
        kernel(keys, counter, words[: count // 2])
        kernel(keys, counter, words[count // 2 :])  # goes on where it stopped
        assert_array_equal(words, expected)


def test_the_numbers_are_known() -> None:
    # Written down once: no release of numpy or numba, and no processor, may change them.
    drawn = waiting_times(philox_key([0, 1, 2, 3, 4, 5, 6, 7, 8]), 5, 4)
    assert [wait.hex() for wait in drawn.tolist()] == KNOWN


def test_compiled_and_interpreted_give_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    mantissa, exponent = 1 + rng.random(500), rng.integers(-53, 1, 500) + 0.0
    compiled, interpreted = np.empty(500), np.empty(500)
    _logarithm_kernel(mantissa, exponent, compiled)
    _logarithm_kernel.py_func(mantissa, exponent, interpreted)  # type: ignore[attr-defined]
    assert_array_equal(compiled, interpreted)


@given(st.floats(1.0, 2.0, exclude_max=True), st.integers(-53, 0))
def test_the_logarithm_is_one(mantissa: float, exponent: int) -> None:
    waits = np.empty(1)
    _logarithm_kernel(np.array([mantissa]), np.array([float(exponent)]), waits)
    # Near 1 the logarithm itself loses nothing: m − 1 is exact.
    assert_allclose(waits[0], -math.log(mantissa * 2.0**exponent), rtol=1e-15, atol=1e-16)


def test_the_ends_of_the_range() -> None:
    waits = np.empty(3)
    _logarithm_kernel(np.array([1.0, 1.0, 2 - 2.0**-52]), np.array([0.0, -53.0, -1.0]), waits)
    assert waits[0] == 0.0
    assert_allclose(waits[1], 53 * math.log(2), rtol=1e-15)
    assert_allclose(waits[2], 2.0**-53, rtol=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_they_are_exponential(seed: int) -> None:
    n = 200_000
    waits = waiting_times(philox_key(seed), 0, n)
    assert abs(waits.mean() - 1) < 4 / math.sqrt(n)
    assert abs(waits.var() - 1) < 4 * math.sqrt(8 / n)
    survivors = np.array([(waits > t).mean() for t in (0.1, 1.0, 3.0)])
    expected = np.exp([-0.1, -1.0, -3.0])
    assert np.all(np.abs(survivors - expected) < 4 * np.sqrt(expected * (1 - expected) / n))


def test_streams_and_keys_differ_and_more_numbers_begin_with_the_same() -> None:
    key = philox_key(0)
    first = waiting_times(key, 0, 10)
    assert_array_equal(waiting_times(key, 0, 100)[:10], first)
    assert not np.any(waiting_times(key, 1, 10) == first)
    assert not np.any(waiting_times(philox_key(1), 0, 10) == first)
    # Streams share nothing, also shifted.
    assert not set(waiting_times(key, 1, 1000).tolist()) & set(waiting_times(key, 0, 1000).tolist())


def test_several_streams_are_those_drawn_alone() -> None:
    key, waits = philox_key(5), np.full((4, 30), -1.0)
    draw_waiting_times(key, [8, 0, 2**63], waits[:, :29])
    for row, stream in enumerate((8, 0, 2**63)):
        assert_array_equal(waits[row, :29], waiting_times(key, stream, 29))
    assert (waits[3] == -1).all()
    assert (waits[:, 29] == -1).all()


def test_words_are_split_as_frexp_does() -> None:
    words = np.array([0, 1, 2**11, 2**64 - 1, 2**63, 2**63 - 1, 0x123456789ABCDEF0], np.uint64)
    mantissa, exponent = np.empty((2, words.size))
    _split_kernel(words, mantissa, mantissa.view(np.int64), exponent)
    for i, word in enumerate(words.tolist()):
        half, power = math.frexp(((word >> 11) + 1) * 2.0**-53)
        assert (mantissa[i], exponent[i]) == (2 * half, power - 1)
