"""The staff's list of tenants: what its URL says, what that finds, and the same as a file."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.http import QueryDict
from django.utils import timezone

from inbound_admin.lib.lists import moment
from tenants.core.standing import Policy, Standing
from tenants.models import Tenant, TenantResource, TenantStage
from tenants.selectors.people import Viewer
from tenants.selectors.ses_tenants import WORST_FIRST, sees_tenants, tenants_for, told_by

# What the URL calls an order: the columns, ending in one that decides every tie, so that pages never overlap.
SORTS: dict[str, tuple[F | OrderBy | str, ...]] = {
    "-risk": ("-risk", "name"),
    "risk": ("risk", "name"),
    "name": ("name",),
    "-name": ("-name",),
    "customer": ("customer__name", "name"),
    "-customer": ("-customer__name", "name"),
    "standing": ("standing", "name"),
    "-standing": ("-standing", "name"),
    "bounces": (F("bounce_rate").asc(nulls_last=True), "name"),
    "-bounces": (F("bounce_rate").desc(nulls_last=True), "name"),
    "complaints": (F("complaint_rate").asc(nulls_last=True), "name"),
    "-complaints": (F("complaint_rate").desc(nulls_last=True), "name"),
}


def tenants_for_staff(viewer: Viewer) -> QuerySet[Tenant]:
    """For a customer there are none: what they may know of theirs stands on their own pages."""
    found = tenants_for(viewer).select_related("status_asked_by", "created_by", "reputation_read")
    return found if sees_tenants(viewer) else found.none()


def _held_up() -> Q:
    """Something that we want of Amazon was not done, or Amazon could not be asked."""
    failed = TenantResource.objects.filter(tenant=OuterRef("pk")).exclude(problem="")
    return ~Q(stage_problem="") | ~Q(status_problem="") | ~Q(read_problem="") | Q(Exists(failed))


def _kinds() -> dict[str, Q]:
    return {
        "suspended": Q(standing=Standing.SUSPENDED),
        "paused": Q(standing__in=(Standing.PAUSED, Standing.PAUSING)),
        "review": Q(is_paused=True, pause_review_on__lte=timezone.localdate()),
        "findings": Q(open_high__gt=0) | Q(open_low__gt=0),
        "held_up": _held_up(),
        "active": Q(standing=Standing.ACTIVE),
        "unknown": Q(standing=Standing.UNKNOWN, stage=TenantStage.READY),
    }


@dataclass(frozen=True)
class Filters:
    """What the URL of the list says; nonsense in it filters nothing."""

    q: str = ""
    show: str = ""
    policy: str = ""
    sort: str = ""

    @classmethod
    def read(cls, query: QueryDict) -> "Filters":
        given = {field.name: query.get(field.name, "").replace("\x00", "").strip()[:300] for field in fields(cls)}
        return cls(**given)

    @property
    def active(self) -> bool:
        return bool(self.show or self.policy)


def search(*, viewer: Viewer, filters: Filters) -> QuerySet[Tenant]:
    """By part of a name or by a whole id, and by the filters; the worst first."""
    found, kinds = _narrowed(viewer, filters), _kinds()
    if filters.show in kinds:
        found = found.filter(kinds[filters.show])
    return found.order_by(*SORTS.get(filters.sort, SORTS[WORST_FIRST]))


def counts(*, viewer: Viewer, filters: Filters) -> dict[str, int]:
    """How many tenants each kind has under the other filters, in one query."""
    counted = {key: Count("pk", filter=kind) for key, kind in _kinds().items()}
    return _narrowed(viewer, filters).order_by().aggregate(**counted)


def _narrowed(viewer: Viewer, filters: Filters) -> QuerySet[Tenant]:
    found = tenants_for(viewer).select_related("reputation_read")
    if filters.q:
        found = found.filter(told_by(filters.q))
    if filters.policy in tuple(Policy):
        found = found.filter(policy=filters.policy)
    return found


def export_rows(*, viewer: Viewer, filters: Filters) -> Iterator[dict[str, str]]:
    """One row a tenant, all that the filters show, read in chunks."""
    for tenant in search(viewer=viewer, filters=filters).iterator(chunk_size=2000):
        yield _row(tenant)


def _row(tenant: Tenant) -> dict[str, str]:
    return {
        "id": tenant.id,
        "tenant": tenant.name,
        "customer": tenant.customer.name,
        "customer_id": tenant.customer_id,
        "region": tenant.region,
        "standing": tenant.standing,
        "amazon_status": tenant.amazon_status,
        "staff_status": tenant.staff_status,
        "policy": tenant.policy,
        "open_high": str(tenant.open_high),
        "open_low": str(tenant.open_low),
        "bounce_rate": _fraction(tenant.bounce_rate),
        "complaint_rate": _fraction(tenant.complaint_rate),
        "risk": str(tenant.risk),
        "read_at": moment(tenant.read_at),
        "arn": tenant.arn,
    }


def _fraction(rate: float | None) -> str:
    """Empty where it is not known, which is not 0."""
    return "" if rate is None else f"{rate:.6g}"
