"""Which libraries are checked, by which of their functions, and what they are for."""

import importlib.metadata
import importlib.util
from dataclasses import dataclass, field
from typing import Any

NUMPY = {"framework": "numpy"}
SOFT, SOFT_NUMPY = {"loss": "soft_dtw"}, {"loss": "soft_dtw"} | NUMPY
HARD, HARD_NUMPY = {"loss": "dtw"}, {"loss": "dtw"} | NUMPY
# Claims whose failing input the page shows; what a rounded value looks like is shown by the first.
FIRST = ("value", "gradient to x", "gradient to D", "lengths and padding")
FIRST += ("band without a path", "costs left unchanged", "equal sequences", "near copies")


@dataclass(frozen=True)
class Card:
    """A function that is checked: an adapter's module and function, what it is, how to check it."""

    module: str
    function: str
    what: str
    options: dict[str, Any]
    shown: tuple[str, ...] = FIRST


@dataclass(frozen=True)
class Peer:
    """A library: its distribution, what to know about it, and its cards."""

    name: str
    words: str
    cards: tuple[Card, ...]
    needs: str = ""  # why it may not be there
    distribution: str = field(default="", kw_only=True)

    @property
    def version(self) -> str | None:
        """Version of its distribution, if that is there."""
        try:
            return importlib.metadata.version(self.distribution or self.name)
        except importlib.metadata.PackageNotFoundError:
            return None


PEERS = (
    Peer(
        "ddtw",
        "dDTW: soft, sparse and hard minima, any steps and weights, subsequences, CTC, lengths; "
        "Numba on the CPU, C++ on CUDA. Values and gradients are right to the last digits in "
        "float64, which it must be told to use. It returns the mean over the batch, and takes no "
        "band.",
        (
            Card("ddtw_adapter", "loss", "soft-DTW of embeddings", SOFT),
            Card("ddtw_adapter", "loss_of_costs", "soft-DTW of costs", SOFT),
            Card("ddtw_adapter", "hard_loss", "DTW of costs", HARD),
        ),
    ),
    Peer(
        "pysdtw",
        "Soft-DTW for PyTorch on the CPU and on CUDA, with lengths by packed sequences and a band, "
        "which is |i - j| <= band where n = m and stretched elsewhere.",
        (
            Card("pysdtw_adapter", "loss", "soft-DTW of embeddings", SOFT),
            Card("pysdtw_adapter", "loss_of_costs", "soft-DTW of costs", SOFT, shown=()),
        ),
    ),
    Peer(
        "tslearn",
        "A loss for PyTorch, and soft-DTW and DTW in NumPy, with Sakoe-Chiba bands, which are "
        "|i - j| <= band where n = m and widened elsewhere, and Itakura's; threads. The value in "
        "NumPy is right to the last digits; the loss for PyTorch rounds to float32 inside.",
        (
            Card("tslearn_adapter", "loss", "soft-DTW of embeddings", SOFT),
            Card(
                "tslearn_adapter",
                "loss_of_costs",
                "soft-DTW of costs",
                SOFT,
                shown=("inputs left unchanged",),  # the loss of embeddings shows the others
            ),
            Card("tslearn_adapter", "hard_loss", "DTW, NumPy", HARD_NUMPY),
        ),
    ),
    Peer(
        "pytorch-softdtw-cuda",
        "Maghoumi's soft-DTW for PyTorch, the most copied one; the copy within dtw-loss-functions "
        "(whose version this is), since it has no package. On the CPU here.",
        (
            Card("dtw_loss_functions_adapter", "maghoumi", "soft-DTW of embeddings", SOFT),
            Card(
                "dtw_loss_functions_adapter",
                "maghoumi_of_costs",
                "soft-DTW of costs",
                SOFT,
                shown=(),
            ),
        ),
        distribution="dtw-loss-functions",
    ),
    Peer(
        "sdtw-cuda-torch",
        "A soft-DTW for long sequences on CUDA; the copy within "
        "dtw-loss-functions (whose version this is), since it has no package. Here its code for "
        "the CPU, whose values and gradients are right to the last digits.",
        (Card("dtw_loss_functions_adapter", "sdtw_cuda_torch", "soft-DTW of embeddings", SOFT),),
        distribution="dtw-loss-functions",
    ),
    Peer(
        "ott-jax",
        "Soft-DTW of two series by jax; reverse mode of it, while forward mode is refused. It is "
        "right but for one frame against one frame, where value and gradients are doubled.",
        (Card("ott_adapter", "loss", "soft-DTW of embeddings, jax", SOFT_NUMPY),),
    ),
    Peer(
        "sdtw_div",
        "soft-dtw-divergences, by an author of soft-DTW: values, gradients and products with the "
        "Hessian of soft-DTW and its divergence, of one pair, in NumPy.",
        (
            Card("sdtw_div_adapter", "loss", "soft-DTW of embeddings, NumPy", SOFT_NUMPY),
            Card("sdtw_div_adapter", "loss_of_costs", "soft-DTW of costs, NumPy", SOFT_NUMPY),
        ),
        "it has no package, and is installed from its repository",
    ),
    Peer(
        "soft-dtw-rust",
        'An exercise in Rust, as its README says: "not created to be used as a loss function", '
        "the value alone, for series of one length; it takes the distance between two numbers, "
        "not its square, and adds up the channels' soft-DTWs.",
        (Card("soft_dtw_rust_adapter", "loss", "soft-DTW of embeddings, NumPy", SOFT_NUMPY),),
    ),
    Peer(
        "aeon",
        "Many elastic distances of pairs of series, compiled by Numba, with bands as a share of "
        "the length. Its DTW is right to the last digits; its soft-DTW is an absolute value "
        "without gradients.",
        (
            Card("aeon_adapter", "loss", "DTW, NumPy", HARD_NUMPY),
            Card("aeon_adapter", "soft_loss", "soft-DTW, NumPy", SOFT_NUMPY),
        ),
    ),
    Peer(
        "dtaidistance",
        "DTW in C with threads, with windows, penalties and open ends, subsequences and k best "
        "matches. Its window counts the diagonal, so that its 3 is |i - j| <= 2 where n = m. Its "
        "fast distance of series of one number is inf for some, which surprises.md shows.",
        (
            Card("dtaidistance_adapter", "loss", "DTW, NumPy", HARD_NUMPY),
            Card("dtaidistance_adapter", "fast_loss", "DTW by its C library, NumPy", HARD_NUMPY),
        ),
    ),
    Peer(
        "dtw-python",
        "DTW with every step pattern of the literature, windows, open ends.",
        (Card("dtw_python_adapter", "loss", "DTW, NumPy", HARD_NUMPY),),
    ),
    Peer(
        "librosa",
        "Music analysis; DTW with steps and weights, and subsequences.",
        (Card("librosa_adapter", "loss", "DTW, NumPy", HARD_NUMPY),),
        "1.0 needs Python 3.12, 0.11 stands for it before",
    ),
    Peer(
        "torchdtw",
        "DTW of all pairs of two batches, on the CPU and on CUDA. Its paths are right; what it "
        "calls the cost is the sum along the path over the path's length, and has no gradient.",
        (
            Card("torchdtw_adapter", "loss", "DTW of costs, by its paths", HARD),
            Card("torchdtw_adapter", "cost", "DTW of costs, its own value", HARD),
        ),
        "it needs Python 3.12",
    ),
)
