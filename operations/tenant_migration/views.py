"""Migration pages: plan, preview, start, control, and progress for each customer.

Forms of a tenant migration: which customers, rate and reason; and the reason of a rollback.
"""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models.people import Customer
from accounts.people.selectors import customers_for
from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.http import SignedIn, accepts_upload, form_page, page_of, template
from operations.models import UNFINISHED, Migration, MigrationItem, MigrationState
from operations.tenant_migration import selectors, services
from operations.tenant_migration.core import Chosen, calls, plan
from operations.tenant_migration.selectors import inventory_of
from operations.tenant_migration.services import Choice

MOST_BYTES = 5_000_000
STEPS_PER_PAGE = 50
FILE_HELP = (
    "One customer per line: full name or ID. Or a table with commas, semicolons or tabs and a header line that has "
    "customer_id, customer, id or name."
)
BELOW = "Associate identities below the customers’ domains"
BELOW_HELP = (
    "Subdomains and email addresses that SES has as identities of their own. SES uses these for sends from there. "
    "Without this, a customer who has one is not switched."
)
POLICIES = {
    "standard": "Standard: SES pauses the tenant on high-impact findings",
    "strict": "Strict: SES pauses the tenant on any finding",
    "none": "None: SES never pauses on findings",
}


class PlanForm(forms.Form):
    chosen = forms.ChoiceField(
        label="Whom",
        choices=[
            (Chosen.ALL.value, "All customers not migrated yet"),
            (Chosen.FILTER.value, "Customers whose name contains"),
            (Chosen.CSV.value, "Customers listed in a file"),
        ],
        initial=Chosen.ALL,
    )
    text = forms.CharField(label="Part of the name", required=False, max_length=200)
    file = forms.FileField(label="File (CSV)", required=False, help_text=FILE_HELP)
    policy = forms.ChoiceField(
        label="Reputation policy for new tenants",
        choices=[*POLICIES.items()],
        initial=lambda: settings.TENANT_POLICY,
    )
    at_most_per_hour = forms.IntegerField(
        label="Maximum customers per hour",
        required=False,
        min_value=1,
        max_value=3600,
        widget=forms.NumberInput(attrs={"class": "!w-28"}),
        help_text="Leave blank to go as fast as SES allows (1 call per second).",
    )
    associates_below = forms.BooleanField(label=BELOW, required=False, help_text=BELOW_HELP)
    because = forms.CharField(label="Reason", max_length=500, help_text="Saved in the change log.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("chosen") == Chosen.FILTER and not cleaned.get("text", "").strip():
            self.add_error("text", "Enter part of a customer’s name, or choose all.")
        file = cleaned.get("file")
        if cleaned.get("chosen") == Chosen.CSV and not file:
            self.add_error("file", "Choose a file.")
        if file and file.size > MOST_BYTES:
            self.add_error("file", "The file is larger than 5 MB.")
        return cleaned


class MoveForm(forms.Form):
    policy = forms.ChoiceField(
        label="Reputation policy",
        choices=[*POLICIES.items()],
        initial=lambda: settings.TENANT_POLICY,
    )
    associates_below = forms.BooleanField(label=BELOW, required=False, help_text=BELOW_HELP)
    because = forms.CharField(label="Reason", required=False, max_length=500, help_text="Saved in the change log.")


class RollBackForm(forms.Form):
    because = forms.CharField(label="Reason for the rollback", max_length=500)


POLL_SECONDS = 3
ITEMS_PER_PAGE = 50


@require_GET
def list_(request: SignedIn) -> HttpResponse:
    require_staff(request)
    left = selectors.customers_to_migrate().count()
    context = {"page": page_of(selectors.migrations(), request), "left": left, "may_migrate": _may(request)}
    return TemplateResponse(request, "operations/tenant_migration/migrations.html", context)


@accepts_upload(MOST_BYTES)
@require_http_methods(["GET", "POST"])
def plan_migration(request: SignedIn) -> HttpResponse:
    require_staff(request, manages=True)
    form = PlanForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            migration = _planned(request, form.cleaned_data)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            return redirect("operations:migration", migration.pk)
    context = {"form": form, "left": selectors.customers_to_migrate().count()}
    return form_page(request, "operations/tenant_migration/plan_migration.html", context)


def _planned(request: SignedIn, given: dict[str, Any]) -> Migration:
    return services.plan_migration(
        choice=_choice(given),
        actor=request.user,
        because=given["because"],
        policy=given["policy"],
        at_most_per_hour=given["at_most_per_hour"],
        associates_below=given["associates_below"],
    )


def _choice(given: dict[str, Any]) -> Choice:
    if given["chosen"] == Chosen.FILTER:
        return services.by_filter(given["text"])
    if given["chosen"] == Chosen.CSV:
        return services.by_file(given["file"].read(), given["file"].name)
    return services.all_of_them()


@require_GET
def detail(request: SignedIn, migration_id: str) -> HttpResponse:
    migration = _migration(request, migration_id)
    return TemplateResponse(
        request, template(request, "operations/tenant_migration/migration.html", "live"), _context(request, migration)
    )


def _context(request: SignedIn, migration: Migration) -> dict[str, Any]:
    group = request.GET.get("show", "")
    counted = selectors.counts(migration)
    under_way = migration.state == MigrationState.RUNNING or counted.by_group["running"]
    return {
        "migration": migration,
        "policy_title": POLICIES.get(migration.policy, migration.policy),
        "page": page_of(selectors.items_of(migration, group), request, ITEMS_PER_PAGE),
        "counted": counted,
        "groups": [(key, words, counted.by_group[key]) for key, (words, _) in selectors.GROUPS.items()],
        "show": group,
        "forecast": _forecast(migration),
        "minutes_left": counted.seconds_left // 60 + 1,
        "may_migrate": _may(request),
        "rolls_back": (rolls_back := "roll_back" in request.GET),
        "poll_seconds": POLL_SECONDS if under_way and not rolls_back else None,  # a swap would empty the form
        "form": RollBackForm(),
        "held_by_pause": _held_by_pause(migration),
    }


def _held_by_pause(migration: Migration, item: MigrationItem | None = None) -> str:
    kept = selectors.kept_by_pause(migration).values()
    return selectors.held_by_pause([each for each in kept if item is None or each.pk == item.customer_id])


def _forecast(migration: Migration) -> selectors.MigrationForecast | None:
    if migration.state != MigrationState.PLANNED:
        return None
    return selectors.forecast_of(migration)


@require_POST
def steer(request: SignedIn, migration_id: str) -> HttpResponse:
    """Start, pause, resume, cancel, retry or roll back."""
    migration = _migration(request, migration_id)
    require_staff(request, manages=True)
    try:
        messages.success(request, _apply_action(request, migration))
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("operations:migration", migration.pk)


def _apply_action(request: SignedIn, migration: Migration) -> str:
    match request.POST.get("do", ""):
        case "start":
            services.start(migration=migration, actor=request.user)
            return "Migration started. This page shows the progress."
        case "pause":
            services.pause(migration=migration, actor=request.user)
            return "Paused. Customers already in progress are finished first."
        case "resume":
            services.resume(migration=migration, actor=request.user)
            return "Resumed."
        case "cancel":
            services.cancel(migration=migration, actor=request.user)
            return "Cancelled. Migrated customers stay migrated."
        case "retry":
            number = services.retry(migration=migration, actor=request.user)
            return f"{number:,} customer{'' if number == 1 else 's'} tried again.{services.waits_for_resume(migration)}"
        case "roll_back":
            because = request.POST.get("because", "")
            number = services.roll_back(migration=migration, actor=request.user, because=because)
            return f"{number:,} customer{' is' if number == 1 else 's are'} rolled back."
    raise Refused("Unknown action.", code="UNKNOWN")


@require_http_methods(["GET", "POST"])
def item(request: SignedIn, migration_id: str, item_id: str) -> HttpResponse:
    migration = _migration(request, migration_id)
    row = get_object_or_404(selectors.items_of(migration), pk=item_id)
    form = RollBackForm(request.POST if request.POST.get("do") == "roll_back" else None)
    if request.method == "POST":
        require_staff(request, manages=True)
        if request.POST.get("do") != "roll_back" or form.is_valid():
            _steer_one(request, migration, row, form)
            return redirect("operations:migration_item", migration.pk, row.pk)
    context = {
        "migration": migration,
        "item": row,
        "page": page_of(row.steps.order_by("number"), request, STEPS_PER_PAGE),
        "may_migrate": _may(request),
        "form": form,
        "held_by_pause": _held_by_pause(migration, row),
        "rolls_back": (rolls_back := "roll_back" in request.GET or form.is_bound),
        "poll_seconds": POLL_SECONDS if row.state in UNFINISHED and not rolls_back else None,
    }
    status = 422 if form.errors else 200
    return TemplateResponse(
        request, template(request, "operations/tenant_migration/migration_item.html", "live"), context, status=status
    )


def _steer_one(request: SignedIn, migration: Migration, row: MigrationItem, form: RollBackForm) -> None:
    done = request.POST.get("do")
    try:
        if done == "roll_back":
            because = form.cleaned_data["because"]
            services.roll_back(migration=migration, actor=request.user, because=because, item=row)
            messages.success(request, f"{row.customer} is rolled back.")
        elif done == "retry":
            services.retry(migration=migration, actor=request.user, item=row)
            messages.success(request, f"{row.customer} is tried again.{services.waits_for_resume(migration)}")
    except Refused as refused:
        messages.error(request, str(refused))


@require_http_methods(["GET", "POST"])
def move(request: SignedIn, customer_id: str) -> HttpResponse:
    """Migrate one customer now: shows the current state and each call, then starts."""
    customer = get_object_or_404(_customers(request), pk=customer_id)
    require_staff(request, manages=request.method == "POST")
    form = MoveForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            return _moved(request, customer, form)
        except Refused as refused:
            form.add_error(None, str(refused))
    context = {"customer": customer, "form": form, "may_migrate": _may(request), **_dry_run(customer)}
    context["page"] = Paginator(context.get("steps", ()), STEPS_PER_PAGE).get_page(request.GET.get("page"))
    context["last"] = last = selectors.item_of_customer(customer)
    context["is_in_hand"] = last is not None and last.state in UNFINISHED
    return form_page(request, "operations/tenant_migration/move.html", context)


def _moved(request: SignedIn, customer: Customer, form: MoveForm) -> HttpResponse:
    choice = services.one(customer)
    migration = services.plan_migration(choice=choice, actor=request.user, **form.cleaned_data)
    services.start(migration=migration, actor=request.user)
    return redirect("operations:migration_item", migration.pk, migration.items.get().pk)


def _dry_run(customer: Customer) -> dict[str, Any]:
    try:
        inventory = inventory_of(customer)
    except AwsProblem as problem:
        return {"problem": problem}
    steps = plan(inventory)
    number = calls(steps)
    return {
        "inventory": inventory,
        "steps": steps,
        "calls": number,
        "seconds": selectors.seconds_needed(1, number, None),
    }


def _customers(request: SignedIn) -> Any:
    """Return visible customers. For a customer's own members there are none, so they get 404."""
    everybody = customers_for(request.user)
    return everybody if selectors.may_see(request.user) else everybody.none()


def _migration(request: SignedIn, migration_id: str) -> Migration:
    rows = selectors.migrations() if selectors.may_see(request.user) else selectors.migrations().none()
    return get_object_or_404(rows, pk=migration_id)


def _may(request: SignedIn) -> bool:
    return selectors.may_migrate(request.user)


def require_staff(request: SignedIn, *, manages: bool = False) -> None:
    if not (selectors.may_migrate(request.user) if manages else selectors.may_see(request.user)):
        raise PermissionDenied("Only operators and administrators can plan and manage migrations.")
