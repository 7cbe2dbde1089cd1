"""Computes the shapes of a plot over time, in units of an SVG's viewBox. Missing data is a gap, never zero.

Only geometry: the templates draw it, and also show the numbers in a table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 22
MOST_LEVELS = 6
WIDE, NARROW = 640, 340
_ROUND = (1, 2, 5)

Points = Sequence[tuple[datetime, float]]


@dataclass(frozen=True)
class Window:
    """From `start` up to `end`. Points further apart than `step` aren't joined."""

    start: datetime
    end: datetime
    step: timedelta = HOUR


@dataclass(frozen=True)
class Tick:
    """A position on an axis, and its label."""

    at: float
    label: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Limit:
    """A level with a meaning; `tone` as for chips."""

    value: float
    label: str
    tone: str


@dataclass(frozen=True)
class LimitLine:
    at: float
    label: str
    tone: str


@dataclass(frozen=True)
class Dot:
    x: float
    y: float


@dataclass(frozen=True)
class PlotLine:
    """`paths` are unbroken sections, `dots` single points between gaps. `number` selects the line's style."""

    name: str
    number: int
    paths: tuple[str, ...]
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Plot:
    width: int
    height: int
    lines: tuple[PlotLine, ...]
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


def plain(value: float) -> str:
    """Return a count as an axis label: 1200 becomes 1.2k."""
    if value >= 1000:
        return f"{value / 1000:g}k"
    return f"{value:g}"


def draw(
    lines: Mapping[str, Points],
    window: Window,
    *,
    limits: Sequence[Limit] = (),
    label: Callable[[float], str] = plain,
    width: int = WIDE,
    height: int = 180,
) -> Plot:
    """Compute the plot. The scale starts at zero and includes every point and limit."""
    inside = {name: [p for p in points if window.start <= p[0] <= window.end] for name, points in lines.items()}
    values = [value * 1.1 for points in inside.values() for _, value in points]
    most = max([*values, *(limit.value * 1.2 for limit in limits)], default=0) or 1.0
    scale = _Scale(window, most, width, height)
    return Plot(
        width=width,
        height=height,
        lines=tuple(_line(name, n, points, scale) for n, (name, points) in enumerate(inside.items(), 1)),
        limits=tuple(LimitLine(scale.y(limit.value), limit.label, limit.tone) for limit in limits),
        levels=scale.levels(label),
        times=scale.times(),
    )


def _line(name: str, number: int, points: Points, scale: "_Scale") -> PlotLine:
    stretches = _stretches(points, scale.window.step)
    return PlotLine(
        name,
        number,
        paths=tuple(scale.path(each) for each in stretches if len(each) > 1),
        dots=tuple(Dot(scale.x(each[0][0]), scale.y(each[0][1])) for each in stretches if len(each) == 1),
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

    def path(self, points: Points) -> str:
        return "M" + " L".join(f"{self.x(at)} {self.y(value)}" for at, value in points)

    def levels(self, label: Callable[[float], str]) -> tuple[Tick, ...]:
        step = round_step(self.most)
        return tuple(Tick(self.y(n * step), label(round(n * step, 6))) for n in range(int(self.most / step) + 1))

    def times(self) -> tuple[Tick, ...]:
        """Return labels for both ends and the middle: hours for one day, dates for more."""
        start, end = self.window.start, self.window.end
        form = "%H:%M" if end - start <= timedelta(days=1) else "%-d %b"
        places = ((start, "start"), (start + (end - start) / 2, "middle"), (end, "end"))
        return tuple(Tick(self.x(at), at.strftime(form), anchor) for at, anchor in places)


def round_step(most: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that needs at most six levels up to `most`."""
    power = 1e-4
    while True:
        for each in _ROUND:
            if most / (each * power) <= MOST_LEVELS:
                return each * power
        power *= 10


def _stretches(points: Points, step: timedelta) -> tuple[Points, ...]:
    found: list[list[tuple[datetime, float]]] = []
    for point in points:
        if found and point[0] - found[-1][-1][0] <= step:
            found[-1].append(point)
        else:
            found.append([point])
    return tuple(found)


@dataclass(frozen=True)
class PlotRow:
    """One time in the table of the plot's data. None means no data."""

    at: datetime
    values: tuple[float | None, ...]


def table(columns: Sequence[Points]) -> tuple[PlotRow, ...]:
    """Return the table, newest first, with only times that have data."""
    by_time = [dict(points) for points in columns]
    moments = sorted({at for column in by_time for at in column}, reverse=True)
    return tuple(PlotRow(at, tuple(column.get(at) for column in by_time)) for at in moments)


@dataclass(frozen=True)
class Chart:
    """A plot for a wide page and one for a phone, and the table of the same data: for `plots/chart.html`."""

    title: str
    columns: tuple[str, ...]
    wide: Plot
    narrow: Plot
    rows: tuple[PlotRow, ...]


def chart(title: str, lines: Mapping[str, Points], window: Window, *, limits: Sequence[Limit] = ()) -> Chart:
    return Chart(
        title=title,
        columns=tuple(lines),
        wide=draw(lines, window, limits=limits, width=WIDE),
        narrow=draw(lines, window, limits=limits, width=NARROW),
        rows=table(tuple(lines.values())),
    )
