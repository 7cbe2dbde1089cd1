"""Receiving in Django admin, read-only. Services change rows, runs change SES."""

import json
from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models.people import User
from audit.services import ReasonMissing, new_bulk_id
from domains.receiving.core import RulesFact
from inbound_admin.lib.admin import ReadOnly, in_words, labelled
from inbound_admin.lib.errors import Problem
from receipt_rules.addresses import services as addresses_services
from receipt_rules.addresses.selectors import address_contains
from receipt_rules.forwarding import services as forwarding_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint, Forwarding
from receipt_rules.models.expectations import Expectation
from receipt_rules.models.runs import IgnoredDifference, OwnRuleSet, PendingChange, Run, RunStep, Snapshot
from receipt_rules.runs import services as runs_services


class AdminReasonForm(ActionForm):
    """The form next to the choice of action."""

    because = forms.CharField(label="Reason", required=False, max_length=2000)


class ReadOnlyRows(ReadOnly):
    """Read-only rows. Operators' actions call a service for each row."""

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("receipt_rules.operate_rules")

    def _each(self, request: HttpRequest, rows: QuerySet[Any], act: Callable[[Any], object]) -> None:
        """One row's refusal stops no other row."""
        for row in rows:
            try:
                act(row)
            except ReasonMissing:
                raise  # asked once for all rows, on its own page
            except Problem as problem:
                self.message_user(request, f"Failed: {row}: {problem}", messages.ERROR)
            else:
                self.message_user(request, f"Done: {row}", messages.SUCCESS)


RULES_WORDS = {
    RulesFact.FOREIGN: "Unmanaged rule",
    RulesFact.WAITING: "Being set up",
    RulesFact.HELD: "Held by a rollback",
    RulesFact.DROPPED: "Rejected since a change outside this system",
    RulesFact.NOT_SET_UP: "Receiving not set up",
    RulesFact.HALTED: "Receiving stopped",
    RulesFact.ENDING: "Receiving being stopped",
    RulesFact.MUTED: "Receiving stopped, accepted by another customer's catch-all",
    RulesFact.ACCEPTED: "Accepted by another customer's catch-all, not delivered",
    RulesFact.SPLIT: "Ended by another customer's subdomain",
    RulesFact.FILTERED: "Blocked by an IP filter",
    RulesFact.CARRIED: "Live",
    RulesFact.COPIED: "Live, and copied by another rule",
    RulesFact.ELSEWHERE: "Caught by another rule",
    RulesFact.BOUNCED: "Bounced by another rule",
    RulesFact.STOPPED: "Stopped by another rule",
    RulesFact.UNROUTED: "Stored, not delivered",
    RulesFact.TLS_ONLY: "Live only over TLS",
    RulesFact.UNSTORED: "Not live, and another rule matches",
    RulesFact.PARTLY: "Partly stopped by another rule",
    RulesFact.UNSURE: "Unknown",
}


def _rules_words(fact: str) -> str:
    return RULES_WORDS.get(RulesFact(fact), fact)


RULES_FILTER, RULES_COLUMN = labelled("rules", _rules_words), in_words("rules", "receipt rules", _rules_words)


@admin.register(Address)
class AddressAdmin(ReadOnlyRows):
    list_display = ("address", "domain", "endpoint", "is_active", RULES_COLUMN)
    list_filter = ("is_active", RULES_FILTER)
    list_select_related = ("domain", "endpoint")
    search_fields = ("address", "domain__name", "domain__customer__name", "id")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Address], search_term: str
    ) -> tuple[QuerySet[Address], bool]:
        """Find addresses by the Unicode form of their domain too."""
        rows, repeats = super().get_search_results(request, queryset, search_term)
        return rows if search_term.isascii() else rows | queryset.filter(address_contains(search_term)), repeats

    actions = ("switch_off", "switch_on")

    @admin.action(description="Turn off", permissions=["operate"])
    def switch_off(self, request: HttpRequest, rows: QuerySet[Address]) -> None:
        self._switch(request, rows, is_active=False)

    @admin.action(description="Turn on", permissions=["operate"])
    def switch_on(self, request: HttpRequest, rows: QuerySet[Address]) -> None:
        self._switch(request, rows, is_active=True)

    def _switch(self, request: HttpRequest, rows: QuerySet[Address], *, is_active: bool) -> None:
        """All together are one change of each customer's, which is decided on its total."""
        actor = cast("User", request.user)
        with transaction.atomic():
            self._each(
                request,
                rows.select_related("domain").order_by("domain", "pk"),
                lambda row: addresses_services.change_address(
                    address=row, actor=actor, is_active=is_active, endpoint=row.own_endpoint
                ),
            )


@admin.register(CatchAll)
class CatchAllAdmin(ReadOnlyRows):
    list_display = ("recipient", "domain", "endpoint", "is_active", RULES_COLUMN)
    list_filter = ("subdomains", "is_active", RULES_FILTER)
    list_select_related = ("domain", "endpoint")
    search_fields = ("domain__name", "id")


@admin.register(Endpoint)
class EndpointAdmin(ReadOnlyRows):
    list_display = ("name", "customer", "type", "is_active", "s3_bucket", "s3_prefix")
    list_filter = ("type", "is_active")
    list_select_related = ("customer",)
    search_fields = ("name", "customer__name", "id")
    exclude = ("sealed_config",)
    readonly_fields = ("settings_shown",)

    @admin.display(description="Settings (secrets masked)")
    def settings_shown(self, endpoint: Endpoint) -> str:
        return json.dumps(endpoint.shown_config)


@admin.register(Forwarding)
class ForwardingAdmin(ReadOnlyRows):
    list_display = ("address", "customer", "state", "asked_at", "asked_times", "answered_at", "problem")
    list_filter = ("state",)
    list_select_related = ("customer",)
    search_fields = ("address", "customer__name")
    action_form = AdminReasonForm
    actions = ("allow",)

    @admin.action(description="Allow without confirmation (reason required)", permissions=["operate"])
    def allow(self, request: HttpRequest, rows: QuerySet[Forwarding]) -> None:
        actor, because = cast("User", request.user), request.POST.get("because", "")[:2000]
        self._each(request, rows, lambda row: forwarding_services.allow(row=row, because=because, actor=actor))


class RunStepInline(admin.TabularInline[RunStep, Run]):
    model = RunStep
    fields = readonly_fields = ("number", "sentence", "state", "found_done", "done_at", "request_ids")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        return False


@admin.register(Run)
class RunAdmin(ReadOnlyRows):
    list_display = ("created_at", "kind", "state", "customer", "approved_by", "summary")
    list_filter = ("state", "kind")
    list_select_related = ("customer", "approved_by")
    search_fields = ("id", "customer__name", "because")
    inlines = (RunStepInline,)
    action_form = AdminReasonForm
    actions = ("cancel", "unlock")

    @admin.action(description="Stop before next step", permissions=["operate"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Run]) -> None:
        actor = cast("User", request.user)
        self._each(request, rows, lambda run: runs_services.cancel(run=run, actor=actor))

    @admin.action(description="End a stuck run (reason required)", permissions=["operate"])
    def unlock(self, request: HttpRequest, rows: QuerySet[Run]) -> None:
        actor, because, bulk_id = cast("User", request.user), request.POST.get("because", "")[:2000], new_bulk_id()
        self._each(
            request,
            rows,
            lambda run: runs_services.unlock(run=run, because=because, actor=actor, bulk_id=bulk_id),
        )


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyRows):
    list_display = ("at", "name", "rules", "recipients", "run")
    list_select_related = ("run",)
    exclude = ("content", "known", "holders")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Snapshot]:
        return super().get_queryset(request).defer(*self.exclude)


@admin.register(PendingChange)
class PendingChangeAdmin(ReadOnlyRows):
    list_display = ("customer", "since", "by", "waits_because")
    list_select_related = ("customer", "by")


@admin.register(OwnRuleSet)
class OwnRuleSetAdmin(ReadOnlyRows):
    list_display = ("name", "region", "adopted", "since", "by", "because")
    list_select_related = ("by",)


@admin.register(Expectation)
class ExpectationAdmin(ReadOnlyRows):
    list_display = ("address", "expected", "by", "created_at")
    list_select_related = ("by",)
    search_fields = ("address",)


@admin.register(IgnoredDifference)
class IgnoredDifferenceAdmin(ReadOnlyRows):
    list_display = ("key", "because", "by", "at")
    list_select_related = ("by",)
