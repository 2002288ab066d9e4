"""Soft-DTW along the paths that a band and steps leave, on a backend that knows them."""

import torch
from torch import Tensor

from tacref.losses.arguments import SoftDTWArguments
from tacref.losses.backend import check_backend, choose_backend
from tacref.losses.backends import eager
from tacref.losses.backends.stepwise import soft_dtw_by_steps
from tacref.losses.bands import Moves, forbid_outside
from tacref.losses.costs import cost_matrix


def soft_dtw_of_costs(D: Tensor, arguments: SoftDTWArguments, backend: str | None) -> Tensor:
    """Soft-DTW `(B,)` of costs `(B, n, m)`.

    Raises
    ------
    ValueError
        If the backend is unknown, cannot compute on the device, or does not take the steps.
    """
    gamma, lengths_x, lengths_y, moves, _ = arguments
    D, width = _allowed(D, arguments)
    if moves is not None:
        _check_takes_steps(backend, moves)
        return soft_dtw_by_steps(D, gamma, lengths_x, lengths_y, moves)
    return choose_backend(backend, D.device).soft_dtw(D, gamma, lengths_x, lengths_y, width)


def expected_alignment_of_costs(
    D: Tensor, arguments: SoftDTWArguments, backend: str | None
) -> Tensor:
    """Return the gradient `(B, n, m)` of `soft_dtw_of_costs`.

    Raises
    ------
    ValueError
        As `soft_dtw_of_costs`.
    """
    gamma, lengths_x, lengths_y, moves, _ = arguments
    if moves is not None:
        return torch.func.grad(lambda D: soft_dtw_of_costs(D, arguments, backend).sum())(D)
    D, width = _allowed(D, arguments)
    implementation = choose_backend(backend, D.device)
    return implementation.expected_alignment(D, gamma, lengths_x, lengths_y, width)


def soft_dtw_of_embeddings(
    x: Tensor, y: Tensor, arguments: SoftDTWArguments, backend: str | None
) -> Tensor:
    """Soft-DTW `(B,)` of squared distances between embeddings `(B, n, d)` and `(B, m, d)`.

    Raises
    ------
    ValueError
        As `soft_dtw_of_costs`.
    """
    gamma, lengths_x, lengths_y, moves, band = arguments
    width = band.kernel_width
    if moves is None and width is not None:
        implementation = choose_backend(backend, x.device)
        return implementation.soft_dtw_of_embeddings(x, y, gamma, lengths_x, lengths_y, width)
    D = cost_matrix(eager.exact_rows(x, lengths_x), eager.exact_rows(y, lengths_y))
    return soft_dtw_of_costs(D, arguments, backend)


def _allowed(D: Tensor, arguments: SoftDTWArguments) -> tuple[Tensor, int]:
    """Return costs and the width that backends take; a band they do not know forbids by +inf."""
    width = arguments.band.kernel_width
    if arguments.moves is None and width is not None:
        return D, width
    return forbid_outside(D, arguments.band, arguments.lengths_x, arguments.lengths_y), -1


def _check_takes_steps(backend: str | None, moves: Moves) -> None:
    if check_backend(backend) not in (None, "torch"):
        raise ValueError(
            f"steps other than 'any' need backend='torch', got backend={backend!r} and {moves}"
        )
