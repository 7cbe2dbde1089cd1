"""Pages of received mail: what arrived, where it went, what failed, and the button that delivers it again."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from inbound_admin.lib.errors import AwsProblem, RateLimited, Refused, aws_sentence
from inbound_admin.lib.http import SignedIn, page_of, template
from receipt_rules.addresses.selectors import addresses_for
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.received_mail.forms import OwnerForm
from receipt_rules.received_mail.selectors import RETRIED, ReceivedFilters, received_for
from receipt_rules.received_mail.services import DECIDE, decide_owner, deliver_again, owner_choices, redelivery_endpoint


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
