from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from audit.models import Change


@admin.register(Change)
class ChangeAdmin(admin.ModelAdmin[Change]):
    """Read-only. The database also refuses to change or delete a row."""

    list_display = ("at", "actor_name", "what", "object_type", "object_name", "because")
    list_filter = ("actor_kind", "object_type", "what", "for_staff", "at")
    search_fields = ("object_name", "=object_id", "actor_name", "=bulk_id", "=customer_id", "because")
    date_hierarchy = "at"
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
