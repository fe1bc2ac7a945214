"""Eight numbers side by side: the operations that straight-line functions have beside arithmetic and comparisons.

Interpreted, a vector is an array of eight numbers (:mod:`cochlea.symbols` describes the compiled form). Parts of arrays
that a loop writes with :func:`store` and reads with :func:`load` need no proof that they do not overlap, which a
compiler needs before it vectorises a loop by itself.
"""

# mypy: disallow-untyped-calls=False
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numpy.typing import NDArray

from cochlea.symbols import (
    INTEGER,
    LANE,
    LLVM_VECTOR,
    WIDTH,
    ArraySymbol,
    Symbol,
    straight,
    vector,
)

__all__ = [
    "WIDTH",
    "Vector",
    "bits",
    "gather",
    "load",
    "product",
    "repeated",
    "root",
    "select",
    "store",
    "straight",
]

Floats = NDArray[np.float64]
Vector = Any  # an array of eight numbers, or its symbol


@straight
def load(flat: Floats, at: int) -> Vector:
    """Read a vector.

    Parameters
    ----------
    flat
        float64, contiguous, any number of dimensions.
    at
        Index of the first of the eight numbers in the order of memory; the compiled function does not check it.

    Returns
    -------
    vector
        The eight numbers.
    """
    if not isinstance(flat, ArraySymbol):
        return flat.reshape(-1)[at : at + WIDTH].copy()
    loaded = flat.builder.load(flat.vector_at(at))
    loaded.align = 8
    return Symbol(flat.builder, loaded)


@straight
def store(flat: Floats, at: int, numbers: Vector) -> None:
    """Write a vector.

    Parameters
    ----------
    flat, at
        As for :func:`load`.
    numbers
        The eight numbers, or one for all.
    """
    if not isinstance(flat, ArraySymbol):
        flat.reshape(-1)[at : at + WIDTH] = numbers
        return
    flat.builder.store(vector(flat.builder, numbers), flat.vector_at(at)).align = 8


@straight
def repeated(number: float) -> Vector:
    """Make a vector of one number.

    Parameters
    ----------
    number
        The number.

    Returns
    -------
    vector
        Eight times the number.
    """
    if not isinstance(number, Symbol):
        return np.full(WIDTH, number)
    return Symbol(number.builder, number.repeated())


@straight
def gather(flat: Floats, indices: Vector) -> Vector:
    """Read eight numbers.

    Parameters
    ----------
    flat
        As for :func:`load`.
    indices
        Eight indices in the order of memory as float64; the compiled function does not check them.

    Returns
    -------
    vector
        The eight numbers.
    """
    if not isinstance(flat, ArraySymbol):
        return flat.reshape(-1)[indices.astype(np.int64)]
    builder = flat.builder
    whole = builder.fptosi(indices.value, ir.VectorType(INTEGER, WIDTH))
    gathered = ir.Constant(LLVM_VECTOR, ir.Undefined)
    for lane in range(WIDTH):
        at = ir.Constant(LANE, lane)
        place = builder.gep(flat.data, [builder.extract_element(whole, at)])
        gathered = builder.insert_element(gathered, builder.load(place), at)
    return Symbol(builder, gathered)


@straight
def select(mask: Vector, yes: Vector, no: Vector) -> Vector:
    """Choose between numbers.

    Parameters
    ----------
    mask
        A comparison of vectors.
    yes, no
        Vectors, or numbers that stand for eight.

    Returns
    -------
    vector
        Of ``yes`` where the mask is true, else of ``no``.
    """
    if not isinstance(mask, Symbol):
        return np.where(mask, yes, no)
    chosen = (vector(mask.builder, one) for one in (yes, no))
    return Symbol(mask.builder, mask.builder.select(mask.value, *chosen))


@straight
def bits(mask: Vector) -> Any:  # noqa: ANN401
    """Return a mask as a whole number.

    Parameters
    ----------
    mask
        A comparison of vectors.

    Returns
    -------
    int
        The sum of 2^lane over the lanes where it is true.
    """
    if not isinstance(mask, Symbol):
        return int((mask * 2 ** np.arange(WIDTH)).sum())
    byte = mask.builder.bitcast(mask.value, ir.IntType(WIDTH))
    return Symbol(mask.builder, mask.builder.zext(byte, INTEGER))


@straight
def root(numbers: Vector) -> Vector:
    """Compute square roots.

    Parameters
    ----------
    numbers
        Numbers that are not negative.

    Returns
    -------
    vector
        Their square roots.
    """
    if not isinstance(numbers, Symbol):
        return np.sqrt(numbers)
    builder, kind = numbers.builder, ir.FunctionType(LLVM_VECTOR, [LLVM_VECTOR])
    name = f"llvm.sqrt.v{WIDTH}f64"
    sqrt = cgutils.get_or_insert_function(builder.module, kind, name)
    return Symbol(builder, builder.call(sqrt, [numbers.value]))


@straight
def product(a: int, b: int) -> tuple[Any, Any]:
    """Multiply two numbers of 64 bits without a sign.

    Parameters
    ----------
    a, b
        0 … 2⁶⁴ − 1.

    Returns
    -------
    high, low : int
        The product is high·2⁶⁴ + low.
    """
    if not isinstance(a, Symbol):
        return divmod(int(a) * int(b), 2**64)
    builder, long = a.builder, ir.IntType(128)
    whole = builder.mul(*(builder.zext(factor, long) for factor in a.with_type_of(b)))
    high = builder.lshr(whole, ir.Constant(long, 64))
    parts = [Symbol(builder, builder.trunc(part, INTEGER)) for part in (high, whole)]
    return parts[0], parts[1]
