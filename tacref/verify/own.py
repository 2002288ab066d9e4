"""The project's own implementations, each with the loss that it claims to compute."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tacref import reference
from tacref.variants import VARIANTS


def implementations() -> Iterator[tuple[Callable[..., Any], dict[str, Any]]]:
    """Yield each public loss and the options to `check` it with."""
    from tacref import losses

    # Without "triton", which needs a GPU.
    backends = ("cpu", "torch")

    yield reference.dtw, _numpy_options("reference.dtw", "dtw")
    yield reference.soft_dtw_value_and_grad, _numpy_options("reference.soft_dtw", "soft_dtw")
    for variant in VARIANTS:
        options = {"variant": variant}
        yield (
            partial(reference.contrastive_idm_value_and_grad, variant=variant),
            _numpy_options(f"reference.contrastive_idm {variant}", "contrastive_idm", **options),
        )
        yield (
            partial(reference.lav_loss_value_and_grad, variant=variant),
            _numpy_options(f"reference.lav_loss {variant}", "lav", **options),
        )
    for backend in backends:
        name = f"losses.soft_dtw {backend}"
        yield partial(losses.soft_dtw, backend=backend), {"name": name, "loss": "soft_dtw"}
        yield (
            partial(_soft_dtw_loss, backend=backend),
            {"name": f"losses.SoftDTWLoss {backend}", "loss": "soft_dtw", "inputs": "embeddings"},
        )
    for variant in VARIANTS:
        yield (
            partial(losses.contrastive_idm, variant=variant),
            {
                "name": f"losses.contrastive_idm {variant}",
                "loss": "contrastive_idm",
                "variant": variant,
            },
        )
        for backend in backends:
            yield (
                partial(_lav_loss, variant=variant, backend=backend),
                {
                    "name": f"losses.LAVLoss {variant} {backend}",
                    "loss": "lav",
                    "variant": variant,
                },
            )


def _numpy_options(name: str, loss: str, **options: str) -> dict[str, Any]:
    return {"name": name, "loss": loss, "framework": "numpy", **options}


def _soft_dtw_loss(
    x: Any,
    y: Any,
    *,
    gamma: float,
    backend: str,
    lengths_x: Any = None,
    lengths_y: Any = None,
    band: int | None = None,
) -> Any:
    from tacref.losses import SoftDTWLoss

    loss = SoftDTWLoss(
        gamma=gamma, reduction="none", band=band, band_shape="offset", backend=backend
    )
    return loss(x, y, lengths_x=lengths_x, lengths_y=lengths_y)


def _lav_loss(
    x: Any, y: Any, *, lengths_x: Any = None, lengths_y: Any = None, **options: Any
) -> Any:
    from tacref.losses import LAVLoss

    loss = LAVLoss(reduction="none", **options)
    return loss(x, y, lengths_x=lengths_x, lengths_y=lengths_y).loss
