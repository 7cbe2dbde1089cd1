"""What spans the apps, in Django admin: to look at. Pages and services change it."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from operations.models import Difference, Migration, MigrationItem, MigrationStep, MovingIn, MovingInRow


class ReadOnly(admin.ModelAdmin[Any]):
    """Nothing is added, changed or deleted here; rows have their own pages and services."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


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


@admin.register(Difference)
class DifferenceAdmin(ReadOnly):
    list_display = ("sentence", "area", "kind", "customer", "decision", "by", "first_seen_at", "gone_at")
    list_filter = ("area", "kind", "decision")
    list_select_related = ("customer", "by")
    search_fields = ("subject", "sentence", "customer__name")


@admin.register(MovingIn)
class MovingInAdmin(ReadOnly):
    list_display = ("name", "state", "by", "created_at", "ended_at", "problem")
    list_filter = ("state",)
    list_select_related = ("by",)
    search_fields = ("id", "name", "because")


@admin.register(MovingInRow)
class MovingInRowAdmin(ReadOnly):
    list_display = ("name", "kind", "owner", "fate", "words", "done_at")
    list_filter = ("kind", "fate")
    search_fields = ("name", "owner")
