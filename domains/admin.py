"""Staff overrides in Django admin: every action calls a service and reports the result for each row."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.models.people import Customer, User
from accounts.people.forms import CustomerChoice
from audit.models import new_change_id
from domains.checking.core.judgement import State
from domains.models.domains import Domain
from domains.models.record_checks import RecordCheck
from domains.overrides import services as overrides_services
from domains.ownership_claims import services as ownership_claims_services
from domains.records.core import EXPECTABLE
from domains.settings import services as settings_services
from inbound_admin.lib.admin import ActionAdmin
from inbound_admin.lib.errors import Problem


class AdminOverrideForm(ActionForm):
    """The fields next to the choice of the action."""

    because = forms.CharField(label="Reason", required=False, max_length=2000)
    until = forms.CharField(
        label="Until", required=False, max_length=40
    )  # parsed by `_read`, because Django hides its errors
    customer = CustomerChoice(label="Transfer to", required=False)
    shown_as = forms.ChoiceField(label="Override as", required=False)
    record = forms.ChoiceField(label="Record", required=False, choices=[("", "-"), *EXPECTABLE.items()])
    host = forms.CharField(label="Expected host (blank: not required)", required=False, max_length=253)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        states = [(state.value, state.label) for state in State]
        self.fields["shown_as"].choices = [("", "-"), *states]  # type: ignore[attr-defined]  # a ChoiceField, above


@dataclass(frozen=True)
class ActionInput:
    """The input of an action and its actor, with one bulk id for all rows."""

    because: str
    until: datetime | None
    customer: Customer | None
    shown_as: str
    record: str
    host: str
    actor: User
    bulk_id: str

    @property
    def why(self) -> dict[str, Any]:
        """What every override takes: the reason, whose it is, and the id of all together."""
        return {"because": self.because, "actor": self.actor, "bulk_id": self.bulk_id}


# What the pages say before they do the same. A second request confirms it.
_WARNINGS = {
    "new_dkim": "Each domain needs three new DNS records. Its mail is unsigned until SES finds them.",
    "transfer": (
        "The former customers lose access at once. Addresses and catch-alls move with a domain, but their endpoints "
        "don't: mail is only stored until the new customer chooses endpoints. Mail received before stays the former "
        "customers'. The owners of both customers are notified by email."
    ),
}


class RecordCheckInline(admin.TabularInline[RecordCheck, Domain]):
    model = RecordCheck
    fields = readonly_fields = ("key", "state", "found", "sentence", "checked_at", "verified_at", "last_known")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Domain | None = None) -> bool:
        return False


@admin.register(Domain)
class DomainAdmin(ActionAdmin):
    """All columns are read-only: SES and DNS decide some of them, and services change the others."""

    list_display = ("name", "customer", "state", "overridden", "stage", "is_held", "expects", "next_check_at")
    list_filter = (
        "state",
        "stage",
        ("held_at", admin.EmptyFieldListFilter),
        ("override_state", admin.EmptyFieldListFilter),
        "region",
    )
    list_select_related = ("customer",)
    search_fields = ("name", "customer__name", "id", "dkim_tokens")
    ordering = ("name",)
    inlines = (RecordCheckInline,)
    action_form = AdminOverrideForm
    actions = (
        "hold",
        "release",
        "check_again",
        "new_dkim",
        "transfer",
        "approve_claim",
        "override_state",
        "end_override",
        "expect",
        "expect_no_more",
    )
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Domain | None = None) -> bool:
        return False  # deletion needs SES calls, so use the product's page

    def get_readonly_fields(self, request: HttpRequest, obj: Domain | None = None) -> list[str]:
        return [field.name for field in Domain._meta.fields]

    @admin.display(boolean=True, description="on hold")
    def is_held(self, domain: Domain) -> bool:
        return domain.is_held

    @admin.display(description="overridden as")
    def overridden(self, domain: Domain) -> str:
        return f"{domain.override_state}, until {domain.override_until:%-d %b %Y %H:%M}" if domain.is_overridden else ""

    @admin.display(description="exceptions")
    def expects(self, domain: Domain) -> str:
        return ", ".join(f"{each.title}: {each.value or 'not required'}" for each in domain.expected)

    def has_hold_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("domains.hold_domain")

    def has_transfer_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("domains.transfer_domain")

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("domains.approve_claim")

    def has_override_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("domains.override_state")

    def has_expect_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("domains.expect_record")

    @admin.action(description="Hold (reason, until)", permissions=["hold"])
    def hold(self, request: HttpRequest, domains: QuerySet[Domain]) -> None:
        self._each(
            request,
            domains,
            lambda domain, given: overrides_services.hold(domain=domain, until=given.until, **given.why),
        )

    @admin.action(description="Release from hold", permissions=["hold"])
    def release(self, request: HttpRequest, domains: QuerySet[Domain]) -> None:
        self._each(request, domains, lambda domain, given: overrides_services.release(domain=domain, **given.why))

    @admin.action(description="Check again now", permissions=["hold"])
    def check_again(self, request: HttpRequest, domains: QuerySet[Domain]) -> None:
        self._each(
            request,
            domains,
            lambda domain, given: overrides_services.check_again(
                domain=domain, actor=given.actor, bulk_id=given.bulk_id
            ),
        )

    @admin.action(description="Rotate DKIM keys (reason)", permissions=["hold"])
    def new_dkim(self, request: HttpRequest, domains: QuerySet[Domain]) -> HttpResponse | None:
        return self._after_warning(
            request,
            domains,
            "Rotate DKIM keys",
            lambda domain, given: settings_services.rotate_dkim(
                domain=domain, because=given.because, actor=given.actor
            ),
        )

    @admin.action(description="Transfer to another customer (reason)", permissions=["transfer"])
    def transfer(self, request: HttpRequest, domains: QuerySet[Domain]) -> HttpResponse | None:
        return self._after_warning(
            request,
            domains,
            "Transfer",
            lambda domain, given: overrides_services.transfer(domain=domain, to=given.customer, **given.why),
        )

    @admin.action(description="Approve claim without DNS proof (reason)", permissions=["approve"])
    def approve_claim(self, request: HttpRequest, domains: QuerySet[Domain]) -> None:
        self._each(
            request,
            domains,
            lambda domain, given: ownership_claims_services.approve_claim(
                domain=domain, because=given.because, actor=given.actor
            ),
        )

    @admin.action(description="Override status (as, reason, until)", permissions=["override"])
    def override_state(self, request: HttpRequest, domains: QuerySet[Domain]) -> None:
        self._each(
            request,
            domains,
            lambda domain, given: overrides_services.override_state(
                domain=domain, state=given.shown_as, until=given.until, **given.why
            ),
        )

    @admin.action(description="End status override", permissions=["override"])
    def end_override(self, request: HttpRequest, domains: QuerySet[Domain]) -> None:
        self._each(request, domains, lambda domain, given: overrides_services.end_override(domain=domain, **given.why))

    @admin.action(description="Add record exception (record, host, reason)", permissions=["expect"])
    def expect(self, request: HttpRequest, domains: QuerySet[Domain]) -> None:
        self._each(
            request,
            domains,
            lambda domain, given: overrides_services.expect_record(
                domain=domain, key=given.record, value=given.host, **given.why
            ),
        )

    @admin.action(description="Remove record exception (record)", permissions=["expect"])
    def expect_no_more(self, request: HttpRequest, domains: QuerySet[Domain]) -> None:
        self._each(
            request,
            domains,
            lambda domain, given: overrides_services.stop_expecting(domain=domain, key=given.record, **given.why),
        )

    def _after_warning(
        self, request: HttpRequest, domains: QuerySet[Domain], title: str, act: Callable[[Domain, ActionInput], None]
    ) -> HttpResponse | None:
        """Return a page that warns and asks to confirm, or act for each row if it was confirmed or is invalid."""
        if "confirmed" in request.POST or isinstance(_read(request), str):
            self._each(request, domains, act)
            return None
        given = [(name, value) for name, values in request.POST.lists() for value in values if name[:4] != "csrf"]
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "warning": _WARNINGS[request.POST["action"]],
            "domains": domains.select_related("customer"),
            "given": given,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/domains/domain/confirm_action.html", context)

    def _each(
        self, request: HttpRequest, domains: QuerySet[Domain], act: Callable[[Domain, ActionInput], None]
    ) -> None:
        """A refusal for one row does not stop the others. Invalid input stops all before any change."""
        given = _read(request)
        if isinstance(given, str):
            self.message_user(request, given, messages.ERROR)
            return
        for domain in domains:
            try:
                act(domain, given)
            except Problem as problem:
                self.message_user(request, f"{domain}: {problem}", messages.ERROR)
            else:
                self.message_user(request, f"Done: {domain}", messages.SUCCESS)


def _read(request: HttpRequest) -> ActionInput | str:
    """Return the action's input, or a sentence that says why it is invalid."""
    form = AdminOverrideForm(request.POST)
    form.fields["action"] = forms.CharField(required=False)
    if not form.is_valid():
        return " ".join(
            f"{form.fields[name].label}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()
        )
    data = form.cleaned_data
    try:
        until = forms.DateTimeField(required=False).clean(data["until"])
    except forms.ValidationError as error:
        return f"Until: {' '.join(error.messages)}"
    given = {name: data[name] for name in ("because", "customer", "shown_as", "record", "host")}
    return ActionInput(**given, until=until, actor=cast("User", request.user), bulk_id=new_change_id())
