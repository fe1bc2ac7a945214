"""Random words from a key and a position: SplitMix64, its normal numbers, and bits of a given probability.

Word i of a stream is ``mix(key + i·GOLDEN)``, i = 1, 2 … (Steele, Lea, Flood (2014), doi:10.1145/2714064.2660195), so
every sample can have a stream of its own at no cost. The loops take the position in a stream as ``state``, and return
the new one.

Normal numbers are drawn by the ziggurat of Marsaglia and Tsang (2000), doi:10.18637/jss.v005.i08, with 256 layers, each
from half a word: 8 bits choose the layer, the other 24 the position in it. The resolution is 2⁻²³ of the width of a
layer, at most 4.7e-7 standard deviations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from spikebench.compiled import compiled

__all__ = [
    "ALWAYS",
    "GOLDEN",
    "fill_words",
    "lowest_bit",
    "mix",
    "normal",
    "random_bits",
    "uniform",
]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
ALWAYS = np.uint64(2**64 - 1)  # a probability of 1 as 64 binary digits

_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11, _63 = (np.uint64(n) for n in (30, 27, 31, 11, 63))
_ZERO, _ONE = np.uint64(0), np.uint64(1)

_TAIL = 3.654152885361009  # of 256 layers with equal areas, the edge of the lowest
_AREA = 0.004928673233974648


def _edges() -> NDArray[np.float64]:
    """Return the right edges of the layers of the ziggurat, from the lowest (with the tail) to 0."""
    edges = np.zeros(257)
    edges[0], edges[1] = _AREA / np.exp(-(_TAIL**2) / 2), _TAIL
    for k in range(1, 255):
        edges[k + 1] = np.sqrt(-2 * np.log(_AREA / edges[k] + np.exp(-(edges[k] ** 2) / 2)))
    return edges


_EDGES = _edges()
_HEIGHTS = np.exp(-(_EDGES**2) / 2)
_PER_UNIT = _EDGES * 2.0**-23
# Positions below this are under the next layer.
_INSIDE = np.ceil(_EDGES[1:] / _EDGES[:-1] * 2**23).astype(np.int32)


@compiled
def mix(word: Any) -> Any:  # noqa: ANN401 (of a number or an array, compiled or not)
    """Mix the bits of a uint64; the interpreted function takes arrays."""
    word = (word ^ (word >> _30)) * _FIRST
    word = (word ^ (word >> _27)) * _SECOND
    return word ^ (word >> _31)


@compiled
def uniform(word: Any) -> Any:  # noqa: ANN401
    """Return the number in 0 ≤ u < 1 with the upper 53 bits of a word."""
    return np.float64(word >> _11) * 2.0**-53


@compiled
def random_bits(state: Any, probability: Any) -> Any:  # noqa: ANN401
    """Draw 64 independent bits.

    Every bit compares a uniform number with the probability, digit by digit, until they differ. The numbers of all bits
    share words, and half of the bits are decided by every word.

    Parameters
    ----------
    state
        State of the stream, uint64.
    probability
        That a bit is 1, as 64 binary digits, uint64: p·2⁶⁴. ``ALWAYS`` is 1 and draws nothing.

    Returns
    -------
    bits, state : uint64
        The bits, and the new state.
    """
    if probability == ALWAYS:
        return ALWAYS, state
    open_, ones = ALWAYS, _ZERO
    while open_ != _ZERO and probability != _ZERO:
        state += GOLDEN
        word = mix(state)
        if probability >> _63:
            ones |= open_ & ~word
            open_ &= word
        else:
            open_ &= ~word
        probability <<= _ONE
    return ones, state


@compiled
def fill_words(words: NDArray[np.uint64], state: Any) -> Any:  # noqa: ANN401
    """Write the next words of a stream; return the new state."""
    for k in range(words.size):
        words[k] = mix(state + np.uint64(k + 1) * GOLDEN)
    return state + np.uint64(words.size) * GOLDEN


@compiled
def normal(half: Any, state: Any) -> Any:  # noqa: ANN401
    """Return the standard normal number of half a word, uint32, and the new state: 1 % need further words."""
    position, layer = np.int32(half) >> np.int32(8), half & np.uint32(255)
    number = position * _PER_UNIT[layer]
    if abs(position) >= _INSIDE[layer]:
        size, state = _outside(state, np.uint64(layer), abs(number))
        number = np.copysign(size, number)
    return number, state


@compiled
def _outside(state: Any, layer: Any, size: Any) -> Any:  # noqa: ANN401
    """Draw the absolute value, if the first attempt is not below the next layer."""
    while True:
        if layer == _ZERO:
            while True:
                further = -np.log1p(-uniform(mix(state + GOLDEN))) / _TAIL
                height = -np.log1p(-uniform(mix(state + GOLDEN + GOLDEN)))
                state += GOLDEN + GOLDEN
                if 2 * height >= further * further:
                    return _TAIL + further, state
        state += GOLDEN
        low, high = _HEIGHTS[layer], _HEIGHTS[layer + _ONE]
        if low + uniform(mix(state)) * (high - low) < np.exp(-0.5 * size * size):
            return size, state
        state += GOLDEN
        word = mix(state)
        layer = word & np.uint64(255)
        size = uniform(word) * _EDGES[layer]
        if size < _EDGES[layer + _ONE]:
            return size, state


@intrinsic
def lowest_bit(typing: Any, word: Any) -> Any:  # noqa: ANN401
    """Return the position of the lowest 1 of a uint64, which is not 0."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        return builder.cttz(values[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate
