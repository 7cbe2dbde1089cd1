"""A measured value and its bound."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """`bound` None: the value is shown only for comparison."""

    name: str
    value: float | None
    unit: str
    bound: float | None
    holds: bool
    note: str = ""


def at_most(name: str, value: float, unit: str, bound: float) -> Row:
    """Return a row whose value must not exceed the bound."""
    return Row(name, value, unit, bound, value <= bound)


def at_least(name: str, value: float, unit: str, bound: float) -> Row:
    """Return a row whose value must reach the bound."""
    return Row(name, value, unit, bound, value >= bound)


def shown(name: str, value: float, unit: str) -> Row:
    """Return a row without a bound, for comparison only."""
    return Row(name, value, unit, None, True)


def failed(name: str, why: str) -> Row:
    """Return a row for a value that couldn't be measured. It doesn't hold."""
    return Row(name, None, "", None, False, why)
