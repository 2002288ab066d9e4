"""How a setting is declared: once, with its type, default, bounds and purpose."""

import dataclasses
import math
from collections.abc import Callable, Collection
from numbers import Integral, Real
from typing import Any, NamedTuple, get_args

from tacref.checks import check_not_negative, check_positive


class Bound(NamedTuple):
    """What a value must be.

    Parameters
    ----------
    check : callable
        Takes a value and its name, and raises a ValueError if the value is out of bounds.
    words : str
        The same in words.
    least : int or None
        The smallest whole number allowed.
    """

    check: Callable[[Any, str], object]
    words: str
    least: int | None = None


class Option(NamedTuple):
    """A setting, as users see it.

    Parameters
    ----------
    help : str
        What it does, as a sentence without subject or full stop.
    group : str
        Heading in `--help`; "" for none.
    metavar : str or None
        What its value is called; by default the setting's name.
    default : str
        The default in words, if the value itself does not say it.
    bounds : tuple of Bound
        Each of them must hold.
    may_change : bool
        True if a run may be resumed with another value, since it only says where the run computes
        or what it keeps.
    """

    help: str
    group: str
    metavar: str | None
    default: str
    bounds: tuple[Bound, ...]
    may_change: bool


class Key(NamedTuple):
    """A key of a recipe: its name, type without None, default (MISSING: none) and option."""

    name: str
    kind: Any
    default: Any
    option: Option

    @property
    def flag(self) -> str:
        """Return the option on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def metavar(self) -> str:
        """Return what the option's value is called."""
        return self.option.metavar or self.name.upper()

    @property
    def least(self) -> int | None:
        """Return the smallest whole number allowed, if there is one."""
        return max((b.least for b in self.option.bounds if b.least is not None), default=None)

    @property
    def default_words(self) -> str:
        """Return the default in words."""
        if self.option.default:
            return self.option.default
        if self.default is dataclasses.MISSING:
            return "the recipe's"
        if isinstance(self.default, bool):
            return "yes" if self.default else "no"
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    def check(self, value: Any) -> None:
        """Refuse a value that is out of bounds.

        Raises
        ------
        ValueError
            Names the key, the bound and the value.
        """
        for bound in self.option.bounds:
            bound.check(value, self.name)


class Group(NamedTuple):
    """Options under one heading; "" is that of no heading."""

    name: str

    def option(
        self,
        help: str,
        *bounds: Bound,
        default: Any = dataclasses.MISSING,
        metavar: str | None = None,
        default_words: str = "",
        may_change: bool = False,
    ) -> Any:
        """Return a field of a dataclass that declares an option, as `Option` says.

        Without `default`, a recipe or the command line must give the value.
        """
        declared = Option(help, self.name, metavar, default_words, bounds, may_change)
        return dataclasses.field(default=default, metadata={"option": declared})


def keys_of(declaration: Any) -> dict[str, Key]:
    """Return the keys that a dataclass of options declares, by name."""
    return {
        field.name: Key(field.name, _kind(field.type), field.default, field.metadata["option"])
        for field in dataclasses.fields(declaration)
    }


def _kind(annotation: Any) -> Any:
    """Return a type without None."""
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    return kinds[0] if type(None) in get_args(annotation) else annotation


def whole(least: int, most: int | None = None) -> Bound:
    """Return the bound of a whole number from `least` to `most`."""
    bounds = [_bound(lambda value: value >= least, f">= {least}")]
    if most is not None:
        bounds.append(at_most(most))

    def check(value: Any, name: str) -> None:
        for bound in bounds:
            bound.check(value, name)

    return Bound(check, f">= {least}" if most is None else f"{least} to {most}", least)


def at_most(most: float) -> Bound:
    """Return the bound of a number up to `most`."""
    return _bound(
        lambda value: value <= most, f"<= {most if isinstance(most, int) else f'{most:g}'}"
    )


def more_than_zero(most: float) -> Bound:
    """Return the bound of a number above 0 and up to `most`."""
    return _bound(lambda value: 0 < value <= most, f"> 0 and <= {most:g}")


def not_negative() -> Bound:
    """Return the bound of a finite number from 0 on."""
    return Bound(check_not_negative, ">= 0")


def positive(least: float = 0.0) -> Bound:
    """Return the bound of a finite number above 0 that is at least `least`."""
    return Bound(lambda value, name: check_positive(value, name, least=least), "> 0")


def one_of(choices: Collection[str]) -> Bound:
    """Return the bound of a word among `choices`."""

    def check(value: Any, name: str) -> None:
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")

    return Bound(check, ", ".join(choices))


def _bound(holds: Callable[[Any], bool], words: str) -> Bound:
    def check(value: Any, name: str) -> None:
        if not holds(value):
            raise ValueError(f"{name} must be {words}, got {value!r}")

    return Bound(check, words)


def check_type(name: str, value: Any, kind: Any) -> Any:
    """Return a value in the type of its key; whole numbers are numbers, too.

    Raises
    ------
    ValueError
        If it is of another type.
    """
    if kind is bool:
        fits, expected = isinstance(value, bool), "true or false"
    elif kind is int:
        fits, expected = _is_whole(value), "a whole number"
        value = int(value) if fits else value
    elif kind is str:
        fits, expected = isinstance(value, str), "a string"
    elif kind is float:
        fits, expected = isinstance(value, Real) and not isinstance(value, bool), "a number"
        try:
            value = float(value) if fits else value
        except OverflowError:  # a whole number of more than 308 digits
            value = math.inf
    else:
        fits = isinstance(value, list | tuple) and bool(value) and all(map(_is_whole, value))
        expected = "a list of whole numbers"
        value = tuple(map(int, value)) if fits else value
    if not fits:
        raise ValueError(f"{name} must be {expected}, got {value!r}")
    return value


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
