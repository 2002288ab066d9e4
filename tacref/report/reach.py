"""Whether steps and bands lead from a reference to every other clip, as far as lengths tell."""

from collections.abc import Mapping, Sequence
from typing import Any

from tacref.alignment.matching import Matching


def check_reach(matching: Matching, lengths: Mapping[Any, int], references: Sequence[Any]) -> None:
    """Refuse steps and bands that leave no path to some clip, whichever reference is taken.

    Parameters
    ----------
    matching : Matching
        Steps and band.
    lengths : mapping of any to int
        Number of frames of each clip, by its name or path.
    references : sequence of any
        Clips of which one will be the reference.

    Raises
    ------
    ValueError
        If no reference will do; names two clips.
    """

    def apart(one: Any, other: Any) -> int:
        return abs(lengths[one] - lengths[other])

    # The reference that asks for least, and of its clips the hardest first: what a message says
    # about them then suffices for all.
    nearest = sorted(references, key=lambda one: max(apart(one, other) for other in lengths))
    refusals = [_refusal(matching, lengths, reference) for reference in nearest]
    if all(refusals):
        raise ValueError(refusals[0])


def _refusal(matching: Matching, lengths: Mapping[Any, int], reference: Any) -> str | None:
    """Return why some clip cannot be aligned with a reference, None if all can."""
    length = lengths[reference]
    for other in sorted(lengths, key=lambda other: -abs(length - lengths[other])):
        if other == reference:
            continue
        try:
            matching.check_lengths(length, lengths[other])
        except ValueError as error:
            return f"{reference} and {other}: {error}"
    return None
