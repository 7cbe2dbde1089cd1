"""The first steps on a customer's overview: each is done once it is true, and the next one has the primary button."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer, User
from domains.checking.core.judgement import State
from domains.models.domains import Domain, Stage
from domains.receiving.core import _BLOCKED, ReceivingState, RulesFact
from operations.checklist.selectors import checklist
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import make_address, make_endpoint
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db
DAY = timezone.now()


@pytest.fixture
def alices() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def alice(alices: Customer) -> User:
    return make_member(alices)


def done(viewer: User) -> list[str]:
    return [step.key for step in checklist(viewer) if step.is_done]


def next_of(viewer: User) -> tuple[str, str]:
    return next((step.key, step.url) for step in checklist(viewer) if step.is_next)


def make_ready(alices: Customer, state: State, **fields: Any) -> Domain:
    return make_domain(customer=alices, stage=Stage.READY, state=state, **fields)


def test_it_begins_with_a_domain_and_later_steps_have_no_button_yet(alice: User) -> None:
    assert next_of(alice) == ("domain", reverse("domains:add"))
    assert [step.url for step in checklist(alice)[1:]] == ["", "", "", ""]


def test_records_come_next_and_lead_to_the_domain(alice: User, alices: Customer) -> None:
    domain = make_ready(alices, State.WAITING)
    assert done(alice) == ["domain"]
    assert next_of(alice) == ("records", reverse("domains:detail", args=[domain.pk]))


def test_what_is_published_waits_for_verification(alice: User, alices: Customer) -> None:
    make_ready(alices, State.SPREADING)
    assert next_of(alice)[0] == "verified"


def test_after_verification_comes_where_mail_goes_and_then_an_address(alice: User, alices: Customer) -> None:
    domain = make_ready(alices, State.VERIFIED, verified_at=DAY)
    assert next_of(alice) == ("endpoint", reverse("receipt_rules:add_endpoint"))
    make_endpoint(alices)
    assert next_of(alice) == ("address", reverse("receipt_rules:domain", args=[domain.pk]))


def test_it_is_gone_once_an_address_is_live(alice: User, alices: Customer) -> None:
    domain = make_ready(alices, State.VERIFIED, verified_at=DAY)
    make_endpoint(alices)
    Domain.objects.filter(pk=domain.pk).update(
        receiving_state=ReceivingState.LIVE, mail_rules={domain.name: "carried"}, mx_facts={domain.name: "here"}
    )
    assert checklist(alice) == ()


@pytest.mark.parametrize(("mx", "rules"), [("unseen", "carried"), ("here", "held"), ("shared", "elsewhere")])
def test_a_failure_after_that_brings_no_first_step_back(alice: User, alices: Customer, mx: str, rules: str) -> None:
    domain = make_ready(alices, State.COULD_NOT_CHECK, verified_at=DAY)
    make_endpoint(alices)
    Domain.objects.filter(pk=domain.pk).update(mail_rules={domain.name: rules}, mx_facts={domain.name: mx})
    assert checklist(alice) == ()


def test_whoever_only_sends_needs_no_address(alice: User, alices: Customer) -> None:
    make_ready(alices, State.VERIFIED, verified_at=DAY, receives=False)
    assert checklist(alice) == ()


def test_another_customers_domain_does_no_step_of_mine(alice: User) -> None:
    make_ready(make_customer("Bob Ltd"), State.VERIFIED, verified_at=DAY)
    assert done(alice) == []


def test_the_overview_shows_it_to_customers_alone(client: Client, alice: User, alices: Customer) -> None:
    make_ready(alices, State.WAITING)
    client.force_login(alice)
    page = client.get(reverse("operations:overview")).text
    assert 'id="step-records"' in page
    assert "Nothing needs attention" not in page  # a domain still has to be published
    client.force_login(make_staff())
    assert 'id="checklist"' not in client.get(reverse("operations:overview")).text


def test_an_address_that_our_team_turned_off_is_no_step_left(alice: User, alices: Customer) -> None:
    make_endpoint(alices)
    make_ready(alices, State.VERIFIED, verified_at=DAY, mail_rules={"shop.com": "halted"})
    assert checklist(alice) == ()


def test_the_overview_and_the_list_agree_with_a_pause_that_stops_receiving(alice: User, alices: Customer) -> None:
    tenant = make_tenant(alices, standing="paused", is_paused=True, stops_receiving=True)
    summary = f"Ready to send. {_BLOCKED[RulesFact.HALTED]}"
    domain = make_ready(alices, State.VERIFIED, verified_at=DAY, tenant=tenant, summary=summary)
    make_address(f"a@{domain.name}", domain, rules=RulesFact.HALTED)
    client = Client()
    client.force_login(alice)
    page = client.get(reverse("operations:overview")).text
    assert "1 address isn&#x27;t receiving: our team has turned off inbound mail" in page
    assert "Nothing needs attention" not in page
    page = client.get(reverse("domains:list")).text
    assert "Ready to send" not in page
    assert "Our team has turned off inbound mail" in page
