"""Whether this deployment can receive at all; and the rule sets of ours that nothing uses any more."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.http import SignedIn
from receipt_rules.selectors.pages import may_operate
from receipt_rules.services.checking import Verdict, check_receiving
from receipt_rules.services.clearing import delete_rule_set, old_rule_sets
from receipt_rules.views.rules import given, refuse_strangers


@require_http_methods(["GET", "POST"])
def check(request: SignedIn) -> HttpResponse:
    refuse_strangers(request, operates=request.method == "POST")
    if request.method == "POST":
        _delete(request)
        return redirect("receipt_rules:check")
    findings = check_receiving()
    context = {
        "tab": "check",
        "findings": findings,
        "right": sum(each.verdict is Verdict.RIGHT for each in findings),
        "old_sets": _old_sets(),
        "may_operate": may_operate(request.user),
    }
    return TemplateResponse(request, "receipt_rules/check.html", context)


def _old_sets() -> tuple[str, ...] | None:
    """None where Amazon does not answer: whether there are any is not known then."""
    try:
        return old_rule_sets()
    except AwsProblem:
        return None


def _delete(request: SignedIn) -> None:
    name = given(request.POST, "name")
    try:
        delete_rule_set(name=name, actor=request.user)
    except (Refused, AwsProblem) as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, f"The rule set {name} is deleted.")
