"""The drift board: shows the differences of identities, tenants and receipt rules, and passes each decision on.

The receipt rules' app finds its own drift; `carry_over` copies it to the board.

A decision over many differences is a batch: each by itself, by the same service as a decision over one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import Customer, User
from inbound_admin.lib.errors import NotAllowed, Refused
from operations.drift import core
from operations.drift.core import RULES_AREA, STRANGER_ACTIVE, Decision, found_in_rules
from operations.drift.selectors import ChosenDifferences, may_decide, possible
from operations.drift_store import services as drift_store_services
from operations.identity_drift import services as identity_drift_services
from operations.models import BatchItem, Difference, DriftLook
from operations.tenant_drift import services as tenant_drift_services
from receipt_rules import jobs as receipt_rules_jobs
from receipt_rules.drift import services as drift_services
from receipt_rules.live.services import read_live
from receipt_rules.models.live import IgnoredDifference, Look

BY_IMPORT = "To assign many identities to customers, use the import: Drift, Assign to customers."
NOT_FROM_HERE = "Approve a plan to revert this difference."
MOST_IN_BATCH = 20_000
NOT_YOURS = "Your role can't resolve differences. Ask an operator."


def ask_to_look_at_rules() -> None:
    """The rules' own worker looks; what it finds comes here within a minute."""
    with transaction.atomic():
        drift_store_services.note_look(RULES_AREA, asked_at=timezone.now())
        receipt_rules_jobs.queue_drift_check()


def carry_over() -> None:
    """What the rules' last look found, if it is news here. Repeating it is harmless; nobody is asked."""
    last = Look.objects.filter(region=settings.AWS_REGION).first()
    known = DriftLook.objects.filter(region=settings.AWS_REGION, area=RULES_AREA).first()
    if last is None or (known is not None and known.at == last.at):
        return
    asked = known.asked_at if known is not None else None
    asked = asked if asked is not None and asked > last.at else None  # that one is still to come
    if last.problem:
        drift_store_services.note_look(RULES_AREA, problem=last.problem, asked_at=asked)
        return
    rows = [(each["key"], each["kind"], each["rule"], each["sentence"]) for each in last.differences]
    with transaction.atomic():
        drift_store_services.store(area=RULES_AREA, found=found_in_rules(rows), now=last.at, is_logged=False)
        _carry_over_what_is_left()
        drift_store_services.note_look(RULES_AREA, at=last.at, problem="", asked_at=asked)


def _carry_over_what_is_left() -> None:
    """Decided on the pages of the rules."""
    for left in IgnoredDifference.objects.filter(region=settings.AWS_REGION):
        _open().filter(key=left.key, decision="").update(
            decision=Decision.IGNORE, because=left.because, by=left.by, decided_at=left.at
        )


def ignore(*, difference: Difference, because: str, actor: User) -> None:
    """Raises Refused without the right or a reason."""
    with transaction.atomic():
        drift_services.ignore(key=difference.key, because=because, actor=actor)
        _carry_over_what_is_left()


def adopt(*, difference: Difference, because: str, actor: User) -> None:
    """A rule set becomes ours to add to; otherwise all that differs of the rules becomes what we know. Raises Refused,

    AwsProblem: Amazon is read first, so that what is accepted is what is there.
    """
    if not difference.may_adopt:
        raise Refused(NOT_FROM_HERE, code="NOT_POSSIBLE")
    if difference.kind == STRANGER_ACTIVE:
        stranger = read_live().stranger
        drift_services.adopt_rule_set(name=stranger.name if stranger else "", because=because, actor=actor)
    else:
        drift_services.accept(because=because, actor=actor)
    rows = _open().filter(kind=STRANGER_ACTIVE) if difference.kind == STRANGER_ACTIVE else _open()
    rows.filter(may_adopt=True).update(
        decision=Decision.ADOPT, because=because.strip(), by=actor, decided_at=timezone.now(), gone_at=timezone.now()
    )


def restore(*, difference: Difference, because: str, actor: User) -> None:
    """Never from here. Raises Refused."""
    raise Refused(NOT_FROM_HERE, code="NOT_POSSIBLE")


def _open() -> QuerySet[Difference]:
    return Difference.objects.filter(region=settings.AWS_REGION, area=RULES_AREA, gone_at=None)


def ask_to_look() -> None:
    """At everything, at the shared pace."""
    tenant_drift_services.ask_to_look()
    identity_drift_services.ask_to_look()
    ask_to_look_at_rules()


@dataclass(frozen=True)
class Decided:
    """`problem`: why it could not be decided; "" where it was."""

    difference: Difference
    problem: str = ""


def decide_many(
    *,
    found: Iterable[Difference],
    decision: Decision,
    because: str,
    actor: User,
    customer: Customer | None = None,
) -> list[Decided]:
    """Each by itself: one that is refused holds up no other. A tenant goes to whom it was offered, or to `customer`.

    Raises Refused for identities to be adopted, which are read of Amazon: an import gives those to customers.
    """
    rows = list(found)
    if decision is Decision.ADOPT and any(row.area == core.IDENTITIES_AREA for row in rows):
        raise Refused(BY_IMPORT, code="BY_IMPORT")
    outcomes = []
    for row in rows:
        try:
            decide(difference=row, decision=decision, because=because, actor=actor, customer=row.customer or customer)
            outcomes.append(Decided(row))
        except NotAllowed:
            raise
        except Refused as refused:
            outcomes.append(Decided(row, str(refused)))
    return outcomes


def decide(
    *, difference: Difference, decision: Decision, because: str, actor: User, customer: Customer | None = None
) -> None:
    """Raises Refused, AwsProblem. `customer`: whose something that nobody knows becomes."""
    words: dict[str, Any] = {"difference": difference, "because": because, "actor": actor}
    match decision, difference.area:
        case Decision.ADOPT, core.RULES_AREA:
            adopt(**words)
        case Decision.RESTORE, core.RULES_AREA:
            restore(**words)
        case Decision.IGNORE, core.RULES_AREA:
            ignore(**words)
        case Decision.ADOPT, core.IDENTITIES_AREA:
            identity_drift_services.adopt(**words, customer=customer)
        case Decision.RESTORE, core.IDENTITIES_AREA:
            identity_drift_services.restore(**words)
        case Decision.IGNORE, core.IDENTITIES_AREA:
            identity_drift_services.ignore(**words)
        case Decision.ADOPT, _:
            tenant_drift_services.adopt(**words, customer=customer)
        case Decision.RESTORE, _:
            tenant_drift_services.restore(**words)
        case _:
            tenant_drift_services.ignore(**words)


def items_of(chosen: ChosenDifferences, decision: Decision, viewer: User) -> list[BatchItem]:
    """Those alone over which this person can decide so; not stored yet: for `batches.services.start`."""
    rows = possible(chosen.rows, decision, viewer)[: MOST_IN_BATCH + 1]
    return [BatchItem(name=row.subject, difference=row, customer=row.customer) for row in rows]


def refuse_who_may_not(actor: User) -> None:
    """Raises NotAllowed."""
    if not may_decide(actor):
        raise NotAllowed(NOT_YOURS)


def prepare(items: Sequence[BatchItem], words: Mapping[str, str], actor: User) -> Mapping[str, str]:
    """The words to store. Raises Refused for none or too many, or without a reason."""
    if not items:
        raise Refused("This decision isn't possible for any of these differences.")
    if len(items) > MOST_IN_BATCH:
        raise Refused(f"Up to {MOST_IN_BATCH:,} differences can be resolved at once. Choose a kind with fewer.")
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
        decide(
            difference=difference,
            decision=decision,
            because=words["because"],
            actor=actor,
            customer=item.customer or Customer.objects.filter(pk=words.get("customer", "")).first(),
        )
    item.settle(now=timezone.now())
