"""Adding rows of a table: the two inner loops of event-driven products, with explicit vectors.

A compiler cannot prove that the rows do not overlap, so it checks every row and keeps sums in memory; here they stay
in registers. Vectors have sixteen numbers; LLVM splits them to fit the processor. Measured with numba 0.68 on one
core of an AMD EPYC (AVX2), medians of five training steps (700 inputs, batch 64, 100 steps, float32) with the plain
functions and with vectors: 46 and 40 ms (lif, 128 units), 64 and 57 ms (rlif, 128), 66 and 58 ms (adlif, 128); no
difference beyond the scatter at 1,024 units.

The plain functions define the results; compiled loops use the vectors instead. The vectors are written for the releases
of numba given in ``pyproject.toml``. If another release cannot compile them, the plain functions are compiled; their
sums are in the same order, so the bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

_WIDTH = 16  # numbers in a vector
_TILE = 8  # vectors summed side by side

Builder = Any  # numba passes untyped objects to code generators
Kinds = tuple[Any, ...]


def sum_rows(
    table: NDArray[Any], which: NDArray[np.int32], begin: int, end: int, row: NDArray[Any]
) -> None:
    """Row += Σ of the rows ``which[begin:end]`` of the table."""
    for e in range(begin, end):
        unit = which[e]
        for h in range(row.size):
            row[h] += table[unit, h]


def spread_row(
    table: NDArray[Any], which: NDArray[np.int32], begin: int, end: int, row: NDArray[Any]
) -> None:
    """table[which[e]] += row for e in begin … end, one after the other."""
    for e in range(begin, end):
        unit = which[e]
        for h in range(row.size):
            table[unit, h] += row[h]


def sum_rows_at(
    table: NDArray[Any],
    start: int,
    which: NDArray[np.int32],
    begin: int,
    end: int,
    rows: NDArray[Any],
    at: int,
    n: int,
) -> None:
    """Like :func:`sum_rows`, for rows of n numbers: those of the table from ``start`` on, and the row at ``at``.

    Both arrays have one dimension: in a loop, a row of an array would be an object whose references are counted.
    """
    for e in range(begin, end):
        place = int(start) + int(which[e]) * int(n)
        for h in range(int(n)):
            rows[int(at) + h] += table[place + h]


def spread_row_at(
    table: NDArray[Any],
    which: NDArray[np.int32],
    begin: int,
    end: int,
    rows: NDArray[Any],
    at: int,
    n: int,
) -> None:
    """Like :func:`spread_row`, for arrays of one dimension with rows of n numbers, and the row at ``at``."""
    for e in range(begin, end):
        place = int(which[e]) * int(n)
        for h in range(int(n)):
            table[place + h] += rows[int(at) + h]


def _data(context: Builder, builder: Builder, kind: Builder, value: Builder) -> Builder:
    return context.make_array(kind)(context, builder, value).data


def _row(builder: Builder, table: Builder, which: Builder, e: Builder, n: Builder) -> Builder:
    """Return a pointer to the row of event e."""
    unit = builder.sext(builder.load(builder.gep(which, [e])), n.type)
    return builder.gep(table, [builder.mul(unit, n)])


def _vector(builder: Builder, pointer: Builder, at: Builder, n_numbers: int) -> Builder:
    """Return a pointer to some numbers as a vector (or to one number)."""
    place = builder.gep(pointer, [at])
    if n_numbers == 1:
        return place
    number = pointer.type.pointee
    return builder.bitcast(place, ir.VectorType(number, n_numbers).as_pointer())


def _load(builder: Builder, pointer: Builder, number_bytes: int) -> Builder:
    loaded = builder.load(pointer)
    loaded.align = number_bytes
    return loaded


def _tiles(builder: Builder, n: Builder, tile: Callable[[Builder, int, int], None]) -> None:
    """Split a row into tiles of eight vectors, then of one vector, of four numbers, of one."""
    alloca: Any = cgutils.alloca_once_value
    at = alloca(builder, ir.Constant(n.type, 0))
    for n_vectors, n_numbers in ((_TILE, _WIDTH), (1, _WIDTH), (1, 4), (1, 1)):
        size = ir.Constant(n.type, n_vectors * n_numbers)
        head, body, done = (builder.append_basic_block(name) for name in ("head", "tile", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        now = builder.load(at)
        builder.cbranch(builder.icmp_signed("<=", builder.add(now, size), n), body, done)
        builder.position_at_end(body)
        tile(now, n_vectors, n_numbers)
        builder.store(builder.add(now, size), at)
        builder.branch(head)
        builder.position_at_end(done)


@intrinsic
def _sum_rows(
    typing: Any,  # noqa: ANN401
    table: Any,  # noqa: ANN401
    start: Any,  # noqa: ANN401
    which: Any,  # noqa: ANN401
    begin: Any,  # noqa: ANN401
    end: Any,  # noqa: ANN401
    rows: Any,  # noqa: ANN401
    at: Any,  # noqa: ANN401
    n: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    place = types.intp
    signature = types.void(table, place, which, place, place, rows, place, place)

    def generate(
        context: Builder, builder: Builder, signature: Builder, values: Builder
    ) -> Builder:
        kinds = signature.args
        rows, events, total = (_data(context, builder, kinds[i], values[i]) for i in (0, 2, 5))
        rows, total = builder.gep(rows, [values[1]]), builder.gep(total, [values[6]])
        first, last, n = values[3], values[4], values[7]
        size = context.get_abi_sizeof(context.get_data_type(kinds[5].dtype))

        def tile(at: Builder, n_vectors: int, n_numbers: int) -> None:
            places = [
                builder.add(at, ir.Constant(at.type, k * n_numbers)) for k in range(n_vectors)
            ]
            targets = [_vector(builder, total, place, n_numbers) for place in places]
            before = builder.block
            sums = [_load(builder, target, size) for target in targets]
            head, body, done = (
                builder.append_basic_block(name) for name in ("events", "event", "summed")
            )
            builder.branch(head)
            builder.position_at_end(head)
            e = builder.phi(first.type)
            e.add_incoming(first, before)
            kept = [builder.phi(value.type) for value in sums]
            for phi, value in zip(kept, sums, strict=True):
                phi.add_incoming(value, before)
            builder.cbranch(builder.icmp_signed("<", e, last), body, done)
            builder.position_at_end(body)
            row = _row(builder, rows, events, e, n)
            for phi, place in zip(kept, places, strict=True):
                number = _load(builder, _vector(builder, row, place, n_numbers), size)
                phi.add_incoming(builder.fadd(phi, number), body)
            e.add_incoming(builder.add(e, ir.Constant(e.type, 1)), body)
            builder.branch(head)
            builder.position_at_end(done)
            for phi, target in zip(kept, targets, strict=True):
                builder.store(phi, target).align = size

        _tiles(builder, n, tile)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _spread_row(
    typing: Any,  # noqa: ANN401
    table: Any,  # noqa: ANN401
    which: Any,  # noqa: ANN401
    begin: Any,  # noqa: ANN401
    end: Any,  # noqa: ANN401
    rows: Any,  # noqa: ANN401
    at: Any,  # noqa: ANN401
    n: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    place = types.intp
    signature = types.void(table, which, place, place, rows, place, place)

    def generate(
        context: Builder, builder: Builder, signature: Builder, values: Builder
    ) -> Builder:
        kinds = signature.args
        rows, events, given = (_data(context, builder, kinds[i], values[i]) for i in (0, 1, 4))
        given = builder.gep(given, [values[5]])
        first, last, n = values[2], values[3], values[6]
        size = context.get_abi_sizeof(context.get_data_type(kinds[4].dtype))

        def tile(at: Builder, n_vectors: int, n_numbers: int) -> None:
            places = [
                builder.add(at, ir.Constant(at.type, k * n_numbers)) for k in range(n_vectors)
            ]
            added = [_load(builder, _vector(builder, given, p, n_numbers), size) for p in places]
            with cgutils.for_range_slice(
                builder, first, last, ir.Constant(first.type, 1), first.type
            ) as (e, _):
                target = _row(builder, rows, events, e, n)
                for value, place in zip(added, places, strict=True):
                    pointer = _vector(builder, target, place, n_numbers)
                    total = builder.fadd(_load(builder, pointer, size), value)
                    builder.store(total, pointer).align = size

        _tiles(builder, n, tile)
        return context.get_dummy_value()

    return signature, generate


# numba's cache keeps a copy of a compiled function with every loop that uses it, under a name made of module, qualified
# name, types and a number counted in the process that compiled it. Two functions of one qualified name (local functions
# of one function) would take each other's place when loops compiled in different processes are loaded together.
def _sum_with_vectors(table: Any, which: Any, begin: Any, end: Any, row: Any) -> None:  # noqa: ANN401
    _sum_rows(table, 0, which, begin, end, row, 0, row.size)  # type: ignore[call-arg]  # counts the typing context


def _spread_with_vectors(table: Any, which: Any, begin: Any, end: Any, row: Any) -> None:  # noqa: ANN401
    _spread_row(table, which, begin, end, row, 0, row.size)  # type: ignore[call-arg]


def _sum_at_with_vectors(
    table: Any,  # noqa: ANN401
    start: Any,  # noqa: ANN401
    which: Any,  # noqa: ANN401
    begin: Any,  # noqa: ANN401
    end: Any,  # noqa: ANN401
    rows: Any,  # noqa: ANN401
    at: Any,  # noqa: ANN401
    n: Any,  # noqa: ANN401
) -> None:
    _sum_rows(table, start, which, begin, end, rows, at, n)  # type: ignore[call-arg]


def _spread_at_with_vectors(
    table: Any,  # noqa: ANN401
    which: Any,  # noqa: ANN401
    begin: Any,  # noqa: ANN401
    end: Any,  # noqa: ANN401
    rows: Any,  # noqa: ANN401
    at: Any,  # noqa: ANN401
    n: Any,  # noqa: ANN401
) -> None:
    _spread_row(table, which, begin, end, rows, at, n)  # type: ignore[call-arg]


def _vectors_or_plain(
    vectors: Callable[..., None], plain: Callable[..., None], kinds: Kinds
) -> Callable[..., None]:
    """Return the function to compile for these types: the vectors, or the plain function if they do not compile."""
    try:
        njit(vectors).compile(types.void(*map(types.unliteral, kinds)))
    except Exception:  # other releases of numba or llvmlite raise different types
        return plain
    return vectors


@overload(sum_rows, strict=False)  # the plain function has its own type annotations
def _compiled_sum(table: Any, which: Any, begin: Any, end: Any, row: Any) -> Any:  # noqa: ANN401
    return _vectors_or_plain(_sum_with_vectors, sum_rows, (table, which, begin, end, row))


@overload(spread_row, strict=False)
def _compiled_spread(table: Any, which: Any, begin: Any, end: Any, row: Any) -> Any:  # noqa: ANN401
    return _vectors_or_plain(_spread_with_vectors, spread_row, (table, which, begin, end, row))


@overload(sum_rows_at, strict=False)
def _compiled_sum_at(
    table: Any,  # noqa: ANN401
    start: Any,  # noqa: ANN401
    which: Any,  # noqa: ANN401
    begin: Any,  # noqa: ANN401
    end: Any,  # noqa: ANN401
    rows: Any,  # noqa: ANN401
    at: Any,  # noqa: ANN401
    n: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    kinds = (table, start, which, begin, end, rows, at, n)
    return _vectors_or_plain(_sum_at_with_vectors, sum_rows_at, kinds)


@overload(spread_row_at, strict=False)
def _compiled_spread_at(
    table: Any,  # noqa: ANN401
    which: Any,  # noqa: ANN401
    begin: Any,  # noqa: ANN401
    end: Any,  # noqa: ANN401
    rows: Any,  # noqa: ANN401
    at: Any,  # noqa: ANN401
    n: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    kinds = (table, which, begin, end, rows, at, n)
    return _vectors_or_plain(_spread_at_with_vectors, spread_row_at, kinds)
