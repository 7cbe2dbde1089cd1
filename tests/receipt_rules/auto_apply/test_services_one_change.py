"""A customer's changes in one request, or within the collection time, count as one change with one total."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.models.people import Customer
from inbound_admin.lib import aws
from notifications.models.alerts import Alert
from receipt_rules import tasks
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.live.services import KEPT_SNAPSHOTS
from receipt_rules.models.addresses import Address
from receipt_rules.models.runs import PendingChange, Run, RunKind, Snapshot
from sandbox.process import Sandbox
from tests.receipt_rules.factories import approve_and_run, make_operator, make_verified, rule_count, set_up_receiving

pytestmark = pytest.mark.django_db


def lines(number: int, *, at: str = "shop.com") -> str:
    return "\n".join(f"a{each:03}@{at}" for each in range(number))


def add(name: str, alices: Customer) -> None:
    addresses_services.add_address(text=f"{name}@shop.com", customer=alices, actor=None)


def age_changes(**fields: int) -> None:
    then = timezone.now() - timedelta(**fields)
    PendingChange.objects.update(changed_at=then, since=then)


def test_a_bulk_paste_is_one_pending_change_and_one_run(
    sandbox: Sandbox, alices: Customer, alice_client: Client
) -> None:
    set_up_receiving()
    make_verified("shop.com", customer=alices)
    alice_client.post(reverse("receipt_rules:add_many"), {"text": lines(30), "confirm": "1"})
    change = PendingChange.objects.get()
    assert len(change.recipients or ()) == Address.objects.count() == 30
    assert change.since == change.changed_at or change.changed_at - change.since < timedelta(seconds=1)
    before = Snapshot.objects.count()
    auto_apply_services.work()
    assert Run.objects.filter(kind=RunKind.CUSTOMER).count() == 1
    assert (Snapshot.objects.count(), rule_count("a029@shop.com")) == (before + 1, 1)


def test_an_interrupted_bulk_paste_stores_no_address(
    sandbox: Sandbox, alices: Customer, alice_client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is killed at the 21st address."""
    set_up_receiving()
    make_verified("shop.com", customer=alices)
    made: list[str] = []
    save = Address.save

    def killed(self: Address, **fields: object) -> None:
        made.append(self.address)
        if len(made) > 20:
            raise KeyboardInterrupt
        save(self, **fields)  # type: ignore[arg-type]

    with monkeypatch.context() as dying:
        dying.setattr(Address, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            alice_client.post(reverse("receipt_rules:add_many"), {"text": lines(30), "confirm": "1"})
    assert not Address.objects.exists()
    assert not PendingChange.objects.exists()


def test_one_refused_line_does_not_prevent_the_others(sandbox: Sandbox, alices: Customer) -> None:
    make_verified("shop.com", customer=alices)
    add("a", alices)
    asked = [addresses_services.AddressAsked(f"{name}@shop.com") for name in "abc"]
    first, *others = addresses_services.add_addresses(asked=asked, customer=alices, actor=None)
    assert "already exists" in str(first)
    assert [str(each) for each in others] == ["b@shop.com", "c@shop.com"]


def test_consecutive_changes_are_reviewed_by_their_total(
    sandbox: Sandbox, alices: Customer, settings: Settings
) -> None:
    set_up_receiving()
    settings.RECEIVING_SMALL_CHANGE = 2
    make_verified("shop.com", customer=alices)
    for name in "abc":
        add(name, alices)
        tasks.work()  # the worker runs between any two changes
    assert not any(rule_count(f"{name}@shop.com") for name in "abc")
    assert ProcrastinateJob.objects.filter(task_name="receipt_rules.work", status="todo").count() == 1
    age_changes(seconds=settings.RECEIVING_WAIT_SECONDS)
    tasks.work()
    assert "3 addresses" in PendingChange.objects.get().waits_because
    assert not rule_count("a@shop.com")


def test_a_change_is_collected_for_at_most_a_minute(sandbox: Sandbox, alices: Customer) -> None:
    set_up_receiving()
    make_verified("shop.com", customer=alices)
    add("a", alices)
    tasks.work()
    assert not rule_count("a@shop.com")
    age_changes(minutes=1)
    add("b", alices)
    tasks.work()
    assert (rule_count("a@shop.com"), rule_count("b@shop.com")) == (1, 1)


def test_snapshots_of_customer_changes_never_evict_the_snapshot_before_an_approved_plan(
    sandbox: Sandbox, alices: Customer
) -> None:
    operator = make_operator()
    make_verified("shop.com", customer=alices)
    set_up_receiving(operator)
    add("first", alices)
    auto_apply_services.work()
    before = Snapshot.objects.latest("at")
    add("planned", alices)
    run = approve_and_run(operator)
    assert run.started_from == before
    for number in range(KEPT_SNAPSHOTS + 3):
        add(f"a{number}", alices)
        auto_apply_services.work()
    kept = set(Snapshot.objects.values_list("pk", flat=True))
    assert {before.pk, Snapshot.objects.get(run=run).pk} <= kept
    by_customers = Snapshot.objects.filter(run__kind=RunKind.CUSTOMER).exclude(pk=before.pk)
    assert by_customers.count() == KEPT_SNAPSHOTS


def test_a_catch_all_that_is_turned_off_over_many_addresses_waits_for_the_review_too(
    sandbox: Sandbox, alices: Customer, alice_client: Client, settings: Settings
) -> None:
    settings.RECEIVING_SMALL_CHANGE = 5
    set_up_receiving()
    shop = make_verified("shop.com", customer=alices)
    addresses_services.set_catch_all(domain=shop, actor=None)
    auto_apply_services.work()
    alice_client.post(reverse("receipt_rules:add_many"), {"text": lines(6), "confirm": "1"})
    auto_apply_services.work()
    assert not PendingChange.objects.exists()  # the catch-all receives them already: no rule changes
    addresses_services.set_catch_all(domain=shop, actor=None, is_active=False)
    auto_apply_services.work()
    assert PendingChange.objects.get().waits_because.endswith("addresses at once. Our team reviews it first.")
    assert rule_count("a001@shop.com") == 1


def test_a_change_for_which_no_rule_is_left_says_so_and_blames_nobodys_mail(
    sandbox: Sandbox, alices: Customer, settings: Settings
) -> None:
    set_up_receiving()
    make_verified("shop.com", customer=alices)
    settings.SES_RULES_PER_SET = settings.SES_RECIPIENTS_PER_RULE = 1
    for name in ("a", "b", "c"):
        add(name, alices)
    auto_apply_services.work()
    assert PendingChange.objects.get().waits_because == auto_apply_services.FULL


def test_a_change_during_an_outage_waits_for_our_rules_and_the_alert_names_the_outage_alone(
    sandbox: Sandbox, alices: Customer
) -> None:
    make_verified("shop.com", customer=alices)
    set_up_receiving()
    aws.client("ses").set_active_receipt_rule_set()
    add("a", alices)
    auto_apply_services.work()
    assert PendingChange.objects.get().waits_because == auto_apply_services.NOT_ACTIVE
    kinds = Alert.objects.filter(state="open", permission="receipt_rules.operate_rules").values_list("kind", flat=True)
    assert list(kinds) == ["receiving.stopped"]
