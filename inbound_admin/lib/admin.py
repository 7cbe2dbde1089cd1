"""Django admin for several apps: read-only classes, and codes in words. Pages and services change the objects."""

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

Words = Callable[[str], str]
STORED = admin.AllValuesFieldListFilter  # reads which values the table has


def capitalised(code: str) -> str:
    """Return "Not set up" for "not_set_up"."""
    return code.replace("_", " ").capitalize()


def labelled(
    field: str, words: Words, base: type[admin.FieldListFilter] = admin.ChoicesFieldListFilter
) -> tuple[str, type[admin.FieldListFilter]]:
    """Return the filter by a field's choices, each in words. `base`: `STORED` for a field without choices."""

    class Labelled(base):  # type: ignore[misc, valid-type]  # a class of its own for each field
        def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
            every, *found = super().choices(changelist)
            yield every
            yield from ({**each, "display": words(str(each["display"]))} for each in found)

    return field, Labelled


def in_words(field: str, title: str, words: Words) -> Callable[[Any], str]:
    """Return a column with the field's value in words."""

    @admin.display(description=title, ordering=field)
    def shown(row: Any) -> str:
        return words(str(getattr(row, field)))

    return shown


class ReadOnly(admin.ModelAdmin[Any]):
    """Rows can't be added, changed or deleted here: they have their own pages and services."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
