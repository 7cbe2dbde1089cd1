"""Staff overrides in Django admin: every action calls a service and reports the result for each row."""

from collections.abc import Callable, Mapping
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
from domains.domain_list.selectors import name_contains
from domains.models.domains import Domain
from domains.models.record_checks import RecordCheck
from domains.overrides import services as overrides_services
from domains.ownership_claims.services import approve_claim
from domains.records.core import EXPECTABLE
from domains.settings import services as settings_services
from inbound_admin.lib.admin import ReadOnly
from inbound_admin.lib.errors import Problem
from inbound_admin.lib.fields import UtcField
from inbound_admin.lib.seen import fingerprint


class AdminOverrideForm(ActionForm):
    """The fields next to the choice of the action."""

    because = forms.CharField(label="Reason", required=False, max_length=2000)
    until = forms.CharField(
        label="Until (UTC)", required=False, max_length=40
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
    seen: Mapping[str, str]  # by domain: what the page that asked to confirm showed of it

    @property
    def why(self) -> dict[str, Any]:
        """What every override takes: the reason, whose it is, and the id of all together."""
        return {"because": self.because, "actor": self.actor, "bulk_id": self.bulk_id}


@dataclass(frozen=True)
class Action:
    """What staff with the permission may do with each selected domain.

    `warning`: what the pages say before they do the same. A second request confirms it.
    """

    description: str
    permission: str
    act: Callable[[Domain, ActionInput], None]
    warning: str = ""

    def __call__(self, page: "DomainAdmin", request: HttpRequest, domains: QuerySet[Domain]) -> HttpResponse | None:
        """Do it, or say first what it does. Invalid input stops all before any change."""
        given = _read(request)
        if isinstance(given, str):
            page.message_user(request, given, messages.ERROR)
        elif self.warning and "confirmed" not in request.POST:
            return self._confirm(page, request, domains)
        else:
            self._each(page, request, domains, given)
        return None

    def _confirm(self, page: "DomainAdmin", request: HttpRequest, domains: QuerySet[Domain]) -> HttpResponse:
        context = {
            **page.admin_site.each_context(request),
            "title": self.description.partition(" (")[0],
            "warning": self.warning,
            "domains": [(each, fingerprint(_shown(each))) for each in domains.select_related("customer")],
            "given": [(name, value) for name, all_ in request.POST.lists() for value in all_ if name[:4] != "csrf"],
            "opts": page.opts,
        }
        return TemplateResponse(request, "admin/domains/domain/confirm_action.html", context)

    def _each(self, page: "DomainAdmin", request: HttpRequest, domains: QuerySet[Domain], given: ActionInput) -> None:
        """A refusal for one row does not stop the others."""
        for domain in domains:
            try:
                self.act(domain, given)
            except Problem as problem:
                page.message_user(request, f"{domain}: {problem}", messages.ERROR)
            else:
                page.message_user(request, f"Done: {domain}", messages.SUCCESS)


HOLD, OVERRIDE, EXPECT = "domains.hold_domain", "domains.override_state", "domains.expect_record"
ACTIONS = {
    "hold": Action(
        "Hold (reason, until)",
        HOLD,
        lambda domain, given: overrides_services.hold(domain=domain, until=given.until, **given.why),
    ),
    "release": Action(
        "Release from hold", HOLD, lambda domain, given: overrides_services.release(domain=domain, **given.why)
    ),
    "check_again": Action(
        "Check again now",
        HOLD,
        lambda domain, given: overrides_services.check_again(domain=domain, actor=given.actor, bulk_id=given.bulk_id),
    ),
    "new_dkim": Action(
        "Rotate DKIM keys (reason)",
        HOLD,
        lambda domain, given: settings_services.rotate_dkim(domain=domain, because=given.because, actor=given.actor),
        "Each domain needs three new DNS records. Its mail is unsigned until SES finds them.",
    ),
    "transfer": Action(
        "Transfer to another customer (reason)",
        "domains.transfer_domain",
        lambda domain, given: overrides_services.transfer(
            domain=domain, to=given.customer, seen=given.seen.get(domain.pk, ""), **given.why
        ),
        "The former customers lose access at once. Addresses and catch-alls move with a domain, but their endpoints "
        "don't: mail is only stored until the new customer chooses endpoints. Mail received before stays the former "
        "customers'. The owners of both customers are notified by email.",
    ),
    "approve_claim": Action(
        "Approve claim without DNS proof (reason)",
        "domains.approve_claim",
        lambda domain, given: approve_claim(domain=domain, because=given.because, actor=given.actor),
    ),
    "override_state": Action(
        "Override status (as, reason, until)",
        OVERRIDE,
        lambda domain, given: overrides_services.override_state(
            domain=domain, state=given.shown_as, until=given.until, **given.why
        ),
    ),
    "end_override": Action(
        "End status override",
        OVERRIDE,
        lambda domain, given: overrides_services.end_override(domain=domain, **given.why),
    ),
    "expect": Action(
        "Add record exception (record, host, reason)",
        EXPECT,
        lambda domain, given: overrides_services.expect_record(
            domain=domain, key=given.record, value=given.host, **given.why
        ),
    ),
    "expect_no_more": Action(
        "Remove record exception (record)",
        EXPECT,
        lambda domain, given: overrides_services.stop_expecting(domain=domain, key=given.record, **given.why),
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
class DomainAdmin(ReadOnly):
    """SES and DNS decide some of the columns, and services change the others. Deletion needs SES calls."""

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

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Domain], search_term: str
    ) -> tuple[QuerySet[Domain], bool]:
        """Find internationalized names by their Unicode form too."""
        rows, repeats = super().get_search_results(request, queryset, search_term)
        return rows if search_term.isascii() else rows | queryset.filter(name_contains(search_term)), repeats

    @admin.display(boolean=True, description="on hold")
    def is_held(self, domain: Domain) -> bool:
        return domain.is_held

    @admin.display(description="overridden as")
    def overridden(self, domain: Domain) -> str:
        return f"{domain.override_state}, until {domain.override_until:%-d %b %Y %H:%M}" if domain.is_overridden else ""

    @admin.display(description="exceptions")
    def expects(self, domain: Domain) -> str:
        return ", ".join(f"{each.title}: {each.value or 'not required'}" for each in domain.expected)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        allowed = {name: action for name, action in ACTIONS.items() if request.user.has_perm(action.permission)}
        return {name: (action, name, action.description) for name, action in allowed.items()}


def _read(request: HttpRequest) -> ActionInput | str:
    """Return the action's input, or a sentence that says why it is invalid."""
    form = AdminOverrideForm(request.POST)
    form.fields["action"] = forms.CharField(required=False)
    form.full_clean()  # `ActionAdmin` refused what is invalid
    data = form.cleaned_data
    try:
        until = UtcField(required=False).clean(data["until"])
    except forms.ValidationError as error:
        return f"Until: {' '.join(error.messages)}"
    given = {name: data[name] for name in ("because", "customer", "shown_as", "record", "host")}
    seen = dict(each.split(" ", 1) for each in request.POST.getlist("shown") if " " in each)
    return ActionInput(**given, until=until, actor=cast("User", request.user), bulk_id=new_change_id(), seen=seen)


def _shown(domain: Domain) -> Mapping[str, Any]:
    return overrides_services.shown_values(domain, "transfer")
