"""Whether a function can be checked at all, before any claim."""

from dataclasses import replace

from tacref.verify.calls import run_case
from tacref.verify.cases import Case
from tacref.verify.draw import draw
from tacref.verify.guard import ReturnedError, SubjectError
from tacref.verify.subject import Framework, Subject

_SHAPES = ((1, 1), (2, 2), (3, 4), (6, 5))


def persistent_error(subject: Subject, seed: int) -> SubjectError | None:
    """Return the error of the last call if every call raises or returns what it must not."""
    error: SubjectError | None = None
    for n, m in _SHAPES:
        try:
            run_case(subject, _case(subject, seed, n, m))
        except SubjectError as raised:
            error = raised
        else:
            return None
    return error


def first_case(subject: Subject, seed: int) -> Case:
    """Return the smallest case that is tried."""
    return _case(subject, seed, *_SHAPES[0])


def check_framework(subject: Subject, seed: int, error: SubjectError) -> None:
    """Raise if a function that fails works with the other framework.

    Raises
    ------
    ValueError
        If it works with the other one.
    """
    if len(subject.spec.kind.frameworks) == 1:
        return
    if subject.framework == "jax":
        return
    other: Framework = "numpy" if subject.framework == "torch" else "torch"
    if persistent_error(replace(subject, framework=other, changed={}), seed) is None:
        verb = "returned" if isinstance(error, ReturnedError) else "raised"
        message = str(error).removeprefix(f"{verb} ")
        raise ValueError(
            f"framework must be {other} for {subject.name}, got {subject.framework}: with "
            f"{subject.framework} it {verb} {message}"
        ) from error


def check_device(device: str, framework: str) -> None:
    """Refuse a device that is not there.

    Raises
    ------
    ValueError
        If it is not, or the framework is not torch and it is not the CPU.
    """
    if device == "cpu":
        return
    kind, _, number = device.partition(":")
    if kind != "cuda" or (number and not number.isdecimal()):
        raise ValueError(f"device must be cpu or cuda, got {device!r}")
    if framework != "torch":
        raise ValueError(f"device must be cpu for {framework}, got {device!r}")
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(number or 0) >= found:
        devices = f"{found} CUDA device{'s' * (found != 1)}" if found else "no CUDA device"
        raise ValueError(f"device {device} is not available: torch finds {devices}")


def _case(subject: Subject, seed: int, n: int, m: int) -> Case:
    return Case((draw(subject.spec, (seed, n, m), n, m),))
