"""Make the call that a case describes, with torch or with NumPy."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from tacref.verify.calls_jax import run_jax
from tacref.verify.cases import Case
from tacref.verify.guard import ReturnedError, SubjectError, guarded
from tacref.verify.subject import Outcome, Subject


def run_case(subject: Subject, case: Case) -> Outcome:
    """Call the function as the case says.

    Raises
    ------
    SubjectError
        If the function raises, or returns what it must not. If only its backward raises, the
        outcome says so.
    """
    changed: set[str] = set()
    start = time.monotonic()
    try:
        if subject.framework == "numpy":
            return _run_numpy(subject, case, changed)
        if subject.framework == "jax":
            return run_jax(subject, case, changed, run_case)
        return _run_torch(subject, case, changed)
    finally:
        subject.seconds = time.monotonic() - start
        for name in changed:
            subject.changed.setdefault(name, case)


def input_tensors(case: Case) -> list[Any]:
    """Return the inputs as tensors in the layout of the case; some of them require gradients."""
    import torch

    leaves = []
    for argument, array in enumerate(case.arrays()):
        tensor = torch.tensor(array, device=case.spec.device)
        if case.layout:
            # The code that a snippet shows is the code that runs.
            tensor = eval(case.layout.format("tensor"), {"tensor": tensor, "torch": torch})
        leaves.append(tensor.detach().requires_grad_(case.requires_gradient(argument)))
    return leaves


def upstream_tensor(subject: Subject, case: Case, like: Any) -> Any:
    """Return the gradient from above for a result."""
    import torch

    assert case.upstream is not None
    numbers = case.upstream if like.numel() == len(case.problems) else case.upstream[:1]
    return torch.tensor(numbers, dtype=like.dtype, device=like.device).reshape(like.shape)


def call_torch(subject: Subject, leaves: Sequence[Any], options: dict[str, Any]) -> Any:
    """Call a torch function, inside `guarded`, and return its tensor of values."""
    import torch

    returned = subject.call(*leaves, **options)
    if not isinstance(returned, torch.Tensor):
        raise ReturnedError(f"returned {type(returned).__name__}, expected a tensor (B,)")
    B = len(leaves[0])
    if returned.numel() not in (1, B):
        raise ReturnedError(f"returned a tensor of shape {tuple(returned.shape)}, expected ({B},)")
    if not returned.is_floating_point():
        raise ReturnedError(f"returned a tensor of {returned.dtype}, expected {leaves[0].dtype}")
    if returned.device != leaves[0].device:
        raise ReturnedError(f"returned a tensor on {returned.device}, expected {leaves[0].device}")
    return returned


def torch_options(case: Case) -> dict[str, Any]:
    """Return the options, with arrays as tensors."""
    import torch

    device = case.spec.device
    return {
        name: torch.tensor(value, device=device) if isinstance(value, np.ndarray) else value
        for name, value in case.options().items()
    }


def _run_torch(subject: Subject, case: Case, changed: set[str]) -> Outcome:
    import torch

    options = torch_options(case)
    if case.same_tensors:
        leaves = input_tensors(case.before[0])
        with guarded(changed):
            call_torch(subject, leaves, torch_options(case.before[0]))
        with torch.no_grad():
            for leaf, array in zip(leaves, case.arrays(), strict=True):
                leaf.copy_(torch.tensor(array, device=leaf.device))
    else:
        for earlier in case.before:
            run_case(subject, earlier)
        leaves = input_tensors(case)
    with guarded(changed):
        returned = call_torch(subject, leaves, options)
    for other in case.between:
        run_case(subject, other)
    with guarded(changed):
        values = returned.detach().to(torch.float64).reshape(-1).cpu().numpy().copy()
    gradients, no_gradient = _backward(subject, case, leaves, returned, changed)
    arrays, options_before = case.arrays(), torch_options(case)
    untouched = all(
        np.array_equal(leaf.detach().cpu().numpy(), array, equal_nan=True)
        for leaf, array in zip(leaves, arrays, strict=True)
    ) and all(
        torch.equal(options[name], value)
        for name, value in options_before.items()
        if isinstance(value, torch.Tensor)
    )
    if not untouched and subject.modified_by is None:
        subject.modified_by = case
    return Outcome(values, gradients, no_gradient)


def _backward(
    subject: Subject, case: Case, leaves: Sequence[Any], returned: Any, changed: set[str]
) -> tuple[tuple[np.ndarray | None, ...], str]:
    """Take the gradients of what was returned."""
    import torch

    none = (None,) * len(leaves)
    differentiated = [leaf for leaf in leaves if leaf.requires_grad]
    if not subject.gradients or not differentiated:
        return none, ""
    if not returned.requires_grad:
        return none, "its result does not require a gradient"
    gradients: list[Any] = []
    try:
        with guarded(changed, "backward "):
            if case.backward_twice:
                torch.autograd.grad(
                    -3.0 * returned.sum(), differentiated, allow_unused=True, retain_graph=True
                )
            if case.upstream is None:
                total = returned.sum()
                gradients = list(torch.autograd.grad(total, differentiated, allow_unused=True))
            else:
                above = upstream_tensor(subject, case, returned)
                gradients = list(
                    torch.autograd.grad(returned, differentiated, above, allow_unused=True)
                )
            gradients = [
                None if each is None else each.detach().to(torch.float64).cpu().numpy()
                for each in gradients
            ]
    except SubjectError as error:
        return none, str(error)
    return tuple(gradients.pop(0) if leaf.requires_grad else None for leaf in leaves), ""


def _run_numpy(subject: Subject, case: Case, changed: set[str]) -> Outcome:
    options = case.options()
    if case.same_tensors:
        arrays = _arrays(case.before[0])
        with guarded(changed):
            subject.call(*arrays, **options)
        for array, new in zip(arrays, _arrays(case), strict=True):
            array[...] = new
    else:
        for earlier in case.before:
            run_case(subject, earlier)
        arrays = _arrays(case)
    with guarded(changed):
        returned = subject.call(*arrays, **options)
    for other in case.between:
        run_case(subject, other)
    with guarded(changed):
        value, *gradients = returned if isinstance(returned, tuple) else (returned,)
        number = _number(value)
        padding: list[Any] = [None] * max(0, len(arrays) - len(gradients))
        returned_gradients = tuple(
            None if each is None else np.array(each, np.float64)[None]
            for each in [*gradients, *padding][: len(arrays)]
        )
    for array, before in zip(arrays, _arrays(case), strict=True):
        if not np.array_equal(array, before, equal_nan=True) and subject.modified_by is None:
            subject.modified_by = case
    if not any(each is not None for each in returned_gradients) and subject.gradients:
        return Outcome(number, (None,) * len(arrays), "it returns the value alone")
    return Outcome(number, returned_gradients)


def _arrays(case: Case) -> list[np.ndarray]:
    arrays = []
    for (array,) in case.arrays():
        if case.layout:
            array = eval(case.layout.format("array"), {"array": array, "np": np})
        arrays.append(array)
    return arrays


def _number(value: Any) -> np.ndarray:
    kind = type(value).__name__
    array = value if isinstance(value, np.ndarray | np.generic) else np.asarray(value)
    if "torch" in type(value).__module__ or array.dtype.kind not in "fiu":
        raise ReturnedError(f"returned a value of type {kind}, expected a number")
    if array.size != 1:
        raise ReturnedError(f"returned a value of shape {array.shape}, expected a number")
    return array.astype(np.float64).reshape(1)
