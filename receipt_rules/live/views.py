"""The live rules in their order, what is not as we left it, and how full the region is.

The page shows the newest read at once, with its age, and then asks SES by itself: a full set takes a second or more to
read. Only what SES just answered can be decided on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from inbound_admin.lib import slow_work
from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.fields import AS_TYPED, BecauseForm
from inbound_admin.lib.http import SignedIn, template
from inbound_admin.lib.lists import text_in
from receipt_rules.addresses.selectors import pending_changes
from receipt_rules.drift import services as drift_services
from receipt_rules.live.selectors import RULES_PER_PAGE, capacity, demand, last_read, recipients_with_customers
from receipt_rules.live.services import Live, live_from_last_read, read_live
from receipt_rules.models.expectations import Expected
from receipt_rules.planner.core.matching import RecipientOutcome, RuleOutcome, why_not
from receipt_rules.planner.core.rules import AnyRule, ForeignRule, RuleSet
from receipt_rules.planner.selectors import broken_expectations, expectations
from receipt_rules.runs.selectors import may_operate, may_see_rules
from receipt_rules.simulator import services as simulator_services
from receipt_rules.simulator.services import Simulation

NOW = "now"  # in the URL: the rules are read from SES before the answer
RECIPIENTS_PER_PAGE = 100
PENDING_SHOWN = 50
MOST_NAMED = 3  # recipients of one rule in the list of rules


@dataclass(frozen=True)
class RuleRow:
    """A rule in its place, from 1: SES evaluates rules in this order."""

    number: int
    rule: AnyRule

    @property
    def is_ours(self) -> bool:
        return not isinstance(self.rule, ForeignRule)

    @property
    def may_be_taken_over(self) -> bool:
        return isinstance(self.rule, ForeignRule) and self.rule.may_be_taken_over

    @property
    def first(self) -> list[str]:
        return nsmallest(MOST_NAMED, self.rule.recipient_set)

    @property
    def total(self) -> int:
        return len(self.rule.recipient_set)

    @property
    def more(self) -> int:
        return max(0, self.total - MOST_NAMED)


@require_GET
def home(request: SignedIn) -> HttpResponse:
    """To what matters most to who looks."""
    return redirect("receipt_rules:rules" if may_see_rules(request.user) else "receipt_rules:addresses")


@require_http_methods(["GET", "POST"])
def list_(request: SignedIn) -> HttpResponse:
    require_staff(request)
    form, status = BecauseForm(), 200
    context: dict[str, Any]
    if request.method == "POST":
        form = BecauseForm(request.POST)
        if _handle_action(form, request):
            return redirect("receipt_rules:rules")
        status = 422
    if request.htmx.target == "pending-changes":
        return TemplateResponse(request, "receipt_rules/live/rules.html#pending", _pending())  # no call to SES
    text = text_in(request.GET, "q")
    context = {"tab": "rules", "form": form, "may_operate": may_operate(request.user), "q": text}
    context |= _context(request.GET.get("page", ""), text, asks_ses=NOW in request.GET or request.method == "POST")
    request.GET = _without_now(request.GET)  # type: ignore[assignment]  # links lead to what is stored by then
    page = template(request, "receipt_rules/live/rules.html", "live" if request.htmx.target == "live" else "results")
    return TemplateResponse(request, page, context, status=status)


@require_GET
def detail(request: SignedIn, rule_name: str) -> HttpResponse:
    """Show one rule as last read, and the customers who share it and so its fate."""
    require_staff(request)
    live, context = _read(asks_ses=NOW in request.GET)
    shown = (live.unmanaged_set or live.rule_set) if live else None
    rule = shown.by_name.get(rule_name) if shown else None
    text = text_in(request.GET, "q")
    context |= {"may_operate": may_operate(request.user), "name": rule_name, "rule_set": shown, "q": text}
    if shown and rule:
        context |= {"row": RuleRow(shown.rules.index(rule) + 1, rule), "unmanaged_set": live and live.unmanaged_set}
        context |= _recipients(rule, text.lower(), request)
    request.GET = _without_now(request.GET)  # type: ignore[assignment]  # links lead to what is stored by then
    page = "receipt_rules/live/rule.html"
    if shown and rule is None:
        return TemplateResponse(request, page, context, status=404)  # all of it: htmx reloads the page
    part = template(request, page, "live" if request.htmx.target == "live" or rule is None else "results")
    return TemplateResponse(request, part, context)


def _recipients(rule: AnyRule, text: str, request: SignedIn) -> dict[str, Any]:
    rows = recipients_with_customers(rule)
    found = [row for row in rows if text in row.recipient or (row.customer and text in row.customer.name.lower())]
    return {
        "page": Paginator(found, RECIPIENTS_PER_PAGE).get_page(request.GET.get("page")),
        "customers": len({row.customer.pk for row in rows if row.customer}),
        "unowned": sum(row.customer is None for row in rows),
    }


def _without_now(query: QueryDict) -> QueryDict:
    left = query.copy()
    left.pop(NOW, None)
    return left


def require_staff(request: SignedIn, *, operates: bool = False) -> None:
    """The rules serve all customers: staff can view them, and operators can change them."""
    if not (may_operate if operates else may_see_rules)(request.user):
        raise PermissionDenied


def text_value(data: QueryDict, name: str, *, most: int = 400) -> str:
    """What a form or an address says, as a row can hold it; "" where it says nothing."""
    return text_in(data, name, most=most)


def _context(page: str, text: str, *, asks_ses: bool) -> dict[str, Any]:
    live, context = _read(asks_ses=asks_ses)
    context |= _pending()
    return context | _about(live, page, text) if live else context


def _pending() -> dict[str, Any]:
    changes = pending_changes()
    first = list(changes[: PENDING_SHOWN + 1])
    more = changes.count() - PENDING_SHOWN if len(first) > PENDING_SHOWN else 0
    return {"pending": first[:PENDING_SHOWN], "more_pending": more}


def _read(*, asks_ses: bool) -> tuple[Live | None, dict[str, Any]]:
    """Return the rules as last read; from SES if asked, or if they were never read. None if there is neither."""
    read = None if asks_ses else last_read()
    if read is not None:
        return live_from_last_read(read), {"as_read": read, "is_stored": True}
    try:
        live = read_live()
    except AwsProblem as problem:
        read = last_read()
        return live_from_last_read(read) if read else None, {"problem": problem, "as_read": read}
    return live, {"is_answered": True}


def _about(live: Live, page: str, text: str) -> dict[str, Any]:
    found = drift_services.differences(live)
    return {
        "live": live,
        "unmanaged_set": live.unmanaged_set,
        "found": found,
        "seen": drift_services.seen_drift(live, found) if found else "",
        "news": (news := [each for each in found if not each.is_ignored]),
        "is_planned": any(each.is_planned for each in news) or _stops_before_ours(live, news),
        "kept": _not_taken_over(live, news),
        **_shown(live.unmanaged_set or live.rule_set, page, text),
    }


def _stops_before_ours(live: Live, news: Sequence[drift_services.RuleDifference]) -> bool:
    """Whether a rule among what differs stops the evaluation in front of a managed one: a plan moves ours before it."""
    names, rules = {each.rule for each in news}, live.rule_set.rules
    last = max((place for place, rule in enumerate(rules) if not isinstance(rule, ForeignRule)), default=-1)
    return any(rule.name in names and rule.enabled and rule.delivery.stops for rule in rules[: last + 1])


def _not_taken_over(live: Live, news: Sequence[drift_services.RuleDifference]) -> list[str]:
    """The unmanaged rules among what differs that no plan can take over: only the SES console deletes them."""
    names = dict.fromkeys(each.rule for each in news if each.rule)
    rules = [rule for name in names if (rule := live.rule_set.by_name.get(name))]
    return [rule.name for rule in rules if isinstance(rule, ForeignRule) and not rule.may_be_taken_over]


def _shown(rule_set: RuleSet | None, asked: str, text: str) -> dict[str, Any]:
    if rule_set is None:
        return {}
    full = capacity(rule_set)
    rows_wanted, ends = demand(left=full.recipients.left, now=timezone.now())
    places = {rule.name: number for number, rule in enumerate(rule_set.rules, start=1)}
    page = Paginator(_matching(rule_set.rules, text.lower()), RULES_PER_PAGE).get_page(asked)
    return {
        "rule_set": rule_set,
        "page": page,
        "rows": [RuleRow(places[rule.name], rule) for rule in page.object_list],
        "capacity": full,
        "meters": (full.rules, full.recipients, full.identities),
        "rows_wanted": rows_wanted,
        "forecast": ends,
    }


def _matching(rules: Sequence[AnyRule], text: str) -> list[AnyRule]:
    """Return rules with the text in their name or in a recipient; all rules without a text."""
    return [
        rule
        for rule in rules
        if text in rule.name.lower() or any(text in recipient for recipient in rule.recipient_set)
    ]


def _handle_action(form: BecauseForm, request: SignedIn) -> bool:
    require_staff(request, operates=True)
    if not form.is_valid():
        return False
    try:
        message = _perform(request, form.cleaned_data["because"])
    except (Refused, AwsProblem) as problem:
        form.add_error(None, str(problem))
        return False
    messages.success(request, message)
    return True


def _perform(request: SignedIn, because: str) -> str:
    done, seen = text_value(request.POST, "do"), text_value(request.POST, "seen")
    if done == "adopt":
        name = text_value(request.POST, "name")
        drift_services.adopt_rule_set(name=name, because=because, actor=request.user, seen=seen)
        return f"Adopted {name}. Its rules stay unchanged; ours are added."
    if done == "accept":
        drift_services.accept(because=because, actor=request.user, seen=seen)
        return "Accepted the live rules. The plan shows what would bring them up to date."
    if done == "ignore":
        drift_services.ignore(key=text_value(request.POST, "key"), because=because, actor=request.user)
        return "Difference ignored."
    raise Refused("Unknown action.")


# The simulator page, and the expectations on it.


class ExpectationForm(forms.Form):
    address = forms.CharField(label="Address", max_length=320, widget=forms.TextInput(AS_TYPED))
    expected = forms.ChoiceField(label="Expectation", choices=Expected.choices, initial=Expected.ONCE)
    endpoint = forms.CharField(
        label="Endpoint", max_length=120, required=False, widget=forms.TextInput(AS_TYPED), help_text="Endpoint name."
    )


MOST_MESSAGES = 20  # each shown rule by rule


@require_http_methods(["GET", "POST"])
def simulate(request: SignedIn) -> HttpResponse:
    if request.method == "GET" and not may_see_rules(request.user):
        return _own(request)
    require_staff(request, operates=request.method == "POST")
    form, status = ExpectationForm(), 200
    if request.method == "POST":
        form = ExpectationForm(request.POST if request.POST.get("do") != "stop" else None)
        if _save_or_delete_expectation(form, request):
            return redirect("receipt_rules:simulator")
        status = 422
    text = text_value(request.GET, "addresses", most=20_000)
    together = request.GET.get("together") == "1"
    context = {"tab": "simulator", "text": text, "together": together, "form": form}
    context |= {"may_operate": may_operate(request.user), "expectations": list(expectations())}
    context |= _simulated(text, together=together)
    page = template(request, "receipt_rules/simulator/simulator.html", "results")
    return TemplateResponse(request, page, context, status=status)


def _own(request: SignedIn) -> HttpResponse:
    """For customers: only their own addresses, without the rules, which all customers share."""
    text = text_value(request.GET, "addresses", most=20_000)
    recipients = list(dict.fromkeys(each for each in re.split(r"[\s,;]+", text) if each))
    with slow_work.slot():
        found = (
            simulator_services.own_simulations(viewer=request.user, asked=recipients[:MOST_MESSAGES])
            if recipients
            else ()
        )
    left_out = max(0, len(recipients) - MOST_MESSAGES)
    context = {"tab": "simulator", "text": text, "simulated": found, "left_out": left_out}
    context["as_read"] = last_read() if found else None
    return TemplateResponse(request, template(request, "receipt_rules/simulator/own.html", "results"), context)


def _simulated(text: str, *, together: bool) -> dict[str, Any]:
    context: dict[str, Any] = {}
    try:
        active = read_live().active
    except AwsProblem as problem:
        read = last_read()
        context = {"problem": problem, "as_read": read}
        active = read.rule_set if read else RuleSet("")
    context |= {"active": active, "broken": [each.sentence for each in broken_expectations(active)]}
    recipients = list(dict.fromkeys(each for each in re.split(r"[\s,;]+", text) if each))
    messages_asked = [recipients] if together and recipients else [[each] for each in recipients]
    context["left_out"] = max(0, len(messages_asked) - MOST_MESSAGES)
    context["simulated"] = [_one(envelope, active) for envelope in messages_asked[:MOST_MESSAGES]]
    return context


def _one(envelope: list[str], active: RuleSet) -> dict[str, Any]:
    try:
        found = simulator_services.simulate(envelope=envelope, live=active)
    except Refused as refused:
        return {"title": ", ".join(envelope), "refused": str(refused)}
    return {"title": ", ".join(found.routing.envelope), "found": found, "rules": _rules(found)}


def _rules(found: Simulation) -> list[dict[str, Any]]:
    """Return each rule in order; for one that doesn't match, why it doesn't match the first recipient."""
    return [
        {"outcome": outcome, "number": number, "why": _why(outcome), "stops": _stops(number, found)}
        for number, outcome in enumerate(found.routing.outcomes, start=1)
    ]


def _stops(number: int, found: Simulation) -> str:
    """Return "mail" if its Stop action keeps mail from being stored, "later" if it only stops later rules, else ""."""
    outcome = found.routing.outcomes[number - 1]
    if not outcome.fired or not outcome.rule.delivery.stops:
        return ""
    return "mail" if RecipientOutcome.LOST in found.routing.recipient_outcomes.values() else "later"


def _why(outcome: RuleOutcome) -> str:
    return outcome.sentence if outcome.matches or outcome.stopped_by else why_not(outcome.rule, outcome.misses[0])


def _save_or_delete_expectation(form: ExpectationForm, request: SignedIn) -> bool:
    if request.POST.get("do") == "stop":
        found = get_object_or_404(expectations(), pk=text_value(request.POST, "expectation"))
        simulator_services.delete_expectation(expectation=found, actor=request.user)
        messages.success(request, f"Removed the expectation for {found.address}.")
        return True
    if not form.is_valid():
        return False
    try:
        expected = Expected(form.cleaned_data["expected"])
        text, name = form.cleaned_data["address"], form.cleaned_data["endpoint"]
        row = simulator_services.save_expectation(text=text, expected=expected, endpoint=name, actor=request.user)
    except Refused as refused:
        form.add_error("endpoint" if refused.code == "ENDPOINT_MISSING" else "address", str(refused))
        return False
    messages.success(request, f"Saved: {row}. A plan that breaks it can't be approved.")
    return True
