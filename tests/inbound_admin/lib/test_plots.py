"""Plots of numbers over time: gaps stay gaps, and every point is inside."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbound_admin.lib import plots

START = datetime(2026, 11, 24, tzinfo=UTC)
DAY = plots.Window(START, START + timedelta(days=1))


def at(*hours: int, value: float = 1) -> list[tuple[datetime, float]]:
    return [(START + timedelta(hours=hour), value) for hour in hours]


def test_consecutive_hours_are_one_line_and_a_gap_breaks_it() -> None:
    (line,) = plots.draw({"sent": at(0, 1, 2, 5, 8, 9)}, DAY).lines
    assert len(line.paths) == 2
    assert len(line.dots) == 1


def test_no_data_draws_axes_without_a_line() -> None:
    plot = plots.draw({"sent": []}, DAY)
    assert not plot.lines[0].paths
    assert not plot.lines[0].dots
    assert [tick.label for tick in plot.times] == ["00:00", "12:00", "00:00"]
    assert plot.levels[0].label == "0"


def test_a_limit_above_all_values_is_inside() -> None:
    plot = plots.draw({"sent": at(1, 2)}, DAY, limits=[plots.Limit(80, "80", "warn")])
    assert 0 < plot.limits[0].at < plot.floor


def test_points_outside_the_window_are_not_drawn() -> None:
    assert plots.draw({"sent": at(-3, -2, 30)}, DAY).lines[0].paths == ()


@pytest.mark.parametrize(("most", "step"), [(1, 0.2), (6, 1), (7, 2), (31, 10), (0.011, 0.002), (60000, 10000)])
def test_levels_are_round_numbers(most: float, step: float) -> None:
    assert plots.round_step(most) == pytest.approx(step)


@given(st.lists(st.floats(0, 1e9), max_size=24))
def test_every_point_is_inside_for_any_numbers(values: list[float]) -> None:
    points = [(START + timedelta(hours=hour), value) for hour, value in enumerate(values)]
    plot = plots.draw({"a": points}, DAY)
    for path in plot.lines[0].paths:
        for x, y in re.findall(r"([\d.]+) (-?[\d.]+)", path):
            assert plot.left <= float(x) <= plot.right
            assert 0 <= float(y) <= plot.floor
