"""Differences by status, and the last check of each area."""

from django.conf import settings
from django.db.models import Case, Count, IntegerField, Q, QuerySet, When

from operations.drift.core import HARMFUL, OUTAGES, RULES_AREA, Decision
from operations.models import Difference, DriftLook
from receipt_rules.live.selectors import read_problem

AREAS = {"identities": "Identities", "rules": "Rules", "tenants": "Tenants"}
SHOWN = {
    "open": ("Open", Q(decision="")),
    "decided": ("Fixing", Q(decision__in=(Decision.ADOPT, Decision.RESTORE))),
    "ignored": ("Ignored", Q(decision=Decision.IGNORE)),
}


def differences() -> QuerySet[Difference]:
    """Found by the last check: outages first, then what harms customers, then by area and subject."""
    harm = Case(When(kind__in=OUTAGES, then=0), When(kind=HARMFUL, then=1), default=2, output_field=IntegerField())
    found = Difference.objects.filter(region=settings.AWS_REGION, gone_at=None).select_related("customer", "by")
    return found.order_by(harm, "area", "subject", "kind")


def differences_shown(show: str, area: str = "") -> QuerySet[Difference]:
    """An unknown `show` or `area` falls back to all open differences."""
    return _of(area).filter(SHOWN.get(show, SHOWN["open"])[1])


def counts(area: str = "") -> dict[str, int]:
    counted: dict[str, int] = _of(area).aggregate(
        **{key: Count("pk", filter=condition) for key, (_, condition) in SHOWN.items()}
    )
    return counted


def _of(area: str) -> QuerySet[Difference]:
    return differences().filter(area=area) if area in AREAS else differences()


def looks_by_area() -> tuple[DriftLook, ...]:
    """The last check of each area; with the problem of a read of the rules that failed since."""
    looks = tuple(DriftLook.objects.filter(region=settings.AWS_REGION, area__in=AREAS).order_by("area"))
    for look in looks:
        if look.area == RULES_AREA and not look.problem:
            look.problem = read_problem()
    return looks


def last_look(area: str) -> DriftLook | None:
    return DriftLook.objects.filter(region=settings.AWS_REGION, area=area).first()
