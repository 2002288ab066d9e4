"""Find out, before any claim, whether a function can be checked at all."""

from dataclasses import replace

from tacref.verify.calls import run
from tacref.verify.cases import Case
from tacref.verify.draw import draw
from tacref.verify.guard import ReturnedError, SubjectError
from tacref.verify.subject import Framework, Subject

_SHAPES = ((1, 1), (2, 2), (3, 4), (6, 5))


def always_fails(subject: Subject, seed: int) -> SubjectError | None:
    """Return the error of the last call, if each call raises or returns what it must not."""
    error: SubjectError | None = None
    for n, m in _SHAPES:
        try:
            run(subject, _case(subject, seed, n, m))
        except SubjectError as raised:
            error = raised
        else:
            return None
    return error


def first_case(subject: Subject, seed: int) -> Case:
    """Return the smallest call that is tried."""
    return _case(subject, seed, *_SHAPES[0])


def check_framework(subject: Subject, seed: int, error: SubjectError) -> None:
    """Raise if the function, which fails, works with the other framework.

    Raises
    ------
    ValueError
        If it does.
    """
    other: Framework = "numpy" if subject.framework == "torch" else "torch"
    if always_fails(replace(subject, framework=other, changed={}), seed) is None:
        told = f"{'returned' if isinstance(error, ReturnedError) else 'raised'}"
        message = str(error).removeprefix(f"{told} ")
        raise ValueError(
            f"framework must be {other} for {subject.name}, got {subject.framework}: with "
            f"{subject.framework} it {told} {message}"
        ) from error


def _case(subject: Subject, seed: int, n: int, m: int) -> Case:
    return Case((draw(subject.spec, (seed, n, m), n, m),))
