"""Batches are previewed, executed item by item, retried after failures, and logged under one ID."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models.people import User
from accounts.roles import Role
from audit.models import Change
from domains.jobs import queue_checks
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from domains.preflight import services as preflight_services
from inbound_admin.lib import bulk
from inbound_admin.lib.errors import Refused
from operations.batches import services as batches_services
from operations.batches.core import BatchKind
from operations.batches.selectors import batches_for, counts_of, items_of, results_of, seconds_left, summary_of
from operations.domain_actions import services as domain_actions_services
from operations.domain_actions.core import MOST, DomainLine, parse_names
from operations.domain_actions.selectors import predict
from operations.models import Batch, BatchItemState, DomainRemoval
from operations.reconciler import services as reconciler_services
from sandbox.process import Sandbox
from tenants.jobs import queue_status
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.operations.factories import make_ready
from tests.receipt_rules.factories import make_address
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def sam() -> User:
    return make_staff(Role.SUPPORT)


@pytest.fixture
def olga() -> User:
    return make_staff(Role.ADMIN)


def start_batch(kind: BatchKind, actor: User, *names: str, **words: str) -> Batch:
    named = tuple(DomainLine(*name.split("|")) for name in names)
    rows = [row for row in predict(kind, named, viewer=actor) if row.works]
    return batches_services.start(kind=kind, items=domain_actions_services.items_of(rows), words=words, actor=actor)


def states(asked: Batch) -> dict[str, str]:
    return dict(asked.items.values_list("name", "state"))


def test_a_refused_transfer_in_a_batch_does_not_stop_the_others(sandbox: Sandbox, sam: User) -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    tenant = make_tenant(bob)
    domains = [make_ready(f"d{number}.com", alice) for number in range(3)]
    asked = start_batch(BatchKind.TRANSFER, sam, "d0.com", "d1.com", "d2.com", customer=bob.pk, because="Merger")
    make_domain("d1.com", customer=bob, stage=Stage.CLAIM)
    batches_services.work()
    assert states(asked) == {"d0.com": "done", "d1.com": "refused", "d2.com": "done"}
    lines = Change.objects.filter(bulk_id=asked.pk, what="domain.transferred")
    assert (lines.count(), {line.actor_id for line in lines}) == (2, {str(sam.pk)})
    domains[0].refresh_from_db()
    assert (domains[0].customer, domains[0].tenant) == (bob, tenant)


def test_only_failed_items_are_retried(sandbox: Sandbox, sam: User) -> None:
    bob = make_customer("Bob")
    make_ready("a.com", make_customer())
    make_ready("b.com", make_customer())
    asked = start_batch(BatchKind.TRANSFER, sam, "a.com", "b.com", customer=bob.pk, because="Merger")
    rival = make_domain("b.com", customer=bob, stage=Stage.CLAIM)
    batches_services.work()
    rival.delete()
    assert batches_services.retry(batch=asked, actor=sam) == 1
    batches_services.work()
    assert states(asked) == {"a.com": "done", "b.com": "done"}
    assert Change.objects.filter(bulk_id=asked.pk, what="domain.transferred").count() == 2


def test_a_name_whose_dns_has_any_bytes_is_added(sandbox: Sandbox) -> None:
    alice = make_member()
    zone = sandbox.control.add_zone("w6nul.com")
    sandbox.control.add_record(zone, "w6nul.com", "TXT", r'"v=spf1 include:a\000b.com ~all"')
    asked = start_batch(BatchKind.IMPORT, alice, "w6nul.com")
    batches_services.work()
    assert states(asked) == {"w6nul.com": "done"}


def test_a_worker_that_died_between_items_repeats_nothing(sandbox: Sandbox, sam: User) -> None:
    bob = make_customer("Bob")
    make_ready("a.com", make_customer())
    asked = start_batch(BatchKind.TRANSFER, sam, "a.com", customer=bob.pk, because="Merger")
    batches_services.work()
    asked.items.update(state=BatchItemState.WAITING)  # as if the worker had died before it stored the row
    batches_services.work()
    assert states(asked) == {"a.com": "done"}
    assert Change.objects.filter(what="domain.transferred").count() == 1


def test_hold_and_release_log_their_batch_id_and_reason(sam: User) -> None:
    for name in ("a.com", "b.com"):
        make_domain(name, stage=Stage.READY)
    until = (timezone.now() + timedelta(days=1)).isoformat()
    held = start_batch(BatchKind.HOLD, sam, "a.com", "b.com", because="Abuse", until=until)
    batches_services.work()
    released = start_batch(BatchKind.RELEASE, sam, "a.com", "b.com", because="Settled")
    batches_services.work()
    lines = Change.objects.order_by("id").values_list("what", "because", "bulk_id")
    assert list(lines) == [
        ("domain.held", "Abuse", held.pk),
        ("domain.held", "Abuse", held.pk),
        ("domain.released", "Settled", released.pk),
        ("domain.released", "Settled", released.pk),
    ]


def test_a_customer_can_check_delete_and_add_only_their_own_domains(sandbox: Sandbox) -> None:
    alice = make_member()
    customer = alice.memberships.get().customer
    make_domain("mine.com", customer=customer, stage=Stage.READY)
    make_domain("bobs.com", stage=Stage.READY)
    rows = predict(BatchKind.CHECK, (DomainLine("mine.com"), DomainLine("bobs.com")), viewer=alice)
    assert [(row.works, row.sentence) for row in rows][1] == (False, "This domain is not in your list.")
    checked = start_batch(BatchKind.CHECK, alice, "mine.com", "bobs.com")
    added = start_batch(BatchKind.IMPORT, alice, "new.com", "bobs.com")
    batches_services.work()
    assert states(checked) == {"mine.com": "done"}
    assert states(added) == {"new.com": "done"}
    assert Change.objects.get(what="domain.added").bulk_id == added.pk
    for kind in (BatchKind.TRANSFER, BatchKind.HOLD, BatchKind.RELEASE):
        with pytest.raises(PermissionDenied):
            start_batch(kind, alice, "mine.com", because="x", customer=customer.pk)
    assert not batches_for(make_member()).exists()


def test_a_domain_transferred_meanwhile_is_not_checked_for_the_previous_owner(sam: User) -> None:
    alice = make_member()
    domain = make_domain("mine.com", customer=alice.memberships.get().customer, stage=Stage.READY)
    asked = start_batch(BatchKind.CHECK, alice, "mine.com")
    overrides_services.transfer(domain=domain, to=make_customer("Bob"), because="Sold", actor=sam)
    batches_services.work()
    assert asked.items.get().problem == "The domain is no longer in your list."
    assert not Change.objects.filter(what="domain.check_forced").exists()


def test_an_import_preview_names_the_customer_or_the_problem_of_each_line(sam: User) -> None:
    alice = make_customer("Alice Ltd")
    make_customer("Twins")
    make_customer("Twins")
    make_domain("taken.com")
    make_domain("parent.com", stage=Stage.READY)
    lines = ("a.com|Alice Ltd", f"b.com|{alice.pk}", "c.com|Nobody", "d.com|Twins", "e.com", "taken.com|Alice Ltd")
    rows = predict(
        BatchKind.IMPORT,
        tuple(DomainLine(*line.split("|")) for line in (*lines, "x.parent.com|Alice Ltd")),
        viewer=sam,
    )
    assert [row.works for row in rows] == [True, True, False, False, False, False, True]
    sentences = [row.sentence for row in rows]
    assert sentences[0] == "Will be added for Alice Ltd. It will be set up in SES."
    assert sentences[2] == "No customer is called Nobody."
    assert "Several customers are called Twins" in sentences[3]
    assert "Add the customer to this line" in sentences[4]
    assert "already in use" in sentences[5]
    assert "must be proven first" in sentences[6]


def test_a_batch_deletion_removes_addresses_and_logs_all_under_one_id(sandbox: Sandbox) -> None:
    alice, olga = make_customer("Alice"), make_staff(Role.OPERATOR)
    domain = make_ready("a.com", alice)
    make_domain("b.com", customer=alice, stage=Stage.READY)
    make_domain("x.b.com", customer=alice, stage=Stage.READY)
    make_address("info@a.com", domain)
    rows = predict(BatchKind.DELETE, (DomainLine("a.com"), DomainLine("b.com")), viewer=olga)
    assert [row.works for row in rows] == [True, False]
    assert "1 address" in rows[0].sentence
    assert "subdomains" in rows[1].sentence
    asked = start_batch(BatchKind.DELETE, olga, "a.com", "b.com")
    batches_services.work()
    assert DomainRemoval.objects.get().bulk_id == asked.pk
    ((_, result),) = results_of(asked, list(asked.items.all()), make_staff())
    assert (result.word, result.tone) == ("Deleting", "info")
    assert set(Change.objects.values_list("what", "bulk_id")) == {("address.removed", asked.pk)}


def test_an_empty_batch_too_many_items_or_a_missing_reason_is_refused(sam: User) -> None:
    make_domain("a.com", stage=Stage.READY)
    given: list[dict[str, Any]] = [{"names": ()}, {"names": ("a.com",), "because": " "}]
    for each in given:
        with pytest.raises(Refused):
            start_batch(BatchKind.HOLD, sam, *each["names"], because=each.get("because", "x"))
    (row,) = predict(BatchKind.HOLD, (DomainLine("a.com"),), viewer=sam)
    too_many = domain_actions_services.items_of([row] * (MOST + 1))
    with pytest.raises(Refused):
        batches_services.start(kind=BatchKind.HOLD, items=too_many, words={"because": "x"}, actor=sam)
    with pytest.raises(Refused):
        start_batch(BatchKind.TRANSFER, sam, "a.com", because="x")
    assert not Batch.objects.exists()


def test_a_batch_does_nothing_once_its_starter_lost_the_permission(sam: User) -> None:
    make_domain("a.com", stage=Stage.READY)
    asked = start_batch(BatchKind.HOLD, sam, "a.com", because="x")
    sam.groups.clear()
    batches_services.work()
    assert states(asked) == {"a.com": "refused"}
    assert not Domain.objects.get().is_held


def test_an_unfinished_batch_without_a_job_is_queued_again_once(sam: User) -> None:
    make_domain("a.com", stage=Stage.READY)
    start_batch(BatchKind.HOLD, sam, "a.com", because="x")
    jobs = ProcrastinateJob.objects.filter(task_name="operations.bulk")
    jobs._raw_delete("default")
    reconciler_services.queue_unfinished()
    reconciler_services.queue_unfinished()
    assert jobs.count() == 1
    batches_services.work()
    jobs._raw_delete("default")
    reconciler_services.queue_unfinished()
    assert not jobs.exists()


def test_an_unproven_claim_in_a_batch_is_deleted_at_once(sam: User) -> None:
    make_domain("a.com", stage=Stage.CLAIM, claim_token="t")
    asked = start_batch(BatchKind.DELETE, sam, "a.com")
    batches_services.work()
    ((_, result),) = results_of(asked, list(asked.items.all()), make_staff())
    assert (result.word, result.tone) == ("Deleted", "good")
    assert not Domain.objects.exists()


def test_a_paused_batch_starts_no_item_until_it_is_resumed(sam: User) -> None:
    for name in ("a.com", "b.com"):
        make_domain(name, stage=Stage.READY)
    paused, other = (start_batch(BatchKind.HOLD, sam, name, because="x") for name in ("a.com", "b.com"))
    batches_services.pause(batch=paused, actor=sam)
    batches_services.pause(batch=paused, actor=sam)
    batches_services.work()
    assert (states(paused), states(other)) == ({"a.com": "waiting"}, {"b.com": "done"})
    paused.refresh_from_db()
    assert seconds_left(paused, summary_of(paused, counts_of(paused))) == 0
    batches_services.resume(batch=paused, actor=sam)
    batches_services.resume(batch=paused, actor=sam)
    batches_services.work()
    assert states(paused) == {"a.com": "done"}
    lines = Change.objects.filter(bulk_id=paused.pk, object_type="bulk").order_by("id")
    assert list(lines.values_list("what", flat=True)) == ["bulk.paused", "bulk.resumed"]
    with pytest.raises(Refused, match="nothing to pause"):
        batches_services.pause(batch=paused, actor=sam)


def test_a_paused_batch_queues_no_job_until_it_is_resumed(sam: User) -> None:
    make_domain("a.com", stage=Stage.READY)
    asked = start_batch(BatchKind.HOLD, sam, "a.com", because="x")
    batches_services.pause(batch=asked, actor=sam)
    jobs = ProcrastinateJob.objects.filter(task_name="operations.bulk")
    jobs.delete()
    reconciler_services.queue_unfinished()
    assert not jobs.exists()
    batches_services.resume(batch=asked, actor=sam)
    assert jobs.exists()


def test_pausing_and_resuming_require_the_permission_to_start_the_batch(sam: User) -> None:
    make_domain("a.com", stage=Stage.READY)
    asked = start_batch(BatchKind.HOLD, sam, "a.com", because="x")
    for act in (batches_services.pause, batches_services.resume):
        with pytest.raises(PermissionDenied):
            act(batch=asked, actor=make_member())


def test_a_stopped_batch_starts_no_further_item_until_it_is_retried(sam: User) -> None:
    for name in ("a.com", "b.com"):
        make_domain(name, stage=Stage.READY)
    asked = start_batch(BatchKind.HOLD, sam, "a.com", "b.com", because="x")
    asked.items.filter(name="a.com").update(state=BatchItemState.DONE)
    assert batches_services.stop(batch=asked, actor=sam) == 1
    batches_services.work()
    assert states(asked) == {"a.com": "done", "b.com": "stopped"}
    assert not Domain.objects.get(name="b.com").is_held
    assert Change.objects.get(what="bulk.stopped").bulk_id == asked.pk
    assert batches_services.stop(batch=asked, actor=sam) == 0
    assert batches_services.retry(batch=asked, actor=sam) == 1
    batches_services.work()
    assert states(asked) == {"a.com": "done", "b.com": "done"}


def test_a_repeated_domain_is_refused_in_both_lines_if_their_customers_differ(sam: User) -> None:
    make_customer("Alice")
    make_customer("Bob")
    named = parse_names("a.com,Alice\nA.com,Bob\nb.com,Bob\n", with_customers=True)
    rows = predict(BatchKind.IMPORT, named, viewer=sam)
    assert [(row.works, row.named.customer) for row in rows] == [(False, "Alice"), (False, "Bob"), (True, "Bob")]
    make_domain("xn--bcher-kva.de", stage=Stage.READY)
    rows = predict(BatchKind.HOLD, (DomainLine("bücher.de"), DomainLine("xn--bcher-kva.de")), viewer=sam)
    assert [row.works for row in rows] == [True, False]


def test_failed_items_are_listed_first(sam: User) -> None:
    for name in ("a.com", "b.com", "c.com", "d.com"):
        make_domain(name, stage=Stage.READY)
    asked = start_batch(BatchKind.HOLD, sam, "a.com", "b.com", "c.com", "d.com", because="x")
    for name, state in (("a.com", "done"), ("c.com", "stopped"), ("d.com", "refused")):
        asked.items.filter(name=name).update(state=state)
    assert [item.name for item in items_of(asked)] == ["d.com", "c.com", "b.com", "a.com"]


def test_batches_alternate_so_that_a_short_one_does_not_wait_for_a_long_one(sam: User) -> None:
    for number in range(3):
        make_domain(f"long{number}.com", stage=Stage.READY)
    make_domain("short.com", stage=Stage.READY)
    start_batch(BatchKind.HOLD, sam, "long0.com", "long1.com", "long2.com", because="x")
    start_batch(BatchKind.HOLD, sam, "short.com", because="x")
    batches_services.work()
    names = Change.objects.filter(what="domain.held").order_by("id").values_list("object_name", flat=True)
    assert list(names) == ["long0.com", "short.com", "long1.com", "long2.com"]


def run_queued(task: str) -> None:
    """Run every waiting job of the task as the worker does."""
    for job in ProcrastinateJob.objects.filter(task_name=task, status="todo"):
        app.tasks[task].func(**job.args)
        ProcrastinateJob.objects.filter(pk=job.pk).delete()


def test_later_work_of_the_worker_is_logged_under_the_batch_id(sandbox: Sandbox, sam: User) -> None:
    alice = make_customer("Alice Ltd")
    added = start_batch(BatchKind.IMPORT, sam, "a.com|Alice Ltd", "b.com|Alice Ltd")
    batches_services.work()
    alone = preflight_services.add(text="c.com", customer=alice, actor=None)
    make_tenant(alice, sends_since=timezone.now())  # the customer's domains join it from now on
    run_queued("domains.set_up")
    later = Change.objects.filter(what__in=("domain.joined_tenant", "domain.set_up"))
    logged = {(change.what, change.object_name) for change in later.filter(bulk_id=added.pk)}
    assert logged == {(what, name) for what in ("domain.joined_tenant", "domain.set_up") for name in ("a.com", "b.com")}
    assert set(later.filter(object_id=alone.pk).values_list("what", flat=True)) == {
        "domain.joined_tenant",
        "domain.set_up",
    }


def test_a_waiting_job_takes_the_batch_id_of_the_newest_request(sam: User) -> None:
    tenant = make_tenant()

    def job_bulk_id() -> str | None:
        job: dict[str, str] = ProcrastinateJob.objects.get(task_name="tenants.status").args
        return job.get("bulk_id")

    with bulk.within("btc_1"):
        queue_status(tenant)
    assert job_bulk_id() == "btc_1"
    queue_status(tenant, unless_running=True)  # a repair is no request
    assert job_bulk_id() == "btc_1"
    with bulk.within("btc_2"):
        queue_status(tenant)
    assert job_bulk_id() == "btc_2"
    queue_status(tenant)
    assert job_bulk_id() is None
    with bulk.within("btc_3"):
        queue_status(tenant)
        queue_checks()
    assert job_bulk_id() == "btc_3"
    assert ProcrastinateJob.objects.get(task_name="domains.check_due").args == {}  # it also checks other domains


def test_an_item_that_nobody_foresaw_fails_and_holds_up_no_other(sandbox: Sandbox, sam: User) -> None:
    make_ready("a.com", make_customer())
    make_ready("b.com", make_customer())
    broken = start_batch(BatchKind.HOLD, sam, "a.com", because="Abuse", until="no moment")
    asked = start_batch(BatchKind.HOLD, sam, "b.com", because="Abuse")
    batches_services.work()
    assert (states(broken), states(asked)) == ({"a.com": "refused"}, {"b.com": "done"})
    assert "internal error" in broken.items.get().problem


def test_a_reason_that_is_missing_by_now_fails_the_item_alone(sandbox: Sandbox, sam: User) -> None:
    make_ready("a.com", make_customer())
    asked = start_batch(BatchKind.HOLD, sam, "a.com", because="Abuse")
    Batch.objects.update(words={})
    batches_services.work()
    assert states(asked) == {"a.com": "refused"}
