"""Print the error of soft-DTW's gradient from embeddings of float32, by gamma and length.

python -m benchmarks.single_errors [DIMENSIONS ...]     default: 32 64 128

The largest error of an entry over the largest entry, against the reference in float64 on the same
numbers. A star marks what the loss computes in float64, so that only the result is rounded.
"""

import sys

import numpy as np

from benchmarks.inputs import KINDS, make_batch
from tacref.kernels.soft_dtw.batch import of_embeddings
from tacref.reference import cost_matrix, soft_dtw_value_and_grad
from tacref.reference.costs import embedding_gradients

GAMMAS = (1.0, 0.3, 0.1, 0.03, 0.01)
LENGTHS = (20, 128, 512, 1024)
CELLS = 1 << 20  # of a batch


def gradients(x, y, gamma):
    """Return both gradients in the dtype of x."""
    lengths_x, lengths_y = (np.full(len(rows), rows.shape[1]) for rows in (x, y))
    grad_x, grad_y = np.empty_like(x), np.empty_like(y)
    of_embeddings(x, y, lengths_x, lengths_y, gamma, -1, grad_x, grad_y, 1)
    return grad_x, grad_y


def reference(x, y, gamma):
    """Return both gradients of the reference."""
    pairs = []
    for rows, columns in zip(x, y, strict=True):
        E = soft_dtw_value_and_grad(cost_matrix(rows, columns), gamma=gamma)[1]
        pairs.append(embedding_gradients(rows, columns, E))
    return [np.stack(side) for side in zip(*pairs, strict=True)]


def cell(kind, n, d, gamma):
    """Return the error of one batch, in words."""
    x, y = make_batch(kind, (max(1, min(32, CELLS // n**2)), n, d))
    doubles = x.astype(np.float64), y.astype(np.float64)
    found, right = gradients(x, y, gamma), reference(*doubles, gamma)
    largest = max(np.abs(each).max() for each in right)
    error = max(np.abs(a - b).max() for a, b in zip(found, right, strict=True)) / largest
    exact = zip(found, gradients(*doubles, gamma), strict=True)
    star = " *" if all(np.array_equal(a, b.astype(np.float32)) for a, b in exact) else ""
    return f"{error:.0e}{star}"


def main():
    """Print a table in Markdown."""
    print(f"| inputs | d | n | {' | '.join(f'gamma {gamma:g}' for gamma in GAMMAS)} |")
    print("|---" * (3 + len(GAMMAS)) + "|")
    for kind in KINDS:
        for d in map(int, sys.argv[1:] or (32, 64, 128)):
            for n in LENGTHS:
                cells = " | ".join(cell(kind, n, d, gamma) for gamma in GAMMAS)
                print(f"| {kind} | {d} | {n} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
