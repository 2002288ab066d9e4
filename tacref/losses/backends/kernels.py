"""What kernels compute, the same for every backend that has them, and where they are."""

from typing import Protocol

import torch
from torch import Tensor

# A value of each item and what it is differentiated by: a gradient, or an empty tensor.
WithGradient = tuple[Tensor, Tensor]
WithGradients = tuple[Tensor, Tensor, Tensor]


class Kernels(Protocol):
    """A module of kernels: values `(B,)` in float64, and gradients in the dtype of the input.

    Arguments were checked: embeddings `(B, n, d)` and costs `(B, n, m)` in float32 or float64,
    `lengths` int64 `(B,)` on their device, `band` -1 for none. Nothing beyond the lengths is read,
    and gradients are 0 there. Without `with_grad`, gradients are empty. Nothing is recorded for
    autograd: `tacref.losses.operators` does that.
    """

    def refusal(self, device: torch.device) -> str | None:
        """Say why these kernels cannot compute on a device; None if they can."""

    def soft_dtw(
        self,
        D: Tensor,
        gamma: float,
        lengths_x: Tensor,
        lengths_y: Tensor,
        band: int,
        with_grad: bool,
    ) -> WithGradient:
        """Soft-DTW of costs (equation 4), and E."""

    def soft_dtw_hvp(
        self,
        D: Tensor,
        Z: Tensor,
        gamma: float,
        lengths_x: Tensor,
        lengths_y: Tensor,
        band: int,
    ) -> Tensor:
        """Hessian of each value of `soft_dtw` times the direction Z `(B, n, m)`."""

    def soft_dtw_of_embeddings(
        self,
        x: Tensor,
        y: Tensor,
        gamma: float,
        lengths_x: Tensor,
        lengths_y: Tensor,
        band: int,
        with_grad: bool,
    ) -> WithGradients:
        """Soft-DTW of squared Euclidean distances, and the gradients of both embeddings."""

    def contrastive_idm(
        self,
        x: Tensor,
        lengths: Tensor,
        times: Tensor,
        video_lengths: Tensor,
        sigma: float,
        margin: float,
        variant: str,
        with_grad: bool,
    ) -> WithGradient:
        """Contrastive-IDM (equation 7), and the gradient of the embeddings."""


def _cpu() -> Kernels:
    from tacref.losses.backends import cpu

    return cpu


def _triton() -> Kernels:
    from tacref.losses.backends import triton

    return triton


# Loaded when they are first used: Numba and Triton take a while, or are not installed.
KERNELS = {"cpu": _cpu, "triton": _triton}
