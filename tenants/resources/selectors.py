"""Reads which identities use the configuration set of another tenant. For staff."""

from collections.abc import Iterable

from django.db.models import OuterRef, QuerySet, Subquery

from tenants.lifecycle.selectors import tenants_in_region
from tenants.models.tenants import ResourceKind, Tenant, TenantResource


def using_sets_of_others(tenants: Iterable[Tenant]) -> QuerySet[TenantResource]:
    """Return identities of the tenants whose default set is another tenant's own, with its name as `set_owner`.

    An identity keeps its default set in SES when its domain is transferred: then its bounces count for that tenant.
    """
    others = tenants_in_region().filter(configuration_set=OuterRef("default_set")).exclude(pk=OuterRef("tenant"))
    rows = TenantResource.objects.filter(tenant__in=tenants, kind=ResourceKind.IDENTITY, wanted=True)
    found = rows.exclude(default_set="").annotate(set_owner=Subquery(others.order_by("pk").values("name")[:1]))
    return found.filter(set_owner__isnull=False).order_by("name")


def default_set_of_its_tenant(name: str) -> str:
    """Return the identity's default configuration set if it is its own tenant's, as last read; "" if not."""
    rows = TenantResource.objects.filter(kind=ResourceKind.IDENTITY, name=name, wanted=True).exclude(default_set="")
    row = rows.select_related("tenant").first()
    return row.default_set if row is not None and row.default_set == row.tenant.configuration_set else ""
