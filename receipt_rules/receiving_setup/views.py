"""Whether this deployment can receive at all; what lets SES in; and rule sets of ours that nothing uses any more."""

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
from receipt_rules.addresses.selectors import may_operate
from receipt_rules.live.views import given, refuse_strangers
from receipt_rules.permissions import services as permissions_services
from receipt_rules.permissions.services import Grant
from receipt_rules.receiving_setup.core import SetupVerdict
from receipt_rules.receiving_setup.services import check_receiving
from receipt_rules.rule_sets.services import delete_rule_set, old_rule_sets

_PAUSE = "Nothing is changed before you press."
POLICY = {
    "here": "Let SES write to the bucket",
    "explanation": f"What Amazon needs to store mail. {_PAUSE}",
    "button": "Put the policy",
}
PERMISSION = {
    "here": "Let SES call the function",
    "explanation": f"What Amazon needs to tell the function of mail. {_PAUSE}",
    "button": "Add the permission",
}


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
        "right": sum(each.verdict is SetupVerdict.RIGHT for each in findings),
        **_old_sets(),
        "may_operate": may_operate(request.user),
    }
    return TemplateResponse(request, "receipt_rules/receiving_setup/check.html", context)


def _old_sets() -> dict[str, object]:
    """With the problem where they could not be read: whether there are any is not known then."""
    try:
        return {"old_sets": old_rule_sets()}
    except AwsProblem as problem:
        return {"old_sets_problem": problem}


def _delete(request: SignedIn) -> None:
    name = given(request.POST, "name")
    try:
        delete_rule_set(name=name, actor=request.user)
    except (Refused, AwsProblem) as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, f"The rule set {name} is deleted.")


@require_http_methods(["GET", "POST"])
def bucket_policy(request: SignedIn) -> HttpResponse:
    """The preview, and the button."""
    refuse_strangers(request, operates=request.method == "POST")
    bucket = given(request.GET, "bucket") or settings.RECEIVING_BUCKET

    def put() -> None:
        permissions_services.put_policy(bucket=bucket, digest=given(request.POST, "digest"), actor=request.user)

    if request.method == "POST":
        return _let_in(request, put, f"SES may write to {bucket} now.")
    return _preview(request, POLICY, bucket, permissions_services.policy_preview)


@require_http_methods(["GET", "POST"])
def function_permission(request: SignedIn) -> HttpResponse:
    """The preview, and the button."""
    refuse_strangers(request, operates=request.method == "POST")
    arn = given(request.GET, "function")

    def add() -> None:
        permissions_services.add_permission(arn=arn, digest=given(request.POST, "digest"), actor=request.user)

    if request.method == "POST":
        return _let_in(request, add, "SES may call the function now.")
    return _preview(request, PERMISSION, arn, permissions_services.permission_preview)


def _let_in(request: SignedIn, call: Callable[[], None], said: str) -> HttpResponse:
    try:
        call()
    except Refused as refused:
        messages.info(request, str(refused))
        return redirect(request.get_full_path())
    except AwsProblem as problem:
        messages.error(request, str(problem))
        return redirect(request.get_full_path())
    messages.success(request, said)
    return redirect("receipt_rules:check")


def _preview(request: SignedIn, words: Mapping[str, str], name: str, preview: Callable[[str], Grant]) -> HttpResponse:
    context: dict[str, Any] = {**words, "tab": "check", "name": name, "may_operate": may_operate(request.user)}
    try:
        context["letting"] = preview(name)
    except (Refused, AwsProblem) as problem:
        context["problem"] = problem
    return TemplateResponse(request, "receipt_rules/permissions/grant_access.html", context)
