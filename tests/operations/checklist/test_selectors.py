"""The checklist on a customer's overview: a step is done once it is true, and the next one has the primary button."""

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


def done_steps(viewer: User) -> list[str]:
    return [step.key for step in checklist(viewer) if step.is_done]


def next_step(viewer: User) -> tuple[str, str]:
    return next((step.key, step.url) for step in checklist(viewer) if step.is_next)


def make_ready(alices: Customer, state: State, **fields: Any) -> Domain:
    return make_domain(customer=alices, stage=Stage.READY, state=state, **fields)


def test_the_first_step_is_a_domain_and_later_steps_have_no_button(alice: User) -> None:
    assert next_step(alice) == ("domain", reverse("domains:add"))
    assert [step.url for step in checklist(alice)[1:]] == ["", "", "", ""]


def test_the_second_step_links_to_the_domains_records(alice: User, alices: Customer) -> None:
    domain = make_ready(alices, State.WAITING)
    assert done_steps(alice) == ["domain"]
    assert next_step(alice) == ("records", reverse("domains:detail", args=[domain.pk]))


@pytest.mark.parametrize(
    ("problem", "text"),
    [("", "creating them"), ("We couldn't create the identity: SES isn't responding.", "is delayed")],
)
def test_nobody_is_asked_to_publish_records_before_ses_has_created_them(
    alice: User, alices: Customer, problem: str, text: str
) -> None:
    domain = make_domain(customer=alices, stage=Stage.STARTING, stage_problem=problem)
    step = next(step for step in checklist(alice) if step.is_next)
    assert (step.key, step.button, text in step.text) == ("records", "View status", True)
    assert "Copy" not in step.text
    Domain.objects.filter(pk=domain.pk).update(stage=Stage.READY)
    assert "Copy them" in next(step for step in checklist(alice) if step.is_next).text


def test_published_records_wait_for_verification(alice: User, alices: Customer) -> None:
    make_ready(alices, State.SPREADING)
    assert next_step(alice)[0] == "verified"


def test_after_verification_come_an_endpoint_and_then_an_address(alice: User, alices: Customer) -> None:
    domain = make_ready(alices, State.VERIFIED, verified_at=DAY)
    assert next_step(alice) == ("endpoint", reverse("receipt_rules:add_endpoint"))
    make_endpoint(alices)
    assert next_step(alice) == ("address", reverse("receipt_rules:domain", args=[domain.pk]))


def test_the_checklist_disappears_once_an_address_is_live(alice: User, alices: Customer) -> None:
    domain = make_ready(alices, State.VERIFIED, verified_at=DAY)
    make_endpoint(alices)
    Domain.objects.filter(pk=domain.pk).update(
        receiving_state=ReceivingState.LIVE, mail_rules={domain.name: "carried"}, mx_facts={domain.name: "here"}
    )
    assert checklist(alice) == ()


@pytest.mark.parametrize(("mx", "rules"), [("unseen", "carried"), ("here", "held"), ("shared", "elsewhere")])
def test_a_later_failure_does_not_bring_the_checklist_back(alice: User, alices: Customer, mx: str, rules: str) -> None:
    domain = make_ready(alices, State.COULD_NOT_CHECK, verified_at=DAY)
    make_endpoint(alices)
    Domain.objects.filter(pk=domain.pk).update(mail_rules={domain.name: rules}, mx_facts={domain.name: mx})
    assert checklist(alice) == ()


def test_a_send_only_customer_needs_no_address(alice: User, alices: Customer) -> None:
    make_ready(alices, State.VERIFIED, verified_at=DAY, receives=False)
    assert checklist(alice) == ()


def test_another_customers_domain_completes_no_step(alice: User) -> None:
    make_ready(make_customer("Bob Ltd"), State.VERIFIED, verified_at=DAY)
    assert done_steps(alice) == []


def test_only_customers_see_the_checklist_on_the_overview(client: Client, alice: User, alices: Customer) -> None:
    make_ready(alices, State.WAITING)
    client.force_login(alice)
    page = client.get(reverse("operations:overview")).text
    assert 'id="step-records"' in page
    assert "Nothing needs attention" not in page  # a domain's records still have to be published
    client.force_login(make_staff())
    assert 'id="checklist"' not in client.get(reverse("operations:overview")).text


def test_an_address_turned_off_by_staff_leaves_no_step(alice: User, alices: Customer) -> None:
    make_endpoint(alices)
    make_ready(alices, State.VERIFIED, verified_at=DAY, mail_rules={"shop.com": "halted"})
    assert checklist(alice) == ()


def test_overview_and_list_show_a_pause_that_stops_receiving(alice: User, alices: Customer) -> None:
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
