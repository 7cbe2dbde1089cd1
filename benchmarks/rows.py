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
    """Less is better."""
    return Row(name, value, unit, bound, value <= bound)


def at_least(name: str, value: float, unit: str, bound: float) -> Row:
    """More is better."""
    return Row(name, value, unit, bound, value >= bound)


def shown(name: str, value: float, unit: str) -> Row:
    """A value for comparison only."""
    return Row(name, value, unit, None, True)


def failed(name: str, why: str) -> Row:
    """A value that could not be measured doesn't hold."""
    return Row(name, None, "", None, False, why)
