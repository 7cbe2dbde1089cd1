"""The board of differences, and when Amazon was last looked at for them."""

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from operations.drift.core import Decision
from operations.models import Difference, DriftLook

AREAS = {"identities": "Identities", "rules": "Rules", "tenants": "Tenants"}
SHOWN = {
    "open": ("To decide", Q(decision="")),
    "decided": ("Being mended", Q(decision__in=(Decision.ADOPT, Decision.RESTORE))),
    "ignored": ("Left with a reason", Q(decision=Decision.IGNORE)),
}


def differences() -> QuerySet[Difference]:
    """Those that the last look found, by area and subject."""
    return Difference.objects.filter(region=settings.AWS_REGION, gone_at=None).select_related("customer", "by")


def differences_shown(show: str, area: str = "") -> QuerySet[Difference]:
    """Nonsense shows what is to decide, of everything."""
    return _of(area).filter(SHOWN.get(show, SHOWN["open"])[1])


def counts(area: str = "") -> dict[str, int]:
    counted: dict[str, int] = _of(area).aggregate(
        **{key: Count("pk", filter=condition) for key, (_, condition) in SHOWN.items()}
    )
    return counted


def _of(area: str) -> QuerySet[Difference]:
    return differences().filter(area=area) if area in AREAS else differences()


def looks_by_area() -> tuple[DriftLook, ...]:
    """The last of each area that was ever looked at."""
    return tuple(DriftLook.objects.filter(region=settings.AWS_REGION, area__in=AREAS).order_by("area"))


def last_look(area: str) -> DriftLook | None:
    return DriftLook.objects.filter(region=settings.AWS_REGION, area=area).first()
