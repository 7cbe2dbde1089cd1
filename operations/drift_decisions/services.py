"""A decision over many differences, as a batch: each by itself, by the same service as a decision over one."""

from collections.abc import Mapping, Sequence

from django.utils import timezone

from accounts.models.people import Customer, User
from inbound_admin.lib.errors import NotAllowed, Refused
from operations.drift import services as drift_services
from operations.drift.core import Decision
from operations.drift_decisions.selectors import ChosenDifferences, may_decide, possible
from operations.models import BatchItem

MOST = 20_000
NOT_YOURS = "Your role can't resolve differences. Ask an operator."


def items_of(chosen: ChosenDifferences, decision: Decision, viewer: User) -> list[BatchItem]:
    """Those alone over which this person can decide so; not stored yet: for `batches.services.start`."""
    rows = possible(chosen.rows, decision, viewer)[: MOST + 1]
    return [BatchItem(name=row.subject, difference=row, customer=row.customer) for row in rows]


def refuse_who_may_not(actor: User) -> None:
    """Raises NotAllowed."""
    if not may_decide(actor):
        raise NotAllowed(NOT_YOURS)


def prepare(items: Sequence[BatchItem], words: Mapping[str, str], actor: User) -> Mapping[str, str]:
    """The words to store. Raises Refused for none or too many, or without a reason."""
    if not items:
        raise Refused("This decision isn't possible for any of these differences.")
    if len(items) > MOST:
        raise Refused(f"Up to {MOST:,} differences can be resolved at once. Choose a kind with fewer.")
    if not words.get("because", "").strip():
        raise Refused("Enter a reason.", code="REASON_MISSING")
    return {**words, "decision_words": Decision(words["decision"]).words}


def decide_in_batch(item: BatchItem, actor: User) -> None:
    """Amazon may be asked, so it is no one transaction: what is decided already is done. Raises Refused, AwsProblem."""
    words, difference = item.batch.words, item.difference
    if difference is None:
        raise Refused("This difference no longer exists.")
    decision = Decision(words["decision"])
    if difference.decision not in ("", decision):  # it was open when the batch was started
        raise Refused(f"Someone else decided in the meantime: {Decision(difference.decision).words}.")
    if difference.decision != decision:
        drift_services.decide(
            difference=difference,
            decision=decision,
            because=words["because"],
            actor=actor,
            customer=item.customer or Customer.objects.filter(pk=words.get("customer", "")).first(),
        )
    item.settle(now=timezone.now())
