"""A vector of `LANES` int32 as a Numba type, for sums of products of whole numbers.

As with the vectors of `tacref.kernels.simd`, LLVM finds the processor's instructions.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import register_model

from tacref.kernels.simd import _filled, _pointer, _shuffle, _Vector, _VectorModel, intrinsic

LANES = 16
PIXELS = 5  # of three lanes in a vector; one lane is left
_INTS = ir.VectorType(ir.IntType(32), LANES)
_BYTES = ir.VectorType(ir.IntType(8), LANES)
ints = _Vector(f"int32x{LANES}", _INTS, 4)
register_model(type(ints))(_VectorModel)


@intrinsic
def splat_int(typing: Any, number: Any) -> Any:
    """Return the vector that has this number in every lane; only its last 32 bits count."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = args[0]
        if number.type.width > _INTS.element.width:
            number = builder.trunc(number, _INTS.element)
        return _filled(builder, number, _INTS)

    return ints(number), emit


@intrinsic
def load_ints(typing: Any, array: Any, start: Any) -> Any:
    """Return `array[start : start + LANES]` of a contiguous array of int32, not checked."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(_INTS, context, builder, sig.args[0], *args), align=4)

    return ints(array, types.intp), emit


@intrinsic
def load_bytes(typing: Any, array: Any, start: Any) -> Any:
    """Return `array[start : start + LANES]` of a contiguous array of uint8, not checked."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(_BYTES, context, builder, sig.args[0], *args)
        return builder.zext(builder.load(pointer, align=1), _INTS)

    return ints(array, types.intp), emit


@intrinsic
def store_ints(typing: Any, array: Any, start: Any, values: Any) -> Any:
    """Write `array[start : start + LANES]` of a contiguous array of int32, not checked."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(_INTS, context, builder, sig.args[0], *args[:2])
        builder.store(args[2], pointer, align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, ints), emit


@intrinsic
def store_pixel(typing: Any, array: Any, start: Any, values: Any) -> Any:
    """Write the last 8 bits of the first four lanes to `array[start : start + 4]`, not checked.

    The array is a contiguous one of uint8.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        four = ir.VectorType(ir.IntType(8), 4)
        first = builder.trunc(_shuffle(builder, args[2], args[2], range(4)), four)
        pointer = _pointer(four, context, builder, sig.args[0], *args[:2])
        builder.store(first, pointer, align=1)
        return context.get_dummy_value()

    return types.none(array, types.intp, ints), emit


@intrinsic
def plus(typing: Any, a: Any, b: Any) -> Any:
    """Return `a + b` for each lane."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.add(*args)

    return ints(ints, ints), emit


@intrinsic
def plus_product(typing: Any, total: Any, a: Any, b: Any) -> Any:
    """Return `total + a * b` for each lane."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.add(args[0], builder.mul(args[1], args[2]))

    return ints(ints, ints, ints), emit


@intrinsic
def shifted(typing: Any, a: Any, bits: Any) -> Any:
    """Return each lane without its last `bits` bits, from 0 to 31."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        count = args[1]
        if count.type.width > _INTS.element.width:
            count = builder.trunc(count, _INTS.element)
        return builder.ashr(args[0], _filled(builder, count, _INTS))

    return ints(ints, types.intp), emit


@intrinsic
def sum_of_pixels(typing: Any, a: Any) -> Any:
    """Return in lanes 0, 1, 2 the sums of lanes 0, 3, ..., 12, of 1, ..., 13 and of 2, ..., 14.

    What is in the other lanes does not matter.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def moved(values: Any, lanes: int) -> Any:
            return _shuffle(
                builder, values, values, [(lane + lanes) % LANES for lane in range(LANES)]
            )

        pairs = builder.add(args[0], moved(args[0], 6))  # pixels 0 + 2, 1 + 3
        return builder.add(builder.add(pairs, moved(pairs, 3)), moved(args[0], 12))

    return ints(ints), emit
