"""Django admin for SES tenants, read-only. SES owns the statuses, and the product's pages change the rest."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import each, who
from inbound_admin.lib.admin import ReadOnly, capitalised, in_words, labelled
from tenants.models.tenants import SesAccount, StatusChange, Tenant, TenantResource
from tenants.resources.services import retry_associations
from tenants.status.core import STANDING_WORDS
from tenants.status.services import refresh


class ReadOnlyInline(admin.TabularInline[Any, Tenant]):
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        return False


class ResourceInline(ReadOnlyInline):
    model = TenantResource
    fields = readonly_fields = ("kind", "name", "wanted", "associated_at", "verified", "held_by", "problem")


class StatusChangeInline(ReadOnlyInline):
    model = StatusChange
    fields = readonly_fields = ("seen_at", "layer", "old", "new", "cause", "since")


def _status_words(status: str) -> str:
    return STANDING_WORDS.get(status, status)


@admin.register(Tenant)
class TenantAdmin(ReadOnly):
    """Pausing, policies and deletion need reasons and show their consequences, so they are on the product's pages."""

    list_display = (
        "name",
        "customer",
        in_words("standing", "status", _status_words),
        "stage",
        in_words("policy", "policy", capitalised),
        "risk",
        "is_paused",
        "read_at",
    )
    list_filter = (
        labelled("standing", _status_words),
        "stage",
        labelled("policy", capitalised),
        "is_paused",
        "adopted",
        "region",
    )
    list_select_related = ("customer",)
    search_fields = ("name", "customer__name", "=id", "=ses_id", "=arn")
    ordering = ("-risk", "name")
    inlines = (ResourceInline, StatusChangeInline)
    actions = ("read_now", "try_again")

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tenants.manage_tenant")

    @admin.action(description="Read from SES again", permissions=["view"])
    def read_now(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        each(request, queryset, lambda row: refresh(tenant=row), "is asked again.")

    @admin.action(description="Retry failed associations", permissions=["manage"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        each(request, queryset, lambda row: retry_associations(tenant=row, actor=who(request)), "is tried again.")


@admin.register(SesAccount)
class SesAccountAdmin(ReadOnly):
    list_display = (
        "region",
        "enforcement",
        "sends",
        "in_production",
        "sent_in_24_hours",
        "most_in_24_hours",
        "read_at",
    )
