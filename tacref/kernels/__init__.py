"""Compiled kernels that the losses and the alignment share: NumPy arrays in, Numba, SIMD.

A strip is `ROWS` rows of a pair's cost matrix, in a layout by anti-diagonals: the cell (i, j) of a
strip lies at `strip[i + j, i]`. The cells of one anti-diagonal do not depend on each other, so that
`LANES` of them are computed at once, as one vector.
"""
