"""A batch's progress is counted by the database at any size and agrees with its items."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from domains.models.domains import Domain, Stage
from operations.batches.core import BatchKind
from operations.batches.selectors import counts_of, items_of, results_of, seconds_left, summary_of
from operations.models import Batch, BatchItem, BatchItemState
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.operations.factories import make_difference
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db
DONE, WAITING = BatchItemState.DONE, BatchItemState.WAITING


def make_batch(kind: BatchKind, *rows: Mapping[str, Any], state: BatchItemState = DONE) -> Batch:
    batch = Batch.objects.create(kind=kind, by=make_staff())
    for number, row in enumerate(rows, 1):
        BatchItem.objects.create(batch=batch, number=number, **({"name": str(number), "state": state} | dict(row)))
    return batch


def pause_batch() -> Batch:
    standings = ("paused", "pausing", "suspended", "active", "unknown")
    tenants = [make_tenant(standing=standing) for standing in standings]
    rows = [{"tenant": tenant} for tenant in tenants] + [{"tenant": None}]
    return make_batch(BatchKind.PAUSE, *rows, *({"state": state} for state in BatchItemState if state != DONE))


def decide_batch() -> Batch:
    rows = [
        make_difference(key="1", decision="ignore"),
        make_difference(key="2", decision="restore"),
        make_difference(key="3", decision="restore", problem="SES refused."),
        make_difference(key="4", decision="adopt", gone_at=timezone.now()),
    ]
    return make_batch(BatchKind.DECIDE, *({"difference": row} for row in rows), {"difference": None})


def delete_batch() -> Batch:
    return make_batch(BatchKind.DELETE, {"domain": make_domain("a.com", stage=Stage.DELETING)}, {"domain": None})


def hold_batch() -> Batch:
    return make_batch(BatchKind.HOLD, {"domain": make_domain("a.com", stage=Stage.READY)}, {"domain": None})


def import_batch() -> Batch:
    stages = (Stage.CLAIM, Stage.STARTING, Stage.STARTING, Stage.READY)
    domains = [make_domain(f"{number}.com", stage=stage) for number, stage in enumerate(stages)]
    return make_batch(BatchKind.IMPORT, *({"domain": domain} for domain in domains), {"domain": None})


def test_an_added_domain_is_done_once_ses_has_its_identity_but_a_claim_is_unproven() -> None:
    batch = import_batch()
    Domain.objects.filter(name="1.com").update(stage_problem="AWS denied access.")
    rows = {str(item.domain): result for item, result in results_of(batch, list(items_of(batch)), make_staff())}
    assert [rows[f"{number}.com"].word for number in range(4)] == ["Ownership not proven", *["Setting up"] * 2, "Done"]
    assert rows["0.com"].sentence.startswith("Claimed by")
    assert "Setup in Amazon SES is delayed. We retry automatically." in rows["1.com"].sentence
    summary = summary_of(batch, counts_of(batch))
    assert (summary.settled, summary.unconfirmed) == (3, 2)
    assert "1 done" in summary.sentence


@pytest.mark.parametrize("make", [pause_batch, decide_batch, delete_batch, hold_batch, import_batch])
def test_the_counts_agree_with_the_items(make: Callable[[], Batch]) -> None:
    batch = make()
    summary = summary_of(batch, counts_of(batch))
    results = [result for _, result in results_of(batch, list(items_of(batch)), make_staff())]
    counted = Counter(result.word.lower() for result in results)
    parts = [part.partition(" ") for part in summary.sentence.rstrip(".").split(", ")]
    assert {word: int(number) for number, _, word in parts} == dict(counted)
    assert summary.settled == sum(not result.waits for result in results)
    assert summary.may_change == any(result.waits for result in results)


def test_the_summary_of_a_thousand_items_takes_two_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    batch = make_batch(BatchKind.PAUSE)
    tenant = make_tenant(standing="paused", is_paused=True)
    BatchItem.objects.bulk_create(
        BatchItem(batch=batch, number=number, name=str(number), tenant=tenant, state=DONE) for number in range(1001)
    )
    with django_assert_num_queries(2):
        summary = summary_of(batch, counts_of(batch))
    assert summary.sentence == "1,001 paused."


def test_the_time_left_follows_from_the_queue_and_the_rate_limit(settings: LazySettings) -> None:
    settings.AWS_CALLS_PER_SECOND = 1
    own = make_batch(BatchKind.DELETE, *({} for _ in range(100)), state=WAITING)
    alone = seconds_left(own, summary_of(own, counts_of(own)))
    assert 300 <= alone <= 400  # three calls each, at one call a second
    make_batch(BatchKind.IMPORT, *({} for _ in range(200)), state=WAITING)
    shared = seconds_left(own, summary_of(own, counts_of(own)))
    assert shared - alone == 100  # the other batch's items only count as far as they alternate with this one's
    settings.AWS_CALLS_PER_SECOND = 10
    assert seconds_left(own, summary_of(own, counts_of(own))) < alone


def test_a_finished_batch_has_no_time_left() -> None:
    batch = make_batch(BatchKind.HOLD, {"domain": make_domain("a.com", stage=Stage.READY)})
    assert seconds_left(batch, summary_of(batch, counts_of(batch))) == 0


@pytest.mark.parametrize("kind", [BatchKind.IMPORT, BatchKind.CHECK])
def test_a_former_holder_reads_nothing_of_a_domain_that_changed_hands(kind: BatchKind) -> None:
    alice, bob = make_customer("Alice Ltd"), make_customer("Bob GmbH")
    own, moved = make_domain("own.com", customer=alice), make_domain("moved.com", customer=bob)
    batch = make_batch(kind, {"domain": own}, {"domain": moved})
    found = {str(item.domain): each for item, each in results_of(batch, list(items_of(batch)), make_member(alice))}
    assert found["moved.com"].sentence == "The domain is no longer in your list."
    assert found["own.com"].sentence not in ("", found["moved.com"].sentence)
