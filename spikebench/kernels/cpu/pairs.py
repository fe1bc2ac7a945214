"""Adding two numbers to neighbours in memory as one vector, which takes half the time of two additions.

The plain function defines the result. As in :mod:`spikebench.kernels.cpu.vectors`, it is compiled instead if another
release of numba cannot compile the vector; the bits are the same.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

Builder = Any  # numba passes untyped objects to code generators


def add_pair(pairs: NDArray[Any], place: int, first: float, second: float) -> None:
    """pairs[place] += (first, second); pairs (place, 2) are contiguous, ``place`` is unsigned."""
    pairs[place, 0] += first
    pairs[place, 1] += second


@intrinsic
def _add_pair(typing: Any, pairs: Any, place: Any, first: Any, second: Any) -> Any:  # noqa: ANN401
    signature = types.void(pairs, place, first, second)

    def generate(
        context: Builder, builder: Builder, signature: Builder, values: Builder
    ) -> Builder:
        kind = signature.args[0]
        data = context.make_array(kind)(context, builder, values[0]).data
        number, index = data.type.pointee, values[1]
        at = builder.gep(data, [builder.shl(index, ir.Constant(index.type, 1))])
        pointer = builder.bitcast(at, ir.VectorType(number, 2).as_pointer())
        added = ir.Constant(ir.VectorType(number, 2), ir.Undefined)
        for lane in (0, 1):
            lane_ = ir.Constant(ir.IntType(32), lane)
            added = builder.insert_element(added, values[2 + lane], lane_)
        before = builder.load(pointer)
        after = builder.store(builder.fadd(before, added), pointer)
        before.align = after.align = context.get_abi_sizeof(context.get_data_type(kind.dtype))
        return context.get_dummy_value()

    return signature, generate


@overload(add_pair, strict=False)  # the plain function has its own type annotations
def _compiled_pair(pairs: Any, place: Any, first: Any, second: Any) -> Any:  # noqa: ANN401
    vector: Any = _add_pair

    def add(pairs: Any, place: Any, first: Any, second: Any) -> None:  # noqa: ANN401
        vector(pairs, place, first, second)

    try:
        njit(add).compile(types.void(*map(types.unliteral, (pairs, place, first, second))))
    except Exception:  # other releases of numba or llvmlite raise different types
        return add_pair
    return add
