from django.contrib import admin

from audit.core import words_for
from audit.models import Change
from inbound_admin.lib.admin import STORED, ReadOnly, capitalised, in_words, labelled


@admin.register(Change)
class ChangeAdmin(ReadOnly):
    """The database also refuses to change or delete a row."""

    list_display = (
        "at",
        "actor_name",
        in_words("what", "change", words_for),
        in_words("object_type", "object type", capitalised),
        "object_name",
        "because",
    )
    list_filter = (
        "actor_kind",
        labelled("object_type", capitalised, STORED),
        labelled("what", words_for, STORED),
        "for_staff",
        "at",
    )
    search_fields = ("object_name", "=object_id", "actor_name", "=bulk_id", "=customer_id", "because")
    date_hierarchy = "at"
    list_per_page = 50
