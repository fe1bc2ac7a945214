"""Instructions for the vectors of :mod:`spikebench.kernels.cpu.simd`: what LLVM compiles.

Written for the releases of numba given in ``pyproject.toml``.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import box, intrinsic, models, register_model

LANES = 32  # numbers of a vector
Builder = Any  # numba passes untyped objects to code generators
_I32 = ir.IntType(32)
_LINE = 64  # bytes of a cache line


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
def load(typing: Any, row: Any, at: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.load`."""

    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        place, size = _place(context, builder, signature.args, given)
        loaded = builder.load(place)
        loaded.align = size
        return loaded

    return VectorType(row.dtype)(row, at), generate


@intrinsic
def store(typing: Any, row: Any, at: Any, values: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.store`."""

    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        place, size = _place(context, builder, signature.args, given)
        builder.store(given[2], place).align = size
        return context.get_dummy_value()

    return types.void(row, at, values), generate


@intrinsic
def prefetch(typing: Any, row: Any, at: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.prefetch`."""

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
def fill(typing: Any, number: Any, row: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.fill`."""

    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        value = context.cast(builder, given[0], signature.args[0], row.dtype)
        vector = ir.VectorType(value.type, LANES)
        none = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(none, value, ir.Constant(_I32, 0))
        return builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(_I32, LANES), None))

    return VectorType(row.dtype)(number, row), generate


@intrinsic
def lanes(typing: Any, row: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.lanes`."""

    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        number = context.get_value_type(signature.args[0].dtype)
        return ir.Constant(ir.VectorType(number, LANES), list(range(LANES)))

    return VectorType(row.dtype)(row), generate


@intrinsic
def add(typing: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    """Generate a + b."""
    is_float = a.number in types.real_domain
    return a(a, b), lambda _, builder, __, given: (builder.fadd if is_float else builder.add)(
        *given
    )


@intrinsic
def subtract(typing: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    """Generate a - b."""
    return a(a, b), lambda _, builder, __, given: builder.fsub(*given)


@intrinsic
def multiply(typing: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    """Generate a * b."""
    return a(a, b), lambda _, builder, __, given: builder.fmul(*given)


@intrinsic
def divide(typing: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    """Generate a / b."""
    return a(a, b), lambda _, builder, __, given: builder.fdiv(*given)


@intrinsic
def magnitude(typing: Any, a: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.magnitude`."""

    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        opposite = builder.fsub(ir.Constant(given[0].type, None), given[0])
        return builder.select(builder.fcmp_ordered(">", *given, opposite), *given, opposite)

    return a(a), generate


@intrinsic
def at_least(typing: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.at_least`."""

    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        return builder.uitofp(builder.fcmp_ordered(">=", *given), given[0].type)

    return a(a, b), generate


@intrinsic
def larger(typing: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.larger`."""

    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        return builder.select(builder.fcmp_ordered(">", *given), *given)

    return a(a, b), generate


@intrinsic
def bits(typing: Any, a: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.bits`."""

    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        above = builder.fcmp_ordered(">", given[0], ir.Constant(given[0].type, None))
        return builder.zext(builder.bitcast(above, ir.IntType(LANES)), ir.IntType(64))

    return types.uint64(a), generate


@intrinsic
def lowest(typing: Any, mask: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.lowest`."""

    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        return builder.cttz(given[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@intrinsic
def totals(typing: Any, a: Any, b: Any, c: Any, d: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.totals`."""
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
def spread(typing: Any, mask: Any, row: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.spread`."""

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
def write_chosen(typing: Any, row: Any, at: Any, values: Any, mask: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.write_chosen`."""

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
def read_chosen(typing: Any, row: Any, at: Any, mask: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.read_chosen`."""

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
def n_set(typing: Any, mask: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.n_set`."""

    def generate(context: Builder, builder: Builder, signature: Any, given: Any) -> Builder:  # noqa: ANN401
        return builder.ctpop(given[0])

    return types.uint64(types.uint64), generate


@intrinsic
def total(typing: Any, a: Any) -> Any:  # noqa: ANN401
    """Generate :func:`spikebench.kernels.cpu.simd.total`."""

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
