"""While SES doesn't answer, nothing is lost, every page says so, and afterwards all changes are applied."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import User
from domains.models.domains import Domain
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from notifications.models.alerts import Alert
from operations.alerts import services as alerts_services
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import Address
from receipt_rules.models.runs import PendingChange, Run, RunState
from receipt_rules.planner import services as planner_services
from receipt_rules.tasks import watch_active_set
from sandbox.process import Sandbox
from tests.factories import make_member
from tests.receipt_rules.factories import live, make_verified, rule_count, set_up_receiving

pytestmark = pytest.mark.django_db
UNTIL_CLEARED = 10_000


@pytest.fixture
def shop(sandbox: Sandbox) -> Domain:
    domain = make_verified("shop.com")
    addresses_services.add_address(text="old@shop.com", customer=domain.customer, actor=None)
    return domain


@pytest.fixture
def olga(shop: Domain, monkeypatch: pytest.MonkeyPatch) -> User:
    operator = set_up_receiving()
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    return operator


def fail_every_call(sandbox: Sandbox) -> None:
    sandbox.control.add_fault("error", "*", times=UNTIL_CLEARED)


def test_an_alert_opens_after_ten_minutes_without_ses_and_recovers_afterwards(sandbox: Sandbox, olga: User) -> None:
    fail_every_call(sandbox)
    for minutes in (0, 11):
        alerts_services.watch(now=timezone.now() + timedelta(minutes=minutes))
    alert = Alert.objects.get(kind="amazon.unreachable")
    assert alert.state == "open"
    sandbox.control.clear_faults()
    alerts_services.watch(now=timezone.now() + timedelta(minutes=12))
    alert.refresh_from_db()
    assert alert.state == "recovered"


def test_unreachable_ses_is_no_rules_outage_and_pages_show_the_last_read(
    sandbox: Sandbox, olga: User, client: Client
) -> None:
    watch_active_set(0)
    fail_every_call(sandbox)
    watch_active_set(0)
    client.force_login(olga)
    assert 'id="receiving-outage"' not in client.get(reverse("operations:overview")).text
    rules = client.get(reverse("receipt_rules:rules")).text
    assert "Showing the rules as read" in rules
    assert "old@shop.com" in rules
    plan = client.get(reverse("receipt_rules:plan"))
    assert 'id="approve"' not in plan.text
    assert Address.objects.get(address="old@shop.com").is_served


def test_customer_changes_made_while_ses_is_unreachable_are_applied_afterwards(
    sandbox: Sandbox, shop: Domain, olga: User, client: Client
) -> None:
    fail_every_call(sandbox)
    client.force_login(make_member(shop.customer))
    where = reverse("receipt_rules:domain", args=[shop.pk])
    assert client.post(where, {"do": "address", "address-address": "new"}, follow=True).status_code == 200
    with pytest.raises(AwsProblem):
        auto_apply_services.work()
    assert PendingChange.objects.exists()
    assert "new@shop.com" in client.get(where).text
    assert not Address.objects.get(address="new@shop.com").is_served
    sandbox.control.clear_faults()
    auto_apply_services.work()
    assert [rule_count(f"{name}@shop.com") for name in ("old", "new")] == [1, 1]
    assert not PendingChange.objects.exists()


def test_a_running_run_shows_the_problem_and_continues_once_ses_answers(
    sandbox: Sandbox, shop: Domain, olga: User, client: Client
) -> None:
    addresses_services.set_catch_all(domain=make_verified("more.com"), actor=None)
    made = planner_services.plan_changes()
    run = planner_services.approve(digest=made.digest, because="as planned", actor=olga)
    sandbox.control.add_fault("error", "UpdateReceiptRule", times=UNTIL_CLEARED)
    sandbox.control.add_fault("error", "CreateReceiptRule", times=UNTIL_CLEARED)
    with pytest.raises(AwsProblem):
        auto_apply_services.work()
    run.refresh_from_db()
    assert run.state == RunState.RUNNING
    client.force_login(olga)
    assert run.problem
    assert run.problem.split(".")[0] in client.get(reverse("receipt_rules:run", args=[run.pk])).text.replace(
        "&#x27;", "'"
    )
    sandbox.control.clear_faults()
    auto_apply_services.work()
    assert Run.objects.get(pk=run.pk).state == RunState.DONE
    assert rule_count("any@more.com") == 1
    assert live().name == "inbound-mail"
