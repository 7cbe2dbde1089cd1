"""Relative times as Django formats them, with the exact time in the title."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.template import Context, Template

from inbound_admin.templatetags.text import ago

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
AWAY = [timedelta(seconds=each) for each in (0, 0.5, 1, 1.9, 2, 59, 60, 119, 120, 3599, 3600, 7199, 7200, 86399, 86400)]
AWAY += [timedelta(seconds=each) for each in (90000, 172800)]
AWAY += [timedelta(days=days, hours=5) for days in (6, 7, 13, 29, 30, 31, 59, 364, 365, 366, 731)]


@pytest.mark.parametrize("away", [*AWAY, *(-each for each in AWAY)])
def test_it_matches_naturaltime(away: timedelta) -> None:
    with time_machine.travel(NOW, tick=False):
        assert ago(NOW - away) == naturaltime(NOW - away)


def test_the_exact_time_is_in_the_title_and_texts_are_escaped() -> None:
    at = datetime(2026, 3, 30, 9, 5, 7, tzinfo=UTC)
    page = Template(
        "{% moment at %}|{% moment at absolute='yes' %}|{% moment nothing none=text %}|{% moment at future='yes' %}"
    )
    with time_machine.travel(NOW, tick=False):
        first, absolute, none, future = page.render(Context({"at": at, "nothing": None, "text": "<b>"})).split("|")
    assert 'datetime="2026-03-30T09:05:07+00:00" title="30 March 2026, 09:05:07 UTC"' in first
    assert "1\xa0day, 2\xa0hours ago</time>" in first
    assert absolute == '<time datetime="2026-03-30T09:05:07+00:00" data-absolute>30 March 2026, 09:05 UTC</time>'
    assert (none, "data-future" in future, "data-future" in first) == ("&lt;b&gt;", True, False)
