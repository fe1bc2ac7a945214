"""Eight numbers side by side: parts of an array that a compiled loop keeps in registers.

A compiler cannot prove that parts of two arrays do not overlap, so it checks every pair of them or works on one
number at a time. Loops that are written with :func:`load` and :func:`store` need neither. Interpreted, a vector is an
array of eight numbers; compiled, it is one value of LLVM, which is split to fit the processor (one register with
AVX-512, two with AVX2). The bits are the same: an operation on vectors is the IEEE operation on each number.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-decorators=False
# numba's interface for new types has no type hints.
from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.typing.templates import (
    AbstractTemplate,
    ConcreteTemplate,
    infer_global,
    signature,
)
from numba.extending import lower_builtin, models, register_model
from numpy.typing import NDArray

WIDTH = 8

Floats = NDArray[np.float64]
Internal = Any  # numba passes untyped objects to code generators


def load(flat: Floats, at: int) -> Any:  # noqa: ANN401
    """Read a vector.

    Parameters
    ----------
    flat
        float64, one-dimensional, contiguous.
    at
        Index of the first of the eight numbers; the compiled function does not check it.

    Returns
    -------
    vector
        Vectors can be added, subtracted, and multiplied by a number on the right.
    """
    return flat[at : at + WIDTH].copy()


def store(flat: Floats, at: int, vector: Any) -> None:  # noqa: ANN401
    """Write a vector.

    Parameters
    ----------
    flat, at
        As for :func:`load`.
    vector
        From :func:`load`, or computed from such vectors.
    """
    flat[at : at + WIDTH] = vector


class _Vector(types.Type):
    def __init__(self) -> None:
        super().__init__(name="eight_float64")


_VECTOR = _Vector()
_LLVM_VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Internal, kind: Internal) -> None:
        super().__init__(manager, kind, _LLVM_VECTOR)


@infer_global(load)
class _Load(AbstractTemplate):
    def generic(self, args: Internal, kws: Internal) -> Internal:
        return signature(_VECTOR, args[0], types.intp)


@infer_global(store)
class _Store(AbstractTemplate):
    def generic(self, args: Internal, kws: Internal) -> Internal:
        return signature(types.void, args[0], types.intp, _VECTOR)


@infer_global(operator.add)
class _Add(ConcreteTemplate):
    cases = [signature(_VECTOR, _VECTOR, _VECTOR)]  # noqa: RUF012


@infer_global(operator.sub)
class _Subtract(ConcreteTemplate):
    cases = [signature(_VECTOR, _VECTOR, _VECTOR)]  # noqa: RUF012


@infer_global(operator.mul)
class _Scale(ConcreteTemplate):
    cases = [signature(_VECTOR, _VECTOR, types.float64)]  # noqa: RUF012


def _place(
    context: Internal, builder: Internal, kind: Internal, flat: Internal, at: Internal
) -> Internal:
    data = context.make_array(kind)(context, builder, flat).data
    return builder.bitcast(builder.gep(data, [at]), _LLVM_VECTOR.as_pointer())


@lower_builtin(load, types.Array, types.intp)
def _load(context: Internal, builder: Internal, sig: Internal, args: Internal) -> Internal:
    loaded = builder.load(_place(context, builder, sig.args[0], *args))
    loaded.align = 8
    return loaded


@lower_builtin(store, types.Array, types.intp, _VECTOR)
def _store(context: Internal, builder: Internal, sig: Internal, args: Internal) -> Internal:
    stored = builder.store(args[2], _place(context, builder, sig.args[0], *args[:2]))
    stored.align = 8
    return context.get_dummy_value()


@lower_builtin(operator.add, _VECTOR, _VECTOR)
def _add(context: Internal, builder: Internal, sig: Internal, args: Internal) -> Internal:
    return builder.fadd(*args)


@lower_builtin(operator.sub, _VECTOR, _VECTOR)
def _subtract(context: Internal, builder: Internal, sig: Internal, args: Internal) -> Internal:
    return builder.fsub(*args)


@lower_builtin(operator.mul, _VECTOR, types.float64)
def _scale(context: Internal, builder: Internal, sig: Internal, args: Internal) -> Internal:
    index, nothing = ir.IntType(32), ir.Constant(_LLVM_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, args[1], ir.Constant(index, 0))
    zeros = ir.Constant(ir.VectorType(index, WIDTH), [0] * WIDTH)
    return builder.fmul(args[0], builder.shuffle_vector(first, nothing, zeros))
