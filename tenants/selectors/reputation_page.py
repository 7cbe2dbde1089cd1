"""The page of a reputation, of a tenant or of our whole account: its plots, and the table that says the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from inbound_admin.lib.plots import Limit, Plot, Points, Window, draw
from tenants.core.findings import Words, words_for
from tenants.core.rates import (
    ACCOUNT_LIMITS,
    HOUR,
    RATES,
    TENANT_LIMITS,
    Grade,
    Hour,
    Limits,
    Measure,
    grade,
    newest,
    worst_of_each,
)
from tenants.core.risk import Risk
from tenants.models import Finding, ReputationRead, Tenant
from tenants.selectors import reputation

# How many days can be shown, what one point of the plot stands for, and what one row of the table.
SPANS: Mapping[int, tuple[timedelta, timedelta]] = {
    1: (HOUR, HOUR),
    7: (HOUR, 6 * HOUR),
    30: (6 * HOUR, 24 * HOUR),
}
SPAN = 7
WIDE, NARROW = (520, 200), (340, 190)
TITLES = {Measure.BOUNCE: "Bounces", Measure.COMPLAINT: "Complaints"}


@dataclass(frozen=True)
class Chart:
    """`now` is the newest rate in words, "" when none is known."""

    measure: Measure
    title: str
    wide: Plot
    narrow: Plot
    now: str
    grade: Grade
    has_data: bool


@dataclass(frozen=True)
class Row:
    """A line of the table; "" is "no data"."""

    at: datetime
    bounce: str
    complaint: str
    sent: str


@dataclass(frozen=True)
class Rates:
    days: int
    charts: tuple[Chart, ...]
    rows: tuple[Row, ...]
    sent: float | None
    read: ReputationRead | None
    row_hours: int
    by_day: bool

    @property
    def has_data(self) -> bool:
        return bool(self.rows)


@dataclass(frozen=True)
class Shown:
    """A finding and our words for it."""

    finding: Finding
    words: Words


@dataclass(frozen=True)
class ReputationPage:
    rates: Rates
    open: tuple[Shown, ...]
    past: tuple[Shown, ...]
    risk: Risk


def page_of(tenant: Tenant, *, days: int, now: datetime) -> ReputationPage:
    """The caller has fetched the tenant for its viewer."""
    return ReputationPage(
        rates=rates_of(tenant, days=days, now=now),
        open=tuple(Shown(row, words_for(row.kind)) for row in reputation.open_findings(tenant)),
        past=tuple(Shown(row, words_for(row.kind)) for row in reputation.past_findings(tenant)),
        risk=reputation.risk_now(tenant),
    )


def rates_of(tenant: Tenant | None, *, days: int, now: datetime) -> Rates:
    """Of our whole account when there is no tenant. `days` is one of SPANS."""
    step, row_step = SPANS[days]
    end = now.replace(minute=0, second=0, microsecond=0) + HOUR
    window = Window(end - timedelta(days=days), end, step)
    hours = reputation.hours_of(tenant, since=window.start)
    rows = worst_of_each(hours, Window(window.start, end, row_step))
    limits = TENANT_LIMITS if tenant else ACCOUNT_LIMITS
    sent = [hour.sent for hour in hours if hour.sent is not None]
    return Rates(
        days=days,
        charts=tuple(_chart(hours, measure, limits[measure], window, now) for measure in RATES),
        rows=tuple(_row(hour) for hour in reversed(rows)),
        sent=sum(sent) if sent else None,
        read=reputation.read_of(tenant),
        row_hours=row_step // HOUR,
        by_day=row_step > 6 * HOUR,
    )


def _chart(hours: Sequence[Hour], measure: Measure, limits: Limits, window: Window, now: datetime) -> Chart:
    worst = worst_of_each(hours, window)
    points = [(hour.at, value) for hour in worst if (value := hour.of(measure)) is not None]
    rate = newest(hours, measure, since=now - reputation.QUIET_AFTER)
    wide, narrow = (_plot(points, limits, window, *size) for size in (WIDE, NARROW))
    return Chart(measure, TITLES[measure], wide, narrow, _percent(rate), grade(rate, limits), bool(points))


def _plot(points: Points, limits: Limits, window: Window, width: int, height: int) -> Plot:
    lines = (Limit(limits.low, f"{limits.low:.1%}", "warn"), Limit(limits.high, f"{limits.high:.1%}", "bad"))
    return draw({"": points}, window, limits=lines, label=_level, width=width, height=height)


def _level(rate: float) -> str:
    return f"{rate * 100:g}%"


def _row(hour: Hour) -> Row:
    sent = "" if hour.sent is None else f"{hour.sent:,.0f}"
    return Row(hour.at, _percent(hour.bounce), _percent(hour.complaint), sent)


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.2%}"
