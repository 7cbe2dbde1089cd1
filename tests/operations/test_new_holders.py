"""Who holds a name next gets nothing of who held it before: no route, no earlier state, no expectation, no link."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.mail import EmailMessage
from django.db import transaction
from django.test import Client
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.models.people import Customer, User
from audit.selectors import changes_of
from domains.domain_list import selectors as domain_list_selectors
from domains.drift import services as drift_services
from domains.models.domains import Domain, Stage
from domains.models.sharing import ShareLink
from domains.overrides import services as overrides_services
from domains.ownership import services as ownership_services
from notifications.models.alerts import Alert
from operations.domain_removal import services as domain_removal_services
from receipt_rules import tasks as receipt_rules_tasks
from receipt_rules.addresses import services as addresses_services
from receipt_rules.addresses.selectors import addresses_for
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.jobs import WORK
from receipt_rules.live import gateway as live_gateway
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.expectations import Expectation
from receipt_rules.models.runs import OwnRuleSet, PendingChange, Run, RunKind, RunState, Snapshot
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.services import PlanRequest
from receipt_rules.transfers import services as transfers_services
from sandbox.process import Sandbox
from tests.domains.factories import carry_out_deletion
from tests.factories import make_customer, make_member, make_staff
from tests.operations.factories import make_ready
from tests.receipt_rules.factories import (
    approve_and_run,
    foreign_rule,
    live,
    make_address,
    make_endpoint,
    make_operator,
    set_up_receiving,
    taken,
)

pytestmark = pytest.mark.django_db
NAME = "northwind.com"
OVERVIEW = reverse_lazy("operations:overview")


@pytest.fixture
def operator() -> User:
    return make_operator()


@pytest.fixture
def alice(sandbox: Sandbox, operator: User) -> Customer:
    """Her mail goes to a place of her own."""
    customer = make_customer("Alice")
    domain = make_ready(NAME, customer, adopted=True)
    endpoint = make_endpoint(customer, s3_prefix="alice/")
    make_address(f"billing@{NAME}", domain, endpoint=endpoint)
    addresses_services.set_catch_all(domain=domain, endpoint=endpoint, actor=None)
    make_address("kept@other.com", make_ready("other.com", customer, adopted=True), endpoint=endpoint)
    set_up_receiving(operator)
    return customer


def removed() -> None:
    domain = Domain.objects.get(name=NAME)
    domain_removal_services.request_removal(domain=domain, typed_name=NAME, actor=None)
    auto_apply_services.work()
    domain_removal_services.work()
    carry_out_deletion(domain_id=domain.pk)


def places() -> set[str]:
    """Where live rules put the mail of the domain."""
    return {
        action.prefix
        for rule in live().ours
        if any(each.endswith(NAME) for each in rule.recipients)
        for action in rule.delivery.actions
        if hasattr(action, "prefix")
    }


def test_a_new_holder_gets_nothing_of_the_one_before(alice: Customer, sandbox: Sandbox) -> None:
    domain = Domain.objects.get(name=NAME)
    ShareLink.objects.create(domain=domain, expires_at=timezone.now())
    Expectation.objects.create(address=f"never@sub.{NAME}", expected="not_taken")
    Expectation.objects.create(address="kept@other.com")
    assert places() == {"alice/"}
    removed()
    bobs = make_ready(NAME, make_customer("Bob"), adopted=True)
    assert not Address.objects.filter(address__endswith=NAME).exists()
    assert not CatchAll.objects.filter(domain=bobs).exists()
    assert not ShareLink.objects.exists()
    assert list(Expectation.objects.values_list("address", flat=True)) == ["kept@other.com"]
    assert (taken(f"billing@{NAME}"), taken("kept@other.com")) == (0, 1)
    make_address(f"billing@{NAME}", bobs)
    transfers_services.reconcile_transfers()
    approve_and_run(make_operator())
    assert "alice/" not in places()
    assert taken(f"billing@{NAME}") == 1


def test_rolling_back_does_not_bring_a_route_back_for_another_holder(
    alice: Customer, operator: User, sandbox: Sandbox
) -> None:
    before = Snapshot.objects.latest("at")
    removed()
    bobs = make_ready(NAME, make_customer("Bob"), adopted=True)
    make_address(f"info@{NAME}", bobs)
    approve_and_run(operator)
    made = planner_services.plan_changes(PlanRequest(snapshot=before.pk))
    assert not any("alice/" in str(rule.delivery) and NAME in rule.recipients for rule in made.after.ours)
    recipients = {each for rule in made.after.ours for each in rule.recipients}
    assert {each for each in recipients if each.endswith(NAME)} == {f"info@{NAME}"}


def test_rolling_back_does_not_bring_a_route_back_for_nobody(alice: Customer, operator: User, sandbox: Sandbox) -> None:
    before = Snapshot.objects.latest("at")
    removed()
    made = planner_services.plan_changes(PlanRequest(snapshot=before.pk))
    assert not any(each.endswith(NAME) for rule in made.after.rules for each in rule.recipient_set)


@pytest.mark.parametrize("keeps_holders", [True, False])
def test_rolling_back_for_the_same_holder_brings_all_back(
    alice: Customer, operator: User, sandbox: Sandbox, keeps_holders: bool
) -> None:
    before = Snapshot.objects.latest("at")
    if not keeps_holders:
        Snapshot.objects.update(holders=None)  # from before they were kept
    CatchAll.objects.all().delete()
    Address.objects.filter(address__endswith=NAME).delete()
    approve_and_run(operator, typed=live().name)
    assert taken(f"billing@{NAME}") == 0
    made = planner_services.plan_changes(PlanRequest(snapshot=before.pk))
    assert NAME in {each for rule in made.after.ours for each in rule.recipients}


def test_a_state_from_before_holders_were_kept_gives_nothing_to_a_younger_domain(
    alice: Customer, operator: User, sandbox: Sandbox
) -> None:
    before = Snapshot.objects.latest("at")
    removed()
    make_ready(NAME, make_customer("Bob"), adopted=True)
    Snapshot.objects.update(holders=None)
    made = planner_services.plan_changes(PlanRequest(snapshot=before.pk))
    assert not any(each.endswith(NAME) for rule in made.after.rules for each in rule.recipient_set)


def transferred(name: str = NAME) -> Customer:
    bob = make_customer("Bob")
    overrides_services.transfer(domain=Domain.objects.get(name=name), to=bob, because="sold", actor=make_staff())
    return bob


def alerts() -> list[str]:
    return list(Alert.objects.filter(kind="route.outlived", state="open").values_list("why", flat=True))


def test_a_domain_that_staff_move_leaves_the_place_of_its_old_holder_at_once_and_loses_no_mail(
    alice: Customer, sandbox: Sandbox
) -> None:
    auto_apply_services.work()
    assert transfers_services.has_due_transfers() is False
    transferred()
    assert places() == {"alice/"}
    assert Run.objects.filter(kind=RunKind.HOLDER).count() == 0
    auto_apply_services.work()
    assert "alice/" not in places()
    assert (taken(f"billing@{NAME}"), taken(f"any@{NAME}"), taken("kept@other.com")) == (1, 1, 1)
    assert Run.objects.get(kind=RunKind.HOLDER).state == RunState.DONE
    domain = Domain.objects.get(name=NAME)
    assert (domain.routes_unchecked, domain.moved_at, domain.moved_from) == (False, None, None)
    assert alerts() == []
    assert not PendingChange.objects.exists()


def test_a_move_calls_the_worker_of_rules_at_once(alice: Customer, sandbox: Sandbox) -> None:
    auto_apply_services.work()
    ProcrastinateJob.objects.all().delete()
    transferred()
    assert ProcrastinateJob.objects.filter(task_name=WORK, status="todo").exists()


def test_a_rule_set_that_is_not_active_keeps_no_route_of_the_old_holder(alice: Customer, sandbox: Sandbox) -> None:
    auto_apply_services.work()
    live_gateway.clone_rule_set(live().name, "kept-one")
    OwnRuleSet.objects.create(region="eu-west-1", name="kept-one")
    transferred()
    auto_apply_services.work()
    kept = live_gateway.describe_rule_set("kept-one")
    named = {each for rule in kept.rules for each in rule.recipient_set}
    assert not any(each.endswith(NAME) for each in named)
    assert "kept@other.com" in named


def test_a_foreign_rule_that_names_a_moved_domain_is_shown_until_ses_was_read_without_it(
    alice: Customer, sandbox: Sandbox, operator: User, client: Client
) -> None:
    foreign_rule("old-system", [f"old@{NAME}"], rule_set=live().name)
    transferred()
    auto_apply_services.work()
    (why,) = alerts()
    assert "old-system" in why
    assert "alice/" not in places()
    client.force_login(operator)
    domain = Domain.objects.get(name=NAME)
    support, overview = (
        client.get(url).content.decode() for url in (reverse("domains:support", args=(domain.pk,)), OVERVIEW)
    )
    assert "Mail may still go to the former holder" in support
    assert "old-system" in support
    assert f"Mail for {NAME} may still be delivered to its previous customer" in overview
    assert domain_list_selectors.domains_with_former_routes().count() == 1
    live_gateway.delete_rule(live().name, "old-system")
    assert transfers_services.has_due_transfers() is False  # not each minute
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        auto_apply_services.work()
    assert alerts() == []
    assert "former holder" not in client.get(OVERVIEW).content.decode()


def test_an_old_holders_route_that_a_limit_of_ses_keeps_is_an_urgent_alert_and_is_tried_again(
    alice: Customer, sandbox: Sandbox, settings: Settings
) -> None:
    auto_apply_services.work()
    transferred()
    settings.SES_RULES_PER_SET = len(live().rules)
    auto_apply_services.work()
    (why,) = alerts()
    assert "still goes to the destination of Alice" in why
    assert "alice/" in places()
    assert Alert.objects.get(kind="route.outlived").severity == "high"
    settings.SES_RULES_PER_SET = 200
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        receipt_rules_tasks.alert_unread_transfers(timestamp=0)
        auto_apply_services.work()
    assert (alerts(), "alice/" in places(), taken(f"billing@{NAME}")) == ([], False, 1)


def test_staff_are_told_when_ses_cannot_be_read_for_minutes_after_a_move(alice: Customer, sandbox: Sandbox) -> None:
    auto_apply_services.work()
    transferred()
    receipt_rules_tasks.alert_unread_transfers(timestamp=0)
    assert alerts() == []
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        receipt_rules_tasks.alert_unread_transfers(timestamp=0)
        assert alerts() == [transfers_services.NOT_READ]
        auto_apply_services.work()
        assert alerts() == []


def test_addresses_of_a_proven_parent_leave_a_name_below_as_soon_as_another_proves_it(
    alice: Customer, sandbox: Sandbox, mailoutbox: list[EmailMessage], django_capture_on_commit_callbacks: Any
) -> None:
    parent = Domain.objects.get(name=NAME)
    make_member(alice, role="owner")
    place = Address.objects.get(domain=parent).endpoint
    make_address(f"info@sub.{NAME}", parent, endpoint=place)
    make_address(f"info@other.{NAME}", parent, endpoint=place)
    addresses_services.set_catch_all(domain=parent, endpoint=place, actor=None, subdomains=True)
    approve_and_run(make_operator())
    assert (taken(f"info@sub.{NAME}"), taken(f"any@sub.{NAME}")) == (1, 1)
    below = make_ready(f"sub.{NAME}", make_customer("Bob"), stage=Stage.STARTING, proven_at=None)
    auto_apply_services.work()
    assert taken(f"info@sub.{NAME}") == 1  # an unproven name changes nothing
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        ownership_services.prove(below)
        below.save(update_fields=("proven_at",))
    auto_apply_services.work()
    assert (taken(f"info@sub.{NAME}"), taken(f"any@sub.{NAME}")) == (0, 0)
    assert (taken(f"info@other.{NAME}"), taken(f"billing@{NAME}"), taken(f"any@{NAME}")) == (1, 1, 1)
    assert Address.objects.get(address=f"info@sub.{NAME}").is_served is False
    (line,) = changes_of("domain", parent.pk, of_customers=[alice.pk]).filter(what="domain.routes_left")
    assert line.after["name"] == f"sub.{NAME}"
    (said,) = [message for message in mailoutbox if "no longer received for you" in message.subject]
    assert f"info@sub.{NAME}" in said.body
    assert "Bob" not in said.body


def test_what_rules_kept_while_a_domain_was_a_claim_goes_when_another_proves_it(
    alice: Customer, sandbox: Sandbox
) -> None:
    auto_apply_services.work()
    hers = Domain.objects.get(name=NAME)
    drift_services.return_to_claim(domain=hers)
    Address.objects.filter(domain=hers).delete()
    CatchAll.objects.filter(domain=hers).delete()
    assert places() == {"alice/"}
    bobs = make_ready(NAME, make_customer("Bob"), stage=Stage.STARTING)
    receipt_rules_tasks.alert_unread_transfers(timestamp=0)
    auto_apply_services.work()
    assert places() == set()
    bobs.refresh_from_db()
    assert bobs.routes_unchecked is False


def test_what_an_operator_takes_over_keeps_its_routes_until_a_plan_is_approved(
    alice: Customer, sandbox: Sandbox
) -> None:
    auto_apply_services.work()
    Address.objects.filter(address__endswith=NAME).delete()
    CatchAll.objects.all().delete()
    Domain.objects.filter(name=NAME).update(routes_unchecked=False)
    auto_apply_services.work()
    assert places() == {"alice/"}


def test_a_person_of_the_old_holder_sees_nothing_of_the_new_ones(alice: Customer, sandbox: Sandbox) -> None:
    removed()
    make_address(f"billing@{NAME}", make_ready(NAME, make_customer("Bob"), adopted=True))
    assert not addresses_for(make_member(alice)).filter(address__endswith=NAME).exists()
