"""The setup page: requirements for receiving, policies that grant SES access, and unused managed rule sets."""

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.http import SignedIn
from receipt_rules.live.views import require_staff, text_value
from receipt_rules.permissions import services as permissions_services
from receipt_rules.permissions.services import Grant
from receipt_rules.receiving_setup.core import SetupVerdict
from receipt_rules.receiving_setup.services import check_setup
from receipt_rules.rule_sets.services import delete_rule_set, old_rule_sets
from receipt_rules.runs.selectors import may_operate

_PAUSE = "Nothing changes until you confirm."
POLICY = {
    "here": "Allow SES to write to the bucket",
    "explanation": f"SES needs this to store mail. {_PAUSE}",
    "button": "Update policy",
}
PERMISSION = {
    "here": "Allow SES to invoke the function",
    "explanation": f"SES needs this to invoke the function for each message. {_PAUSE}",
    "button": "Add permission",
}


@require_http_methods(["GET", "POST"])
def check(request: SignedIn) -> HttpResponse:
    require_staff(request, operates=request.method == "POST")
    if request.method == "POST":
        _delete(request)
        return redirect("receipt_rules:check")
    findings = check_setup()
    context = {
        "tab": "check",
        "findings": findings,
        "right": sum(each.verdict is SetupVerdict.RIGHT for each in findings),
        **_old_sets(),
        "may_operate": may_operate(request.user),
    }
    return TemplateResponse(request, "receipt_rules/receiving_setup/check.html", context)


def _old_sets() -> dict[str, object]:
    """Return old rule sets, or the problem if they couldn't be read: then it is unknown whether there are any."""
    try:
        return {"old_sets": old_rule_sets()}
    except AwsProblem as problem:
        return {"old_sets_problem": problem}


def _delete(request: SignedIn) -> None:
    name = text_value(request.POST, "name")
    try:
        delete_rule_set(name=name, actor=request.user)
    except (Refused, AwsProblem) as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, f"Deleted the rule set {name}.")


@require_http_methods(["GET", "POST"])
def bucket_policy(request: SignedIn) -> HttpResponse:
    """Show the preview, and apply it."""
    require_staff(request, operates=request.method == "POST")
    bucket = text_value(request.GET, "bucket") or settings.RECEIVING_BUCKET

    def put() -> None:
        permissions_services.put_policy(bucket=bucket, digest=text_value(request.POST, "digest"), actor=request.user)

    if request.method == "POST":
        return _grant_access(request, put, f"SES can now write to {bucket}.")
    return _preview(request, POLICY, bucket, permissions_services.policy_preview)


@require_http_methods(["GET", "POST"])
def function_permission(request: SignedIn) -> HttpResponse:
    """Show the preview, and apply it."""
    require_staff(request, operates=request.method == "POST")
    arn = text_value(request.GET, "function")

    def add() -> None:
        permissions_services.add_permission(arn=arn, digest=text_value(request.POST, "digest"), actor=request.user)

    if request.method == "POST":
        return _grant_access(request, add, "SES can now invoke the function.")
    return _preview(request, PERMISSION, arn, permissions_services.permission_preview)


def _grant_access(request: SignedIn, call: Callable[[], None], message: str) -> HttpResponse:
    try:
        call()
    except Refused as refused:
        messages.info(request, str(refused))
        return redirect(request.get_full_path())
    except AwsProblem as problem:
        messages.error(request, str(problem))
        return redirect(request.get_full_path())
    messages.success(request, message)
    return redirect("receipt_rules:check")


def _preview(request: SignedIn, words: Mapping[str, str], name: str, preview: Callable[[str], Grant]) -> HttpResponse:
    context: dict[str, Any] = {**words, "tab": "check", "name": name, "may_operate": may_operate(request.user)}
    try:
        context["grant"] = preview(name)
    except (Refused, AwsProblem) as problem:
        context["problem"] = problem
    return TemplateResponse(request, "receipt_rules/permissions/grant_access.html", context)
