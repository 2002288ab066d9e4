"""How a batch of pairs is cut into tiles, what these keep, and the launches of their kernels."""

import functools
import struct
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction

import torch
from torch import Tensor

from tacref.losses.backends.triton import chain, flow, pairs, sweep
from tacref.losses.backends.triton.stages import Grid, Stage, free_runs

# Rows up to which there is one strip, of one lane a row, and columns of its tiles at most; then
# rows and columns of a tile where there are several strips. Rows are powers of two, <= columns.
SINGLE_ROWS, SINGLE_COLUMNS = 512, 2048
TILE_ROWS, TILE_COLUMNS = 128, 128
# Cells of all tiles of a launch, and numbers of a cell: 16 bytes, with slopes 32.
MAX_CELLS = 1 << 23
# Cells of several stages that are swept again in one launch, on the way back.
MAX_GROUP_CELLS = 1 << 22
CELL_NUMBERS, CELL_NUMBERS_WITH_SLOPES = 2, 4
# Blocks of the kernels over pairs: lengths_x, lengths_y, and entries of embeddings.
BLOCK_ROWS, BLOCK_COLUMNS, BLOCK_ENTRIES = 16, 32, 64
# Registers of a thread: all that there are for the 512 of a strip, as left to itself the compiler
# takes 64 and one more from memory; and as many as let three blocks of `chain` share a processor.
MAX_REGISTERS, MAX_CHAIN_REGISTERS = 128, 168

# ln 2 to 60 digits.
LN2 = Fraction(693147180559945309417232121458176568075500134360255254120680, 10**60)


class Tiles:
    """Soft-DTW of a batch in tiles, with the memory that its groups of items share.

    Parameters
    ----------
    like : Tensor
        Of the device that computes.
    shape : tuple of int
        (B, n, m).
    lengths_x, lengths_y : Tensor of int64, shape (B,)
        Valid rows and columns of each item.
    band : int
        As for `tacref.losses.backends.triton.soft_dtw`.
    gamma : float
        Smoothing, > 0.
    keep_weights : bool
        Whether there will be a way back.
    slope : bool
        Whether slopes along a direction are computed too.
    """

    def __init__(
        self,
        like: Tensor,
        shape: tuple[int, int, int],
        lengths_x: Tensor,
        lengths_y: Tensor,
        band: int,
        gamma: float,
        *,
        keep_weights: bool,
        slope: bool = False,
    ) -> None:
        self.B, self.n, self.m = shape
        self.lengths_x, self.lengths_y = lengths_x.contiguous(), lengths_y.contiguous()
        self.band, self.gamma, self.slope = band, gamma, slope
        if self.n <= SINGLE_ROWS:
            self.H = min(SINGLE_ROWS, max(32, power_of_two(self.n)))
            self.W = min(SINGLE_COLUMNS, max(self.m, self.H))
        else:
            self.H, self.W = TILE_ROWS, TILE_COLUMNS
        self.strips, self.chunks = -(-self.n // self.H), -(-self.m // self.W)
        self._like = like
        cells = self.H * self.W
        grid = Grid(self.strips, self.chunks, self.H, self.W, band)
        self._runs = list(free_runs(grid, max(1, MAX_CELLS // cells)))
        self._widest = max(count for _, _, count in self._runs)
        self.items = max(1, min(self.B, MAX_CELLS // (self._widest * cells)))
        tiles = self.items * self._widest
        self._group = 1
        if len({stage for stage, _, _ in self._runs}) == len(self._runs):  # whole stages
            self._group = max(1, min(len(self._runs), MAX_GROUP_CELLS // (tiles * cells)))
        kept = CELL_NUMBERS_WITH_SLOPES if slope else CELL_NUMBERS
        self._cells = self._numbers(self._group * tiles, kept, self.W, self.H)
        # What tiles hand to those below and to the right, there and back; a single one has none.
        rows, columns = self.n if self.chunks > 1 else 0, self.m if self.strips > 1 else 0
        parts = 3 if slope else 2
        self._bottoms = self._numbers(parts, self.items, self.strips, columns)
        self._sides = self._numbers(parts, self.items, self.chunks, rows)
        if keep_weights:
            parts = 4 if slope else 2  # of the mass, and of its slope
            self._passed_up = self._numbers(parts, self.items, 3, columns)
            self._passed_left = self._numbers(parts, self.items, 2, rows)

    def way_back(
        self,
        first_item: int,
        costs: Callable[[list[Stage]], None],
        values: Tensor,
        with_grad: bool,
    ) -> Iterator[Stage]:
        """Compute the values of a group of items; yield the stages of a way back, if any.

        The weights of a stage that is yielded are those of its tiles. On the way there only the
        edges of tiles are kept. With them tiles no longer depend on each other: on the way back
        the stages of a group are swept again at once.

        Parameters
        ----------
        first_item : int
            Of the group.
        costs : callable
            Launches what computes the costs of some stages, one after another.
        values : Tensor of float64, shape (B,)
            Where values are written.
        with_grad : bool
            Whether there is a way back.
        """
        groups = self._groups(min(self.items, self.B - first_item), first_item)
        last = groups[-1][-1] if with_grad else None  # swept on the way back alone
        for group in groups:
            costs(group)
            for at in group:
                if at is not last:
                    self._sweep([at], values, keep_weights=False)
        for group in reversed(groups if with_grad else []):
            if last not in group:
                costs(group)
            self._sweep(group, values, keep_weights=True)
            yield from reversed(group)

    def _groups(self, items: int, first_item: int) -> list[list[Stage]]:
        stages = [
            Stage(first_item, items, self._widest, first_strip, stage, place % self._group)
            for place, (stage, first_strip, _) in enumerate(self._runs)
        ]
        return [stages[k : k + self._group] for k in range(0, len(stages), self._group)]

    def costs_of_matrix(self, group: list[Stage], D: Tensor, Z: Tensor) -> None:
        """Take costs, and with slopes a direction, from `(B, n, m)`."""
        pairs.costs_of_matrix[self._blocks(group)](
            *(D, Z, self._cells, self.lengths_x, self.lengths_y, *group[0].numbers),
            *(group[0].programs, self.chunks, self.H, self.W),
            *(*D.stride(), *Z.stride(), self.band, *_steps(self.gamma)),
            BI=BLOCK_ROWS,
            BJ=BLOCK_COLUMNS,
            SLOPE=self.slope,
            enable_fp_fusion=True,
        )

    def costs_of_embeddings(self, group: list[Stage], x: Tensor, y: Tensor) -> None:
        """Compute squared distances between embeddings, as `by_entry` lays them out."""
        pairs.costs_of_embeddings[self._blocks(group)](
            *(x, y, self._cells, self.lengths_x, self.lengths_y, *group[0].numbers),
            *(group[0].programs, self.chunks, self.H, self.W),
            *(x.shape[2], *x.stride(), *y.stride(), self.band, *_steps(self.gamma)),
            BI=BLOCK_ROWS,
            BJ=BLOCK_COLUMNS,
            enable_fp_fusion=True,
        )

    def _sweep(self, group: list[Stage], values: Tensor, *, keep_weights: bool) -> None:
        first = group[0]
        sweep.sweep[(len(group) * first.programs,)](
            *(self._cells_of(first), self._bottoms, self._sides, values),
            *(self.lengths_x, self.lengths_y, *first.numbers, first.programs),
            *(self.n, self.m, self.W),
            *(self.strips, self.chunks, self._bottoms[0].numel(), self._sides[0].numel()),
            *(self.band, bits(self.gamma)),
            H=self.H,
            KEEP_WEIGHTS=keep_weights,
            SLOPE=self.slope,
            ALONE=self.strips == 1,
            num_warps=max(1, self.H // 32),
            maxnreg=MAX_REGISTERS,
            enable_fp_fusion=False,
        )

    def flow(self, at: Stage, E: Tensor | None = None) -> None:
        """Compute E, or its slopes, from weights that were kept: `(B, n, m)`, or for `chain`."""
        cells = self._cells_of(at)
        flow.flow[(at.programs,)](
            *(cells, cells if E is None else E, self._passed_up, self._passed_left),
            *(self.lengths_x, self.lengths_y, *at.numbers, self.n, self.m, self.W),
            *(self.items, self.band),
            H=self.H,
            SLOPE=self.slope,
            TILED=E is None,
            ALONE=self.strips == 1,
            num_warps=max(1, self.H // 32),
            maxnreg=MAX_REGISTERS,
            enable_fp_fusion=False,
        )

    def chain(
        self, at: Stage, x: Tensor, y: Tensor, grad_x: Tensor, grad_y: Tensor, *, add: bool
    ) -> None:
        """Carry E on to embeddings `(B, n, d)` and `(B, m, d)`."""
        d = x.shape[2]
        blocks = blocks_of(self.H, d) + blocks_of(self.W, d)
        chain.chain[(at.programs, blocks)](
            *(grad_x, grad_y, self._cells_of(at), x, y),
            *(self.lengths_x, self.lengths_y, *at.numbers),
            *(self.n, self.m, self.H, self.W, d, *x.stride(), *y.stride()),
            self._cells[0].numel(),
            BI=BLOCK_ROWS,
            BD=BLOCK_ENTRIES,
            FACTOR=2.0,
            BOTH=True,
            ADD=add,
            SLOTS=True,
            maxnreg=MAX_CHAIN_REGISTERS,
            enable_fp_fusion=True,
        )

    def _blocks(self, group: list[Stage]) -> tuple[int, int]:
        blocks = -(-self.H // BLOCK_ROWS) * -(-self.W // BLOCK_COLUMNS)
        return len(group) * group[0].programs, blocks

    def _cells_of(self, at: Stage) -> Tensor:
        return self._cells[at.place * at.programs :]

    def _numbers(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=torch.float64, device=self._like.device)


def prepare(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return embeddings `(B, n, d)` and `(B, m, d)` as `by_entry` does, and values `(B,)`: +inf.

    In one launch.
    """
    (B, n, d), m = x.shape, y.shape[1]
    x_64, y_64 = (
        torch.empty((B, d, count), dtype=torch.float64, device=x.device) for count in (n, m)
    )
    values = torch.empty(B, dtype=torch.float64, device=x.device)
    pairs.prepare[(B, blocks_of(n, d) + blocks_of(m, d))](
        *(x, y, x_64, y_64, values, n, m, d, *x.stride(), *y.stride()),
        BI=BLOCK_ROWS,
        BD=BLOCK_ENTRIES,
    )
    return x_64.mT, y_64.mT, values


def by_entry(x: Tensor) -> Tensor:
    """Return embeddings `(B, n, d)` in float64, laid out so that rows lie side by side.

    Threads of the kernels over pairs, each at its own rows, so read one piece of memory.
    """
    return x.mT.to(torch.float64, memory_format=torch.contiguous_format).contiguous().mT


def blocks_of(rows: int, d: int) -> int:
    """Return how many blocks of rows and entries there are."""
    return -(-rows // BLOCK_ROWS) * -(-d // BLOCK_ENTRIES)


def bits(number: float) -> int:
    """Return the bits of a float64, as kernels take it."""
    return struct.unpack("<q", struct.pack("<d", number))[0]


def power_of_two(least: int) -> int:
    """Return the least power of two that is not below."""
    return 1 << (least - 1).bit_length()


@functools.lru_cache
def _steps(gamma: float) -> tuple[int, ...]:
    # 1 / gamma, 1 / (gamma ln 2), and gamma ln 2 in parts: two of 26 bits and the rest.
    step = Fraction(gamma) * LN2
    high = _short(float(step))
    middle = _short(float(step - Fraction(high)))
    low = float(step - Fraction(high) - Fraction(middle))
    most = Fraction(sys.float_info.max)
    inverse, scale = (float(min(1 / part, most)) for part in (Fraction(gamma), step))
    return tuple(bits(number) for number in (inverse, scale, high, middle, low))


def _short(number: float) -> float:
    # The number without the lower 27 bits of its mantissa.
    return struct.unpack("<d", struct.pack("<q", bits(number) & -(1 << 27)))[0]
