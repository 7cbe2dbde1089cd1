"""Tags and filters for text: times, links, numbers, and sentences about AWS."""

from calendar import month_name
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from django import template
from django.urls import get_script_prefix, get_urlconf, reverse
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince, timeuntil

from inbound_admin.lib import errors
from inbound_admin.lib.lists import Bounded

register = template.Library()
# A time, as relative and absolute. A list has a hundred of them, so this is no component.
MINUTE_SECONDS = 60
HOUR_SECONDS = 60 * MINUTE_SECONDS
DAY_SECONDS = 24 * HOUR_SECONDS
MONTHS = tuple(month_name)[1:]


class _Plural:
    """Stands in for a translation in `timesince`: "3 days" of `% {"num": 3}`, without the catalogue."""

    def __init__(self, one: str) -> None:
        self._one = one

    def __mod__(self, values: dict[str, int]) -> str:
        number = values["num"]
        return f"{number} {self._one}{'' if number == 1 else 's'}"


_UNITS: Any = {name: _Plural(name) for name in ("year", "month", "week", "day", "hour", "minute")}


@register.simple_tag
def moment(value: Any, none: str = "never", future: str = "", absolute: str = "") -> SafeString:
    """`none`: text without a value. `future`: set for a time in the future. `absolute`: show the time itself."""
    if not value:
        return conditional_escape(none)
    at = value.astimezone(UTC)
    minute = f"{at.day} {MONTHS[at.month - 1]} {at.year}, {at.hour:02}:{at.minute:02}"
    iso = at.isoformat()
    if absolute:
        return _safe(f'<time datetime="{iso}" data-absolute>{minute} UTC</time>')
    due = " data-future" if future else ""
    title = f"{minute}:{at.second:02} UTC"
    return _safe(f'<time datetime="{iso}" title="{title}"{due} class="whitespace-nowrap">{ago(value)}</time>')


def _safe(html: str) -> SafeString:
    """All of it is ours and a clock's."""
    return mark_safe(html)  # noqa: S308  # nosec B308 B703


def ago(value: datetime) -> str:
    """As `naturaltime`, but without its translation lookups, up to twelve for each time."""
    now = datetime.now(value.tzinfo)
    away = (now - value).total_seconds()
    if away >= DAY_SECONDS:
        return f"{timesince(value, now, time_strings=_UNITS)} ago"
    if away <= -DAY_SECONDS:
        return f"{timeuntil(value, now, time_strings=_UNITS)} from now"
    seconds = int(abs(away))
    return f"{_within_a_day(seconds)} {'ago' if away > 0 else 'from now'}" if seconds else "now"


def _within_a_day(seconds: int) -> str:
    if seconds >= HOUR_SECONDS:
        return "an hour" if seconds < 2 * HOUR_SECONDS else f"{seconds // HOUR_SECONDS}\xa0hours"
    if seconds >= MINUTE_SECONDS:
        return "a minute" if seconds < 2 * MINUTE_SECONDS else f"{seconds // MINUTE_SECONDS}\xa0minutes"
    return "a second" if seconds == 1 else f"{seconds}\xa0seconds"


# The address of a page about one object, for lists: `url` would find the view's pattern again for each row.


_ID = "id-of-the-object"


@register.simple_tag
def url_of(view: str, pk: Any) -> str:
    """As `url` with one argument, which is an ID: one part of the path."""
    before, after = _around_id(view, get_urlconf(), get_script_prefix())
    return f"{before}{quote(str(pk), safe='')}{after}"


@lru_cache(maxsize=256)
def _around_id(view: str, urlconf: str | None, _prefix: str) -> tuple[str, str]:
    before, _, after = reverse(view, urlconf, args=[_ID]).partition(_ID)
    return before, after


# Numbers as people read them.


@register.filter
def counted(value: object) -> object:
    """Return a bounded count as text, such as "10,000+", which Django would group a second time; else the value."""
    return str(value) if isinstance(value, Bounded) else value


# Filters for sentences about AWS: who reads decides how they are told.


@register.filter
def told_to(sentence: object, reader: Any) -> str:
    """Return a problem as this person reads it, right after they tried."""
    return errors.aws_sentence(str(sentence), to=reader)


@register.filter
def retried_for(sentence: object, reader: Any) -> str:
    """Return the stored problem of a call that the worker repeats."""
    return errors.aws_sentence(str(sentence), to=reader, retried=True)
