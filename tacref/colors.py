"""Colors of reports and figures: told apart by color-blind people, and the same everywhere."""

import numpy as np

# Dark to bright in even steps of lightness; readable in gray and by color-blind people.
RAMP = np.array(
    (
        (13, 22, 48),
        (40, 59, 110),
        (81, 102, 131),
        (132, 143, 131),
        (190, 182, 117),
        (245, 228, 168),
    ),
    dtype=np.float64,
)
# The path on top of the ramp, and the dark line around it.
PATH, CASING = "#ff9a5c", "#0d1630"
INK, SOFT, GRID = "#20252c", "#5c646e", "#dedbd3"
COST = "#2f7253"

# Okabe and Ito's colors for color-blind people; their black is the ink here.
SKY, ORANGE, GREEN, PURPLE = "#56b4e9", "#e69f00", "#009e73", "#cc79a7"
BLUE, YELLOW, VERMILION = "#0072b2", "#f0e442", "#d55e00"
# Phases in the report; report.css has the same.
PHASES = (SKY, ORANGE, GREEN, PURPLE, BLUE, YELLOW, VERMILION, SOFT)
# Color and dashes of up to fourteen lines on white, where yellow could hardly be seen.
_OF_LINES = (INK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE)
LINES = tuple((color, dashes) for dashes in ("-", "--") for color in _OF_LINES)


def ramp(levels: int) -> np.ndarray:
    """Return the ramp in a number of levels, float64 `(levels, 3)` from 0 to 255, dark first."""
    shares, stops = np.linspace(0, 1, levels), np.linspace(0, 1, len(RAMP))
    return np.stack([np.interp(shares, stops, channel) for channel in RAMP.T], axis=-1)
