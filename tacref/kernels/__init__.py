"""Compiled kernels of the losses, the alignment and the reading of clips: NumPy arrays in, Numba.

A strip is `ROWS` rows of a pair's cost matrix, in a layout by anti-diagonals: the cell (i, j) of a
strip lies at `strip[i + j, i]`. The cells of one anti-diagonal do not depend on each other, so that
`LANES` of them are computed at once, as one vector.
"""
