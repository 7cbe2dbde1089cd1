"""Django admin for migrations, imports and drift (read-only), and for customers and their members.

Each change calls a service.
"""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest

from accounts.admin import who
from accounts.members.services import change_member_role
from accounts.models.people import Customer, Invitation, MemberRole, Membership
from domains.sharing.selectors import links_made_by
from inbound_admin.lib.admin import STORED, ReadOnly, SeenAdmin, SeenForm, capitalised, in_words, labelled
from operations.customers.forms import SameNameWarning
from operations.customers.services import create_customer, delete_customer, end_membership, rename_customer
from operations.drift.selectors import KIND_WORDS
from operations.models import (
    Batch,
    BatchItem,
    Difference,
    LegacyImport,
    LegacyImportRow,
    Migration,
    MigrationItem,
    MigrationStep,
)


@admin.register(Migration)
class MigrationAdmin(ReadOnly):
    list_display = ("__str__", "chosen_text", "state", "policy", "at_most_per_hour", "by", "created_at")
    list_filter = ("state", "chosen")
    list_select_related = ("by",)
    search_fields = ("id", "because", "chosen_text")


class StepsInline(admin.TabularInline[MigrationStep, MigrationItem]):
    model = MigrationStep
    extra = 0
    can_delete = False
    fields = ("number", "sentence", "call", "state", "problem", "done_at")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(MigrationItem)
class MigrationItemAdmin(ReadOnly):
    list_display = ("customer", "migration", "state", "started_at", "ended_at", "problem")
    list_filter = ("state",)
    list_select_related = ("customer", "migration")
    search_fields = ("customer__name", "customer__id", "id")
    inlines = (StepsInline,)


def _kind_words(kind: str) -> str:
    return KIND_WORDS.get(kind) or capitalised(kind)


@admin.register(Difference)
class DifferenceAdmin(ReadOnly):
    list_display = (
        "sentence",
        in_words("area", "area", capitalised),
        in_words("kind", "kind", _kind_words),
        "customer",
        "decision",
        "by",
        "first_seen_at",
        "gone_at",
    )
    list_filter = (labelled("area", capitalised, STORED), labelled("kind", _kind_words, STORED), "decision")
    list_select_related = ("customer", "by")
    search_fields = ("subject", "sentence", "customer__name")


@admin.register(Batch)
class BatchAdmin(ReadOnly):
    list_display = ("__str__", "id", "kind", "by", "created_at")
    list_filter = ("kind",)
    list_select_related = ("by",)
    search_fields = ("id",)


@admin.register(BatchItem)
class BatchItemAdmin(ReadOnly):
    list_display = ("name", "batch", "state", "problem", "done_at")
    list_filter = ("state", "batch__kind")
    list_select_related = ("batch",)
    search_fields = ("name", "batch__id")


@admin.register(LegacyImport)
class LegacyImportAdmin(ReadOnly):
    list_display = ("name", "state", "by", "created_at", "ended_at", "problem")
    list_filter = ("state",)
    list_select_related = ("by",)
    search_fields = ("id", "name", "because")


@admin.register(LegacyImportRow)
class LegacyImportRowAdmin(ReadOnly):
    list_display = ("name", "kind", "owner", "result", "words", "done_at")
    list_filter = ("kind", "result")
    search_fields = ("name", "owner")


class AdminCustomerForm(SameNameWarning, SeenForm):
    """Warns of a name that another customer has, as the page does."""

    class Meta:
        model = Customer
        fields = ("name",)

    def shown(self, row: Customer) -> dict[str, str]:
        return {"name": row.name}

    def clean(self) -> dict[str, Any]:
        super().clean()
        self.warn_of_same_name(self.instance.pk)
        return self.cleaned_data


@admin.register(Customer)
class CustomerAdmin(SeenAdmin):
    form = AdminCustomerForm
    list_display = ("name", "id", "member_count", "created_at")
    search_fields = ("name", "=id", "memberships__user__email")
    fields = ("name", "id", "created_at", "warned_of", "seen")
    readonly_fields = ("id", "created_at")

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]  # as `SeenAdmin`
        form = super().get_form(request, obj, **kwargs)
        form.viewer = who(request)  # of `AdminCustomerForm`, above
        return form

    def get_queryset(self, request: HttpRequest) -> QuerySet[Customer]:
        found: QuerySet[Customer] = super().get_queryset(request).annotate(members_counted=Count("memberships"))
        return found

    @admin.display(description="Members", ordering="members_counted")
    def member_count(self, customer: Customer) -> int:
        return int(getattr(customer, "members_counted", 0))

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        if change:
            rename_customer(customer=obj, name=obj.name, actor=who(request), seen=form.cleaned_data["seen"])
        else:
            create_customer(name=obj.name, owner=None, actor=who(request), customer_id=obj.pk)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Rows that are read-only here, such as invitations and migrations, are history that goes with the customer.

        Nobody may delete one alone. Protected objects are listed first.
        """
        tree, counts, forbidden, protected = super().get_deleted_objects(objs, request)
        read_only: list[type[Model]] = [Invitation]
        read_only += [model for model, rows in self.admin_site._registry.items() if isinstance(rows, ReadOnly)]
        forbidden -= {str(model._meta.verbose_name) for model in read_only}
        if protected:  # nothing will be deleted, so no permission is missing
            forbidden.clear()
        return tree, counts, forbidden, protected

    def delete_model(self, request: HttpRequest, obj: Customer) -> None:
        delete_customer(customer=obj, actor=who(request))

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Customer]) -> None:
        """Delete all or none. The page before has shown what prevents a deletion."""
        for customer in queryset:
            delete_customer(customer=customer, actor=who(request))


class MembershipForm(SeenForm):
    def shown(self, row: Membership) -> dict[str, str]:
        return {"role": str(row.role)}


@admin.register(Membership)
class MembershipAdmin(SeenAdmin):
    """Members are added only by invitation. A removal revokes their share links, as the page proposes."""

    form = MembershipForm
    list_display = ("user", "customer", "role", "since")
    list_filter = ("role",)
    list_select_related = ("user", "customer")
    search_fields = ("user__email", "customer__name")
    fields = ("user", "customer", "role", "since", "seen")
    readonly_fields = ("user", "customer", "since")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        role, seen = MemberRole(obj.role), form.cleaned_data["seen"]
        change_member_role(membership=obj, role=role, actor=who(request), seen=seen)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        end_membership(membership=obj, actor=who(request), revokes_links=True)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """List what ends with the memberships."""
        tree, counts, forbidden, protected = super().get_deleted_objects(objs, request)
        links = [link for row in objs for link in links_made_by(row.user, row.customer)]
        tree += [f"Share link, revoked: {link.domain}: {link}, until {link.expires_at:%-d %B %Y}" for link in links]
        return tree, counts | ({"share links": len(links)} if links else {}), forbidden, protected

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        """Delete all or none: a customer that would lose its last owner stops the whole."""
        for membership in queryset:
            end_membership(membership=membership, actor=who(request), revokes_links=True)
