"""The right answer of an equation: to 50 digits if that is quick, else in wide floats."""

from typing import Any

import numpy as np

from tacref.verify import oracle
from tacref.verify.kinds import Answer
from tacref.verify.spec import Spec

__all__ = ["MAX_DECIMAL_CELLS", "Answer", "right_answer"]

# With more cells, decimals take too long.
MAX_DECIMAL_CELLS = 300


def right_answer(spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]) -> Answer:
    """Return the value and the gradients of one item."""
    if spec.kind.cells(spec, inputs) <= MAX_DECIMAL_CELLS:
        with oracle.high_precision():
            return spec.kind.in_decimals(spec, inputs, options)
    return spec.kind.in_wide_floats(spec, inputs, options)
