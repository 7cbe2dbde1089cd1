"""The demo: accounts that can sign in, and domains in the promised states."""

import smtplib
from io import StringIO

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from accounts.models.api_keys import ApiKey
from accounts.models.people import Customer, User
from accounts.roles import Role
from domains.models.domains import Domain, Stage
from domains.ownership.core import ClaimReason
from notifications.webhooks.core import Format
from notifications.webhooks.services import add_target
from receipt_rules.models.endpoints import Endpoint
from sandbox import mail_story
from sandbox.demo import demo_accounts
from sandbox.panel import demo
from sandbox.process import Sandbox
from tenants.models.reputation import ReputationRead
from tenants.models.tenants import Tenant

pytestmark = pytest.mark.django_db
STATES = [
    ("clients.kiteandkey.studio", "waiting"),
    ("harbourdental.co.uk", "verified"),
    ("kiteandkey.studio", "wrong"),
    ("letters.northwind-books.com", "wrong"),
    ("northwind-books.com", "verified"),
    ("orders.northwind-books.com", "waiting"),
    ("quay-street-clinic.com", "not_checked"),
    ("recall.harbourdental.co.uk", "at_risk"),
]


@pytest.fixture
def roles() -> None:
    for role in Role:
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.add(Permission.objects.get(codename="support_customer"))
        if role in (Role.ADMIN, Role.OPERATOR):
            group.permissions.add(Permission.objects.get(codename="operate_rules"))


def seed(*arguments: str) -> str:
    output = StringIO()
    call_command("seed_demo", *arguments, stdout=output)
    return output.getvalue()


def test_the_demo_has_the_promised_accounts_and_states(
    sandbox: Sandbox, roles: None, rf: RequestFactory, subtests: pytest.Subtests
) -> None:
    """One test, because creating a demo takes seconds. The last two checks change it."""
    assert not demo(rf.get("/"))["demo_accounts"]
    seed()
    for check in (
        _the_domains_are_in_the_promised_states,
        _the_mistakes_have_names,
        _the_sign_in_page_offers_only_existing_accounts,
        _everybody_can_sign_in_and_sees_their_own_zones,
        _a_second_run_changes_nothing,
        _published_but_unchecked_records_are_checked,
    ):
        with subtests.test(check.__name__):
            check(sandbox)


def _the_domains_are_in_the_promised_states(_: Sandbox) -> None:
    assert sorted(Domain.objects.values_list("name", "state")) == STATES
    claim = Domain.objects.get(stage=Stage.CLAIM)
    assert (claim.name, claim.claim_reason) == ("quay-street-clinic.com", ClaimReason.RECORDS_ANSWER)


def _the_mistakes_have_names(_: Sandbox) -> None:
    codes = {
        (check.domain.name, check.key): check.code
        for domain in Domain.objects.filter(state="wrong")
        for check in domain.record_checks.filter(state="wrong")
    }
    assert codes["letters.northwind-books.com", "dkim-2"] == "dns.name.doubled_zone"
    assert ("kiteandkey.studio", "mail-from-spf") in codes


def _the_sign_in_page_offers_only_existing_accounts(_: Sandbox) -> None:
    offered = demo(RequestFactory().get("/"))["demo_accounts"]
    assert [it.email for it in offered] == [it.email for it in demo_accounts()]  # type: ignore[attr-defined]


def _everybody_can_sign_in_and_sees_their_own_zones(_: Sandbox) -> None:
    for account in demo_accounts():
        client = Client()
        signed_in = client.post(reverse("account_login"), {"login": account.email, "password": account.password})
        assert signed_in.status_code == 302, account.email
        seen = client.get(reverse("sandbox:zones")).text
        assert ("kiteandkey.studio" in seen) == (account.role is not None or account.customer == "Kite & Key Studio")
    assert Customer.objects.count() == 3


def _a_second_run_changes_nothing(sandbox: Sandbox) -> None:
    before = list(Domain.objects.values()), sandbox.control.records("northwind-books.com"), User.objects.count()
    calls = sum(sandbox.control.call_counts().values())
    seed()
    after = list(Domain.objects.values()), sandbox.control.records("northwind-books.com"), User.objects.count()
    assert after == before
    assert sum(sandbox.control.call_counts().values()) == calls


def _published_but_unchecked_records_are_checked(_: Sandbox) -> None:
    domain = Domain.objects.get(name="harbourdental.co.uk")
    domain.record_checks.all().delete()
    Domain.objects.filter(pk=domain.pk).update(last_dns_check=None, state="not_checked")
    seed()
    domain.refresh_from_db()
    assert domain.state == "verified"


def test_an_interrupted_seed_is_completed(sandbox: Sandbox, roles: None) -> None:
    sandbox.control.add_fault("error", "ses:SetIdentityMailFromDomain", nth=3, times=None)
    with pytest.raises(CommandError, match="AWS"):
        seed()
    assert Domain.objects.filter(stage=Stage.STARTING).count() == 1
    sandbox.control.clear_faults()
    seed()
    assert sorted(Domain.objects.values_list("name", "state")) == STATES


def test_show_prints_the_accounts_and_changes_nothing() -> None:
    output = seed("--show")
    for account in demo_accounts():
        assert account.email in output
        assert account.password in output
    assert not User.objects.exists()


def reputation_page(of: str) -> str:
    client = Client()
    client.force_login(User.objects.get(email="tess@inbound-admin.example"))
    return client.get(reverse("tenants:reputation", args=[Tenant.objects.get(customer__name=of).pk])).text


@pytest.mark.parametrize(("metrics", "source"), [("pair", "counts"), ("name", "rates")])
def test_the_demos_rates_appear_for_any_breakdown_of_cloudwatch(
    sandbox: Sandbox, roles: None, metrics: str, source: str
) -> None:
    sandbox.control.set_beliefs(tenant_metrics=metrics)
    seed()
    assert set(ReputationRead.objects.exclude(tenant=None).values_list("rates_source", flat=True)) == {source}
    bounces = {tenant.customer.name: tenant.bounce_rate for tenant in Tenant.objects.select_related("customer")}
    assert bounces.pop("Harbour Dental") == pytest.approx(0.118, rel=0.1)
    assert [rate for rate in bounces.values() if not rate] == []
    page = reputation_page("Harbour Dental")
    assert "%, above the lower limit" in page
    assert "Nothing was measured" not in page


def test_without_tenant_metrics_the_demo_shows_no_rate_of_zero(sandbox: Sandbox, roles: None) -> None:
    sandbox.control.set_beliefs(tenant_metrics="none")
    seed()
    page = reputation_page("Harbour Dental")
    assert "CloudWatch has no metrics for the tenant itself" in page
    assert "0.00%" not in page


def test_missing_roles_are_reported(sandbox: Sandbox) -> None:
    Group.objects.all().delete()
    with pytest.raises(CommandError, match="There is no group “Admin”"):
        seed()


def test_an_unreachable_sandbox_is_reported(roles: None, settings: Settings) -> None:
    settings.AWS_ENDPOINT_URL = "http://127.0.0.1:9"
    settings.AWS_CALLS_PER_SECOND = 0
    with pytest.raises(CommandError, match="The sandbox isn't responding"):
        seed()


def test_mail_for_the_demo_reaches_the_sink_at_any_site_url(sandbox: Sandbox, roles: None, settings: Settings) -> None:
    settings.SITE_URL = "http://127.0.0.1:8123/"
    seed()
    output = seed("--mail")
    assert sandbox.smtp_address in output
    assert sandbox.control.sink_url() in output
    assert sandbox.control.has_receiver("http://127.0.0.1:8123")
    settings.SITE_URL = "http://127.0.0.1:8124/"
    endpoint = Endpoint.objects.get(name=mail_story.SINK)
    endpoint.config = {"url": "http://127.0.0.1:4600/_sink/demo"}
    endpoint.save()
    olga = User.objects.get(email="staff@inbound-admin.example")
    webhook = add_target(
        name="Board", url="http://127.0.0.1:4600/_sink/board", form=Format.STANDARD, events=(), actor=olga
    ).target
    seed("--mail")
    endpoint.refresh_from_db()
    webhook.refresh_from_db()
    assert (endpoint.config["url"], webhook.url) == (sandbox.control.sink_url(), sandbox.control.sink_url("board"))
    assert sandbox.control.has_receiver("http://127.0.0.1:8124")
    assert ApiKey.objects.filter(name=mail_story.KEY, revoked_at=None).count() == 1
    host, _, port = sandbox.smtp_address.partition(":")
    with smtplib.SMTP(host, int(port), timeout=10) as smtp:
        assert smtp.sendmail("a@else.example", [mail_story.ADDRESS], "Subject: x\r\n\r\nx\r\n") == {}
