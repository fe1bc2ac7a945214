"""Straight-line functions: the same bits compiled and interpreted, and refusals of what they cannot compile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from cochlea.vectors import (
    WIDTH,
    bits,
    gather,
    load,
    product,
    repeated,
    root,
    select,
    store,
    straight,
)


@straight
def _everything(
    x: np.ndarray, at: int, pair: tuple[float, int], y: np.ndarray
) -> tuple[tuple[Any, Any], int]:
    number, offset = pair
    a, b = load(x, at), load(x, at + (offset + WIDTH))
    quotient = 1.0 - (number * a + b / number) / 2.0
    root_of = root(select(quotient < 0.0, 0.0, quotient))
    some = (a <= b) & ~(a > number)
    picked = gather(x, select(some, root_of * 0.0 + 3.0, 5.0))
    store(y, offset * 2, select(a >= b, picked, root_of))
    store(y, WIDTH, x[1, 2])
    return (repeated(number), quotient - picked), bits(some) + offset


@njit
def _call(x: np.ndarray, at: int, pair: tuple[float, int], y: np.ndarray, out: np.ndarray) -> int:
    (one, two), noted = _everything(x, at, pair, y)
    store(out, 0, one)
    store(out, WIDTH, two)
    return noted


def test_compiled_equals_interpreted_bit_for_bit(rng: np.random.Generator) -> None:
    x = rng.standard_normal((4, 8))
    x[0, 3], x[1, 3], x[0, 0] = -0.0, 0.0, np.nan
    results = []
    for call in (_call, _call.py_func):
        y, out = np.zeros(20), np.zeros(16)
        results.append((call(x, 0, (0.3, 0), y, out), y, out))
    assert results[0][0] == results[1][0]
    assert 0 < results[0][0] < 255
    for fast, slow in zip(results[0][1:], results[1][1:], strict=True):
        assert np.array_equal(fast.view(np.int64), slow.view(np.int64))
        assert len(set(fast.tolist())) > 3
    assert np.isnan(results[0][2]).sum() == 1  # of the one that was put in


@straight
def _multiply(a: np.ndarray, b: int, out: np.ndarray) -> None:
    out[0], out[1] = product(a[0], b)
    out[2] = out[0] ^ a[0]


@njit
def _products(a: np.ndarray, b: int, out: np.ndarray) -> None:
    _multiply(a, b, out)


@pytest.mark.parametrize("a", [0, 1, 2**63, 2**64 - 1, 0xD2E7470EE14C6C93])
def test_products_have_128_bits(a: int) -> None:
    b, out = np.uint64(0xCA5A826395121157), np.zeros(3, np.uint64)
    for call in (_products, _products.py_func):
        call(np.array([a], np.uint64), b, out)
        assert int(out[0]) << 64 | int(out[1]) == a * int(b)
        assert int(out[2]) == int(out[0]) ^ a


@pytest.mark.parametrize("wrong", [np.zeros((20, 2))[:, 0], np.zeros(20, np.float32)])
def test_arrays_that_it_would_misread_are_refused(wrong: np.ndarray) -> None:
    @njit
    def first(x: np.ndarray, out: np.ndarray) -> None:
        store(out, 0, load(x, 0))

    with pytest.raises(TypingError, match="load"):
        first(wrong, np.zeros(8))
