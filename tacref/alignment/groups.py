"""Groups of sequences: the one most like the others, their mean, and those that do not fit."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tacref.alignment.pairs import check_sequences, pairwise
from tacref.checks import check_positive
from tacref.reference._soft_dtw import backward, forward
from tacref.reference.checks import as_float64, check_finite, check_rows
from tacref.reference.costs import squared_distances
from tacref.terminal import progress_bar

# Costs more than this many robust standard deviations above the median belong to outliers.
OUTLIER_DEVIATIONS = 3.0
# Pairs of frames of the barycenter and a sequence; the matrices for them stay below 400 MiB.
MAX_CELLS = 2**24


def medoid(
    sequences: Sequence[ArrayLike],
    *,
    cost: str = "sqeuclidean",
    steps: str | Sequence[Sequence[float]] = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
    threads: int | None = None,
    progress: bool = False,
) -> int:
    """Find the sequence that is most like the others.

    Its mean DTW cost with the others is least, the cost of a pair divided by the sum of both
    lengths, so that long sequences do not look worse than short ones.

    Parameters
    ----------
    sequences, cost, steps, band, band_shape, threads, progress
        As `pairwise` takes them. All pairs are computed.

    Returns
    -------
    int
        Number of the sequence, counted from 0; the first of several.

    Raises
    ------
    ValueError
        As `pairwise`.

    Examples
    --------
    >>> from tacref.alignment import medoid
    >>> medoid([[[0.0]], [[5.0]], [[9.0]]])
    1
    """
    checked = check_sequences(sequences, "sequences")
    costs = pairwise(
        checked,
        cost=cost,
        steps=steps,
        band=band,
        band_shape=band_shape,
        threads=threads,
        progress=progress,
    )
    lengths = [len(rows) for rows in checked]
    return int((costs / np.add.outer(lengths, lengths)).sum(axis=1).argmin())


def outliers(costs: ArrayLike) -> list[int]:
    """Find the videos that do not fit a reference.

    Parameters
    ----------
    costs : array_like of float, shape (K,)
        Mean cost of each video's alignment with the reference.

    Returns
    -------
    list of int
        Numbers of the videos whose cost is more than three robust standard deviations (1.4826 times
        the median distance from the median) above the median, and above one and a half times the
        median; the worst first. Empty for fewer than four videos.
    """
    values = as_float64(costs, "costs")
    if len(values) < 4:
        return []
    middle = float(np.median(values))
    deviation = 1.4826 * float(np.median(np.abs(values - middle)))
    # If nearly all costs are the same, a small difference does not make an outlier.
    limit = max(middle + OUTLIER_DEVIATIONS * deviation, 1.5 * middle)
    return [int(k) for k in np.argsort(-values, kind="stable") if values[k] > limit]


def barycenter(
    sequences: Sequence[ArrayLike],
    *,
    start: ArrayLike | None = None,
    gamma: float = 0.1,
    iterations: int = 10,
    progress: bool = False,
) -> np.ndarray:
    """Find a sequence whose soft-DTW to all sequences is small.

    Soft-DTW is concave in the costs, so the costs weighted by the expected alignment at the current
    sequence lie above it, up to a constant, and touch it there. Their sum is least at a weighted
    mean of all frames. Each iteration goes there and never increases the sum of soft-DTW.

    Parameters
    ----------
    sequences : sequence of array_like, each of shape (n_k, d)
        Frame embeddings, at least one sequence. Not modified.
    start : array_like, shape (n, d), optional
        Where to begin; decides the length. Not modified. By default the medoid.
    gamma : float
        Smoothing, > 0, in squared distance.
    iterations : int
        Number of iterations, >= 1.
    progress : bool
        Show a progress bar if it takes longer than a few seconds (on a terminal only; needs tqdm).

    Returns
    -------
    ndarray of float64, shape (n, d)
        The barycenter, near a local minimum; each sequence is weighted by 1 / n_k.

    Raises
    ------
    ValueError
        If there are no sequences, a shape does not fit, a value is not finite, an option is out of
        range, or n * n_k is above `MAX_CELLS`. Names the sequence by its number, counted from 0.

    References
    ----------
    Cuturi & Blondel, "Soft-DTW", ICML 2017, section 3, for the barycenter; Petitjean et al., "A
    global averaging method for dynamic time warping", Pattern Recognition 2011, for the mean.

    Examples
    --------
    >>> from tacref.alignment import barycenter
    >>> barycenter([[[0.0], [4.0]], [[0.0], [6.0]]], gamma=0.01).round(2)
    array([[0.],
           [5.]])
    """
    gamma = check_positive(gamma, "gamma")
    if iterations < 1:
        raise ValueError(f"iterations must be >= 1, got {iterations!r}")
    checked = check_sequences(sequences, "sequences")
    if start is None:
        center = checked[medoid(checked, progress=progress)]
    else:
        center = check_rows(start, "start")
        if center.shape[1] != checked[0].shape[1]:
            raise ValueError(
                f"start must have d = {checked[0].shape[1]}, as sequences[0] has, got shape "
                f"{center.shape}"
            )
    for k, rows in enumerate(checked):
        if len(center) * len(rows) > MAX_CELLS:
            raise ValueError(
                f"start and sequences[{k}] must have at most {MAX_CELLS} pairs of frames, got "
                f"{len(center)} x {len(rows)}"
            )
    rounds = progress_bar(range(iterations), "barycenter", iterations, "rounds", enabled=progress)
    for _ in rounds:
        total, weights = np.zeros_like(center), np.zeros((len(center), 1))
        for rows in checked:
            # `soft_dtw_value_and_grad` of `cost_matrix`, whose arguments are checked already.
            D = check_finite(squared_distances(center, rows), "D")
            E = backward(forward(D, gamma)[1])
            total += E @ rows / len(rows)
            weights += E.sum(axis=1, keepdims=True) / len(rows)
        center = total / weights
    return center
