"""Eight numbers side by side, and straight-line functions of them that compile fast.

A *straight-line function* has no branch that depends on its arguments: arithmetic, comparisons, :func:`select`,
:func:`load` and :func:`store`. Interpreted, a vector is an array of eight numbers. To compile a call, numba runs the
function once on symbols, which note the instructions of LLVM; this takes far less time than numba's own analysis of
each operation. The bits are the same: an operation on vectors is the IEEE operation on each number. LLVM splits a
vector to fit the processor (one register with AVX-512, two with AVX2).

Parts of arrays that a loop writes with :func:`store` and reads with :func:`load` need no proof that they do not
overlap, which a compiler needs before it vectorises a loop by itself.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-decorators=False
# numba's interface for new types has no type hints.
from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model
from numpy.typing import NDArray

WIDTH = 8

Floats = NDArray[np.float64]
Internal = Any  # numba passes untyped objects to code generators
Vector = Any  # an array of eight numbers, or its symbol
_Function = TypeVar("_Function", bound=Callable[..., Any])


class _VectorType(types.Type):
    def __init__(self) -> None:
        super().__init__(name="eight_float64")


_VECTOR = _VectorType()
_DOUBLE, _INTEGER, _INDEX = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
_LLVM_VECTOR = ir.VectorType(_DOUBLE, WIDTH)
_KINDS = {_DOUBLE: types.float64, _INTEGER: types.int64, _LLVM_VECTOR: _VECTOR}


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Internal, kind: Internal) -> None:
        super().__init__(manager, kind, _LLVM_VECTOR)


def _noted(of_floats: str, of_integers: str = "", swapped: bool = False) -> Internal:
    """Return the method of an operator: it notes an instruction."""

    def method(self: Symbol, other: Internal) -> Symbol:
        a, b = self.with_type_of(other)
        a, b = (b, a) if swapped else (a, b)
        name = of_integers if a.type == _INTEGER else of_floats
        return Symbol(self.builder, getattr(self.builder, name)(a, b))

    return method


def _compared(sign: str) -> Internal:
    def method(self: Symbol, other: Internal) -> Symbol:
        return Symbol(self.builder, self.builder.fcmp_ordered(sign, *self.with_type_of(other)))

    return method


class Symbol:
    """A number, an index, a vector or a mask of a function that is being compiled."""

    def __init__(self, builder: Internal, value: Internal) -> None:
        self.builder, self.value = builder, value

    __add__ = __radd__ = _noted("fadd", "add")
    __sub__, __rsub__ = _noted("fsub", "sub"), _noted("fsub", "sub", swapped=True)
    __mul__ = __rmul__ = _noted("fmul", "mul")
    __truediv__, __rtruediv__ = _noted("fdiv"), _noted("fdiv", swapped=True)
    __and__, __xor__ = _noted("and_"), _noted("", "xor")

    def __invert__(self) -> Symbol:
        return Symbol(self.builder, self.builder.not_(self.value))

    __lt__, __le__, __gt__, __ge__ = (_compared(sign) for sign in ("<", "<=", ">", ">="))

    def with_type_of(self, other: Internal) -> tuple[Internal, Internal]:
        """Return both values; where one is a vector, the other is repeated eight times."""
        if not isinstance(other, Symbol):
            kind = _INTEGER if self.value.type == _INTEGER else _DOUBLE
            other = Symbol(self.builder, ir.Constant(kind, other))
        if self.value.type == other.value.type:
            return self.value, other.value
        return self.repeated(), other.repeated()

    def repeated(self) -> Internal:
        """Return eight copies of a number; of a vector, itself."""
        if self.value.type != _DOUBLE:
            return self.value
        nothing = ir.Constant(_LLVM_VECTOR, ir.Undefined)
        first = self.builder.insert_element(nothing, self.value, ir.Constant(_INDEX, 0))
        zeros = ir.Constant(ir.VectorType(_INDEX, WIDTH), [0] * WIDTH)
        return self.builder.shuffle_vector(first, nothing, zeros)


class _ArraySymbol:
    """A contiguous array of a function that is being compiled; indices are not checked."""

    def __init__(self, builder: Internal, data: Internal, shape: list[Internal]) -> None:
        self.builder, self.data, self.shape = builder, data, shape

    def __getitem__(self, index: Internal) -> Symbol:
        return Symbol(self.builder, self.builder.load(self._place(index)))

    def __setitem__(self, index: Internal, number: Symbol) -> None:
        self.builder.store(number.value, self._place(index))

    def vector_at(self, at: Internal) -> Internal:
        return self.builder.bitcast(self._place(at), _LLVM_VECTOR.as_pointer())

    def _place(self, index: Internal) -> Internal:
        at, *others = index if isinstance(index, tuple) else (index,)
        for size, i in zip(self.shape[1:], others, strict=False):
            at = Symbol(self.builder, size) * at + i
        value = at.value if isinstance(at, Symbol) else ir.Constant(_INTEGER, at)
        return self.builder.gep(self.data, [value])


def straight(function: _Function) -> _Function:
    """Make a straight-line function known to numba.

    Parameters
    ----------
    function
        Function of contiguous arrays, vectors, numbers and indices. Called by a compiled function, it returns nothing,
        one of these, or a tuple of them; called by another straight-line function, anything.

    Returns
    -------
    callable
        The same function; it is also its ``.py_func``, as of compiled ones.
    """

    class _Template(AbstractTemplate):
        key = function

        def generic(self, args: Internal, kws: Internal) -> Internal:
            nowhere = ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), []), "nowhere")
            builder = ir.IRBuilder(nowhere.append_basic_block())
            unknown = (_unknown(builder, kind) for kind in args)
            return signature(_kind_of(function(*unknown)), *args)

    infer_global(function, types.Function(_Template))

    @lower_builtin(function, types.VarArg(types.Any))
    def _lower(context: Internal, builder: Internal, sig: Internal, args: Internal) -> Internal:
        symbols = (_symbol(context, builder, *pair) for pair in zip(sig.args, args, strict=True))
        return _value(context, builder, sig.return_type, function(*symbols))

    function.py_func = function  # type: ignore[attr-defined]
    return function


def _kind_of(result: Internal) -> Internal:
    if result is None:
        return types.none
    if isinstance(result, tuple):
        return types.Tuple([_kind_of(one) for one in result])
    return _KINDS[result.value.type]


def _unknown(builder: Internal, kind: Internal) -> Internal:
    """Return a symbol without a value, to learn the kind of a result."""
    if isinstance(kind, types.BaseTuple):
        return tuple(_unknown(builder, one) for one in kind)
    if isinstance(kind, types.Array):
        number = _INTEGER if isinstance(kind.dtype, types.Integer) else _DOUBLE
        data = ir.Constant(number.as_pointer(), ir.Undefined)
        return _ArraySymbol(builder, data, [ir.Constant(_INTEGER, ir.Undefined)] * kind.ndim)
    if isinstance(kind, _VectorType):
        return Symbol(builder, ir.Constant(_LLVM_VECTOR, ir.Undefined))
    number = _INTEGER if isinstance(kind, types.Integer) else _DOUBLE
    return Symbol(builder, ir.Constant(number, ir.Undefined))


def _symbol(context: Internal, builder: Internal, kind: Internal, value: Internal) -> Internal:
    if isinstance(kind, types.BaseTuple):
        values = cgutils.unpack_tuple(builder, value, len(kind))
        return tuple(_symbol(context, builder, *pair) for pair in zip(kind, values, strict=True))
    if not isinstance(kind, types.Array):
        return Symbol(builder, value)
    array = context.make_array(kind)(context, builder, value)
    return _ArraySymbol(builder, array.data, cgutils.unpack_tuple(builder, array.shape, kind.ndim))


def _value(context: Internal, builder: Internal, kind: Internal, result: Internal) -> Internal:
    if result is None:
        return context.get_dummy_value()
    if not isinstance(result, tuple):
        return result.value
    values = [_value(context, builder, *pair) for pair in zip(kind, result, strict=True)]
    return context.make_tuple(builder, kind, values)


def _vector(builder: Internal, number: Internal) -> Internal:
    """Return a vector, or eight times a number."""
    return Symbol(builder, ir.Constant(_LLVM_VECTOR, [0.0] * WIDTH)).with_type_of(number)[1]


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
    if not isinstance(flat, _ArraySymbol):
        return flat.reshape(-1)[at : at + WIDTH].copy()
    loaded = flat.builder.load(flat.vector_at(at))
    loaded.align = 8
    return Symbol(flat.builder, loaded)


@straight
def store(flat: Floats, at: int, vector: Vector) -> None:
    """Write a vector.

    Parameters
    ----------
    flat, at
        As for :func:`load`.
    vector
        The eight numbers, or one for all.
    """
    if not isinstance(flat, _ArraySymbol):
        flat.reshape(-1)[at : at + WIDTH] = vector
        return
    flat.builder.store(_vector(flat.builder, vector), flat.vector_at(at)).align = 8


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
    if not isinstance(flat, _ArraySymbol):
        return flat.reshape(-1)[indices.astype(np.int64)]
    builder = flat.builder
    whole = builder.fptosi(indices.value, ir.VectorType(_INTEGER, WIDTH))
    gathered = ir.Constant(_LLVM_VECTOR, ir.Undefined)
    for lane in range(WIDTH):
        at = ir.Constant(_INDEX, lane)
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
    chosen = (_vector(mask.builder, one) for one in (yes, no))
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
    return Symbol(mask.builder, mask.builder.zext(byte, _INTEGER))


@straight
def root(vector: Vector) -> Vector:
    """Compute square roots.

    Parameters
    ----------
    vector
        Numbers that are not negative.

    Returns
    -------
    vector
        Their square roots.
    """
    if not isinstance(vector, Symbol):
        return np.sqrt(vector)
    builder, kind = vector.builder, ir.FunctionType(_LLVM_VECTOR, [_LLVM_VECTOR])
    name = f"llvm.sqrt.v{WIDTH}f64"
    sqrt = cgutils.get_or_insert_function(builder.module, kind, name)
    return Symbol(builder, builder.call(sqrt, [vector.value]))


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
    parts = [Symbol(builder, builder.trunc(part, _INTEGER)) for part in (high, whole)]
    return parts[0], parts[1]
