"""The reputation page: findings in plain words, charts with an equivalent table, and unknown values."""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.roles import Role
from sandbox.process import Sandbox
from tenants.models.reputation import Finding, RateSample, ReputationRead, SesEvent
from tenants.models.tenants import Tenant
from tests.factories import make_member, make_staff
from tests.tenants.factories import make_tenant, make_tenant_with_rates

pytestmark = pytest.mark.django_db
PLOT = 'viewBox="0 0 520'  # the desktop chart; a phone gets another one


@pytest.fixture
def tess(client: Client) -> Client:
    cache.clear()
    client.force_login(make_staff(Role.TRUST_AND_SAFETY, email="tess@staff.example"))
    return client


def _page(client: Client, tenant: Tenant, query: str = "") -> str:
    answer = client.get(reverse("tenants:reputation", args=[tenant.pk]) + query)
    assert answer.status_code == 200
    return answer.text


def _measure(tenant: Tenant | None, *, region: str, hours_ago: int, **rates: float) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours_ago)
    RateSample.objects.create(tenant=tenant, region=region, at=hour, **rates)


def _read(tenant: Tenant | None, region: str, **fields: object) -> None:
    values = {"rates_at": timezone.now(), "findings_at": timezone.now(), **fields}
    ReputationRead.objects.create(tenant=tenant, region=region, **values)


def test_the_page_says_that_nothing_was_read_yet(tess: Client) -> None:
    page = _page(tess, make_tenant())
    assert "Not read from SES yet" in page
    assert "No data read yet" in page
    assert "No open findings" not in page
    assert PLOT not in page


def test_after_a_read_without_data_the_page_says_that_nothing_was_measured(tess: Client) -> None:
    tenant = make_tenant()
    _read(tenant, tenant.region)
    page = _page(tess, tenant)
    assert "No data in this period" in page
    assert "No open findings" in page


@pytest.mark.parametrize("is_linked", [True, False])
def test_a_tenant_without_cloudwatch_metrics_says_so_and_shows_no_zero(
    tess: Client, sandbox: Sandbox, is_linked: bool
) -> None:
    sandbox.control.set_beliefs(tenant_metrics="none")
    tenant = make_tenant_with_rates(sandbox, bounce=0.12, without_set=True)
    Tenant.objects.update(sends_since=timezone.now() if is_linked else None)
    page = _page(tess, tenant)
    assert page.count("CloudWatch has no metrics for this tenant") == 1
    assert ("the sender doesn’t pass" in page) is is_linked
    assert "No data is not the same as a rate of zero." in page
    assert PLOT not in page
    assert not re.search(r"\b0(\.0+)?%", page)
    listed = tess.get(reverse("tenants:list")).text
    assert tenant.name in listed
    assert not re.search(r"\b0(\.0+)?%", listed)


def test_the_chart_and_its_table_show_the_same_values(tess: Client) -> None:
    tenant = make_tenant(bounce_rate=0.12, complaint_rate=0.001)
    _read(tenant, tenant.region)
    _measure(tenant, region=tenant.region, hours_ago=1, bounce=0.1234, complaint=0.0011, sent=1500)
    _measure(tenant, region=tenant.region, hours_ago=2, bounce=0.05)
    page = _page(tess, tenant, "?days=1")
    assert page.count(PLOT) == 2
    assert "12.34%, above the lower limit" in page
    assert page.count("12.34%") == 2
    assert "1,500" in page
    assert "15.0%" in page
    assert "10.0%" in page
    assert page.count('sr-only">unknown') == 2  # the hour without complaints and sends


@pytest.mark.parametrize(("query", "days"), [("", 7), ("?days=1", 1), ("?days=30", 30), ("?days=x", 7), ("?days=9", 7)])
def test_the_url_determines_the_number_of_days(tess: Client, query: str, days: int) -> None:
    page = _page(tess, make_tenant(), query)
    current = page.split('aria-current="true"')[0].rsplit("?days=", 1)[1]
    assert current.startswith(f"{days}&quot;" if "&quot;" in current else f"{days}")


def test_a_finding_is_explained_with_what_to_do_and_the_text_of_ses(tess: Client) -> None:
    tenant = make_tenant(open_high=1, open_low=1, risk=650)
    _read(tenant, tenant.region)
    now = timezone.now()
    for kind, impact in (("BOUNCE", "HIGH"), ("BRAND_NEW", "LOW")):
        Finding.objects.create(
            tenant=tenant, kind=kind, impact=impact, status="OPEN", text=f"Text of {kind}", opened_at=now
        )
    Finding.objects.create(tenant=tenant, kind="SPF", impact="LOW", status="FIXED", opened_at=now, over_at=now)
    page = _page(tess, tenant)
    assert "High bounce rate" in page
    assert "What to do:" in page
    assert "Text of BOUNCE" in page
    assert "SES finding BRAND_NEW" in page.replace("&#x27;", "’")
    assert "Resolved findings (1)" in page
    assert page.index("High bounce rate") < page.index("BRAND_NEW")
    assert "1 open high-impact finding" in page


def test_a_failed_read_is_shown_together_with_the_last_values(tess: Client) -> None:
    tenant = make_tenant(bounce_rate=0.01, complaint_rate=0.0001)
    _measure(tenant, region=tenant.region, hours_ago=1, bounce=0.01, complaint=0.0001)
    _read(tenant, tenant.region, rates_problem="We couldn't read the rates.", findings_problem="SES is down.")
    page = _page(tess, tenant)
    assert "We couldn&#x27;t read the rates." in page
    assert "SES is down." in page
    figures = page.partition('id="rates-table"')[0]
    assert "% when last read" in figures
    assert 'data-tone="good"' not in figures.rpartition("We couldn&#x27;t read the rates.")[2]


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("standard", "more than 15% of bounces or 1% of complaints"),
        ("strict", "more than 10% of bounces or 0.5% of complaints"),
        ("none", "never pauses sending"),
    ],
)
def test_the_page_explains_the_limits_of_the_tenants_policy(tess: Client, policy: str, words: str) -> None:
    assert words in _page(tess, make_tenant(policy=policy, ses_policy=policy))


def test_the_button_queues_a_read_and_is_rate_limited(tess: Client) -> None:
    tenant = make_tenant()
    url = reverse("tenants:ask_again", args=[tenant.pk])
    assert tess.post(url).status_code == 302
    asked = set(ProcrastinateJob.objects.values_list("task_name", flat=True))
    assert asked == {"tenants.read", "tenants.find_out", "tenants.measure"}
    assert tess.post(url).status_code == 429


def test_the_account_page_uses_the_accounts_own_limits(tess: Client) -> None:
    tenant = make_tenant()
    _read(None, tenant.region)
    _measure(None, region=tenant.region, hours_ago=1, bounce=0.07, complaint=0.0)
    _measure(tenant, region=tenant.region, hours_ago=1, bounce=0.9)
    page = tess.get(reverse("tenants:account")).text
    assert "7.00%, above the lower limit" in page
    assert "90.00%" not in page


def test_the_account_page_explains_the_setup_of_events_and_lists_those_received(
    tess: Client, settings: Settings
) -> None:
    url = reverse("tenants:account")
    page = tess.get(url).text
    assert "No SNS topic configured" in page
    assert "http://testserver/tenants/ses/events/" in page
    settings.SNS_TOPIC_ARNS = ("arn:aws:sns:eu-west-1:123456789012:events",)
    assert "No events received yet" in tess.get(url).text
    tenant, now = make_tenant(), timezone.now()
    SesEvent.objects.create(id="1", kind="Sending Status Disabled", tenant=tenant, about=tenant.name, sent_at=now)
    page = tess.get(url).text
    assert "Sending Status Disabled" in page
    assert reverse("tenants:reputation", args=[tenant.pk]) in page


def test_customers_get_no_reputation_page_not_even_of_their_own_tenant() -> None:
    tenant = make_tenant()
    client = Client()
    client.force_login(make_member(tenant.customer))
    assert client.get(reverse("tenants:reputation", args=[tenant.pk])).status_code == 404
    assert client.post(reverse("tenants:ask_again", args=[tenant.pk])).status_code == 404
    assert client.get(reverse("tenants:account")).status_code == 403
