"""A vector of `LANES` float64 as a Numba type: loads, stores, arithmetic.

LLVM turns it into whatever the processor has (AVX-512, AVX2, NEON, ...). Loops over lanes would
leave that to the vectorizer, which gives up where it cannot prove that arrays do not overlap.
"""

import operator
from collections.abc import Callable
from typing import Any

import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

# Its stubs would hand a type checker the signature of `emit`'s maker.
intrinsic: Any = numba.extending.intrinsic

LANES = 8
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_SINGLES = ir.VectorType(ir.FloatType(), LANES)
_INTEGERS = ir.VectorType(ir.IntType(64), LANES)
_INDEX = ir.IntType(32)
# A product and a sum may become one fused operation; nothing else may change.
_FLAGS = ("contract",)


class _Vector(types.Type):
    def __init__(self, name: str, stored: Any, align: int) -> None:
        super().__init__(name=name)
        self.stored, self.align = stored, align


vector = _Vector(f"float64x{LANES}", _DOUBLES, 8)
single_vector = _Vector(f"float32x{LANES}", _SINGLES, 4)


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend_type: Any) -> None:
        super().__init__(manager, frontend_type, frontend_type.stored)


def _vector_of(array: Any) -> _Vector:
    """Return the type of vectors of an array's numbers."""
    return single_vector if array.dtype == types.float32 else vector


def _define(op: Callable[..., Any], emit: Callable[..., Any]) -> None:
    """Give the vectors a binary operator."""

    @infer_global(op)
    class _Operator(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if tuple(args) in ((vector, vector), (single_vector, single_vector)):
                return signature(args[0], *args)
            return None

    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return emit(builder, *args)

    for each in (vector, single_vector):
        lower_builtin(op, each, each)(_lower)


_define(operator.add, lambda builder, a, b: builder.fadd(a, b, flags=_FLAGS))
_define(operator.sub, lambda builder, a, b: builder.fsub(a, b, flags=_FLAGS))
_define(operator.mul, lambda builder, a, b: builder.fmul(a, b, flags=_FLAGS))
_define(operator.truediv, lambda builder, a, b: builder.fdiv(a, b))


def _constant(number: float) -> ir.Constant:
    return ir.Constant(_DOUBLES, [float(number)] * LANES)


def _shuffle(builder: Any, a: Any, b: Any, lanes: Any) -> Any:
    """Return these lanes of two vectors, those of `b` counted on from those of `a`."""
    lanes = list(lanes)
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INDEX, len(lanes)), lanes))


def _pointer(
    vectors: Any, context: Any, builder: Any, array_type: Any, array: Any, start: Any
) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [start]), vectors.as_pointer())


def _unary(name: str, builder: Any, argument: Any) -> Any:
    function_type = ir.FunctionType(_DOUBLES, [_DOUBLES])
    function = cgutils.get_or_insert_function(
        builder.module, function_type, f"llvm.{name}.v{LANES}f64"
    )
    return builder.call(function, [argument])


def _filled(builder: Any, number: Any, vectors: Any) -> Any:
    nothing = ir.Constant(vectors, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(_INDEX, 0))
    return _shuffle(builder, first, nothing, [0] * vectors.count)


@intrinsic
def splat(typing: Any, number: Any) -> Any:
    """Return the vector that has this number in every lane."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _filled(builder, args[0], _DOUBLES)

    return vector(types.float64), emit


@intrinsic
def splat_single(typing: Any, number: Any) -> Any:
    """Return the vector that has this number, rounded to float32, in every lane."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _filled(builder, args[0], _SINGLES)

    return single_vector(types.float32), emit


@intrinsic
def broadcast(typing: Any, array: Any, index: Any) -> Any:
    """Return the vector that has `array[index]`, of a contiguous array, in every lane, not checked.

    The vector is one of the array's type.
    """
    kind = _vector_of(array)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        number = builder.load(builder.gep(data, [args[1]]))
        return _filled(builder, number, kind.stored)

    return kind(array, types.intp), emit


@intrinsic
def load(typing: Any, array: Any, start: Any) -> Any:
    """Return `array[start : start + LANES]` of a contiguous float array, not checked.

    The vector is one of the array's type.
    """
    kind = _vector_of(array)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(kind.stored, context, builder, sig.args[0], *args)
        return builder.load(pointer, align=kind.align)

    return kind(array, types.intp), emit


@intrinsic
def store(typing: Any, array: Any, start: Any, values: Any) -> Any:
    """Write `array[start : start + LANES]` of a contiguous float array, not checked.

    Numbers of float64 are rounded, if the array's are of float32.
    """
    kind = _vector_of(array)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(kind.stored, context, builder, sig.args[0], *args[:2])
        rounded = sig.args[2] != kind
        numbers = builder.fptrunc(args[2], kind.stored) if rounded else args[2]
        builder.store(numbers, pointer, align=kind.align)
        return context.get_dummy_value()

    if values not in (vector, kind):
        return None
    return types.none(array, types.intp, values), emit


@intrinsic
def begin_sum(typing: Any, array: Any, start: Any) -> Any:
    """Return what to add to before `end_sum`: the numbers of `load`, or zeros of float32.

    Many small numbers are so summed among themselves in float32, and lose fewer digits.
    """
    kind = _vector_of(array)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if kind == single_vector:
            return ir.Constant(_SINGLES, [0.0] * LANES)
        pointer = _pointer(kind.stored, context, builder, sig.args[0], *args)
        return builder.load(pointer, align=kind.align)

    return kind(array, types.intp), emit


@intrinsic
def end_sum(typing: Any, array: Any, start: Any, values: Any) -> Any:
    """Write what was begun by `begin_sum`, and has been added to."""
    kind = _vector_of(array)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(kind.stored, context, builder, sig.args[0], *args[:2])
        total = args[2]
        if kind == single_vector:
            total = builder.fadd(builder.load(pointer, align=kind.align), total)
        builder.store(total, pointer, align=kind.align)
        return context.get_dummy_value()

    return types.none(array, types.intp, values), emit


@intrinsic
def widened(typing: Any, a: Any) -> Any:
    """Return the vector's numbers in float64."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fpext(args[0], _DOUBLES) if sig.args[0] == single_vector else args[0]

    return vector(a), emit


@intrinsic
def scatter(typing: Any, array: Any, start: Any, step: Any, values: Any) -> Any:
    """Write `array[start + lane * step]` for each lane, not checked."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        index = args[1]
        for lane in range(LANES):
            number = builder.extract_element(args[3], ir.Constant(_INDEX, lane))
            builder.store(number, builder.gep(data, [index]))
            index = builder.add(index, args[2])
        return context.get_dummy_value()

    return types.none(array, types.intp, types.intp, vector), emit


@intrinsic
def maximum(typing: Any, a: Any, b: Any) -> Any:
    """Return the larger number of each lane; of NaN and a number, `b`."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return vector(vector, vector), emit


@intrinsic
def minimum(typing: Any, a: Any, b: Any) -> Any:
    """Return the smaller number of each lane; of NaN and a number, `b`."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *args), *args)

    return vector(vector, vector), emit


@intrinsic
def nearest(typing: Any, a: Any) -> Any:
    """Return the nearest whole number of each lane."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _unary("rint", builder, args[0])

    return vector(vector), emit


@intrinsic
def power_of_two(typing: Any, k: Any) -> Any:
    """Return 2^k for whole k from -1023, which gives 0, to 1023."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        # The last bits of k + 1023 + 2^52 are the exponent's bits.
        biased = builder.bitcast(builder.fadd(args[0], _constant(2.0**52 + 1023)), _INTEGERS)
        bits = builder.shl(biased, ir.Constant(_INTEGERS, [52] * LANES))
        return builder.bitcast(bits, _DOUBLES)

    return vector(vector), emit


@intrinsic
def exponent(typing: Any, a: Any) -> Any:
    """Return the whole k for which 2^k <= a < 2^(k + 1), of normal numbers a > 0."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.lshr(
            builder.bitcast(args[0], _INTEGERS), ir.Constant(_INTEGERS, [52] * LANES)
        )
        two_to_52 = ir.Constant(_INTEGERS, [0x4330000000000000] * LANES)
        biased = builder.bitcast(builder.or_(bits, two_to_52), _DOUBLES)
        return builder.fsub(biased, _constant(2.0**52 + 1023))

    return vector(vector), emit


@intrinsic
def any_above(typing: Any, a: Any, bound: Any) -> Any:
    """Return whether any lane of `a` is above that of `bound`, or NaN."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        above = builder.fcmp_unordered(">", *args)
        mask = builder.bitcast(above, ir.IntType(LANES))
        return builder.icmp_unsigned("!=", mask, ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(vector, vector), emit
