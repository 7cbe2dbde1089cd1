"""The simulator page, and the expectations on it."""

import re
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from inbound_admin.lib import slow_work
from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.fields import AS_TYPED
from inbound_admin.lib.http import SignedIn, template
from receipt_rules.expectations import services as expectations_services
from receipt_rules.expectations.selectors import broken_expectations, expectations
from receipt_rules.live.selectors import last_read
from receipt_rules.live.services import read_live
from receipt_rules.live.views import require_staff, text_value
from receipt_rules.models.expectations import Expected
from receipt_rules.planner.core.matching import RecipientOutcome, RuleOutcome, why_not
from receipt_rules.planner.core.rules import RuleSet
from receipt_rules.runs.selectors import may_operate, may_see_rules
from receipt_rules.simulator import services
from receipt_rules.simulator.services import Simulation


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
        if _handle_action(form, request):
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
        found = services.own_simulations(viewer=request.user, asked=recipients[:MOST_MESSAGES]) if recipients else ()
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
        found = services.simulate(envelope=envelope, live=active)
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


def _handle_action(form: ExpectationForm, request: SignedIn) -> bool:
    if request.POST.get("do") == "stop":
        found = get_object_or_404(expectations(), pk=text_value(request.POST, "expectation"))
        expectations_services.delete_expectation(expectation=found, actor=request.user)
        messages.success(request, f"Removed the expectation for {found.address}.")
        return True
    if not form.is_valid():
        return False
    try:
        expected = Expected(form.cleaned_data["expected"])
        text, name = form.cleaned_data["address"], form.cleaned_data["endpoint"]
        row = expectations_services.save_expectation(text=text, expected=expected, endpoint=name, actor=request.user)
    except Refused as refused:
        form.add_error("endpoint" if refused.code == "ENDPOINT_MISSING" else "address", str(refused))
        return False
    messages.success(request, f"Saved: {row}. A plan that breaks it can't be approved.")
    return True
