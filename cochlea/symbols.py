"""Straight-line functions: compiled by running them once.

A *straight-line function* has no branch that depends on its arguments: arithmetic, comparisons, and the operations of
:mod:`cochlea.vectors`. To compile a call, numba runs the function once on symbols, which note the instructions of
LLVM; this takes far less time than numba's own analysis of each operation. Interpreted, it is an ordinary function of
arrays and numbers. The bits are the same: an operation on vectors is the IEEE operation on each of their eight numbers,
and nothing is reordered or fused. LLVM splits a vector to fit the processor (one register with AVX-512, two with AVX2).
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-decorators=False
# numba's interface for new types has no type hints.
from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

WIDTH = 8  # numbers in a vector

Internal = Any  # numba passes untyped objects to code generators
_Function = TypeVar("_Function", bound=Callable[..., Any])


class _VectorType(types.Type):
    def __init__(self) -> None:
        super().__init__(name="eight_float64")


_VECTOR = _VectorType()
DOUBLE, INTEGER, LANE = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
LLVM_VECTOR = ir.VectorType(DOUBLE, WIDTH)
_NUMBERS = (types.float64, types.int64, types.uint64)
_KINDS = {DOUBLE: types.float64, INTEGER: types.int64, LLVM_VECTOR: _VECTOR}


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Internal, kind: Internal) -> None:
        super().__init__(manager, kind, LLVM_VECTOR)


def _noted(of_floats: str, of_integers: str = "", swapped: bool = False) -> Internal:
    """Return the method of an operator: it notes an instruction."""

    def method(self: Symbol, other: Internal) -> Symbol:
        a, b = self.with_type_of(other)
        a, b = (b, a) if swapped else (a, b)
        name = of_integers if a.type == INTEGER else of_floats
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
            kind = INTEGER if self.value.type == INTEGER else DOUBLE
            other = Symbol(self.builder, ir.Constant(kind, other))
        if self.value.type == other.value.type:
            return self.value, other.value
        return self.repeated(), other.repeated()

    def repeated(self) -> Internal:
        """Return eight copies of a number; of a vector, itself."""
        if self.value.type != DOUBLE:
            return self.value
        nothing = ir.Constant(LLVM_VECTOR, ir.Undefined)
        first = self.builder.insert_element(nothing, self.value, ir.Constant(LANE, 0))
        zeros = ir.Constant(ir.VectorType(LANE, WIDTH), [0] * WIDTH)
        return self.builder.shuffle_vector(first, nothing, zeros)


class ArraySymbol:
    """A contiguous array of a function that is being compiled; indices are not checked."""

    def __init__(self, builder: Internal, data: Internal, shape: list[Internal]) -> None:
        self.builder, self.data, self.shape = builder, data, shape

    def __getitem__(self, index: Internal) -> Symbol:
        return Symbol(self.builder, self.builder.load(self._place(index)))

    def __setitem__(self, index: Internal, number: Symbol) -> None:
        self.builder.store(number.value, self._place(index))

    def vector_at(self, at: Internal) -> Internal:
        """Return the place of a vector."""
        return self.builder.bitcast(self._place(at), LLVM_VECTOR.as_pointer())

    def _place(self, index: Internal) -> Internal:
        at, *others = index if isinstance(index, tuple) else (index,)
        for size, i in zip(self.shape[1:], others, strict=False):
            at = Symbol(self.builder, size) * at + i
        value = at.value if isinstance(at, Symbol) else ir.Constant(INTEGER, at)
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
    returns_nothing = function.__annotations__["return"] in (None, "None")

    class _Template(AbstractTemplate):
        key = function

        def generic(self, args: Internal, kws: Internal) -> Internal:
            if not all(map(_is_known, args)):
                return None  # numba then names the types
            if returns_nothing:
                return signature(types.none, *args)
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


def _is_known(kind: Internal) -> bool:
    if _is_tuple(kind):
        return all(map(_is_known, kind))
    if isinstance(kind, types.Array):
        return kind.layout == "C" and kind.dtype in _NUMBERS
    return kind == _VECTOR or kind in _NUMBERS


def _is_tuple(kind: Internal) -> bool:
    return isinstance(kind, types.BaseTuple)


def _kind_of(result: Internal) -> Internal:
    if result is None:
        return types.none
    if isinstance(result, tuple):
        return types.Tuple([_kind_of(one) for one in result])
    return _KINDS[result.value.type]


def _unknown(builder: Internal, kind: Internal) -> Internal:
    """Return a symbol without a value, to learn the kind of a result."""
    if _is_tuple(kind):
        return tuple(_unknown(builder, one) for one in kind)
    if isinstance(kind, types.Array):
        number = INTEGER if isinstance(kind.dtype, types.Integer) else DOUBLE
        data = ir.Constant(number.as_pointer(), ir.Undefined)
        return ArraySymbol(builder, data, [ir.Constant(INTEGER, ir.Undefined)] * kind.ndim)
    if isinstance(kind, _VectorType):
        return Symbol(builder, ir.Constant(LLVM_VECTOR, ir.Undefined))
    number = INTEGER if isinstance(kind, types.Integer) else DOUBLE
    return Symbol(builder, ir.Constant(number, ir.Undefined))


def _symbol(context: Internal, builder: Internal, kind: Internal, value: Internal) -> Internal:
    if _is_tuple(kind):
        values = cgutils.unpack_tuple(builder, value, len(kind))
        return tuple(_symbol(context, builder, *pair) for pair in zip(kind, values, strict=True))
    if not isinstance(kind, types.Array):
        return Symbol(builder, value)
    array = context.make_array(kind)(context, builder, value)
    return ArraySymbol(builder, array.data, cgutils.unpack_tuple(builder, array.shape, kind.ndim))


def _value(context: Internal, builder: Internal, kind: Internal, result: Internal) -> Internal:
    if result is None:
        return context.get_dummy_value()
    if not isinstance(result, tuple):
        return result.value
    values = [_value(context, builder, *pair) for pair in zip(kind, result, strict=True)]
    return context.make_tuple(builder, kind, values)


def vector(builder: Internal, number: Internal) -> Internal:
    """Return the value of a vector, or of a number eight times."""
    return Symbol(builder, ir.Constant(LLVM_VECTOR, [0.0] * WIDTH)).with_type_of(number)[1]
