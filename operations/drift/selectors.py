"""Differences by status, the last check of each area, and what can be decided over many differences at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings
from django.db.models import Case, CharField, Count, IntegerField, Q, QuerySet, Value, When

from accounts.models.people import User
from inbound_admin.lib.fixed_query import FixedQuery
from operations.batches.core import BatchKind, BatchResult
from operations.drift.core import HARMFUL, IDENTITIES_AREA, OUTAGES, RULES_AREA, STATUS, UNKNOWN, UNOWNED, Decision
from operations.models import BatchItem, Difference, DriftCheck
from operations.tenant_migration.selectors import may_migrate
from receipt_rules.live.selectors import read_problem

AREAS = {"identities": "Identities", "rules": "Rules", "tenants": "Tenants"}
SHOWN = {
    "open": ("Open", Q(decision="")),
    "decided": ("Fixing", Q(decision__in=(Decision.ADOPT, Decision.RESTORE))),
    "ignored": ("Ignored", Q(decision=Decision.IGNORE)),
}


def differences() -> QuerySet[Difference]:
    """Return what the last check found: outages first, then what harms customers, then by area and subject."""
    harm = Case(When(kind__in=OUTAGES, then=0), When(kind=HARMFUL, then=1), default=2, output_field=IntegerField())
    found = Difference.objects.filter(region=settings.AWS_REGION, gone_at=None).select_related("customer", "by")
    return found.order_by(harm, "area", "subject", "kind")


def differences_shown(show: str, area: str = "") -> QuerySet[Difference]:
    """An unknown `show` or `area` falls back to all open differences."""
    return _of(area).filter(SHOWN.get(show, SHOWN["open"])[1])


_OPEN = FixedQuery(lambda: differences_shown("open"))


def open_count() -> int:
    return _OPEN.count()


def unowned_identities() -> QuerySet[Difference]:
    """Return the open differences of identities that no customer has."""
    return differences_shown("open", IDENTITIES_AREA).filter(kind=UNOWNED)


def counts(area: str = "") -> dict[str, int]:
    counted: dict[str, int] = _of(area).aggregate(
        **{key: Count("pk", filter=condition) for key, (_, condition) in SHOWN.items()}
    )
    return counted


def _of(area: str) -> QuerySet[Difference]:
    return differences().filter(area=area) if area in AREAS else differences()


_CHECKS = FixedQuery(lambda: DriftCheck.objects.filter(region=settings.AWS_REGION, area__in=AREAS).order_by("area"))


def checks_by_area() -> tuple[DriftCheck, ...]:
    """Return the last check of each area, with the error of a later failed read of the rules."""
    checks = tuple(_CHECKS.models())
    for row in checks:
        if row.area == RULES_AREA and not row.problem:
            row.problem = read_problem()
    return checks


def last_check(area: str) -> DriftCheck | None:
    return DriftCheck.objects.filter(region=settings.AWS_REGION, area=area).first()


# Adopting an identity reads it from SES, so an import assigns identities to customers. Adopting one difference of the
# rules accepts all of them, so it is no bulk decision.
_DECIDABLE = {
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
    "default_set": "Default configuration set isn’t in the tenant",
    "set_gone": "Configuration set is missing in SES",
    "also_associated": "Unmanaged association",
    "outside": "Identity is in no tenant",
    "stranger_active": "Another rule set is active",
    "none_active": "No rule set is active",
    "harmful": "Unmanaged rule receives mail",
    "not_as_wanted": "Rules differ from the plan",
}


@dataclass(frozen=True)
class ChosenDifferences:
    """Open differences with these `ids`, or else all of an area and kind that were found until `until`."""

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
    """Return the kinds of differences that wait for a decision, the most frequent first."""
    counted = differences_shown("open", area).order_by().values_list("area", "kind").annotate(number=Count("pk"))
    found = [
        OpenKind(of, kind, KIND_WORDS.get(kind, kind.replace("_", " ").capitalize()), number)
        for of, kind, number in counted
    ]
    return sorted(found, key=lambda each: (-each.number, each.area, each.kind))


def may_apply(viewer: User, decision: Decision, difference: Difference) -> bool:
    """Return whether the viewer's role allows it: accepting or restoring a sending status is a pause or a resume."""
    if difference.kind != STATUS:
        return may_decide(viewer)
    return viewer.is_active and (
        viewer.has_perm("tenants.pause_tenant") or (decision is Decision.IGNORE and may_decide(viewer))
    )


def decidable(rows: QuerySet[Difference], decision: Decision, viewer: User) -> QuerySet[Difference]:
    """Return the differences for which the viewer can make this decision."""
    return rows.filter(_condition(decision, viewer))


def _condition(decision: Decision, viewer: User) -> Q:
    needs_more = decision is not Decision.IGNORE and not viewer.has_perm("tenants.pause_tenant")
    return _DECIDABLE[decision] & ~Q(kind=STATUS) if needs_more else _DECIDABLE[decision]


def decidable_counts(rows: QuerySet[Difference], viewer: User) -> dict[Decision, int]:
    counted = rows.order_by().aggregate(
        **{each.value: Count("pk", filter=_condition(each, viewer)) for each in _DECIDABLE}
    )
    return {decision: counted[decision.value] for decision in _DECIDABLE}


def needs_customer(rows: QuerySet[Difference]) -> bool:
    """Return whether some are of unknown objects without a proposed customer."""
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
    """Return the same results without sentences, counted by the database."""
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
