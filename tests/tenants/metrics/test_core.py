"""Which metrics are a tenant's, and rates out of counts."""

from datetime import UTC, datetime, timedelta

from tenants.metrics.core import ListedMetric, Measure, RateSource, metrics_of_tenant, rates_of_counts

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
PAIR = (("TenantId", "tn-1"), ("TenantName", "alice"))


def hours(*values: float, ends: datetime = NOW) -> tuple[tuple[datetime, float], ...]:
    """The last value is of the hour that begins then."""
    return tuple((ends - timedelta(hours=len(values) - 1 - at), value) for at, value in enumerate(values))


def test_a_metric_of_more_dimensions_or_of_another_tenant_is_not_the_tenants() -> None:
    listed = [
        ListedMetric("Sends", (*PAIR, ("ses:from-domain", "shop.com"))),
        ListedMetric("Sends", (("TenantId", "tn-2"), ("TenantName", "alicia"))),
        ListedMetric("Bounces", PAIR),
    ]
    assert metrics_of_tenant("alice", "alice-set", listed).source is RateSource.NONE  # bounces alone make no rate
    found = metrics_of_tenant("alice", "alice-set", [*listed, ListedMetric("Sends", PAIR)])
    assert found.source is RateSource.COUNTS
    assert dict(found.metrics) == {
        Measure.SENT: ListedMetric("Sends", PAIR),
        Measure.BOUNCE: ListedMetric("Bounces", PAIR),
    }


def test_the_configuration_sets_rates_come_last() -> None:
    of_set = ListedMetric("Reputation.BounceRate", (("ses:configuration-set", "alice-set"),))
    assert metrics_of_tenant("alice", "alice-set", [of_set]).source is RateSource.CONFIGURATION_SET
    assert metrics_of_tenant("alice", "other-set", [of_set]).source is RateSource.NONE
    of_tenant = ListedMetric("Reputation.BounceRate", (("TenantName", "alice"),))
    assert metrics_of_tenant("alice", "alice-set", [of_set, of_tenant]).source is RateSource.RATES


def test_a_rate_is_the_share_of_what_was_sent_in_the_day_up_to_that_hour() -> None:
    sent = hours(100, 0, 300)
    assert rates_of_counts(hours(10, 0, 2), sent) == hours(0.1, 0.1, 0.03)
    assert rates_of_counts((), sent) == hours(0, 0, 0)
    assert rates_of_counts((), hours(0)) == ()  # nothing sent is no rate


def test_what_was_sent_a_day_ago_counts_no_more() -> None:
    old = (NOW - timedelta(hours=24), 100.0)
    assert dict(rates_of_counts((old,), (old, (NOW, 50.0))))[NOW] == 0
    young = (NOW - timedelta(hours=23), 100.0)
    assert dict(rates_of_counts((young,), (young, (NOW, 100.0))))[NOW] == 0.5
