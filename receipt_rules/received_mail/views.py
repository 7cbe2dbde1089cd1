"""Pages of received mail: what arrived, where it went, what failed, and the button that delivers it again."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from inbound_admin.lib.errors import AwsProblem, RateLimited, Refused, aws_sentence
from inbound_admin.lib.http import SignedIn, page_of, template
from receipt_rules.addresses.selectors import addresses_for
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.received_mail.selectors import ReceivedFilters, received_for
from receipt_rules.received_mail.services import deliver_again, redelivery_endpoint


@require_GET
def list_(request: SignedIn) -> HttpResponse:
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
def detail(request: SignedIn, mail_id: str) -> HttpResponse:
    mail = get_object_or_404(received_for(request.user), pk=mail_id)
    if request.method == "POST":
        try:
            deliver_again(mail=mail, actor=request.user)
        except (Refused, RateLimited, AwsProblem) as problem:
            if getattr(problem, "code", "") == "REASON_MISSING":
                raise
            messages.error(request, aws_sentence(str(problem), to=request.user))
        else:
            messages.success(request, "Delivering the message again. This page shows the progress.")
        return redirect("receipt_rules:received_message", mail.pk)
    context = {"mail": mail, "tab": "received", **_redelivery_context(mail, request)}
    return TemplateResponse(request, template(request, "receipt_rules/received_mail/message.html", "message"), context)


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
