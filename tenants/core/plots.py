"""A rate over time as shapes on a page. What was not measured leaves a gap: it is never drawn as zero."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tenants.core.rates import HOUR, Grade, Hour, Limits, Measure

LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 22
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
MOST_LINES = 6


@dataclass(frozen=True)
class Window:
    """From `start` up to `end`; each drawn point is the worst of `step`."""

    start: datetime
    end: datetime
    step: timedelta = HOUR


@dataclass(frozen=True)
class Tick:
    """A place along an axis, and what stands there."""

    at: float
    label: str
    anchor: str = "middle"


@dataclass(frozen=True)
class LimitLine:
    at: float
    label: str
    grade: Grade


@dataclass(frozen=True)
class Dot:
    x: float
    y: float


@dataclass(frozen=True)
class Plot:
    """In units of the SVG's viewBox; `paths` are unbroken stretches, `dots` single hours between gaps."""

    width: int
    height: int
    paths: tuple[str, ...]
    dots: tuple[Dot, ...]
    limits: tuple[LimitLine, ...]
    levels: tuple[Tick, ...]
    times: tuple[Tick, ...]

    @property
    def left(self) -> int:
        return LEFT

    @property
    def right(self) -> int:
        return self.width - RIGHT

    @property
    def floor(self) -> int:
        return self.height - BOTTOM


def worst_of_each(hours: Sequence[Hour], window: Window) -> tuple[Hour, ...]:
    """One for each step in which there is data: its highest rates, and all that was sent."""
    found: dict[datetime, Hour] = {}
    for hour in hours:
        if window.start <= hour.at < window.end:
            begin = window.start + (hour.at - window.start) // window.step * window.step
            held = found.get(begin, Hour(begin))
            found[begin] = replace(
                held,
                bounce=_highest(held.bounce, hour.bounce),
                complaint=_highest(held.complaint, hour.complaint),
                sent=hour.sent if held.sent is None else held.sent + (hour.sent or 0),
            )
    return tuple(found[begin] for begin in sorted(found))


def draw(hours: Sequence[Hour], measure: Measure, limits: Limits, window: Window, *, width: int, height: int) -> Plot:
    """`hours` as `worst_of_each` gives them."""
    points = [(hour.at, value) for hour in hours if (value := hour.of(measure)) is not None]
    most = max([limits.high * 1.2, *(value * 1.1 for _, value in points)])
    scale = _Scale(window, most, width, height)
    stretches = _stretches(points, window.step)
    return Plot(
        width=width,
        height=height,
        paths=tuple(scale.path(each) for each in stretches if len(each) > 1),
        dots=tuple(Dot(scale.x(each[0][0]), scale.y(each[0][1])) for each in stretches if len(each) == 1),
        limits=(
            LimitLine(scale.y(limits.low), f"{limits.low:.1%}", Grade.LOW),
            LimitLine(scale.y(limits.high), f"{limits.high:.1%}", Grade.HIGH),
        ),
        levels=scale.levels(),
        times=scale.times(),
    )


@dataclass(frozen=True)
class _Scale:
    window: Window
    most: float
    width: int
    height: int

    def x(self, at: datetime) -> float:
        share = (at - self.window.start) / (self.window.end - self.window.start)
        return round(LEFT + share * (self.width - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(self.height - BOTTOM - value / self.most * (self.height - TOP - BOTTOM), 1)

    def path(self, points: Sequence[tuple[datetime, float]]) -> str:
        return "M" + " L".join(f"{self.x(at)} {self.y(value)}" for at, value in points)

    def levels(self) -> tuple[Tick, ...]:
        step = next((step for step in STEPS if self.most / step <= MOST_LINES), 0.5)
        digits = 1 if step < 0.01 else 0
        return tuple(
            Tick(self.y(number * step), f"{number * step:.{digits}%}") for number in range(int(self.most / step) + 1)
        )

    def times(self) -> tuple[Tick, ...]:
        """The two ends and the middle; a day is told by its hours, more by its dates."""
        start, end = self.window.start, self.window.end
        form = "%H:%M" if end - start <= timedelta(days=1) else "%-d %b"
        places = ((start, "start"), (start + (end - start) / 2, "middle"), (end, "end"))
        return tuple(Tick(self.x(at), at.strftime(form), anchor) for at, anchor in places)


def _stretches(
    points: Sequence[tuple[datetime, float]], step: timedelta
) -> tuple[tuple[tuple[datetime, float], ...], ...]:
    found: list[list[tuple[datetime, float]]] = []
    for point in points:
        if found and point[0] - found[-1][-1][0] <= step:
            found[-1].append(point)
        else:
            found.append([point])
    return tuple(tuple(each) for each in found)


def _highest(one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)
