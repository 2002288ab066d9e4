"""Numbers that threads tell each other: reads and writes that other memory accesses respect.

What a thread wrote before `publish` or `add` is seen by a thread whose `observe`, `claim` or `add`
sees the number.
"""

from typing import Any

import numba.extending
from llvmlite import ir
from numba import types

# Its stubs would hand a type checker the signature of `emit`'s maker.
intrinsic: Any = numba.extending.intrinsic

_BYTES = 8


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


@intrinsic
def observe(typing: Any, array: Any, index: Any) -> Any:
    """Return `array[index]` of a contiguous int64 array, not checked."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], *args)
        return builder.load_atomic(pointer, "acquire", _BYTES)

    return types.int64(array, types.intp), emit


@intrinsic
def publish(typing: Any, array: Any, index: Any, number: Any) -> Any:
    """Write `array[index]` of a contiguous int64 array, not checked."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], *args[:2])
        builder.store_atomic(args[2], pointer, "release", _BYTES)
        return context.get_dummy_value()

    return types.none(array, types.intp, types.int64), emit


@intrinsic
def claim(typing: Any, array: Any, index: Any) -> Any:
    """Turn `array[index]`, of int64, from 0 to 1; return False if another thread did before."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], *args)
        zero, one = (ir.Constant(ir.IntType(64), number) for number in (0, 1))
        exchanged = builder.cmpxchg(pointer, zero, one, "acq_rel", "acquire")
        return builder.extract_value(exchanged, 1)

    return types.boolean(array, types.intp), emit


@intrinsic
def add(typing: Any, array: Any, index: Any, number: Any) -> Any:
    """Add to `array[index]`, of int64, and return what it was before."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], *args[:2])
        return builder.atomic_rmw("add", pointer, args[2], "acq_rel")

    return types.int64(array, types.intp, types.int64), emit
