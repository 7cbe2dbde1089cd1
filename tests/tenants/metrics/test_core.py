"""Choosing a tenant's metrics, and computing rates from counts."""

from datetime import UTC, datetime, timedelta

from tenants.metrics.core import ListedMetric, Measure, RateSource, metrics_of_tenant, rates_of_counts

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
PAIR = (("TenantId", "tn-1"), ("TenantName", "alice"))


def hours(*values: float, ends: datetime = NOW) -> tuple[tuple[datetime, float], ...]:
    """Return hourly values; the last one is for the hour that starts at `ends`."""
    return tuple((ends - timedelta(hours=len(values) - 1 - at), value) for at, value in enumerate(values))


def test_metrics_with_other_dimensions_or_of_other_tenants_are_ignored() -> None:
    listed = [
        ListedMetric("Sends", (*PAIR, ("ses:from-domain", "shop.com"))),
        ListedMetric("Sends", (("TenantId", "tn-2"), ("TenantName", "alicia"))),
        ListedMetric("Bounces", PAIR),
    ]
    assert (
        metrics_of_tenant("alice", "alice-set", listed).source is RateSource.NONE
    )  # bounces without sends make no rate
    found = metrics_of_tenant("alice", "alice-set", [*listed, ListedMetric("Sends", PAIR)])
    assert found.source is RateSource.COUNTS
    assert dict(found.metrics) == {
        Measure.SENT: ListedMetric("Sends", PAIR),
        Measure.BOUNCE: ListedMetric("Bounces", PAIR),
    }


def test_the_configuration_sets_rates_are_the_last_choice() -> None:
    of_set = ListedMetric("Reputation.BounceRate", (("ses:configuration-set", "alice-set"),))
    assert metrics_of_tenant("alice", "alice-set", [of_set]).source is RateSource.CONFIGURATION_SET
    assert metrics_of_tenant("alice", "other-set", [of_set]).source is RateSource.NONE
    of_tenant = ListedMetric("Reputation.BounceRate", (("TenantName", "alice"),))
    assert metrics_of_tenant("alice", "alice-set", [of_set, of_tenant]).source is RateSource.RATES


def test_a_rate_is_the_share_of_the_mail_sent_in_the_preceding_day() -> None:
    sent = hours(100, 0, 300)
    assert rates_of_counts(hours(10, 0, 2), sent) == hours(0.1, 0.1, 0.03)
    assert rates_of_counts((), sent) == hours(0, 0, 0)
    assert rates_of_counts((), hours(0)) == ()  # without sends there is no rate


def test_mail_sent_more_than_a_day_ago_does_not_count() -> None:
    old = (NOW - timedelta(hours=24), 100.0)
    assert dict(rates_of_counts((old,), (old, (NOW, 50.0))))[NOW] == 0
    young = (NOW - timedelta(hours=23), 100.0)
    assert dict(rates_of_counts((young,), (young, (NOW, 100.0))))[NOW] == 0.5
