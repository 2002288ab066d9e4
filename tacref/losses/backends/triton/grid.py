# mypy: disable-error-code="no-untyped-def"
"""What Triton kernels share: how they are compiled, where a program's tile and its cells are."""

import inspect

import triton
import triton.language as tl


def kernel(function):
    """Compile a function to launch, for the types of its arguments alone.

    By default variants are compiled for numbers that are 1 or divisible by 16, which lengths of
    videos are by chance.
    """
    parameters = inspect.signature(function).parameters.values()
    varying = [each.name for each in parameters if each.annotation is not tl.constexpr]
    return triton.jit(function, do_not_specialize=varying)


@triton.jit
def number(bits):
    """Return the float64 of these bits: launched as a float it would be rounded to float32."""
    return bits.to(tl.int64).to(tl.float64, bitcast=True)


@triton.jit
def _tile_of(program, lengths_x, lengths_y, first_item, tiles, first_strip, stage, H, W):
    item = program // tiles
    strip = first_strip + program % tiles
    chunk = stage - strip
    height = tl.minimum(tl.load(lengths_x + first_item + item).to(tl.int32) - strip * H, H)
    width = tl.minimum(tl.load(lengths_y + first_item + item).to(tl.int32) - chunk * W, W)
    empty = (height <= 0) | (width <= 0) | (chunk < 0)
    return item.to(tl.int64), strip, chunk, tl.where(empty, 0, height), tl.where(empty, 0, width)


@triton.jit
def tile(lengths_x, lengths_y, first_item, tiles, first_strip, stage, H, W):
    """Where the program's tile lies, and how much of it is valid: height and width, or 0."""
    program = tl.program_id(0)
    return _tile_of(program, lengths_x, lengths_y, first_item, tiles, first_strip, stage, H, W)


@triton.jit
def tile_of_stages(
    lengths_x, lengths_y, first_item, tiles, first_strip, stage, programs, chunks, H, W, band
):
    """As `tile`, where this and the stages after it have so many programs each."""
    later = tl.program_id(0) // programs
    strip = first_strip + _first_free(stage + later, chunks, H, W, band)
    strip -= _first_free(stage, chunks, H, W, band)
    program = tl.program_id(0) % programs
    return _tile_of(program, lengths_x, lengths_y, first_item, tiles, strip, stage + later, H, W)


@triton.jit
def _first_free(stage, chunks, H, W, band):
    # As `tacref.losses.backends.triton.stages.free_runs` has it; a numerator below 0 counts as 0.
    by_band = (tl.maximum(stage * W - band - H + 1, 0) + H + W - 1) // (H + W)
    return tl.maximum(tl.maximum(stage - chunks + 1, 0), tl.where(band < 0, 0, by_band)).to(
        tl.int32
    )


@triton.jit
def in_band(i, j, band):
    """Tell which cells the band, if it is not -1, leaves free."""
    return (band < 0) | (tl.abs(i - j) <= band)


@triton.jit
def store(pointer, number, mask):
    """Store a float64 in the dtype that the pointer has; half precision by way of float32."""
    if pointer.dtype.element_ty == tl.float64:
        tl.store(pointer, number, mask=mask)
    else:
        tl.store(pointer, number.to(tl.float32).to(pointer.dtype.element_ty), mask=mask)


@triton.jit
def slot_of(k, W):
    """Where step k keeps its cells: k % W, as k < 2 W; a division would take long."""
    return tl.where(k >= W, k - W, k)
