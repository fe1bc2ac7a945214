"""Thirty-two numbers as one value, which compiled loops keep in registers of the processor.

::

    v = load(row, at)                     the numbers row[at:at + 32]
    store(row, at, u * v + fill(c, row))

Arithmetic is per number: ``+``, ``-``, ``*``, ``/``. A number may be None, which is 0: ``fill(None, row)`` and what is
multiplied by it take no instruction, so that one set of equations serves neurons with and without some of their terms.
Compiled, such a value is a vector of LLVM, which splits it to
fit the processor; interpreted, it is a numpy array of 32 numbers. The bits are the same. Where a compiler vectorises a
loop over arrays, it checks that they do not overlap, and keeps sums in memory.

A step of a neuron waits for the step before; the processor needs many units side by side, but has few registers.
Forward pass of a feed-forward layer on one core of an AMD EPYC, ns per unit and step with 16, 32 and 64 numbers: 1.17,
0.80 and 0.65 with AVX-512; 1.15, 0.88 and 1.09 with AVX2 only (numba 0.68, float32).

Written for the releases of numba given in ``pyproject.toml``.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import box, intrinsic, models, overload, register_model
from numpy.typing import NDArray

LANES = 32  # numbers of a vector
Vector = Any  # thirty-two numbers
Index = Any  # an unsigned integer
Builder = Any  # numba passes untyped objects to code generators
_I32 = ir.IntType(32)
_LINE = 64  # bytes of a cache line


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


class VectorType(types.Type):
    """The type of a vector in compiled loops."""

    def __init__(self, number: types.Float) -> None:
        self.number = number
        super().__init__(name=f"Vector({number})")


@register_model(VectorType)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: VectorType) -> None:  # noqa: ANN401
        number = manager.lookup(kind.number).get_value_type()
        super().__init__(  # type: ignore[no-untyped-call]
            manager, kind, ir.VectorType(number, LANES)
        )


@box(VectorType)  # type: ignore[no-untyped-call, untyped-decorator]
def _refuse(kind: VectorType, value: Any, context: Any) -> Any:  # noqa: ANN401
    """Raise an error if the interpreter calls a compiled function that returns vectors."""
    context.pyapi.err_set_string("PyExc_TypeError", "vectors exist in compiled loops only")
    return context.pyapi.get_null_object()


def _place(context: Builder, builder: Builder, kinds: Any, values: Any) -> Any:  # noqa: ANN401
    """Return a pointer to the numbers of a row, and the size of one."""
    data = context.make_array(kinds[0])(context, builder, values[0]).data
    vector = ir.VectorType(data.type.pointee, LANES).as_pointer()
    size = context.get_abi_sizeof(context.get_data_type(kinds[0].dtype))
    return builder.bitcast(builder.gep(data, [values[1]]), vector), size


@intrinsic
def _load(typing: Any, row: Any, at: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        place, size = _place(context, builder, signature.args, given)
        loaded = builder.load(place)
        loaded.align = size
        return loaded

    return VectorType(row.dtype)(row, at), generate


@intrinsic
def _store(typing: Any, row: Any, at: Any, values: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        place, size = _place(context, builder, signature.args, given)
        builder.store(given[2], place).align = size
        return context.get_dummy_value()

    return types.void(row, at, values), generate


@intrinsic
def _prefetch(typing: Any, row: Any, at: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        place, size = _place(context, builder, signature.args, given)
        byte = ir.IntType(8).as_pointer()
        begin = builder.bitcast(place, byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, *(_I32,) * 3])
        call = builder.module.declare_intrinsic("llvm.prefetch", (byte,), kind)
        for_reading, second_cache, of_data = (ir.Constant(_I32, number) for number in (0, 2, 1))
        for line in range(0, LANES * size, _LINE):
            address = builder.gep(begin, [ir.Constant(_I32, line)])
            builder.call(call, [address, for_reading, second_cache, of_data])
        return context.get_dummy_value()

    return types.void(row, at), generate


@intrinsic
def _fill(typing: Any, number: Any, row: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        value = context.cast(builder, given[0], signature.args[0], row.dtype)
        vector = ir.VectorType(value.type, LANES)
        none = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(none, value, ir.Constant(_I32, 0))
        return builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(_I32, LANES), None))

    return VectorType(row.dtype)(number, row), generate


@intrinsic
def _lanes(typing: Any, row: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        number = context.get_value_type(signature.args[0].dtype)
        return ir.Constant(ir.VectorType(number, LANES), list(range(LANES)))

    return VectorType(row.dtype)(row), generate


@intrinsic
def _add(typing: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    is_float = a.number in types.real_domain
    return a(a, b), lambda _, builder, __, given: (builder.fadd if is_float else builder.add)(
        *given
    )


@intrinsic
def _subtract(typing: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    return a(a, b), lambda _, builder, __, given: builder.fsub(*given)


@intrinsic
def _multiply(typing: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    return a(a, b), lambda _, builder, __, given: builder.fmul(*given)


@intrinsic
def _divide(typing: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    return a(a, b), lambda _, builder, __, given: builder.fdiv(*given)


@intrinsic
def _magnitude(typing: Any, a: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        opposite = builder.fsub(ir.Constant(given[0].type, None), given[0])
        return builder.select(builder.fcmp_ordered(">", *given, opposite), *given, opposite)

    return a(a), generate


@intrinsic
def _at_least(typing: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        return builder.uitofp(builder.fcmp_ordered(">=", *given), given[0].type)

    return a(a, b), generate


@intrinsic
def _larger(typing: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        return builder.select(builder.fcmp_ordered(">", *given), *given)

    return a(a, b), generate


@intrinsic
def _bits(typing: Any, a: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        above = builder.fcmp_ordered(">", given[0], ir.Constant(given[0].type, None))
        return builder.zext(builder.bitcast(above, ir.IntType(LANES)), ir.IntType(64))

    return types.uint64(a), generate


@intrinsic
def _lowest(typing: Any, mask: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        return builder.cttz(given[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@intrinsic
def _totals(typing: Any, a: Any, b: Any, c: Any, d: Any) -> Any:  # noqa: ANN401
    answer = types.UniTuple(a.number, 4)  # type: ignore[no-untyped-call]

    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        n_groups = 4
        one, other = (_halves_added(builder, given[k], given[k + 1], 2) for k in (0, 2))
        joined = _halves_added(builder, one, other, n_groups)
        while joined.type.count > n_groups:
            joined = _halves_added(builder, joined, None, n_groups)
        numbers = [builder.extract_element(joined, ir.Constant(_I32, k)) for k in range(n_groups)]
        return context.make_tuple(builder, answer, numbers)

    return answer(a, b, c, d), generate


def _halves_added(builder: Builder, one: Builder, other: Builder, n_groups: int) -> Builder:
    """Add the second half of every group of numbers to the first; the groups are those of one or two vectors."""
    size = one.type.count
    number = (size if other is None else 2 * size) // n_groups
    half = number // 2
    firsts = [g * number + h for g in range(n_groups) for h in range(half)]
    kind = ir.VectorType(_I32, len(firsts))
    second = ir.Constant(one.type, ir.Undefined) if other is None else other

    def chosen(places: list[int]) -> Builder:
        return builder.shuffle_vector(one, second, ir.Constant(kind, places))

    return builder.fadd(chosen(firsts), chosen([place + half for place in firsts]))


@intrinsic
def _spread(typing: Any, mask: Any, row: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        flags = builder.bitcast(
            builder.trunc(given[0], ir.IntType(LANES)), ir.VectorType(ir.IntType(1), LANES)
        )
        number = context.get_value_type(row.dtype)
        return builder.uitofp(flags, ir.VectorType(number, LANES))

    return VectorType(row.dtype)(types.uint64, row), generate


def _groups(builder: Builder, mask: Builder, size: int) -> tuple[int, list[Builder]]:
    """Split an integer into the flags of groups of numbers; a processor compresses one group at once."""
    group = _LINE // size
    parts = [builder.lshr(mask, ir.Constant(mask.type, first)) for first in range(0, LANES, group)]
    return group, [builder.trunc(part, ir.IntType(group)) for part in parts]


def _flags(builder: Builder, mask: Builder) -> Builder:
    return builder.bitcast(mask, ir.VectorType(ir.IntType(1), mask.type.width))


def _counted(builder: Builder, mask: Builder) -> Builder:
    return builder.zext(builder.ctpop(mask), ir.IntType(64))


@intrinsic
def _write_chosen(typing: Any, row: Any, at: Any, values: Any, mask: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        place, size = _place(context, builder, signature.args, given)
        number, none = given[2].type.element, ir.Constant(given[2].type, ir.Undefined)
        group, parts = _groups(builder, given[3], size)
        few, flag = ir.VectorType(number, group), ir.VectorType(ir.IntType(1), group)
        is_float = signature.args[0].dtype in types.real_domain
        suffix = f"v{group}{'f' if is_float else 'i'}{size * 8}"
        compress = _declared(
            builder, f"llvm.experimental.vector.compress.{suffix}", few, [few, flag, few]
        )
        kinds = [few, few.as_pointer(), _I32, flag]
        write = _declared(builder, f"llvm.masked.store.{suffix}.p0", ir.VoidType(), kinds)
        first, count = builder.bitcast(place, number.as_pointer()), ir.Constant(ir.IntType(64), 0)
        for k, part in enumerate(parts):
            lanes = list(range(k * group, (k + 1) * group))
            chosen = builder.shuffle_vector(
                given[2], none, ir.Constant(ir.VectorType(_I32, group), lanes)
            )
            undefined = ir.Constant(few, ir.Undefined)
            packed = builder.call(compress, [chosen, _flags(builder, part), undefined])
            n_chosen, one = _counted(builder, part), ir.Constant(ir.IntType(64), 1)
            lowest = builder.sub(builder.shl(one, n_chosen), one)
            inside = _flags(builder, builder.trunc(lowest, part.type))
            into = builder.bitcast(builder.gep(first, [count]), few.as_pointer())
            builder.call(write, [packed, into, ir.Constant(_I32, size), inside])
            count = builder.add(count, n_chosen)
        return count

    return types.uint64(row, at, values, types.uint64), generate


@intrinsic
def _read_chosen(typing: Any, row: Any, at: Any, mask: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        place, size = _place(context, builder, signature.args, given)
        number = context.get_value_type(signature.args[0].dtype)
        group, masks = _groups(builder, given[2], size)
        few, flag = ir.VectorType(number, group), ir.VectorType(ir.IntType(1), group)
        name = f"llvm.masked.expandload.v{group}f{size * 8}"
        read = _declared(builder, name, few, [number.as_pointer(), flag, few])
        first, count = builder.bitcast(place, number.as_pointer()), ir.Constant(ir.IntType(64), 0)
        parts = []
        for mask_ in masks:
            zeros = ir.Constant(few, None)
            place_ = builder.gep(first, [count])
            parts.append(builder.call(read, [place_, _flags(builder, mask_), zeros]))
            count = builder.add(count, _counted(builder, mask_))
        while len(parts) > 1:
            parts = [_joined(builder, *pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    return VectorType(row.dtype)(row, at, types.uint64), generate


def _joined(builder: Builder, a: Builder, b: Builder) -> Builder:
    n = 2 * a.type.count
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, n), list(range(n))))


def _declared(builder: Builder, name: str, answer: Any, given: list[Any]) -> Builder:  # noqa: ANN401
    """Declare a function of LLVM."""
    kind = ir.FunctionType(answer, given)
    found = builder.module.globals.get(name)
    return found if found is not None else ir.Function(builder.module, kind, name)


@intrinsic
def _n_set(typing: Any, mask: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        return builder.ctpop(given[0])

    return types.uint64(types.uint64), generate


@intrinsic
def _total(typing: Any, a: Any) -> Any:  # noqa: ANN401
    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        value, n = given[0], LANES
        while n > 1:
            n //= 2
            none = ir.Constant(value.type, ir.Undefined)
            half = ir.VectorType(_I32, n)
            low = builder.shuffle_vector(value, none, ir.Constant(half, list(range(n))))
            high = builder.shuffle_vector(value, none, ir.Constant(half, list(range(n, 2 * n))))
            value = builder.fadd(low, high)
        return builder.extract_element(value, ir.Constant(_I32, 0))

    return a.number(a), generate


# numba needs a qualified name for every compiled function, see :mod:`spikebench.kernels.cpu.vectors`.
@overload(load, strict=False)
def _compiled_load(row: Any, at: Any) -> Any:  # noqa: ANN401
    def load_(row: Any, at: Any) -> Any:  # noqa: ANN401
        return _load(row, at)  # type: ignore[call-arg]  # counts the typing context

    return load_


@overload(store, strict=False)
def _compiled_store(row: Any, at: Any, values: Any) -> Any:  # noqa: ANN401
    def store_(row: Any, at: Any, values: Any) -> Any:  # noqa: ANN401
        _store(row, at, values)  # type: ignore[call-arg]

    return store_


@overload(prefetch, strict=False)
def _compiled_prefetch(row: Any, at: Any) -> Any:  # noqa: ANN401
    def prefetch_(row: Any, at: Any) -> None:  # noqa: ANN401
        _prefetch(row, at)  # type: ignore[call-arg]

    return prefetch_


@overload(fill, strict=False)
def _compiled_fill(number: Any, row: Any) -> Any:  # noqa: ANN401
    def fill_(number: Any, row: Any) -> Any:  # noqa: ANN401
        return _fill(number, row)  # type: ignore[call-arg]

    return _none_fill if _is_none(number) else fill_


@overload(lanes, strict=False)
def _compiled_lanes(row: Any) -> Any:  # noqa: ANN401
    def lanes_(row: Any) -> Any:  # noqa: ANN401
        return _lanes(row)  # type: ignore[call-arg]

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
        return _totals(a, b, c, d)  # type: ignore[call-arg]

    return totals_


@overload(operator.add)
def _compiled_add(a: Any, b: Any) -> Any:  # noqa: ANN401
    def add_(a: Any, b: Any) -> Any:  # noqa: ANN401
        return _add(a, b)  # type: ignore[call-arg]

    if not _are_numbers(a, b):
        return None
    return _right if _is_none(a) else _left if _is_none(b) else add_


@overload(operator.sub)
def _compiled_subtract(a: Any, b: Any) -> Any:  # noqa: ANN401
    def subtract_(a: Any, b: Any) -> Any:  # noqa: ANN401
        return _subtract(a, b)  # type: ignore[call-arg]

    if not _are_numbers(a, b) or (_is_none(a) and not _is_none(b)):
        return None
    return _left if _is_none(b) else subtract_


@overload(operator.mul)
def _compiled_multiply(a: Any, b: Any) -> Any:  # noqa: ANN401
    def multiply_(a: Any, b: Any) -> Any:  # noqa: ANN401
        return _multiply(a, b)  # type: ignore[call-arg]

    if not _are_numbers(a, b):
        return None
    return _none_of if _is_none(a) or _is_none(b) else multiply_


@overload(operator.truediv)
def _compiled_divide(a: Any, b: Any) -> Any:  # noqa: ANN401
    def divide_(a: Any, b: Any) -> Any:  # noqa: ANN401
        return _divide(a, b)  # type: ignore[call-arg]

    return divide_ if isinstance(a, VectorType) else None


@overload(magnitude, strict=False)
def _compiled_magnitude(values: Any) -> Any:  # noqa: ANN401
    def magnitude_(values: Any) -> Any:  # noqa: ANN401
        return _magnitude(values)  # type: ignore[call-arg]

    return magnitude_


@overload(at_least, strict=False)
def _compiled_at_least(values: Any, limits: Any) -> Any:  # noqa: ANN401
    def at_least_(values: Any, limits: Any) -> Any:  # noqa: ANN401
        return _at_least(values, limits)  # type: ignore[call-arg]

    return at_least_


@overload(larger, strict=False)
def _compiled_larger(values: Any, others: Any) -> Any:  # noqa: ANN401
    def larger_(values: Any, others: Any) -> Any:  # noqa: ANN401
        return _larger(values, others)  # type: ignore[call-arg]

    return larger_


@overload(bits, strict=False)
def _compiled_bits(values: Any) -> Any:  # noqa: ANN401
    def bits_(values: Any) -> Any:  # noqa: ANN401
        return _bits(values)  # type: ignore[call-arg]

    return bits_


@overload(lowest, strict=False)
def _compiled_lowest(mask: Any) -> Any:  # noqa: ANN401
    def lowest_(mask: Any) -> Any:  # noqa: ANN401
        return _lowest(mask)  # type: ignore[call-arg]

    return lowest_


@overload(spread, strict=False)
def _compiled_spread(mask: Any, row: Any) -> Any:  # noqa: ANN401
    def spread_(mask: Any, row: Any) -> Any:  # noqa: ANN401
        return _spread(mask, row)  # type: ignore[call-arg]

    return spread_


@overload(write_chosen, strict=False)
def _compiled_write_chosen(row: Any, at: Any, values: Any, mask: Any) -> Any:  # noqa: ANN401
    def write_chosen_(row: Any, at: Any, values: Any, mask: Any) -> Any:  # noqa: ANN401
        return _write_chosen(row, at, values, mask)  # type: ignore[call-arg]

    return write_chosen_


@overload(read_chosen, strict=False)
def _compiled_read_chosen(row: Any, at: Any, mask: Any) -> Any:  # noqa: ANN401
    def read_chosen_(row: Any, at: Any, mask: Any) -> Any:  # noqa: ANN401
        return _read_chosen(row, at, mask)  # type: ignore[call-arg]

    return read_chosen_


@overload(n_set, strict=False)
def _compiled_n_set(mask: Any) -> Any:  # noqa: ANN401
    def n_set_(mask: Any) -> Any:  # noqa: ANN401
        return _n_set(mask)  # type: ignore[call-arg]

    return n_set_


@overload(total, strict=False)
def _compiled_total(values: Any) -> Any:  # noqa: ANN401
    def total_(values: Any) -> Any:  # noqa: ANN401
        return _total(values)  # type: ignore[call-arg]

    return total_
