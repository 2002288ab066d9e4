"""The claims that a loss must meet: functions of a subject and a seed that yield rows.

A new claim is a function in one of these modules and a line in `CLAIMS`, which has the order of the
card.
"""

from collections.abc import Callable, Iterator

from tacref.verify.claims.bands import band, band_without_a_path, cells_of_the_band
from tacref.verify.claims.batches import (
    band_and_lengths,
    every_place,
    items_of_a_batch,
    lengths_and_padding,
    one_number,
    source_times,
)
from tacref.verify.claims.calls import (
    called_again,
    gradients_one_at_a_time,
    memory_layout,
    nothing_changed,
)
from tacref.verify.claims.costs import costs_left_unchanged
from tacref.verify.claims.extremes import (
    large_cost,
    long_sequences,
    single_precision,
    small_gamma,
)
from tacref.verify.claims.laws import symmetries_and_scaling
from tacref.verify.claims.second_order import second_derivatives
from tacref.verify.claims.similar import equal_sequences, frames_26, near_copies
from tacref.verify.claims.transforms import transformations
from tacref.verify.claims.values import (
    dead_terms,
    options,
    upstream_gradient,
    value_and_gradients,
)
from tacref.verify.report import Row
from tacref.verify.subject import Subject

CLAIMS: tuple[Callable[[Subject, int], Iterator[Row]], ...] = (
    value_and_gradients,
    options,
    called_again,
    upstream_gradient,
    dead_terms,
    second_derivatives,
    cells_of_the_band,
    band,
    band_without_a_path,
    costs_left_unchanged,
    one_number,
    items_of_a_batch,
    every_place,
    lengths_and_padding,
    band_and_lengths,
    source_times,
    gradients_one_at_a_time,
    memory_layout,
    transformations,
    symmetries_and_scaling,
    equal_sequences,
    near_copies,
    frames_26,
    small_gamma,
    large_cost,
    long_sequences,
    single_precision,
    nothing_changed,
)
