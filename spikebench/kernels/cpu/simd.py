"""Thirty-two numbers as one value, which compiled loops keep in registers of the processor.

::

    v = load(row, at)                     the numbers row[at:at + 32]
    store(row, at, u * v + fill(c, row))

Arithmetic is per number: ``+``, ``-``, ``*``, ``/``. A number may be None, which is 0: ``fill(None, row)`` and what is
multiplied by it take no instruction, so that one set of equations serves neurons with and without some of their terms.
Compiled, such a value is a vector of LLVM, which splits it to fit the processor
(:mod:`spikebench.kernels.cpu.simd_code`); interpreted, it is a numpy array of 32 numbers. The bits are the same. Where
a compiler vectorises a loop over arrays, it checks that they do not overlap, and keeps sums in memory.

A step of a neuron waits for the step before; the processor needs many units side by side, but has few registers.
Forward pass of a feed-forward layer on one core of an AMD EPYC, ns per unit and step with 16, 32 and 64 numbers: 1.17,
0.80 and 0.65 with AVX-512; 1.15, 0.88 and 1.09 with AVX2 only (numba 0.68, float32).
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload
from numpy.typing import NDArray

from spikebench.kernels.cpu import simd_code as code
from spikebench.kernels.cpu.simd_code import LANES as LANES
from spikebench.kernels.cpu.simd_code import VectorType

Vector = Any  # thirty-two numbers
Index = Any  # an unsigned integer


def load(row: NDArray[Any], at: Index) -> Vector:
    """Read row[at:at + 32], which must exist; ``at`` is unsigned."""
    return row[int(at) : int(at) + LANES].copy()


def store(row: NDArray[Any], at: Index, values: Vector) -> None:
    """Write row[at:at + 32], which must exist; ``at`` is unsigned."""
    row[int(at) : int(at) + LANES] = values


def prefetch(row: NDArray[Any], at: Index) -> None:
    """Bring row[at:at + 32] into the cache without waiting for it; the place need not exist."""


def fill(number: float | None, row: NDArray[Any]) -> Vector:
    """Repeat a number, in the type of a row."""
    return np.full(LANES, 0 if number is None else number, row.dtype)


def lanes(row: NDArray[Any]) -> Vector:
    """Return the numbers 0 … 31, in the type of a row."""
    return np.arange(LANES, dtype=row.dtype)


def where_given(number: float | None, values: Vector) -> Vector:
    """Return values, or 0 if a number is None."""
    return np.zeros_like(values) if number is None else values


def magnitude(values: Vector) -> Vector:
    """Compute absolute values."""
    return np.abs(values)


def at_least(values: Vector, limits: Vector) -> Vector:
    """Return 1 where values ≥ limits, else 0."""
    return (values >= limits).astype(values.dtype)


def larger(values: Vector, others: Vector) -> Vector:
    """Return the larger of two numbers; the second one if either is NaN."""
    return np.where(values > others, values, others)


def bits(values: Vector) -> Index:
    """Return an integer whose bit h is set if number h is above 0."""
    return np.uint64(sum(1 << h for h in range(LANES) if values[h] > 0))


def lowest(mask: Index) -> Index:
    """Return the number of the lowest bit that is set in an unsigned integer, which must not be 0."""
    return np.uint64((int(mask) & -int(mask)).bit_length() - 1)


def totals(
    a: Vector, b: Vector, c: Vector, d: Vector
) -> tuple[np.floating[Any], np.floating[Any], np.floating[Any], np.floating[Any]]:
    """Add up the numbers of each of four vectors: halves, quarters, …; together, since it takes less time."""
    numbers = np.stack([a, b, c, d])
    while numbers.shape[1] > 1:
        half = numbers.shape[1] // 2
        numbers = numbers[:, :half] + numbers[:, half:]
    return numbers[0, 0], numbers[1, 0], numbers[2, 0], numbers[3, 0]


def write_chosen(row: NDArray[Any], at: Index, values: Vector, mask: Index) -> Index:
    """Write the numbers whose bits are set in an unsigned integer to row[at], row[at + 1], …; return how many."""
    chosen = [values[h] for h in range(LANES) if int(mask) >> h & 1]
    row[int(at) : int(at) + len(chosen)] = chosen
    return np.uint64(len(chosen))


def read_chosen(row: NDArray[Any], at: Index, mask: Index) -> Vector:
    """Read what :func:`write_chosen` wrote: the numbers whose bits are set, in order, 0 for the others."""
    values = np.zeros(LANES, row.dtype)
    chosen = [h for h in range(LANES) if int(mask) >> h & 1]
    values[chosen] = row[int(at) : int(at) + len(chosen)]
    return values


def n_set(mask: Index) -> Index:
    """Count the bits that are set in an unsigned integer."""
    return np.uint64(int(mask).bit_count())


def spread(mask: Index, row: NDArray[Any]) -> Vector:
    """Return 1 where a bit of an unsigned integer is set, else 0, in the type of a row."""
    return np.array([int(mask) >> h & 1 for h in range(LANES)], row.dtype)


def total(values: Vector) -> Any:  # noqa: ANN401
    """Add the numbers: both halves, then both halves of their sum, down to one."""
    while len(values) > 1:
        half = len(values) // 2
        values = values[:half] + values[half:]
    return values[0]


# numba needs a qualified name for every compiled function, see :mod:`spikebench.kernels.cpu.vectors`.
@overload(load, strict=False)
def _compiled_load(row: Any, at: Any) -> Any:  # noqa: ANN401
    def load_(row: Any, at: Any) -> Any:  # noqa: ANN401
        return code.load(row, at)  # type: ignore[call-arg]  # counts the typing context

    return load_


@overload(store, strict=False)
def _compiled_store(row: Any, at: Any, values: Any) -> Any:  # noqa: ANN401
    def store_(row: Any, at: Any, values: Any) -> Any:  # noqa: ANN401
        code.store(row, at, values)  # type: ignore[call-arg]

    return store_


@overload(prefetch, strict=False)
def _compiled_prefetch(row: Any, at: Any) -> Any:  # noqa: ANN401
    def prefetch_(row: Any, at: Any) -> None:  # noqa: ANN401
        code.prefetch(row, at)  # type: ignore[call-arg]

    return prefetch_


@overload(fill, strict=False)
def _compiled_fill(number: Any, row: Any) -> Any:  # noqa: ANN401
    def fill_(number: Any, row: Any) -> Any:  # noqa: ANN401
        return code.fill(number, row)  # type: ignore[call-arg]

    return _none_fill if _is_none(number) else fill_


@overload(lanes, strict=False)
def _compiled_lanes(row: Any) -> Any:  # noqa: ANN401
    def lanes_(row: Any) -> Any:  # noqa: ANN401
        return code.lanes(row)  # type: ignore[call-arg]

    return lanes_


@overload(where_given, strict=False)
def _compiled_where_given(number: Any, values: Any) -> Any:  # noqa: ANN401
    def values_(number: Any, values: Any) -> Any:  # noqa: ANN401
        return values

    return _none_where_given if _is_none(number) else values_


def _is_none(kind: types.Type) -> bool:
    return isinstance(kind, types.NoneType)


def _none_fill(number: Any, row: Any) -> None:  # noqa: ANN401
    return None


def _none_where_given(number: Any, values: Any) -> None:  # noqa: ANN401
    return None


def _none_of(a: Any, b: Any) -> None:  # noqa: ANN401
    return None


def _left(a: Any, b: Any) -> Any:  # noqa: ANN401
    return a


def _right(a: Any, b: Any) -> Any:  # noqa: ANN401
    return b


def _are_numbers(a: types.Type, b: types.Type) -> bool:
    """Return whether two operands are vectors or None."""
    kinds = (VectorType, types.NoneType)
    return isinstance(a, kinds) and isinstance(b, kinds)


@overload(totals, strict=False)
def _compiled_totals(a: Any, b: Any, c: Any, d: Any) -> Any:  # noqa: ANN401
    def totals_(a: Any, b: Any, c: Any, d: Any) -> Any:  # noqa: ANN401
        return code.totals(a, b, c, d)  # type: ignore[call-arg]

    return totals_


@overload(operator.add)
def _compiled_add(a: Any, b: Any) -> Any:  # noqa: ANN401
    def add_(a: Any, b: Any) -> Any:  # noqa: ANN401
        return code.add(a, b)  # type: ignore[call-arg]

    if not _are_numbers(a, b):
        return None
    return _right if _is_none(a) else _left if _is_none(b) else add_


@overload(operator.sub)
def _compiled_subtract(a: Any, b: Any) -> Any:  # noqa: ANN401
    def subtract_(a: Any, b: Any) -> Any:  # noqa: ANN401
        return code.subtract(a, b)  # type: ignore[call-arg]

    if not _are_numbers(a, b) or (_is_none(a) and not _is_none(b)):
        return None
    return _left if _is_none(b) else subtract_


@overload(operator.mul)
def _compiled_multiply(a: Any, b: Any) -> Any:  # noqa: ANN401
    def multiply_(a: Any, b: Any) -> Any:  # noqa: ANN401
        return code.multiply(a, b)  # type: ignore[call-arg]

    if not _are_numbers(a, b):
        return None
    return _none_of if _is_none(a) or _is_none(b) else multiply_


@overload(operator.truediv)
def _compiled_divide(a: Any, b: Any) -> Any:  # noqa: ANN401
    def divide_(a: Any, b: Any) -> Any:  # noqa: ANN401
        return code.divide(a, b)  # type: ignore[call-arg]

    return divide_ if isinstance(a, VectorType) else None


@overload(magnitude, strict=False)
def _compiled_magnitude(values: Any) -> Any:  # noqa: ANN401
    def magnitude_(values: Any) -> Any:  # noqa: ANN401
        return code.magnitude(values)  # type: ignore[call-arg]

    return magnitude_


@overload(at_least, strict=False)
def _compiled_at_least(values: Any, limits: Any) -> Any:  # noqa: ANN401
    def at_least_(values: Any, limits: Any) -> Any:  # noqa: ANN401
        return code.at_least(values, limits)  # type: ignore[call-arg]

    return at_least_


@overload(larger, strict=False)
def _compiled_larger(values: Any, others: Any) -> Any:  # noqa: ANN401
    def larger_(values: Any, others: Any) -> Any:  # noqa: ANN401
        return code.larger(values, others)  # type: ignore[call-arg]

    return larger_


@overload(bits, strict=False)
def _compiled_bits(values: Any) -> Any:  # noqa: ANN401
    def bits_(values: Any) -> Any:  # noqa: ANN401
        return code.bits(values)  # type: ignore[call-arg]

    return bits_


@overload(lowest, strict=False)
def _compiled_lowest(mask: Any) -> Any:  # noqa: ANN401
    def lowest_(mask: Any) -> Any:  # noqa: ANN401
        return code.lowest(mask)  # type: ignore[call-arg]

    return lowest_


@overload(spread, strict=False)
def _compiled_spread(mask: Any, row: Any) -> Any:  # noqa: ANN401
    def spread_(mask: Any, row: Any) -> Any:  # noqa: ANN401
        return code.spread(mask, row)  # type: ignore[call-arg]

    return spread_


@overload(write_chosen, strict=False)
def _compiled_write_chosen(row: Any, at: Any, values: Any, mask: Any) -> Any:  # noqa: ANN401
    def write_chosen_(row: Any, at: Any, values: Any, mask: Any) -> Any:  # noqa: ANN401
        return code.write_chosen(row, at, values, mask)  # type: ignore[call-arg]

    return write_chosen_


@overload(read_chosen, strict=False)
def _compiled_read_chosen(row: Any, at: Any, mask: Any) -> Any:  # noqa: ANN401
    def read_chosen_(row: Any, at: Any, mask: Any) -> Any:  # noqa: ANN401
        return code.read_chosen(row, at, mask)  # type: ignore[call-arg]

    return read_chosen_


@overload(n_set, strict=False)
def _compiled_n_set(mask: Any) -> Any:  # noqa: ANN401
    def n_set_(mask: Any) -> Any:  # noqa: ANN401
        return code.n_set(mask)  # type: ignore[call-arg]

    return n_set_


@overload(total, strict=False)
def _compiled_total(values: Any) -> Any:  # noqa: ANN401
    def total_(values: Any) -> Any:  # noqa: ANN401
        return code.total(values)  # type: ignore[call-arg]

    return total_
