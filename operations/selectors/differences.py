"""The board of differences, and when Amazon was last looked at for them."""

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from operations.core.differences import Decision
from operations.models import Difference, DriftLook

SHOWN = {
    "open": ("To decide", Q(decision="")),
    "decided": ("Being mended", Q(decision__in=(Decision.ADOPT, Decision.RESTORE))),
    "ignored": ("Left with a reason", Q(decision=Decision.IGNORE)),
}


def differences() -> QuerySet[Difference]:
    """Those that the last look found, by area and subject."""
    return Difference.objects.filter(region=settings.AWS_REGION, gone_at=None).select_related("customer", "by")


def differences_shown(show: str) -> QuerySet[Difference]:
    """Nonsense shows what is to decide."""
    return differences().filter(SHOWN.get(show, SHOWN["open"])[1])


def counts() -> dict[str, int]:
    counted: dict[str, int] = differences().aggregate(
        **{key: Count("pk", filter=condition) for key, (_, condition) in SHOWN.items()}
    )
    return counted


def last_look(area: str) -> DriftLook | None:
    return DriftLook.objects.filter(region=settings.AWS_REGION, area=area).first()
