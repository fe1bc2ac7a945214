"""Random words: SplitMix64, bits of a given probability, normal numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm

from spikebench.compiled import compiled
from spikebench.events import random_words
from spikebench.events.random_words import ALWAYS, GOLDEN, fill_words, normal, random_bits, uniform


@compiled
def draw_bits(bits: np.ndarray, state: np.uint64, probability: np.uint64) -> np.uint64:
    for k in range(bits.size):
        bits[k], state = random_bits(state, probability)
    return state


@compiled
def draw_normals(numbers: np.ndarray, halves: np.ndarray, state: np.uint64) -> None:
    for k in range(numbers.size):
        numbers[k], state = normal(halves[k], state)


@compiled
def lowest_bits(words: np.ndarray, found: np.ndarray) -> None:
    for k in range(words.size):
        found[k] = random_words.lowest_bit(words[k])


def test_the_words_are_those_of_splitmix64() -> None:
    words = np.zeros(5, dtype=np.uint64)
    state = fill_words(words, np.uint64(1234567))
    assert words.tolist() == [  # of the generator's published C code
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert int(state) == (1234567 + 5 * int(GOLDEN)) % 2**64


def test_a_uniform_number_never_reaches_one() -> None:
    assert uniform(np.uint64(0)) == 0
    assert 1 - 2**-52 < uniform(ALWAYS) < 1


@pytest.mark.parametrize("probability", [0.0, 2**-20, 0.1, 0.45, 0.5, 0.9, 1 - 2**-20])
def test_bits_are_as_frequent_as_asked_at_every_place(probability: float) -> None:
    words = np.zeros(4000, dtype=np.uint64)
    draw_bits(words, np.uint64(1), np.uint64(int(probability * 2**64)))
    bits = np.unpackbits(words.view(np.uint8)).reshape(-1, 64)
    spread = np.sqrt(probability * (1 - probability))
    assert abs(bits.mean() - probability) <= 4.5 * spread / np.sqrt(bits.size)
    assert (abs(bits.mean(0) - probability) <= 4.5 * spread / np.sqrt(4000) + 3 / 4000).all()
    # neighbours are independent
    both = (bits[:, 1:] & bits[:, :-1]).mean()
    assert abs(both - probability**2) <= 4.5 * 2 * spread / np.sqrt(bits.size)


def test_certainty_draws_nothing() -> None:
    words = np.zeros(3, dtype=np.uint64)
    assert draw_bits(words, np.uint64(5), ALWAYS) == 5
    assert (words == ALWAYS).all()


def test_the_lowest_bit() -> None:
    words = np.array([1, 2, 12, 2**63, 2**64 - 2**40], dtype=np.uint64)
    found = np.zeros(5, dtype=np.int64)
    lowest_bits(words, found)
    assert found.tolist() == [0, 1, 2, 63, 40]


def test_normal_numbers_are_normal() -> None:
    n = 400_000
    words = np.zeros(n // 2, dtype=np.uint64)
    state = fill_words(words, np.uint64(3))
    numbers = np.zeros(n)
    draw_normals(numbers, words.view(np.uint32), state)
    assert kstest(numbers, "norm").statistic < 1.95 / np.sqrt(n)  # exceeded in 1 of 1,000 seeds
    for bound in (2.5, 3.6541528853610088, 4.2):  # the second begins the tail of the ziggurat
        expected = 2 * norm.sf(bound) * n
        assert abs(np.sum(abs(numbers) > bound) - expected) < 4.5 * np.sqrt(expected)
    assert abs(np.mean(numbers**4) - 3) < 4.5 * np.sqrt(96 / n)
    assert abs(np.mean(numbers[1:] * numbers[:-1])) < 4.5 / np.sqrt(n)
