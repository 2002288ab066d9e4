"""Which backend computes a loss: one interface for all of them, and the rule that chooses."""

from typing import Protocol

import torch
from torch import Tensor

from tacref.losses import operators
from tacref.losses.arguments import storable
from tacref.losses.backends import eager
from tacref.losses.backends.kernels import KERNELS


class Backend(Protocol):
    """Soft-DTW and Contrastive-IDM of a batch, differentiable any number of times.

    Arguments were checked: embeddings `(B, n, d)` and costs `(B, n, m)` of any floating-point
    dtype, `lengths` int64 `(B,)` on their device, `band` -1 for none. Values are `(B,)` in float64
    (in float32 on a device without float64).
    """

    def refusal(self, device: torch.device) -> str | None:
        """Say why this backend cannot compute on a device; None if it can."""

    def soft_dtw(
        self, D: Tensor, gamma: float, lengths_x: Tensor, lengths_y: Tensor, band: int
    ) -> Tensor:
        """Soft-DTW of costs (equation 4)."""

    def expected_alignment(
        self, D: Tensor, gamma: float, lengths_x: Tensor, lengths_y: Tensor, band: int
    ) -> Tensor:
        """Return the gradient E of `soft_dtw`, `(B, n, m)`."""

    def soft_dtw_of_embeddings(
        self,
        x: Tensor,
        y: Tensor,
        gamma: float,
        lengths_x: Tensor,
        lengths_y: Tensor,
        band: int,
    ) -> Tensor:
        """Soft-DTW of squared Euclidean distances between embeddings."""

    def contrastive_idm(
        self,
        x: Tensor,
        lengths: Tensor,
        times: Tensor,
        video_lengths: Tensor,
        sigma: float,
        margin: float,
        variant: str,
    ) -> Tensor:
        """Contrastive-IDM of embeddings (equation 7)."""


class _Fused:
    """A backend of kernels, which torch differentiates as operators."""

    def __init__(self, name: str) -> None:
        self.name = name

    def refusal(self, device: torch.device) -> str | None:
        return KERNELS[self.name]().refusal(device)

    def soft_dtw(
        self, D: Tensor, gamma: float, lengths_x: Tensor, lengths_y: Tensor, band: int
    ) -> Tensor:
        return operators.soft_dtw(
            storable(D), gamma, lengths_x, lengths_y, band, _needs_grad(D), self.name
        )[0]

    def expected_alignment(
        self, D: Tensor, gamma: float, lengths_x: Tensor, lengths_y: Tensor, band: int
    ) -> Tensor:
        return operators.soft_dtw(storable(D), gamma, lengths_x, lengths_y, band, True, self.name)[
            1
        ]

    def soft_dtw_of_embeddings(
        self,
        x: Tensor,
        y: Tensor,
        gamma: float,
        lengths_x: Tensor,
        lengths_y: Tensor,
        band: int,
    ) -> Tensor:
        return operators.soft_dtw_of_embeddings(
            storable(x), storable(y), gamma, lengths_x, lengths_y, band, _needs_grad(x, y),
            self.name,
        )[0]  # fmt: skip

    def contrastive_idm(
        self,
        x: Tensor,
        lengths: Tensor,
        times: Tensor,
        video_lengths: Tensor,
        sigma: float,
        margin: float,
        variant: str,
    ) -> Tensor:
        return operators.contrastive_idm(
            storable(x), lengths, times, video_lengths, sigma, margin, variant, _needs_grad(x),
            self.name,
        )[0]  # fmt: skip


BACKENDS: dict[str, Backend] = {"cpu": _Fused("cpu"), "triton": _Fused("triton"), "torch": eager}


def check_backend(name: str | None) -> str | None:
    """Return `name`, if it is that of a backend or None.

    Raises
    ------
    ValueError
        If it is not.
    """
    if name is not None and not (isinstance(name, str) and name in BACKENDS):
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {name!r}")
    return name


def check_takes_steps(name: str | None) -> None:
    """Refuse a backend for steps other than "any".

    Raises
    ------
    ValueError
        If it is unknown, or neither "torch" nor None.
    """
    if check_backend(name) not in (None, "torch"):
        raise ValueError(f"steps other than 'any' need backend='torch', got backend={name!r}")


def choose_backend(name: str | None, device: torch.device) -> Backend:
    """Return the backend for tensors on a device: the one that was asked for, or the device's.

    "cpu" for tensors on the CPU, "triton" for CUDA where Triton is installed, else "torch".

    Raises
    ------
    ValueError
        If the one that was asked for is unknown, or cannot compute on the device.
    """
    if check_backend(name) is not None:
        backend = BACKENDS[str(name)]
        refusal = backend.refusal(device)
        if refusal is not None:
            raise ValueError(f"backend {name!r} {refusal}")
        return backend
    if device.type == "cpu":
        return BACKENDS["cpu"]
    triton = BACKENDS["triton"]
    fits = device.type == "cuda" and triton.refusal(device) is None
    return triton if fits else BACKENDS["torch"]


def _needs_grad(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
