"""SES tenants to be read. Customers see their own alone, and of it neither staff's notes nor other tenants' names."""

from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Lower

from tenants.core.standing import Facts, Layer, layers
from tenants.models import Customer, SesAccount, StatusChange, Tenant, TenantResource, TenantStage
from tenants.selectors.people import Viewer, customers_for, supports_everyone

# What the URL calls an order: the columns, ending in one that decides every tie, so that pages never overlap.
WORST_FIRST = "-risk"
ORDERS: dict[str, tuple[str, ...]] = {
    "-risk": ("-risk", "name"),
    "risk": ("risk", "name"),
    "name": ("name",),
    "-name": ("-name",),
    "customer": ("customer__name", "name"),
    "-customer": ("-customer__name", "name"),
    "standing": ("standing", "name"),
    "-standing": ("-standing", "name"),
    "bounces": ("-bounce_rate", "name"),
    "complaints": ("-complaint_rate", "name"),
    "created": ("-created_at", "name"),
}


@dataclass(frozen=True)
class Capacity:
    """How full the account is; the price is the setting's, in US dollars a month."""

    count: int
    quota: int
    monthly_cost: float

    @property
    def share(self) -> float:
        return self.count / self.quota if self.quota else 1.0


def here() -> QuerySet[Tenant]:
    """Tenants of this deployment's region: of another one Amazon would tell us that it does not know them."""
    return Tenant.objects.filter(region=settings.AWS_REGION)


def tenant_of(customer: Customer) -> Tenant | None:
    """The customer's in this region, also while it is created; none that is being deleted."""
    return here().filter(customer=customer).exclude(stage=TenantStage.DELETING).first()


def sees_tenants(viewer: Viewer) -> bool:
    """Whether the viewer is one of our staff who may see every tenant."""
    return supports_everyone(viewer) and viewer.has_perm("tenants.view_tenant")


def tenants_for(viewer: Viewer) -> QuerySet[Tenant]:
    """The tenants of the viewer's customers, or all for staff who may see them."""
    tenants = here().select_related("customer")
    return tenants if sees_tenants(viewer) else tenants.filter(customer__in=customers_for(viewer))


def tenants_found(
    *, viewer: Viewer, text: str = "", standing: str = "", policy: str = "", order: str = WORST_FIRST
) -> QuerySet[Tenant]:
    """By part of the tenant's or the customer's name, or by a whole id or ARN; nonsense in a filter finds nothing."""
    found = tenants_for(viewer)
    if text:
        found = found.filter(told_by(text))
    if standing:
        found = found.filter(standing=standing)
    if policy:
        found = found.filter(policy=policy)
    return found.order_by(*_order(order))


def told_by(text: str) -> Q:
    """Part of the tenant's or the customer's name, or a whole id or ARN."""
    whole = Q(pk=text) | Q(ses_id=text) | Q(arn=text) | Q(customer=text)
    return whole | Q(name__icontains=text) | Q(customer__name__icontains=text)


def _order(name: str) -> list[Combinable]:
    columns = ORDERS.get(name, ORDERS[WORST_FIRST])
    return [
        F(column[1:]).desc(nulls_last=True)
        if column.startswith("-")
        else (Lower(column) if column.endswith("name") else F(column))
        for column in columns
    ]


def layers_of(tenant: Tenant) -> tuple[Layer, ...]:
    """Where its sending can be off, the widest first. The caller has fetched the tenant for its viewer."""
    return layers(facts_of(tenant, account_here(), list(resources_of(tenant))))


def facts_of(tenant: Tenant, account: SesAccount | None, resources: list[TenantResource]) -> Facts:
    identities = [one for one in resources if one.kind == "identity" and one.wanted]
    return Facts(
        account=account.enforcement if account else "",
        account_sends=account.sends if account else None,
        account_since=account.since if account else None,
        amazon=(tenant.amazon_status, tenant.amazon_cause, tenant.amazon_since),
        staff=(tenant.staff_status, tenant.staff_cause, tenant.staff_since),
        paused_by_us=tenant.is_paused,
        configuration_set=tenant.configuration_set,
        set_sends=tenant.set_sends,
        identities=len(identities),
        identities_ready=sum(1 for one in identities if one.associated_at and one.verified is not False),
        identities_known=all(one.verified is not None for one in identities if one.associated_at),
    )


def resources_of(tenant: Tenant) -> QuerySet[TenantResource]:
    return TenantResource.objects.filter(tenant=tenant).order_by("kind", "name")


def history_of(tenant: Tenant) -> QuerySet[StatusChange]:
    """Newest first."""
    return StatusChange.objects.filter(tenant=tenant).order_by("-seen_at", "-pk")


def account_here() -> SesAccount | None:
    return SesAccount.objects.filter(region=settings.AWS_REGION).first()


def due_for_review(today: date) -> QuerySet[Tenant]:
    """Pauses whose day of review has come, the longest overdue first."""
    due = here().filter(is_paused=True, pause_review_on__lte=today).select_related("customer")
    return due.order_by("pause_review_on", "name")


def unfinished() -> QuerySet[Tenant]:
    """Tenants of which Amazon has still to be told something, or to be read to be as wanted."""
    on_their_way = Q(stage__in=(TenantStage.CREATING, TenantStage.DELETING))
    under_way = Q(status_asked_at__isnull=False, status_proven_at__isnull=True)
    policy = ~Q(policy=F("policy_told"))
    loose = TenantResource.objects.filter(Q(wanted=False) | Q(associated_at=None, held_by=""))
    return here().filter(on_their_way | under_way | policy | Q(pk__in=loose.values("tenant")))


def capacity() -> Capacity:
    count = here().count()
    return Capacity(count, settings.SES_TENANTS, round(count * settings.TENANT_MONTHLY_PRICE, 2))
