"""Temporal regularization by the inverse difference moment, IDM (equations 5 and 6)."""

import numpy as np
from numpy.typing import ArrayLike

from tacref.compiled import njit
from tacref.reference.checks import check_square


def idm(S_X: ArrayLike) -> float:
    """Inverse difference moment of a self-similarity matrix, to be maximized (equation 5).

    `I(X) = sum_ij S_X(i, j) / ((i - j)^2 + 1)`.

    Parameters
    ----------
    S_X : array_like, shape (n, n)
        Similarities between the frames of one video, for example `-D_X` or `exp(-D_X)`; the
        sources do not fix which. Not modified.

    Returns
    -------
    float
        In the unit of `S_X`; large when near frames are alike.

    Raises
    ------
    ValueError
        If `S_X` is not square, non-empty and finite.

    References
    ----------
    Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021, equation 5.
    """
    return float(_idm(check_square(S_X, "S_X")))


def idm_loss(D_X: ArrayLike) -> float:
    """IDM as a loss on self-distances (equation 6).

    `I_bar(X) = sum_ij ((i - j)^2 + 1) * (-D_X(i, j))`: far frames should be far apart.

    Parameters
    ----------
    D_X : array_like, shape (n, n)
        Squared distances between the frames of one video. Not modified.

    Returns
    -------
    float
        In the unit of `D_X`, <= 0.

    Raises
    ------
    ValueError
        If `D_X` is not square, non-empty and finite.

    References
    ----------
    Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021, equation 6.
    """
    return float(_idm_loss(check_square(D_X, "D_X")))


@njit(cache=True)
def _idm(S_X: np.ndarray) -> float:
    total = 0.0
    for i in range(len(S_X)):
        for j in range(len(S_X)):
            total += S_X[i, j] / ((i - j) ** 2 + 1.0)  # eq. 5: W(i, j) S_X(i, j)
    return total


@njit(cache=True)
def _idm_loss(D_X: np.ndarray) -> float:
    total = 0.0
    for i in range(len(D_X)):
        for j in range(len(D_X)):
            total += ((i - j) ** 2 + 1.0) * -D_X[i, j]  # eq. 6: W_bar(i, j) (-D_X(i, j))
    return total
