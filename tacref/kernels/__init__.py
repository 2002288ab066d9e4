"""Compiled kernels of the losses, the alignment and the reading of clips: NumPy arrays in, Numba.

A strip is `ROWS` rows of a pair's cost matrix, in a layout by anti-diagonals: the cell (i, j) of a
strip lies at `strip[i + j, i]`. The cells of one anti-diagonal do not depend on each other, so that
`LANES` of them are computed at once, as one vector.
"""

from tacref.memory import check_address_space

# Bytes that Numba, LLVM and the BLAS that Numba looks for in SciPy map; without them, LLVM says
# that it is not installed.
_NUMBA_SPACE = 320 << 20

check_address_space(_NUMBA_SPACE, "Numba and SciPy")
