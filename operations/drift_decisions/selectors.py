"""Which differences a decision over many is about, what can be decided of each, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from accounts.models.people import User
from operations.batches.core import BatchKind, BatchResult
from operations.drift.core import OUTAGES, RULES_AREA, UNKNOWN, UNOWNED, Decision
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


def possible(rows: QuerySet[Difference], decision: Decision) -> QuerySet[Difference]:
    return rows.filter(_POSSIBLE[decision])


def numbers_possible(rows: QuerySet[Difference]) -> dict[Decision, int]:
    counted = rows.order_by().aggregate(
        **{each.value: Count("pk", filter=condition) for each, condition in _POSSIBLE.items()}
    )
    return {decision: counted[decision.value] for decision in _POSSIBLE}


def asks_customer(rows: QuerySet[Difference]) -> bool:
    """Some of them nobody knows, and nobody is offered."""
    return rows.filter(kind=UNKNOWN, customer=None).exists()


def may_decide(viewer: User) -> bool:
    return may_migrate(viewer)


def decision_results(kind: BatchKind, items: Sequence[BatchItem]) -> list[BatchResult]:
    """Of items that are decided: whether what was decided has been done at Amazon."""
    return [_decision_result(item.difference) for item in items]


def _decision_result(difference: Difference | None) -> BatchResult:
    if difference is None or difference.gone_at is not None:
        return BatchResult("Done", "good", "The difference no longer exists.")
    if difference.decision == Decision.IGNORE:
        return BatchResult("Left", "mute", "Ignored until it changes.")
    if difference.problem:
        return BatchResult("Pending", "warn", difference.problem)
    return BatchResult("Decided", "info", "The worker applies the change, then reads SES again.", waits=True)
