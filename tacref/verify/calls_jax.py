"""Calls of a JAX function of one item: batches by `vmap`, gradients by `vjp`, in float64."""

import contextlib
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tacref.verify.cases import Case
from tacref.verify.guard import ReturnedError, SubjectError, guarded
from tacref.verify.subject import Outcome, Subject


def check_jax() -> None:
    """Refuse to check a JAX function where JAX is not installed.

    Raises
    ------
    ValueError
        If it is not.
    """
    try:
        importlib.import_module("jax")
    except ImportError:
        message = "framework jax needs JAX, which is not installed: pip install jax"
        raise ValueError(message) from None


def run_jax(
    subject: Subject,
    case: Case,
    changed: set[str],
    run_case: Callable[[Subject, Case], Outcome],
) -> Outcome:
    """Call the function as the case says; `run_case` makes the calls around it.

    Raises
    ------
    SubjectError
        If the function raises, or does not return one number for an item.
    """
    jax: Any = importlib.import_module("jax")
    for earlier in case.before:
        run_case(subject, earlier)
    options, count = case.options(), len(case.problems)

    def of_item(*arrays: Any) -> Any:
        value = subject.call(*arrays, **options)
        if not hasattr(value, "shape") or value.size != 1:
            raise ReturnedError(f"returned {type(value).__name__}, expected a number")
        return value.reshape(())

    with jax.enable_x64(True):
        arrays = [jax.numpy.asarray(array if count > 1 else array[0]) for array in case.arrays()]
        above = np.ones(count) if case.upstream is None else np.array(case.upstream)
        of_case = jax.vmap(of_item) if count > 1 else of_item

        def at_once(arrays: list[Any], above: Any) -> Any:
            values, back = jax.vjp(of_case, *arrays)
            return values, back(above.astype(values.dtype).reshape(values.shape))

        values, gradients, no_gradient = None, None, ""
        if subject.gradients:
            # Compiled as one, a call is four times as fast; what cannot be is called as it is.
            with contextlib.suppress(SubjectError), guarded(changed):
                values, gradients = jax.jit(at_once)(arrays, above)
        if values is None:
            with guarded(changed):
                values = of_case(*arrays)
            try:
                if subject.gradients:
                    with guarded(changed, "vjp "):
                        _, gradients = at_once(arrays, jax.numpy.asarray(above))
            except SubjectError as error:
                no_gradient = str(error)
        for other in case.between:
            run_case(subject, other)
        with guarded(changed):
            numbers = np.array(values, np.float64).reshape(-1)
            found: tuple[np.ndarray | None, ...] = (None,) * len(arrays)
            if gradients is not None:
                found = tuple(
                    np.array(each, np.float64).reshape(array.shape)
                    for each, array in zip(gradients, case.arrays(), strict=True)
                )
    return Outcome(numbers, found, no_gradient)
