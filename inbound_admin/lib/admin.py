"""Django admin for several apps: read-only classes, and codes in words. Pages and services change the objects."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.forms import CharField, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from inbound_admin.lib.errors import ChangedMeanwhile, NotAllowed, Refused
from inbound_admin.lib.seen import SeenField, fingerprint

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


class RefusableForm(ModelForm[Any]):
    """Shows why a service refused what was entered (`SeenAdmin`)."""

    refused = ""

    def clean(self) -> dict[str, Any]:
        found = super().clean()
        if self.refused:
            self.add_error(None, self.refused)
        return self.cleaned_data if found is None else found


class SeenForm(RefusableForm):
    """Refused if somebody else has changed what it showed (`lib/seen.py`). `seen` is one of its fields."""

    seen = SeenField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["seen"] = fingerprint(self.shown(self.instance))

    def shown(self, row: Any) -> Mapping[str, object]:
        """Return what the service compares."""
        raise NotImplementedError


class SeenAdmin(admin.ModelAdmin[Any]):
    """Its forms are `RefusableForm`: a refusal is shown in the form, or the current values if they were changed."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except ChangedMeanwhile as changed:
            messages.error(request, str(changed))
            return HttpResponseRedirect(request.get_full_path())
        except NotAllowed:
            raise
        except Refused as refused:
            request.refused = str(refused)  # type: ignore[attr-defined]  # read by `get_form`, next
            return super().changeform_view(request, *args, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]  # UserAdmin
        form: Any = super().get_form(request, obj, **kwargs)
        form.refused = getattr(request, "refused", "")  # the class is of this request
        return form


class ActionAdmin(admin.ModelAdmin[Any]):
    """Says which field beside the action is invalid. Django says that no action was selected."""

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *where: Any) -> HttpResponse | None:
        form = self.action_form(request.POST, auto_id=None)
        form.fields["action"] = CharField(required=False)  # Django chooses it among the buttons
        if form.is_valid():
            return super().response_action(request, queryset, *where)
        for name, errors in form.errors.items():
            self.message_user(request, f"{form.fields[name].label}: {' '.join(map(str, errors))}", messages.ERROR)
        return None


class ReadOnly(ActionAdmin):
    """Rows can't be added, changed or deleted here: they have their own pages and services."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
