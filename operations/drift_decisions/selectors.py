"""Differences of a bulk decision: which are chosen, what is possible, and the results."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Case, CharField, Count, Q, QuerySet, Value, When

from accounts.models.people import User
from accounts.roles import PAUSE
from operations.batches.core import BatchKind, BatchResult
from operations.drift.core import OUTAGES, RULES_AREA, STATUS, UNKNOWN, UNOWNED, Decision
from operations.drift.selectors import differences_shown
from operations.models import BatchItem, Difference
from operations.tenant_migration.selectors import may_migrate

# Identities are read of Amazon when they are adopted, so an import gives those to customers. To adopt one difference
# of the rules accepts all of them: that is no decision over many.
_POSSIBLE = {
    Decision.ADOPT: Q(may_adopt=True) & ~Q(kind=UNOWNED) & ~Q(area=RULES_AREA),
    Decision.RESTORE: Q(may_restore=True) & ~Q(area=RULES_AREA),
    Decision.IGNORE: ~Q(kind__in=OUTAGES),
}
KIND_WORDS = {
    "gone": "Identity is missing in SES",
    "mail_from": "MAIL FROM differs",
    "signing": "DKIM signing differs",
    "unowned": "Identity without a customer",
    "missing": "Tenant is missing in SES",
    "replaced": "Tenant was recreated",
    "unknown": "Tenant without a customer",
    "policy": "Reputation policy differs",
    "status": "Sending status differs",
    "suppression": "Suppression list differs",
    "unmeasured": "Reputation is not measured",
    "not_associated": "Association is missing",
    "also_associated": "Unmanaged association",
    "outside": "Identity is in no tenant",
    "stranger_active": "Another rule set is active",
    "none_active": "No rule set is active",
    "harmful": "Unmanaged rule receives mail",
    "not_as_wanted": "Rules differ from the plan",
}


@dataclass(frozen=True)
class ChosenDifferences:
    """Open differences: those of `ids`, or else all of an area and kind that were found until `until`."""

    ids: tuple[str, ...] = ()
    area: str = ""
    kind: str = ""
    until: datetime | None = None

    @property
    def rows(self) -> QuerySet[Difference]:
        found = differences_shown("open", self.area)
        if self.ids:
            return found.filter(pk__in=self.ids)
        found = found.filter(kind=self.kind) if self.kind else found.none()
        return found.filter(first_seen_at__lte=self.until) if self.until else found


@dataclass(frozen=True)
class OpenKind:
    area: str
    kind: str
    words: str
    number: int


def open_kinds(area: str = "") -> list[OpenKind]:
    """The kinds of differences that wait for a decision, the most first."""
    counted = differences_shown("open", area).order_by().values_list("area", "kind").annotate(number=Count("pk"))
    found = [
        OpenKind(of, kind, KIND_WORDS.get(kind, kind.replace("_", " ").capitalize()), number)
        for of, kind, number in counted
    ]
    return sorted(found, key=lambda each: (-each.number, each.area, each.kind))


def may_take(viewer: User, decision: Decision, difference: Difference) -> bool:
    """Whether this person's role may: to accept or restore a sending status is to pause or resume."""
    return decision is Decision.IGNORE or difference.kind != STATUS or viewer.has_perm(PAUSE)


def possible(rows: QuerySet[Difference], decision: Decision, viewer: User) -> QuerySet[Difference]:
    """Those over which this person can decide so."""
    return rows.filter(_condition(decision, viewer))


def _condition(decision: Decision, viewer: User) -> Q:
    needs_more = decision is not Decision.IGNORE and not viewer.has_perm(PAUSE)
    return _POSSIBLE[decision] & ~Q(kind=STATUS) if needs_more else _POSSIBLE[decision]


def numbers_possible(rows: QuerySet[Difference], viewer: User) -> dict[Decision, int]:
    counted = rows.order_by().aggregate(
        **{each.value: Count("pk", filter=_condition(each, viewer)) for each in _POSSIBLE}
    )
    return {decision: counted[decision.value] for decision in _POSSIBLE}


def asks_customer(rows: QuerySet[Difference]) -> bool:
    """Some of them nobody knows, and nobody is offered."""
    return rows.filter(kind=UNKNOWN, customer=None).exists()


def may_decide(viewer: User) -> bool:
    return may_migrate(viewer)


def decision_results(kind: BatchKind, items: Sequence[BatchItem]) -> list[BatchResult]:
    """Results of done items: whether the decision has been applied in SES."""
    return [_decision_result(item.difference) for item in items]


_OUTCOMES = {
    "gone": BatchResult("Done", "good", "The difference no longer exists."),
    "ignored": BatchResult("Ignored", "mute", "Ignored until it changes."),
    "stuck": BatchResult("Delayed", "warn", ""),
    "decided": BatchResult("Fixing", "info", "The worker applies the change, then reads SES again.", waits=True),
}


def decision_counts(kind: BatchKind, done: QuerySet[BatchItem]) -> list[tuple[BatchResult, int]]:
    """The same results without their sentences, counted by the database."""
    outcome = Case(
        When(Q(difference=None) | ~Q(difference__gone_at=None), then=Value("gone")),
        When(difference__decision=Decision.IGNORE, then=Value("ignored")),
        When(~Q(difference__problem=""), then=Value("stuck")),
        default=Value("decided"),
        output_field=CharField(),
    )
    counted = done.order_by().annotate(outcome=outcome).values_list("outcome").annotate(number=Count("pk"))
    return [(_OUTCOMES[key], number) for key, number in counted]


def _decision_result(difference: Difference | None) -> BatchResult:
    if difference is None or difference.gone_at is not None:
        return _OUTCOMES["gone"]
    if difference.decision == Decision.IGNORE:
        return _OUTCOMES["ignored"]
    if difference.problem:
        return replace(_OUTCOMES["stuck"], sentence=difference.problem)
    return _OUTCOMES["decided"]
