"""The drift board: shows the drift of identities, tenants and receipt rules, and passes each decision on.

`identity_drift` and `tenant_drift` compare SES with our rows and apply decisions; `drift_store` keeps what they found.
`receipt_rules.drift` finds the drift of the rules; `import_rule_drift` copies it to the board.

A decision about many differences is a batch: each is decided separately, by the same service as a single one.
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
from operations.drift.core import RULES_AREA, STRANGER_ACTIVE, Decision, rule_differences
from operations.drift.selectors import ChosenDifferences, decidable, may_decide
from operations.drift_store import services as drift_store_services
from operations.identity_drift import services as identity_drift_services
from operations.models import BatchItem, Difference, DriftCheck
from operations.tenant_drift import services as tenant_drift_services
from receipt_rules import jobs as receipt_rules_jobs
from receipt_rules.drift import services as drift_services
from receipt_rules.models.runs import IgnoredDifference, RulesCheck

BY_IMPORT = "To assign many identities to customers, use the import: Drift, Assign to customers."
NOT_FROM_HERE = "Approve a plan to revert this difference."
MOST_IN_BATCH = 20_000
NOT_YOURS = "Your role can't resolve differences. Ask an operator."


def request_rules_check() -> None:
    """Request a check by the rules' worker. Its result is copied here within a minute."""
    with transaction.atomic():
        drift_store_services.record_check(RULES_AREA, asked_at=timezone.now())
        receipt_rules_jobs.queue_drift_check()


def import_rule_drift() -> None:
    """Copy new results of the last rules check. Repeatable, and makes no call."""
    last = RulesCheck.objects.filter(region=settings.AWS_REGION).first()
    known = DriftCheck.objects.filter(region=settings.AWS_REGION, area=RULES_AREA).first()
    if last is None or (known is not None and known.at == last.at):
        return
    requested = known.asked_at if known is not None else None
    requested = requested if requested is not None and requested > last.at else None  # that check is still to come
    if last.problem:
        drift_store_services.record_check(RULES_AREA, problem=last.problem, asked_at=requested)
        return
    rows = [(each["key"], each["kind"], each["rule"], each["sentence"]) for each in last.differences]
    with transaction.atomic():
        drift_store_services.store(area=RULES_AREA, found=rule_differences(rows), now=last.at, is_logged=False)
        _import_rule_decisions()
        drift_store_services.record_check(RULES_AREA, at=last.at, problem="", asked_at=requested)


def _import_rule_decisions() -> None:
    """Copy what was decided on the pages of the rules."""
    for left in IgnoredDifference.objects.filter(region=settings.AWS_REGION):
        _open().filter(key=left.key, decision="").update(
            decision=Decision.IGNORE, because=left.because, by=left.by, decided_at=left.at
        )


def ignore(*, difference: Difference, because: str, actor: User) -> None:
    """Ignore it until it changes. Raises Refused without permission or a reason, or if it is gone; AwsProblem."""
    drift_store_services.check_present(difference)
    drift_services.ignore(key=difference.key, because=because, actor=actor)
    _import_rule_decisions()


def adopt(*, difference: Difference, because: str, actor: User) -> None:
    """Accept what SES has: a rule set becomes managed; otherwise all drift of the rules becomes the known state.

    Raises Refused, also if it is gone. AwsProblem: SES is read first, so what is accepted is what SES has.
    """
    if not difference.may_adopt:
        raise Refused(NOT_FROM_HERE, code="NOT_POSSIBLE")
    if Difference.objects.filter(pk=difference.pk, decision=Decision.ADOPT).exists():
        return  # accepted with another just now
    drift_store_services.check_present(difference)
    if difference.kind == STRANGER_ACTIVE:
        drift_services.adopt_rule_set(name=difference.key.partition(" ")[2], because=because, actor=actor)
    else:
        drift_services.accept(key=difference.key, because=because, actor=actor)
    rows = _open().filter(kind=STRANGER_ACTIVE) if difference.kind == STRANGER_ACTIVE else _open()
    rows.filter(may_adopt=True).update(
        decision=Decision.ADOPT, because=because.strip(), by=actor, decided_at=timezone.now(), gone_at=timezone.now()
    )


def _open() -> QuerySet[Difference]:
    return Difference.objects.filter(region=settings.AWS_REGION, area=RULES_AREA, gone_at=None)


def request_check() -> None:
    """Check everything, within the SES rate limit."""
    drift_store_services.request_check(core.TENANTS_AREA)
    drift_store_services.request_check(core.IDENTITIES_AREA)
    request_rules_check()


NOT_OPEN = "No open difference has this ID now."


@dataclass(frozen=True)
class DecisionOutcome:
    """`problem`: why it couldn't be decided; "" if it was."""

    difference: Difference
    problem: str = ""


def decide_many(
    *,
    found: Iterable[Difference],
    decision: Decision,
    because: str,
    actor: User,
    customer: Customer | None = None,
) -> list[DecisionOutcome]:
    """Decide each separately, so a refused one stops no other. A tenant gets its proposed customer, or `customer`.

    Raises Refused for adopting identities, since that reads SES: an import assigns those to customers.
    """
    rows = list(found)
    if decision is Decision.ADOPT and any(row.area == core.IDENTITIES_AREA for row in rows):
        raise Refused(BY_IMPORT, code="BY_IMPORT")
    outcomes = []
    for row in rows:
        try:
            decide(difference=row, decision=decision, because=because, actor=actor, customer=row.customer or customer)
            outcomes.append(DecisionOutcome(row))
        except NotAllowed:
            raise
        except Refused as refused:
            outcomes.append(DecisionOutcome(row, str(refused)))
    return outcomes


def decide(
    *, difference: Difference, decision: Decision, because: str, actor: User, customer: Customer | None = None
) -> None:
    """Decide one. Raises Refused, AwsProblem. `customer`: gets an object that no row of ours has."""
    words: dict[str, Any] = {"difference": difference, "because": because, "actor": actor}
    match decision, difference.area:
        case Decision.ADOPT, core.RULES_AREA:
            adopt(**words)
        case Decision.RESTORE, core.RULES_AREA:  # rules are never restored from here
            raise Refused(NOT_FROM_HERE, code="NOT_POSSIBLE")
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
    """Return unsaved items, for `batches.services.start`, where this person may make this decision."""
    rows = decidable(chosen.rows, decision, viewer)[: MOST_IN_BATCH + 1]
    return [BatchItem(name=row.subject, difference=row, customer=row.customer) for row in rows]


def require_permission(actor: User) -> None:
    """Raises NotAllowed."""
    if not may_decide(actor):
        raise NotAllowed(NOT_YOURS)


def prepare(items: Sequence[BatchItem], words: Mapping[str, str], actor: User) -> Mapping[str, str]:
    """Return the words to store. Raises Refused for none or too many, or without a reason."""
    if not items:
        raise Refused("This decision isn't possible for any of these differences.")
    if len(items) > MOST_IN_BATCH:
        raise Refused(f"Up to {MOST_IN_BATCH:,} differences can be resolved at once. Choose a kind with fewer.")
    if not words.get("because", "").strip():
        raise Refused("Enter a reason.", code="REASON_MISSING")
    return {**words, "decision_words": Decision(words["decision"]).words}


def decide_in_batch(item: BatchItem, actor: User) -> None:
    """Decide. SES may be read, so it isn't one transaction: a decided one is skipped. Raises Refused, AwsProblem."""
    words, difference = item.batch.words, item.difference
    if difference is None:
        raise Refused("This difference no longer exists.")
    decision = Decision(words["decision"])
    if difference.decision not in ("", decision):  # it was open when the batch was started
        raise Refused(drift_store_services.DECIDED.format(Decision(difference.decision).words))
    if difference.decision != decision:
        decide(
            difference=difference,
            decision=decision,
            because=words["because"],
            actor=actor,
            customer=item.customer or Customer.objects.filter(pk=words.get("customer", "")).first(),
        )
    item.settle(now=timezone.now())
