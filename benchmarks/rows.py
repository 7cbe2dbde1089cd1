"""One measured value and the bound that it is held to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """`bound` is None for a value that is shown beside others and held to nothing."""

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
    """For comparison alone."""
    return Row(name, value, unit, None, True)


def failed(name: str, why: str) -> Row:
    """What could not be measured does not hold."""
    return Row(name, None, "", None, False, why)
