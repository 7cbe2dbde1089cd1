"""What customers see of their own sending: the notice while it is off, and whether a domain belongs to it."""

from dataclasses import dataclass

from django.conf import settings

from tenants.core.customer_words import Banner, banner_of
from tenants.models import Customer, ResourceKind, Tenant, TenantResource, User
from tenants.selectors.people import Viewer


@dataclass(frozen=True)
class CustomerBanner:
    customer_id: str
    banner: Banner


def banners_for(viewer: Viewer) -> tuple[CustomerBanner, ...]:
    """Of the customers whose member the viewer is, in one query. Staff see the tenants' own pages instead."""
    if not isinstance(viewer, User) or not viewer.is_active:
        return ()
    own = Tenant.objects.filter(region=settings.AWS_REGION, customer__memberships__user=viewer)
    found = own.select_related("customer").order_by("customer__name", "pk")
    shown = ((tenant.customer, _banner(tenant, tenant.customer)) for tenant in found)
    return tuple(CustomerBanner(customer.pk, banner) for customer, banner in shown if banner)


def banner_for(tenant: Tenant) -> Banner | None:
    """The caller has fetched the tenant with its customer, for its viewer."""
    return _banner(tenant, tenant.customer)


def _banner(tenant: Tenant, customer: Customer) -> Banner | None:
    return banner_of(customer.name, tenant.standing, tenant.pause_told, stops_receiving=tenant.stops_receiving)


def identity_in(tenant: Tenant, name: str) -> TenantResource | None:
    """The domain's association. `problem` is for staff: it may name another customer's tenant."""
    return TenantResource.objects.filter(tenant=tenant, kind=ResourceKind.IDENTITY, name=name).first()
