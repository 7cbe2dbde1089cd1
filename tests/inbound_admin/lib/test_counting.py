"""Hourly counts, whose totals never fall."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from inbound_admin.lib import aws, counters
from inbound_admin.lib.errors import AwsMissing, AwsUnreachable
from sandbox.process import Sandbox

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


def test_two_counts_in_an_hour_are_one_row() -> None:
    counters.count("look", label="dns", seconds=0.5)
    counters.count("look", label="dns", seconds=0.25)
    ((found,), _) = counters.counted_since(["look"], timezone.now() - timedelta(hours=1))
    assert (found.number, found.seconds) == (2, 0.75)


def test_the_last_level_of_the_hour_is_kept() -> None:
    counters.set_levels("domains", {"verified": 5}, now=NOW)
    counters.set_levels("domains", {"verified": 7}, now=NOW + timedelta(minutes=10))
    assert [each.number for each in counters.counted_since(["domains"], NOW - timedelta(hours=1))[0]] == [7]


def test_a_total_does_not_fall_when_old_hours_are_summed() -> None:
    with connection.cursor() as cursor:
        for days in (500, 450, 1):
            cursor.execute(
                "INSERT INTO counts (hour, name, number) VALUES (%s, 'call', 3)", [NOW - timedelta(days=days)]
            )
    counters.rollup(now=NOW, kept=timedelta(days=400))
    counters.rollup(now=NOW, kept=timedelta(days=400))
    (total,) = counters.totals("call")
    assert total.number == 9
    assert len(counters.counted_since(["call"], counters.LONG_AGO)[0]) == 2


def test_aws_calls_are_counted_by_operation_and_outcome(sandbox: Sandbox) -> None:
    with aws.calling("sesv2", "list") as ses:
        ses.list_email_identities()
    with pytest.raises(AwsMissing), aws.calling("sesv2", "read") as ses:
        ses.get_email_identity(EmailIdentity="nobody.example")
    found = {(each.label, each.outcome): each.number for each in counters.totals("aws_call")}
    assert found == {("ListEmailIdentities", "ok"): 1, ("GetEmailIdentity", "NotFoundException"): 1}


def test_a_call_without_a_response_is_counted(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    sandbox.control.add_fault("cut_before", "ListEmailIdentities", nth=1, times=1)
    with pytest.raises(AwsUnreachable), aws.calling("sesv2", "list") as ses:
        ses.list_email_identities()
    (found,) = counters.totals("aws_call")
    assert (found.label, found.number) == ("ListEmailIdentities", 1)
    assert found.outcome != "ok"
