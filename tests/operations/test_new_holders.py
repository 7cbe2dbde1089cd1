"""A new owner of a domain gets none of the previous owner's routes, snapshots, expectations or links."""

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
from domains.models.domains import Domain, Stage
from domains.models.sharing import ShareLink
from domains.overrides import services as overrides_services
from domains.ownership import services as ownership_services
from inbound_admin.lib import aws
from notifications.email import services as email_services
from notifications.models.alerts import Alert
from operations.domain_removal import services as domain_removal_services
from operations.identity_drift import services as identity_drift_services
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
from tests.domains.factories import delete_marked_domain, make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.operations.factories import make_ready
from tests.receipt_rules.factories import (
    approve_and_run,
    live,
    make_address,
    make_endpoint,
    make_operator,
    make_unmanaged_rule,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db
NAME = "northwind.com"
OVERVIEW = reverse_lazy("operations:overview")


@pytest.fixture
def operator() -> User:
    return make_operator()


@pytest.fixture
def alice(sandbox: Sandbox, operator: User) -> Customer:
    """Alice's mail is stored under her own prefix."""
    customer = make_customer("Alice")
    domain = make_ready(NAME, customer, adopted=True)
    endpoint = make_endpoint(customer, s3_prefix="alice/")
    make_address(f"billing@{NAME}", domain, endpoint=endpoint)
    addresses_services.set_catch_all(domain=domain, endpoint=endpoint, actor=None)
    make_address("kept@other.com", make_ready("other.com", customer, adopted=True), endpoint=endpoint)
    set_up_receiving(operator)
    return customer


def remove_domain() -> None:
    domain = Domain.objects.get(name=NAME)
    domain_removal_services.request_removal(domain=domain, typed_name=NAME, actor=None)
    auto_apply_services.work()
    domain_removal_services.work()
    delete_marked_domain(domain_id=domain.pk)


def stored_prefixes() -> set[str]:
    """Return the prefixes under which live rules store the domain's mail."""
    return {
        action.prefix
        for rule in live().ours
        if any(each.endswith(NAME) for each in rule.recipients)
        for action in rule.delivery.actions
        if hasattr(action, "prefix")
    }


def test_a_new_owner_gets_nothing_of_the_previous_one(alice: Customer, sandbox: Sandbox) -> None:
    domain = Domain.objects.get(name=NAME)
    ShareLink.objects.create(domain=domain, expires_at=timezone.now())
    Expectation.objects.create(address=f"never@sub.{NAME}", expected="not_taken")
    Expectation.objects.create(address="kept@other.com")
    assert stored_prefixes() == {"alice/"}
    remove_domain()
    bobs = make_ready(NAME, make_customer("Bob"), adopted=True)
    assert not Address.objects.filter(address__endswith=NAME).exists()
    assert not CatchAll.objects.filter(domain=bobs).exists()
    assert not ShareLink.objects.exists()
    assert list(Expectation.objects.values_list("address", flat=True)) == ["kept@other.com"]
    assert (rule_count(f"billing@{NAME}"), rule_count("kept@other.com")) == (0, 1)
    make_address(f"billing@{NAME}", bobs)
    transfers_services.reconcile_transfers()
    approve_and_run(make_operator())
    assert "alice/" not in stored_prefixes()
    assert rule_count(f"billing@{NAME}") == 1


def test_a_rollback_restores_no_route_for_a_new_owner(alice: Customer, operator: User, sandbox: Sandbox) -> None:
    before = Snapshot.objects.latest("at")
    remove_domain()
    bobs = make_ready(NAME, make_customer("Bob"), adopted=True)
    make_address(f"info@{NAME}", bobs)
    approve_and_run(operator)
    made = planner_services.plan_changes(PlanRequest(snapshot=before.pk))
    assert not any("alice/" in str(rule.delivery) and NAME in rule.recipients for rule in made.after.ours)
    recipients = {each for rule in made.after.ours for each in rule.recipients}
    assert {each for each in recipients if each.endswith(NAME)} == {f"info@{NAME}"}


def test_a_rollback_restores_no_route_of_an_unowned_domain(alice: Customer, operator: User, sandbox: Sandbox) -> None:
    before = Snapshot.objects.latest("at")
    remove_domain()
    made = planner_services.plan_changes(PlanRequest(snapshot=before.pk))
    assert not any(each.endswith(NAME) for rule in made.after.rules for each in rule.recipient_set)


@pytest.mark.parametrize("keeps_holders", [True, False])
def test_a_rollback_restores_all_routes_of_an_unchanged_owner(
    alice: Customer, operator: User, sandbox: Sandbox, keeps_holders: bool
) -> None:
    before = Snapshot.objects.latest("at")
    if not keeps_holders:
        Snapshot.objects.update(holders=None)  # a snapshot from before owners were stored
    CatchAll.objects.all().delete()
    Address.objects.filter(address__endswith=NAME).delete()
    approve_and_run(operator, typed=live().name)
    assert rule_count(f"billing@{NAME}") == 0
    made = planner_services.plan_changes(PlanRequest(snapshot=before.pk))
    assert NAME in {each for rule in made.after.ours for each in rule.recipients}


def test_a_snapshot_without_owners_restores_nothing_for_a_newer_domain(
    alice: Customer, operator: User, sandbox: Sandbox
) -> None:
    before = Snapshot.objects.latest("at")
    remove_domain()
    make_ready(NAME, make_customer("Bob"), adopted=True)
    Snapshot.objects.update(holders=None)
    made = planner_services.plan_changes(PlanRequest(snapshot=before.pk))
    assert not any(each.endswith(NAME) for rule in made.after.rules for each in rule.recipient_set)


def transfer_to_bob(name: str = NAME) -> Customer:
    bob = make_customer("Bob")
    overrides_services.transfer(domain=Domain.objects.get(name=name), to=bob, because="sold", actor=make_staff())
    return bob


def open_alerts() -> list[str]:
    return list(Alert.objects.filter(kind="route.outlived", state="open").values_list("why", flat=True))


def test_a_transferred_domain_leaves_the_previous_owners_bucket_at_once_without_losing_mail(
    alice: Customer, sandbox: Sandbox
) -> None:
    auto_apply_services.work()
    assert transfers_services.has_due_transfers() is False
    transfer_to_bob()
    assert stored_prefixes() == {"alice/"}
    assert Run.objects.filter(kind=RunKind.HOLDER).count() == 0
    auto_apply_services.work()
    assert "alice/" not in stored_prefixes()
    assert (rule_count(f"billing@{NAME}"), rule_count(f"any@{NAME}"), rule_count("kept@other.com")) == (1, 1, 1)
    assert Run.objects.get(kind=RunKind.HOLDER).state == RunState.DONE
    domain = Domain.objects.get(name=NAME)
    assert (domain.routes_unchecked, domain.moved_at, domain.moved_from) == (False, None, None)
    assert open_alerts() == []
    assert not PendingChange.objects.exists()


def test_a_transfer_queues_the_worker_of_the_rules_at_once(alice: Customer, sandbox: Sandbox) -> None:
    auto_apply_services.work()
    ProcrastinateJob.objects.all().delete()
    transfer_to_bob()
    assert ProcrastinateJob.objects.filter(task_name=WORK, status="todo").exists()


def test_an_inactive_rule_set_keeps_no_route_of_the_previous_owner(alice: Customer, sandbox: Sandbox) -> None:
    auto_apply_services.work()
    live_gateway.clone_rule_set(live().name, "kept-one")
    OwnRuleSet.objects.create(region="eu-west-1", name="kept-one")
    transfer_to_bob()
    auto_apply_services.work()
    kept = live_gateway.describe_rule_set("kept-one")
    named = {each for rule in kept.rules for each in rule.recipient_set}
    assert not any(each.endswith(NAME) for each in named)
    assert "kept@other.com" in named


@pytest.mark.django_db(transaction=True)
def test_outdated_rules_of_an_inactive_set_are_queued_and_nobody_reads_that_ses_did_not_answer(
    alice: Customer, sandbox: Sandbox
) -> None:
    auto_apply_services.work()
    transfer_to_bob()
    aws.client("ses").set_active_receipt_rule_set()
    auto_apply_services.work()
    domain = Domain.objects.get(name=NAME)
    assert (domain.routes_problem, domain.routes_unchecked) == ("", False)
    assert PendingChange.objects.filter(customer=domain.customer).exists()


def test_the_names_above_a_deleted_domain_are_queued_once_for_each_customer(
    alice: Customer, sandbox: Sandbox, django_assert_max_num_queries: Any
) -> None:
    above = Domain.objects.get(name=NAME)
    for number in range(30):
        make_address(f"a{number:02}@sub.{NAME}", above)
    below = make_ready(f"sub.{NAME}", make_customer("Bob"))
    PendingChange.objects.all().delete()
    with django_assert_max_num_queries(75):
        below.delete()
    change = PendingChange.objects.get(customer=alice)
    assert (len(change.recipients or ()), change.domains) == (30, [above.pk])


def test_an_unmanaged_rule_for_a_transferred_domain_is_reported_until_it_is_gone(
    alice: Customer, sandbox: Sandbox, operator: User, client: Client
) -> None:
    make_unmanaged_rule("old-system", [f"old@{NAME}"], rule_set=live().name)
    transfer_to_bob()
    auto_apply_services.work()
    (why,) = open_alerts()
    assert "old-system" in why
    assert "alice/" not in stored_prefixes()
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
    assert transfers_services.has_due_transfers() is False  # not every minute
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        auto_apply_services.work()
    assert open_alerts() == []
    assert "former holder" not in client.get(OVERVIEW).content.decode()


def test_a_previous_owners_route_kept_by_a_quota_opens_an_urgent_alert_and_is_retried(
    alice: Customer, sandbox: Sandbox, settings: Settings
) -> None:
    auto_apply_services.work()
    transfer_to_bob()
    settings.SES_RULES_PER_SET = len(live().rules)
    auto_apply_services.work()
    (why,) = open_alerts()
    assert "still goes to the destination of Alice" in why
    assert "alice/" in stored_prefixes()
    assert Alert.objects.get(kind="route.outlived").severity == "high"
    settings.SES_RULES_PER_SET = 200
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        receipt_rules_tasks.alert_unread_transfers(timestamp=0)
        auto_apply_services.work()
    assert (open_alerts(), "alice/" in stored_prefixes(), rule_count(f"billing@{NAME}")) == ([], False, 1)


def test_an_alert_opens_if_ses_cannot_be_read_for_minutes_after_a_transfer(alice: Customer, sandbox: Sandbox) -> None:
    auto_apply_services.work()
    transfer_to_bob()
    receipt_rules_tasks.alert_unread_transfers(timestamp=0)
    assert open_alerts() == []
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        receipt_rules_tasks.alert_unread_transfers(timestamp=0)
        assert open_alerts() == [transfers_services.NOT_READ]
        auto_apply_services.work()
        assert open_alerts() == []


def test_a_parents_routes_for_a_subdomain_end_once_another_customer_verifies_it(
    alice: Customer, sandbox: Sandbox, mailoutbox: list[EmailMessage], django_capture_on_commit_callbacks: Any
) -> None:
    parent = Domain.objects.get(name=NAME)
    make_member(alice, role="owner")
    place = Address.objects.get(domain=parent).endpoint
    make_address(f"info@sub.{NAME}", parent, endpoint=place)
    make_address(f"info@other.{NAME}", parent, endpoint=place)
    addresses_services.set_catch_all(domain=parent, endpoint=place, actor=None, subdomains=True)
    approve_and_run(make_operator())
    assert (rule_count(f"info@sub.{NAME}"), rule_count(f"any@sub.{NAME}")) == (1, 1)
    below = make_ready(f"sub.{NAME}", make_customer("Bob"), stage=Stage.STARTING, proven_at=None)
    auto_apply_services.work()
    assert rule_count(f"info@sub.{NAME}") == 1  # an unverified subdomain changes nothing
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        ownership_services.prove(below)
        below.save(update_fields=("proven_at",))
    auto_apply_services.work()
    assert (rule_count(f"info@sub.{NAME}"), rule_count(f"any@sub.{NAME}")) == (0, 0)
    assert (rule_count(f"info@other.{NAME}"), rule_count(f"billing@{NAME}"), rule_count(f"any@{NAME}")) == (1, 1, 1)
    assert Address.objects.get(address=f"info@sub.{NAME}").is_served is False
    (line,) = changes_of("domain", parent.pk, of_customers=[alice.pk]).filter(what="domain.routes_left")
    assert line.after["name"] == f"sub.{NAME}"
    email_services.send_due(now=timezone.now())
    (notice,) = [message for message in mailoutbox if "no longer received for you" in message.body]
    assert f"info@sub.{NAME}" in notice.body
    assert "Bob" not in notice.body


def test_a_customer_who_loses_many_addresses_reads_how_many(alice: Customer, sandbox: Sandbox) -> None:
    parent = Domain.objects.get(name=NAME)
    make_member(alice, role="owner")
    for number in range(25):
        make_address(f"a{number:02}@sub.{NAME}", parent)
    below = make_ready(f"sub.{NAME}", make_customer("Bob"), stage=Stage.STARTING, proven_at=None)
    with transaction.atomic():
        ownership_services.prove(below)
    why = Alert.objects.get(kind="mail.moved").why
    assert f"a19@sub.{NAME}\nand 5 more\n" in why


def test_a_claim_above_learns_nothing_of_a_name_that_another_proves(
    sandbox: Sandbox, mailoutbox: list[EmailMessage], django_capture_on_commit_callbacks: Any
) -> None:
    carl = make_customer("Carl")
    make_member(carl, role="owner")
    claim = make_domain("example.org", customer=carl, stage=Stage.CLAIM)
    make_address("info@sub.example.org", claim)
    CatchAll.objects.create(domain=claim, subdomains=True)
    below = make_ready("sub.example.org", make_customer("Bob"), stage=Stage.STARTING, proven_at=None)
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        ownership_services.prove(below)
        below.save(update_fields=("proven_at",))
    assert not changes_of("domain", claim.pk, of_customers=[carl.pk]).exists()
    email_services.send_due(now=timezone.now())
    assert not [message for message in mailoutbox if "no longer received for you" in message.body]


def test_a_claims_remaining_routes_end_once_another_customer_verifies_the_domain(
    alice: Customer, sandbox: Sandbox
) -> None:
    auto_apply_services.work()
    hers = Domain.objects.get(name=NAME)
    identity_drift_services.return_to_claim(domain=hers)
    Address.objects.filter(domain=hers).delete()
    CatchAll.objects.filter(domain=hers).delete()
    assert stored_prefixes() == {"alice/"}
    bobs = make_ready(NAME, make_customer("Bob"), stage=Stage.STARTING)
    receipt_rules_tasks.alert_unread_transfers(timestamp=0)
    auto_apply_services.work()
    assert stored_prefixes() == set()
    bobs.refresh_from_db()
    assert bobs.routes_unchecked is False


def test_an_adopted_domain_keeps_its_routes_until_a_plan_is_approved(alice: Customer, sandbox: Sandbox) -> None:
    auto_apply_services.work()
    Address.objects.filter(address__endswith=NAME).delete()
    CatchAll.objects.all().delete()
    Domain.objects.filter(name=NAME).update(routes_unchecked=False)
    auto_apply_services.work()
    assert stored_prefixes() == {"alice/"}


def test_a_member_of_the_previous_owner_sees_none_of_the_new_owners_addresses(
    alice: Customer, sandbox: Sandbox
) -> None:
    remove_domain()
    make_address(f"billing@{NAME}", make_ready(NAME, make_customer("Bob"), adopted=True))
    assert not addresses_for(make_member(alice)).filter(address__endswith=NAME).exists()
