"""States set by staff instead of the checked ones: shown beside them, with actor and reason, for a time; and
expected records.
"""

from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import User
from accounts.roles import Role
from audit.models import Change
from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.domain_list import selectors as domain_list_selectors
from domains.models.domains import Domain, Stage
from domains.models.record_checks import RecordCheck
from domains.overrides import services as overrides_services
from inbound_admin.lib.errors import Refused
from public_api.domains import selectors as domains_selectors
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, mark_as_receiving, publish, set_up_domain
from tests.factories import make_customer, make_member, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    return make_staff(Role.OPERATOR)


def ready(**fields: Any) -> Domain:
    return make_domain(**{"stage": Stage.READY, "state": State.WRONG, "known_state": State.WRONG, **fields})


def override(domain: Domain, actor: User, **given: Any) -> None:
    defaults: dict[str, Any] = {
        "state": "verified",
        "because": "They move on Monday",
        "until": timezone.now() + timedelta(days=3),
    }
    overrides_services.override_state(domain=domain, actor=actor, **(defaults | given))
    domain.refresh_from_db()


def shown(viewer: User, **query: str) -> set[str]:
    parameters = QueryDict(mutable=True)
    parameters.update(query)
    return {
        domain.name
        for domain in domain_list_selectors.listed_domains(
            viewer=viewer, filters=domain_list_selectors.DomainListFilters.read(parameters)
        )
    }


def test_an_override_sets_the_shown_state_and_filters_use_it(olga: User) -> None:
    domain, other = ready(name="a.com"), ready(name="b.com")
    override(domain, olga)
    assert (domain.state, domain.shown_state, domain.is_overridden) == (State.WRONG, State.VERIFIED, True)
    assert shown(olga, show="attention") == shown(olga, state="wrong") == {other.name}
    assert shown(olga, show="verified") == shown(olga, state="verified") == {"a.com"}
    counted = domain_list_selectors.attention_counts(viewer=olga, filters=domain_list_selectors.DomainListFilters())
    assert (counted["attention"], counted["verified"]) == (1, 1)


def test_an_override_expires_without_a_worker_and_is_logged_once(olga: User) -> None:
    domain = ready(name="a.com")
    override(domain, olga)
    Domain.objects.filter(pk=domain.pk).update(override_until=timezone.now() - timedelta(seconds=1))
    domain.refresh_from_db()
    assert domain.shown_state is State.WRONG
    assert shown(olga, state="wrong") == {"a.com"}
    assert overrides_services.end_expired_overrides(now=timezone.now()) == 1
    assert overrides_services.end_expired_overrides(now=timezone.now()) == 0
    change = Change.objects.get(what="domain.override_ended")
    assert (change.actor_name, change.before["shown_as"], change.after["shown_as"]) == (
        "Inbound Admin",
        "verified",
        "wrong",
    )


def test_an_override_is_logged_with_actor_reason_and_end(olga: User) -> None:
    domain = ready()
    override(domain, olga)
    assert (domain.override_by, domain.override_because) == (olga, "They move on Monday")
    change = Change.objects.get()
    assert (change.what, change.actor_id, change.because) == (
        "domain.state_overridden",
        str(olga.pk),
        "They move on Monday",
    )
    assert change.before["shown_as"] == "wrong"
    assert change.after["until"] is not None


@pytest.mark.parametrize(
    "given",
    [
        {"because": " "},
        {"until": None},
        {"state": "nonsense"},
        {"until": timezone.now() - timedelta(hours=1)},
        {"until": timezone.now() + timedelta(days=400)},
    ],
)
def test_an_override_needs_a_reason_a_state_and_a_near_end(olga: User, given: dict[str, Any]) -> None:
    domain = ready()
    with pytest.raises(Refused):
        override(domain, olga, **given)
    assert not Change.objects.exists()


def test_staff_without_the_permission_cannot_override_or_expect() -> None:
    domain, tess, sam = ready(), make_staff(Role.TRUST_AND_SAFETY), make_staff(Role.SUPPORT)
    with pytest.raises(Refused, match="Only operators"):
        override(domain, sam)
    with pytest.raises(Refused, match="Only support"):
        overrides_services.expect_record(domain=domain, key="dmarc", value="", because="x", actor=tess)
    assert not Change.objects.exists()


def test_a_check_does_not_change_the_override(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    override(domain, olga)
    checking_services.check([domain], now=timezone.now())
    domain.refresh_from_db()
    assert (domain.state, domain.shown_state) == (State.WAITING, State.VERIFIED)


def test_an_expected_mx_elsewhere_is_judged_by_its_host(sandbox: Sandbox, olga: User) -> None:
    domain = mark_as_receiving(set_up_domain(sandbox, "shop.com"))
    overrides_services.expect_record(
        domain=domain, key="inbound-mx", value="MX.Mail.acme.net.", because="Stays with Google", actor=olga
    )
    domain.refresh_from_db()
    (wanted,) = [record for record in domain.records if record.key == "inbound-mx"]
    assert wanted.value == "mx.mail.acme.net"
    publish(sandbox, domain)
    sandbox.control.tick()  # SES verifies it, otherwise no MX is required
    checking_services.check([domain], now=timezone.now())
    checks = {check.key: check for check in domain.record_checks.all()}
    assert checks["inbound-mx"].state == State.VERIFIED
    domain.refresh_from_db()
    assert not domains_selectors.receives_mail(domain, domain.receiving)
    Domain.objects.update(verified_at=timezone.now())
    found = domains_selectors.find_domains(Domain.objects.all(), can_receive=True)
    assert not found.exists()


def test_a_record_that_is_not_required_is_hidden_and_returns(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    checking_services.check([domain], now=timezone.now())
    assert RecordCheck.objects.filter(domain=domain, key="dmarc").exists()
    overrides_services.expect_record(domain=domain, key="dmarc", value="", because="Their parent has it", actor=olga)
    domain.refresh_from_db()
    assert "dmarc" not in {record.key for record in domain.records}
    assert not RecordCheck.objects.filter(domain=domain, key="dmarc").exists()
    overrides_services.stop_expecting(domain=domain, key="dmarc", actor=olga)
    domain.refresh_from_db()
    assert "dmarc" in {record.key for record in domain.records}
    lines = Change.objects.filter(what="domain.expectation").order_by("id")
    assert [(line.actor_id, list(line.after.values())) for line in lines] == [
        (str(olga.pk), ["not required"]),
        (str(olga.pk), ["as for all domains"]),
    ]


def test_records_required_by_ses_cannot_be_excepted(olga: User) -> None:
    domain = ready()
    for key, value, because in (
        ("identity", "", "x"),
        ("dkim-1", "", "x"),
        ("dmarc", "", ""),
        ("dmarc", "p=none", "x"),
    ):
        with pytest.raises(Refused):
            overrides_services.expect_record(domain=domain, key=key, value=value, because=because, actor=olga)
    with pytest.raises(Refused, match="has no exception"):
        overrides_services.stop_expecting(domain=domain, key="dmarc", actor=olga)
    assert not Change.objects.exists()


def test_a_transfer_clears_overrides_and_expectations(olga: User) -> None:
    domain = ready()
    override(domain, olga)
    overrides_services.expect_record(domain=domain, key="dmarc", value="", because="Alice's secret", actor=olga)
    overrides_services.transfer(domain=domain, to=make_customer("Bob"), because="Sold", actor=olga)
    domain.refresh_from_db()
    assert (domain.expectations, domain.override_state, domain.override_because) == ({}, "", "")


def test_the_customer_sees_the_override_and_the_check_result(olga: User) -> None:
    customer = make_customer()
    alice, domain = make_member(customer), ready(customer=customer)
    override(domain, olga)
    client = Client()
    client.force_login(alice)
    for url in (reverse("domains:list"), reverse("domains:detail", args=[domain.pk])):
        page = client.get(url).text
        assert "Set by support · check result: Needs fixing" in page
    assert "They move on Monday" in page


def test_the_support_page_sets_and_ends_overrides_and_expectations(olga: User) -> None:
    domain, client = ready(), Client()
    client.force_login(olga)
    url = reverse("domains:support", args=[domain.pk])
    until = f"{timezone.now() + timedelta(days=2):%Y-%m-%dT%H:%M}"
    posts: list[dict[str, str]] = [
        {"do": "override", "override-state": "verified", "override-until": until, "override-because": "x"},
        {"do": "end_override"},
        {"do": "expect", "expect-key": "inbound-mx", "expect-host": "mx.example.net", "expect-because": "x"},
        {"do": "expect_no_more", "expect_no_more-key": "inbound-mx"},
    ]
    for number, post in enumerate(posts, start=1):
        assert client.post(url, post).status_code == 302, post
        assert client.get(url).status_code == 200
        assert Change.objects.count() == number
