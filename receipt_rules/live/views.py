"""The live rules in their order, what is not as we left it, and how full the region is."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.http import SignedIn
from receipt_rules.addresses.selectors import may_operate, may_see_rules, pending_changes
from receipt_rules.capacity.selectors import Sharing, capacity, forecast, rows_wanted, who_shares
from receipt_rules.drift import services as drift_services
from receipt_rules.live.selectors import content_of, last_known
from receipt_rules.live.services import read_live
from receipt_rules.planner.core.rules import ForeignRule, RuleSet
from receipt_rules.runs.forms import CancelRunForm

MOST_NAMED = 30  # recipients and customers of one rule; more are counted
RULES_PER_PAGE = 25


@dataclass(frozen=True)
class RuleRow:
    """A rule in its place, and the customers who share it and so its fate."""

    number: int
    sharing: Sharing

    @property
    def is_ours(self) -> bool:
        return not isinstance(self.sharing.rule, ForeignRule)

    @property
    def may_be_taken_over(self) -> bool:
        rule = self.sharing.rule
        return isinstance(rule, ForeignRule) and rule.may_be_taken_over

    @property
    def recipients(self) -> list[str]:
        return sorted(self.sharing.rule.recipient_set)[:MOST_NAMED]

    @property
    def total(self) -> int:
        return len(self.sharing.rule.recipient_set)

    @property
    def more(self) -> int:
        return self.total - len(self.recipients)


@require_GET
def home(request: SignedIn) -> HttpResponse:
    """To what matters most to who looks."""
    return redirect("receipt_rules:rules" if may_see_rules(request.user) else "receipt_rules:addresses")


@require_http_methods(["GET", "POST"])
def list_(request: SignedIn) -> HttpResponse:
    refuse_strangers(request)
    form, status = CancelRunForm(), 200
    if request.method == "POST":
        form = CancelRunForm(request.POST)
        if _carried_out(form, request):
            return redirect("receipt_rules:rules")
        status = 422
    context = _context(request.GET.get("page", "")) | {
        "tab": "rules",
        "form": form,
        "may_operate": may_operate(request.user),
    }
    return TemplateResponse(request, "receipt_rules/live/rules.html", context, status=status)


def refuse_strangers(request: SignedIn, *, operates: bool = False) -> None:
    """The rules are everybody's at once: staff look at them, and operators change them."""
    if not (may_operate if operates else may_see_rules)(request.user):
        raise PermissionDenied


def given(data: QueryDict, name: str) -> str:
    """What a form or an address says, as a row can hold it; "" where it says nothing."""
    return data.get(name, "").replace("\x00", "")[:400]


def _context(page: str) -> dict[str, Any]:
    """From Amazon, or what we last knew where it does not answer."""
    pending = list(pending_changes())
    try:
        live = read_live()
    except AwsProblem as problem:
        known = last_known()
        shown = content_of(known) if known else None
        return {"problem": problem, "known": known, "pending": pending, **_shown(shown, page)}
    found = drift_services.differences(live)
    return {
        "live": live,
        "stranger": live.stranger,
        "found": found,
        "news": [each for each in found if not each.is_ignored],
        "pending": pending,
        **_shown(live.stranger or live.rule_set, page),
    }


def _shown(rule_set: RuleSet | None, asked: str) -> dict[str, Any]:
    if rule_set is None:
        return {}
    full = capacity(rule_set)
    page = Paginator(rule_set.rules, RULES_PER_PAGE).get_page(asked)
    rows = enumerate(who_shares(page.object_list), start=page.start_index())
    return {
        "rule_set": rule_set,
        "page": page,
        "rows": [RuleRow(number, each) for number, each in rows],
        "capacity": full,
        "meters": (full.rules, full.recipients, full.identities),
        "rows_wanted": rows_wanted(),
        "forecast": forecast(left=full.recipients.left, now=timezone.now()),
    }


def _carried_out(form: CancelRunForm, request: SignedIn) -> bool:
    refuse_strangers(request, operates=True)
    if not form.is_valid():
        return False
    try:
        said = _do(request, form.cleaned_data["because"])
    except Refused as refused:
        form.add_error(None, str(refused))
        return False
    messages.success(request, said)
    return True


def _do(request: SignedIn, because: str) -> str:
    done = given(request.POST, "do")
    if done == "adopt":
        name = given(request.POST, "name")
        drift_services.adopt_rule_set(name=name, because=because, actor=request.user)
        return f"{name} is adopted. Its rules stay as they are; ours are added beside them."
    if done == "accept":
        drift_services.accept(because=because, actor=request.user)
        return "What is live is taken as it is. The plan shows what would bring it back to what is wanted."
    if done == "ignore":
        drift_services.ignore(key=given(request.POST, "key"), because=because, actor=request.user)
        return "This difference is left as it is, and no longer shown as news."
    raise Refused("There is no such button.")
