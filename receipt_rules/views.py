"""Staff pages about receiving as a whole: its state, its set-up, its measurements, and received messages."""

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models.people import Customer
from domains.domain_list.selectors import dns_form, domains_for
from domains.models.domains import Domain
from domains.receiving.core import names_with_mx_here
from inbound_admin.lib import plots
from inbound_admin.lib.errors import AwsProblem, RateLimited, Refused, aws_sentence
from inbound_admin.lib.fields import BecauseForm
from inbound_admin.lib.http import SignedIn, page_of, template
from receipt_rules.addresses.selectors import addresses_for
from receipt_rules.live.selectors import applied_when
from receipt_rules.live.views import require_staff, text_value
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.permissions import services as permissions_services
from receipt_rules.permissions.services import Grant
from receipt_rules.pipeline import core as pipeline_core
from receipt_rules.pipeline import services as pipeline_services
from receipt_rules.pipeline.core import FunctionMetric, RuleMetric, Series
from receipt_rules.received_mail.selectors import RETRIED, ReceivedFilters, received_for
from receipt_rules.received_mail.services import DECIDE, decide_owner, deliver_again, owner_choices, redelivery_endpoint
from receipt_rules.receiving import services as receiving_services
from receipt_rules.receiving_setup.core import SetupVerdict
from receipt_rules.receiving_setup.services import check_setup
from receipt_rules.rollback.services import delete_rule_set, old_rule_sets
from receipt_rules.runs.selectors import may_operate

# The guided change between receiving here and send only: the next step, and what it waits for.


CHOICES = {"send_only": False, "receive": True}


@require_http_methods(["GET", "POST"])
def send_only(request: SignedIn, domain_id: str) -> HttpResponse:
    """Another customer's domain is 404, as if it didn't exist."""
    domain, refused = get_object_or_404(domains_for(request.user), pk=domain_id), ""
    if request.method == "POST" and request.POST.get("do") in CHOICES:
        receives = CHOICES[request.POST["do"]]
        try:
            receiving_services.choose(domain=domain, receives=receives, actor=request.user)
        except Refused as problem:
            refused = str(problem)
        else:
            outcome = "now receives mail here. Next, add an address" if receives else "is now set to send only"
            messages.success(request, f"{domain} {outcome}. {applied_when(domain.customer)}")
            return redirect("receipt_rules:domain" if receives else "domains:detail", domain.pk)
    names = [domain.receiving_facts(name) for name in domain.mail_names]
    context = {"domain": domain, "tab": "settings", "refused": refused, "to_move": names_with_mx_here(names)}
    status = 422 if refused else 200
    return TemplateResponse(request, "receipt_rules/receiving/send_only.html", context, status=status)


# The setup page: requirements for receiving, policies that grant SES access, and unused managed rule sets.


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


# The receiving pipeline, for staff: metrics of the rules and the function, and the bucket's contents.


SPANS = {"1": timedelta(days=1), "7": timedelta(days=7)}


@require_GET
def pipeline(request: SignedIn) -> HttpResponse:
    require_staff(request)
    days = request.GET.get("days", "1") if request.GET.get("days") in SPANS else "1"
    end = timezone.now()
    window = plots.Window(end - SPANS[days], end)
    rules = pipeline_services.rule_metrics(start=window.start, end=end)
    functions = pipeline_services.function_metrics(start=window.start, end=end)
    domain = _domain(request)
    context = {
        "tab": "pipeline",
        "days": days,
        "domain": domain,
        "rules": rules,
        "health": pipeline_core.health(rules.value or ()),
        "rule_chart": _rule_chart(rules.value or (), window),
        "functions": functions,
        "function_chart": _function_chart(functions.value or (), window),
        "duration_chart": _duration_chart(functions.value or (), window),
        "dead_letters": pipeline_services.dead_letters(now=end) if settings.RECEIVING_FUNCTION else None,
        "errors": pipeline_services.last_errors(since=window.start, domain=domain),
        "stored": pipeline_services.recently_stored(prefix=_prefix(domain)),
    }
    return TemplateResponse(request, "receipt_rules/pipeline/pipeline.html", context)


def _domain(request: SignedIn) -> Domain | None:
    """Return the domain that filters the log and the bucket; 404 if it doesn't exist, never all domains."""
    text = request.GET.get("domain", "").strip()
    if not text or "\x00" in text:
        return None
    found = domains_for(request.user).filter(name=dns_form(text)).first()
    if found is None:
        raise Http404
    return found


def _prefix(domain: Domain | None) -> str:
    each = f"{domain.name}/" if domain is not None and settings.RECEIVING_PREFIX_EACH_DOMAIN else ""
    return f"{settings.RECEIVING_PREFIX}{each}"


def _rule_chart(series: tuple[Series, ...], window: plots.Window) -> plots.Chart:
    names = {
        "Received": RuleMetric.RECEIVED,
        "Delivered": RuleMetric.SUCCESS,
        "Failed, retried": RuleMetric.FAILURE,
        "Lost": RuleMetric.EXPIRED,
    }
    return plots.chart(
        "Rules", {name: pipeline_core.of_all_mail(series, metric) for name, metric in names.items()}, window
    )


def _function_chart(series: tuple[Series, ...], window: plots.Window) -> plots.Chart:
    names = {
        "Calls": FunctionMetric.INVOCATIONS,
        "Errors": FunctionMetric.ERRORS,
        "Throttled": FunctionMetric.THROTTLES,
    }
    return plots.chart(
        "Function", {name: pipeline_core.summed(series, metric) for name, metric in names.items()}, window
    )


def _duration_chart(series: tuple[Series, ...], window: plots.Window) -> plots.Chart:
    lines = {"Longest (ms)": pipeline_core.longest(series, FunctionMetric.DURATION)}
    return plots.chart("Function duration", lines, window)


# Pages of received mail: what arrived, where it went, what failed, and the button that delivers it again. The form
# that gives a message that belongs to nobody to a customer.


class OwnerForm(BecauseForm):
    """`owners`: the customers (IDs) to choose from."""

    customer = forms.ModelChoiceField(Customer.objects.none(), label="Customer", empty_label="Choose a customer")
    field_order = ("customer", "because")

    def __init__(self, *args: Any, owners: Collection[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owners = Customer.objects.filter(pk__in=owners)
        self.fields["customer"].queryset = self.owners  # type: ignore[attr-defined]  # a ModelChoiceField


@require_GET
def received(request: SignedIn) -> HttpResponse:
    filters = ReceivedFilters.read(request.GET)
    rows = received_for(request.user)
    counts = filters.counts(rows)
    context = {
        "page": page_of(filters.search(rows), request, total=filters.total_of(counts)),
        "filters": filters,
        "counts": counts,
        "tab": "received",
    }
    return TemplateResponse(request, template(request, "receipt_rules/received_mail/received.html", "results"), context)


@require_http_methods(["GET", "POST"])
def received_message(request: SignedIn, mail_id: str) -> HttpResponse:
    mail = get_object_or_404(received_for(request.user), pk=mail_id)
    form = _owner_form(request, mail)
    if request.method == "POST" and (form is None or form.is_valid()):
        try:
            if form is None:
                deliver_again(mail=mail, actor=request.user)
            else:
                decide_owner(mail=mail, actor=request.user, **form.cleaned_data)
        except (Refused, RateLimited, AwsProblem) as problem:
            if getattr(problem, "code", "") == "REASON_MISSING":
                raise
            messages.error(request, aws_sentence(str(problem), to=request.user))
        else:
            messages.success(request, "Delivering the message again. This page shows the progress.")
        return redirect("receipt_rules:received_message", mail.pk)
    is_retried = mail.received_at > timezone.now() - RETRIED
    shown = {"mail": mail, "tab": "received", "owner_form": form, "is_retried": is_retried}
    status = 422 if form is not None and form.is_bound else 200
    page = template(request, "receipt_rules/received_mail/message.html", "message")
    return TemplateResponse(request, page, shown | _redelivery_context(mail, request), status=status)


def _owner_form(request: SignedIn, mail: ReceivedMail) -> OwnerForm | None:
    """Return the form for a message that belongs to nobody, if the viewer may decide whose it is."""
    if mail.customer_id is not None:
        return None
    may_decide = request.user.has_perm(DECIDE)
    if request.method == "POST" and not may_decide:
        raise PermissionDenied
    return OwnerForm(request.POST or None, owners=owner_choices(mail)) if may_decide else None


def _redelivery_context(mail: ReceivedMail, request: SignedIn) -> dict[str, str]:
    """Return where it would be delivered again, or why it can't be."""
    try:
        return {"goes_to": str(redelivery_endpoint(mail))}
    except Refused as refused:
        context = {"not_again": str(refused)}
        address = addresses_for(request.user).filter(address=mail.recipient, domain__customer=mail.customer_id).first()
        if refused.code == "NO_ENDPOINT" and address is not None:
            context["address_url"] = reverse("receipt_rules:address", args=[address.pk])
        return context
