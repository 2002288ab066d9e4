"""A frozen backbone as config.json and exported files state it."""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from tacref.encoder.frozen.preprocessing import Preprocessing, parse_preprocessing

LAYOUTS = ("NCHW", "NHWC")
MAX_GRID, MAX_FEATURES = 64, 1_000_000
# Class and register tokens, which stand for no place in the picture; they come first.
MAX_PREFIX_TOKENS = 9
# Features are kept in at least as many cells along each side, a multiple of the grid's, so that
# parts of pictures can be drawn in training.
_LEAST_KEPT_CELLS = 7


@dataclass(frozen=True)
class BackboneConfig:
    """A frozen backbone: which file, what it takes, and what is made of its output.

    Parameters
    ----------
    sha256 : str
        Of the ONNX file.
    input, output : str
        Names in its graph.
    layout : {"NCHW", "NHWC"}
        Layout of its input.
    shape : tuple of int
        Shape of the output for one picture: a vector `(C,)`, tokens `(N, C)`, or a map `(C, h, w)`
        or `(h, w, C)`.
    grid : int
        Tokens and maps are averaged over at most `grid` x `grid` cells.
    preprocessing : Preprocessing
        What pictures go through before it.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    sha256: str
    input: str
    output: str
    layout: str
    shape: tuple[int, ...]
    grid: int
    preprocessing: Preprocessing

    def __post_init__(self) -> None:
        """Check all values."""
        if not isinstance(self.sha256, str) or not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"backbone sha256 must be 64 hexadecimal digits, got {self.sha256!r}")
        for name in ("input", "output"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ValueError(f"backbone {name} must be a name, got {getattr(self, name)!r}")
        if self.layout not in LAYOUTS:
            raise ValueError(f"backbone layout must be NCHW or NHWC, got {self.layout!r}")
        object.__setattr__(self, "shape", tuple(self.shape))
        whole = all(type(length) is int and length >= 1 for length in self.shape)
        if not whole or len(self.shape) not in (1, 2, 3):
            raise ValueError(
                f"backbone shape must be one to three whole numbers >= 1, got {self.shape!r}"
            )
        if type(self.grid) is not int or not 1 <= self.grid <= MAX_GRID:
            raise ValueError(f"backbone_grid must be from 1 to {MAX_GRID}, got {self.grid!r}")
        if self.width > MAX_FEATURES:
            raise ValueError(
                f"output {self.output} of shape {self.shape} would give {self.width} features a "
                f"frame, more than {MAX_FEATURES}; a lower backbone_grid gives fewer"
            )

    @property
    def form(self) -> str:
        """Return "vector", "tokens" or "map", told by the rank."""
        return ("vector", "tokens", "map")[len(self.shape) - 1]

    @property
    def channels_last(self) -> bool:
        """True if the map is `(h, w, C)`: pictures are square, so its two equal sides tell."""
        if self.form != "map":
            return False
        first, second, third = self.shape
        if first == second != third:
            return True
        return (first != second and second != third) or (
            first == second == third and (self.layout == "NHWC")
        )

    @property
    def channels(self) -> int:
        """Return C."""
        return self.shape[0] if self.form == "map" and not self.channels_last else self.shape[-1]

    @property
    def sides(self) -> tuple[int, int]:
        """Return h and w of the map, or of the square of tokens; (1, 1) where there is no place."""
        if self.form == "map":
            return self.shape[:2] if self.channels_last else self.shape[1:]  # type: ignore[return-value]
        side = int(self.shape[0] ** 0.5) if self.form == "tokens" else 1
        return side, side

    @property
    def prefix_tokens(self) -> int:
        """Return the number of tokens that come before the square of those with a place."""
        return self.shape[0] - self.sides[0] ** 2 if self.form == "tokens" else 0

    @property
    def keeps_place(self) -> bool:
        """True if features tell where in the picture something is."""
        return self.sides != (1, 1) and self.prefix_tokens <= MAX_PREFIX_TOKENS and self.grid > 1

    @property
    def cells(self) -> tuple[int, int]:
        """Return rows and columns of the grid of averages."""
        return self._cells(self.grid)

    @property
    def kept_cells(self) -> tuple[int, int]:
        """Return rows and columns of the grid that is kept for training, as fine or finer."""
        return self._cells(-(-_LEAST_KEPT_CELLS // self.grid) * self.grid)

    def _cells(self, most: int) -> tuple[int, int]:
        if not self.keeps_place:
            return 1, 1
        return min(self.sides[0], most), min(self.sides[1], most)

    @property
    def width(self) -> int:
        """Return the number of features per frame."""
        return self.cells[0] * self.cells[1] * self.channels

    @property
    def kept_width(self) -> int:
        """Return the number of features per frame that are kept for training."""
        return self.kept_cells[0] * self.kept_cells[1] * self.channels

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return own | {
            "shape": list(self.shape),
            "preprocessing": self.preprocessing.to_json(),
        }

    @classmethod
    def from_json(cls, values: Any) -> "BackboneConfig":
        """Build a configuration from the result of `to_json`.

        Raises
        ------
        ValueError
            If a field is missing, unknown, or of the wrong type.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(values, dict) or set(values) != known:
            raise ValueError(f"backbone must have the keys {sorted(known)}")
        if not isinstance(values["shape"], list):
            raise ValueError(f"backbone shape must be a list, got {values['shape']!r}")
        preprocessing = parse_preprocessing(values["preprocessing"], "backbone preprocessing")
        return cls(**values | {"preprocessing": preprocessing, "shape": tuple(values["shape"])})
