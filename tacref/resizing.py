"""Resizing pictures: the same bytes in training, in torch and in an exported graph.

Antialiased linear interpolation, the triangle filter of Pillow's BILINEAR and of torch's
`interpolate(antialias=True)`, aspect ratio not kept. The weight of source pixel s for target pixel
t, of `n` and `size`, is proportional to

    a_ts = max(0, 2 max(n, size) - |(2 s + 1) size - (2 t + 1) n|).

Weights are integers that sum to 2^16 over rows and to 2^14 over columns: differences of the
cumulative sums of a_ts over s, each rounded. Rows are summed first, rounded to a quarter of a level
(10 bits), then columns, rounded to a byte; halves are rounded up. All sums are integers below 2^24,
which float32 holds exactly: any code that adds them up, in any order, gives the same bytes.
"""

ROW_BITS, COLUMN_BITS = 16, 14  # of the weights
LEVEL_BITS = 2  # kept of a level's fraction between the two
