"""Reads SES tenants: for their viewer, for the staff list with its filters and export, and for a customer's banner.

Customers see only their own tenants, without staff notes or other tenants' names.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.db.models import Exists, F, FilteredRelation, OuterRef, Q, QuerySet
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.people.selectors import Viewer, of_own_customers, supports_everyone
from audit.services import Subject
from inbound_admin.lib.exports import ROWS_AT_ONCE, moment
from inbound_admin.lib.filters import has_part_in_any_case
from inbound_admin.lib.fixed_query import FixedQuery
from inbound_admin.lib.lists import ListFilters, ListPage, Order, exactly, kept_count
from tenants.customer_notices.core import Banner, CustomerNotice, banner_of, customer_words
from tenants.lifecycle.core import REJECTED, RESTORED_PAUSED, STOPPED_BEFORE
from tenants.models.tenants import (
    STOPPED_ACCOUNT,
    ResourceKind,
    SesAccount,
    StatusChange,
    Tenant,
    TenantResource,
    TenantStage,
)
from tenants.status.core import Layer, Policy, ShownLayer, StatusFacts, TenantStatus, layers, shown

WORST_FIRST = "-risk"
# One table for the page and the API.
ORDERS: dict[str, Order] = {
    WORST_FIRST: ("-risk", Lower("name")),
    "risk": ("risk", Lower("name")),
    "name": (Lower("name"),),
    "-name": (Lower("name").desc(),),
    "customer": (Lower("customer__name"), Lower("name")),
    "-customer": (Lower("customer__name").desc(), Lower("name")),
    "standing": ("standing", Lower("name")),
    "-standing": ("-standing", Lower("name")),
    "bounces": (F("bounce_rate").asc(nulls_last=True), Lower("name")),
    "-bounces": (F("bounce_rate").desc(nulls_last=True), Lower("name")),
    "complaints": (F("complaint_rate").asc(nulls_last=True), Lower("name")),
    "-complaints": (F("complaint_rate").desc(nulls_last=True), Lower("name")),
    "created": ("-created_at", Lower("name")),
}


@dataclass(frozen=True)
class TenantCapacity:
    """Use of the account's tenant quota. The price comes from the settings, in US dollars a month."""

    count: int
    quota: int
    monthly_cost: float

    @property
    def share(self) -> float:
        return self.count / self.quota if self.quota else 1.0


def tenants_in_region() -> QuerySet[Tenant]:
    """Return the tenants of this deployment's region. SES doesn't have those of other regions here."""
    return Tenant.objects.filter(region=settings.AWS_REGION)


def tenant_of(customer: Customer) -> Tenant | None:
    """Return the customer's tenant in this region; also one that is being created, none that is being deleted."""
    own = tenants_in_region().filter(customer=customer).exclude(stage=TenantStage.DELETING)
    return own.annotate(**_account()).first()


_STOPPED_ACCOUNT = FixedQuery(lambda: SesAccount.objects.filter(STOPPED_ACCOUNT, region=settings.AWS_REGION))


def _account() -> dict[str, Exists]:
    """Return what `Tenant.account_stopped` would otherwise read for each tenant."""
    return {"account_stopped": Exists(_STOPPED_ACCOUNT.build())}


def sees_tenants(viewer: Viewer) -> bool:
    """Return whether the viewer is staff who may see every tenant."""
    return supports_everyone(viewer) and viewer.has_perm("tenants.view_tenant")


def tenants_for(viewer: Viewer) -> QuerySet[Tenant]:
    """Return the tenants of the viewer's customers, or all for staff who may see them."""
    tenants = tenants_in_region().select_related("customer").annotate(**_account())
    return tenants if sees_tenants(viewer) else tenants.filter(of_own_customers(viewer))


def find_tenants(
    *, viewer: Viewer, text: str = "", standing: str = "", policy: str = "", order: str = WORST_FIRST
) -> QuerySet[Tenant]:
    """Find by part of the tenant's or customer's name, or by a complete ID or ARN."""
    filters = TenantListFilters(q=text, policy=policy, sort=order)
    return filters.search(tenants_for(viewer).filter(exactly(standing=standing or None)))


def tenants_named(text: str) -> Q:
    """Match part of the tenant's or customer's name, or a complete ID or ARN."""
    whole = Tenant.objects.filter(Q(pk=text) | Q(ses_id=text) | Q(arn=text) | Q(customer=text))
    named = Tenant.objects.filter(has_part_in_any_case("name", text))
    customers = Customer.objects.filter(has_part_in_any_case("name", text))
    of_customers = Tenant.objects.filter(customer__in=customers.order_by().values("pk"))
    # As separate queries, each uses its own index; with OR between them, every tenant would be read.
    found = (each.order_by().values("pk") for each in (whole, named, of_customers))
    return Q(pk__in=next(found).union(*found))


def layers_of(tenant: Tenant) -> tuple[Layer, ...]:
    """Return the layers that can stop its sending, widest first. The caller has fetched the tenant for its viewer."""
    return layers(facts_of(tenant, account_here(), list(resources_of(tenant))))


def shown_layers(tenant: Tenant) -> list[ShownLayer]:
    """Return the same as the page shows them."""
    return [shown(layer) for layer in layers_of(tenant)]


def facts_of(tenant: Tenant, account: SesAccount | None, resources: list[TenantResource]) -> StatusFacts:
    identities = [one for one in resources if one.kind == "identity" and one.wanted]
    there = [] if tenant.is_gone else [one for one in identities if one.associated_at and not one.is_lost]
    return StatusFacts(
        account=account.enforcement if account else "",
        account_sends=account.sends if account else None,
        account_since=account.since if account else None,
        account_read_at=account.read_at if account else None,
        account_problem=account.problem if account else "",
        amazon=(tenant.amazon_status, tenant.amazon_cause, tenant.amazon_since),
        staff=(tenant.staff_status, tenant.staff_cause, tenant.staff_since),
        paused_by_us=tenant.is_paused,
        is_under_way=tenant.is_under_way,
        configuration_set=tenant.configuration_set,
        set_sends=tenant.set_sends,
        set_is_gone=tenant.set_gone_at is not None,
        identities=len(identities),
        identities_ready=sum(1 for one in there if one.verified),
        identities_unknown=sum(1 for one in there if one.verified is None),
    )


def resources_of(tenant: Tenant) -> QuerySet[TenantResource]:
    return TenantResource.objects.filter(tenant=tenant).order_by("kind", "name")


def history_of(tenant: Tenant) -> QuerySet[StatusChange]:
    """Newest first."""
    return StatusChange.objects.filter(tenant=tenant).order_by("-seen_at", "-pk")


def account_here() -> SesAccount | None:
    return SesAccount.objects.filter(region=settings.AWS_REGION).first()


def due_for_review(today: date) -> QuerySet[Tenant]:
    """Return pauses whose review date has come, the longest overdue first."""
    due = tenants_in_region().filter(is_paused=True, pause_review_on__lte=today).select_related("customer")
    return due.order_by("pause_review_on", "name")


def unfinished() -> QuerySet[Tenant]:
    """Return tenants with a change that SES hasn't been sent, or hasn't confirmed."""
    on_their_way = Q(stage__in=(TenantStage.CREATING, TenantStage.DELETING))
    under_way = Q(status_asked_at__isnull=False, status_proven_at__isnull=True)
    policy = ~Q(policy=F("policy_told"), suppression=F("suppression_told"))
    due = Q(retry_at=None) | Q(retry_at__lte=timezone.now())
    loose = TenantResource.objects.filter(Q(wanted=False) | Q(due, associated_at=None, held_by=""))
    return tenants_in_region().filter(on_their_way | under_way | policy | Q(pk__in=loose.values("tenant")))


def capacity() -> TenantCapacity:
    count = kept_count(tenants_in_region())
    priced = max(count - settings.TENANTS_INCLUDED, 0)
    return TenantCapacity(count, settings.SES_TENANTS, round(priced * settings.TENANT_MONTHLY_PRICE, 2))


def tenants_for_staff(viewer: Viewer) -> QuerySet[Tenant]:
    """Return all tenants for staff, none for a customer, who sees their own on other pages."""
    found = tenants_for(viewer).select_related("status_asked_by", "created_by", "reputation_read")
    return found if sees_tenants(viewer) else found.none()


def _needs_attention() -> Q:
    """Match tenants with a change that was not applied, or that SES could not be read for."""
    failed = TenantResource.objects.filter(tenant=OuterRef("pk")).exclude(problem="")
    return ~Q(stage_problem="") | ~Q(status_problem="") | ~Q(read_problem="") | Q(Exists(failed))


@dataclass(frozen=True)
class TenantListFilters(ListFilters):
    """`q` is part of a name, or a complete ID. `policy` is SES's, once it was read."""

    policy: str = ""

    sorts = ORDERS

    def conditions(self) -> Iterator[Q]:
        if self.q:
            yield tenants_named(self.q)
        if self.policy in tuple(Policy):
            yield Q(ses_policy=self.policy) | Q(ses_policy="", policy=self.policy)

    def groups(self) -> dict[str, Q]:
        return {
            "suspended": Q(standing=TenantStatus.SUSPENDED),
            "paused": Q(standing=TenantStatus.PAUSED),
            "pausing": Q(standing=TenantStatus.PAUSING),
            "undone": Q(standing=TenantStatus.UNDONE),
            "review": Q(is_paused=True, pause_review_on__lte=timezone.localdate()),
            "findings": Q(open_high__gt=0) | Q(open_low__gt=0),
            "held_up": _needs_attention(),
            "active": Q(standing=TenantStatus.ACTIVE),
            "resuming": Q(standing=TenantStatus.RESUMING),
            "creating": Q(stage=TenantStage.CREATING),
            "unknown": Q(standing=TenantStatus.UNKNOWN, stage=TenantStage.READY),
        }


_LISTED = (
    *("name", "customer__name", "stage", "standing", "policy", "ses_policy", "risk", "open_high", "open_low"),
    *("read_at", "stage_problem", "status_problem", "read_problem", "amazon_status", "bounce_rate", "complaint_rate"),
    "reputation_read__findings_at",
)


def listed(*, viewer: Viewer, filters: TenantListFilters) -> QuerySet[Tenant]:
    """Return the tenants with only the columns that the list shows, worst first."""
    return filters.search(tenants_for(viewer).select_related("reputation_read")).only(*_LISTED)


def counts(*, viewer: Viewer, filters: TenantListFilters) -> dict[str, int]:
    """Return how many tenants match each group under the other filters, in one query."""
    return filters.counts(tenants_for(viewer))


def export_rows(*, viewer: Viewer, filters: TenantListFilters) -> Iterator[dict[str, str]]:
    """Yield one row for each tenant that matches the filters, read in chunks."""
    for tenant in ListPage.every_row(filters.search(tenants_for(viewer)), at_once=ROWS_AT_ONCE):
        yield _row(tenant)


def _row(tenant: Tenant) -> dict[str, str]:
    return {
        "id": tenant.id,
        "tenant": tenant.name,
        "customer": tenant.customer.name,
        "customer_id": tenant.customer_id,
        "region": tenant.region,
        "standing": tenant.standing,
        "account_stopped": "yes" if tenant.account_stopped else "no",
        "amazon_status": tenant.amazon_status,
        "staff_status": tenant.staff_status,
        "policy": tenant.policy,
        "ses_policy": tenant.ses_policy,
        "is_paused": "yes" if tenant.is_paused else "no",
        "pause_reason": tenant.pause_reason,
        "receiving": tenant.receiving,
        "sends_since": moment(tenant.sends_since),
        "open_high": str(tenant.open_high),
        "open_low": str(tenant.open_low),
        "bounce_rate": _fraction(tenant.bounce_rate),
        "complaint_rate": _fraction(tenant.complaint_rate),
        "risk": str(tenant.risk),
        "read_at": moment(tenant.read_at),
        "arn": tenant.arn,
    }


def _fraction(rate: float | None) -> str:
    """Return the rate as text; "" if it is unknown, which is not 0."""
    return "" if rate is None else f"{rate:.6g}"


@dataclass(frozen=True)
class CustomerBanner:
    customer_id: str
    banner: Banner


def banners_for(viewer: Viewer) -> tuple[CustomerBanner, ...]:
    """Return the banners of the viewer's own customers, in one query. Staff see the tenants' pages instead."""
    if not isinstance(viewer, User) or not viewer.is_active or not viewer.may_be_member:
        return ()
    found = []
    for key, name, stopped, *values in _OWN_TENANTS.values(viewer.pk):
        fields = dict(zip(_OF_NOTICE, values, strict=True))
        tenant = Tenant(customer=Customer(pk=key, name=name), **fields) if fields["standing"] else None
        notice = CustomerNotice(name, "", account_stopped=stopped)
        if tenant is not None:
            tenant.account_stopped = stopped
            notice = tenant.notice
        found.append((key, banner_of(notice)))
    return tuple(CustomerBanner(key, banner) for key, banner in found if banner)


_OF_NOTICE = (
    *("standing", "is_paused", "pause_told", "stops_receiving", "receiving_asked_at", "sends_since"),
    *("status_asked_at", "status_proven_at"),
)
_OWN_TENANTS = FixedQuery(
    lambda person: (
        Customer.objects.filter(memberships__user_id=person)
        .annotate(here=FilteredRelation("tenants", condition=Q(tenants__region=settings.AWS_REGION)), **_account())
        .order_by("name", "pk")
        .values_list("pk", "name", "account_stopped", *(f"here__{each}" for each in _OF_NOTICE))
    ),
    compared=1,
)


def banner_for(tenant: Tenant) -> Banner | None:
    """The caller has fetched the tenant with its customer, for its viewer."""
    return banner_of(tenant.notice)


def sending_banner(customer: Customer) -> tuple[str, Banner | None]:
    """Return the tenant's standing ("" without one) and the banner; None while nothing stops the customer's sending."""
    tenant = tenant_of(customer)
    if tenant is None:
        return "", banner_of(CustomerNotice(customer.name, "", account_stopped=account_is_stopped()))
    is_off = tenant.account_stopped or tenant.mail_standing != TenantStatus.ACTIVE
    return tenant.standing, banner_for(tenant) if is_off else None


def identity_in(tenant: Tenant, name: str) -> TenantResource | None:
    """Return the domain's association. `problem` is for staff: it may name another customer's tenant."""
    return TenantResource.objects.filter(tenant=tenant, kind=ResourceKind.IDENTITY, name=name).first()


def customer_sentence(tenant: Tenant) -> str:
    """Return the customer's sending status in words for customers."""
    return REJECTED if _rejects_all(tenant) else sending_words(tenant)


def sending_words(tenant: Tenant) -> str:
    """Return the status of the customer's mail in words for customers, apart from what SES lost."""
    stage = TenantStage.READY if tenant.is_restoring else tenant.stage
    return customer_words(stage, tenant.mail_standing, account_stopped=tenant.account_stopped)


def _rejects_all(tenant: Tenant) -> bool:
    """Return whether SES rejects all sends: they name a tenant that is gone, or isn't back yet."""
    is_gone = tenant.is_gone and tenant.stage == TenantStage.READY
    return tenant.sends_since is not None and (is_gone or tenant.is_restoring)


def account_is_stopped() -> bool:
    """Return whether SES sends for nobody in our account, by the last read; for a customer without a tenant."""
    return _STOPPED_ACCOUNT.exists()


def rejects_sends(tenant: Tenant, name: str) -> bool:
    """Return whether SES rejects sends from this domain: they name a tenant that is gone, or that lost the domain."""
    needed = Q(kind=ResourceKind.IDENTITY, name=name)
    needed |= Q(kind=ResourceKind.CONFIGURATION_SET, name=tenant.configuration_set)
    is_used = tenant.sends_since is not None and tenant.stage == TenantStage.READY
    return _rejects_all(tenant) or (is_used and lost_of(tenant).filter(needed).exists())


def lost_of(tenant: Tenant) -> QuerySet[TenantResource]:
    """Return the associations that SES lost. It rejects sends that use one of them and name the tenant."""
    return TenantResource.objects.filter(tenant=tenant, wanted=True, lost_at__isnull=False)


def default_sets_outside(tenants: Iterable[Tenant]) -> QuerySet[TenantResource]:
    """Return identities whose default set isn't in their tenant, with the tenants.

    SES rejects mail from there that names the tenant and no other set.
    """
    inside = TenantResource.objects.filter(
        tenant=OuterRef("tenant"), kind=ResourceKind.CONFIGURATION_SET, name=OuterRef("default_set"), wanted=True
    )
    rows = TenantResource.objects.filter(tenant__in=tenants, tenant__sends_since__isnull=False)
    identities = rows.filter(kind=ResourceKind.IDENTITY, wanted=True, associated_at__isnull=False)
    outside = identities.exclude(default_set="").exclude(Exists(inside.filter(associated_at__isnull=False)))
    return outside.select_related("tenant__customer")


def stopped_before(tenant: Tenant) -> str:
    """Return what SES did with a tenant that it no longer has, and what a restore does; "" for nothing. For staff."""
    if not tenant.is_gone or tenant.is_paused or not tenant.stopped_as:
        return ""
    return f"{what_stopped(tenant)} {RESTORED_PAUSED}"


def what_stopped(tenant: Tenant) -> str:
    """Return what SES did with a tenant before it was deleted there."""
    return STOPPED_BEFORE.get(tenant.stopped_as, "SES had stopped its sending.")


def tenant_subject(tenant: Tenant) -> Subject:
    """Return the change log's subject for a tenant."""
    return Subject("tenant", tenant.id, tenant.name, tenant.customer_id)
