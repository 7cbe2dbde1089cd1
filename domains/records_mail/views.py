"""The page that emails the records: the recipient, and a preview of the text."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from domains.models.domains import Domain
from domains.providers.selectors import dns_host
from domains.providers.views import chosen_host
from domains.records.views import domain_for
from domains.records_mail import services
from domains.records_mail.forms import MailRecordsForm
from inbound_admin.lib.errors import Problem, RateLimited, Refused
from inbound_admin.lib.http import SignedIn


@require_http_methods(["GET", "POST"])
def mail_records(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    form = MailRecordsForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and (sent_to := _send(request, domain, form)):
        messages.success(request, f"Email sent to {sent_to}. The link is below.")
        return redirect("domains:share", domain.id)
    return _page(request, domain, form)


def _send(request: SignedIn, domain: Domain, form: MailRecordsForm) -> str:
    """Return the recipient; "" if the email was not sent, with the error in the form."""
    given = form.cleaned_data
    site = request.build_absolute_uri("/")
    try:
        link = services.mail_records(
            domain=domain, to=given["to"], host=given["host"] or "", actor=request.user, site_url=site
        )
    except (RateLimited, services.MailNotSent) as problem:
        form.add_error(None, str(problem))
        return ""
    except Refused as refused:
        form.add_error("to" if refused.code == "ADDRESS" else None, str(refused))
        return ""
    return link.mailed_to


def _page(request: SignedIn, domain: Domain, form: MailRecordsForm) -> HttpResponse:
    """Choosing another DNS host replaces only the text; the form keeps its input."""
    host = str(form.data.get("host", "")) or chosen_host(request, domain)
    context = {"domain": domain, "form": form, "host": dns_host(domain, host), "tab": "share"}
    try:
        site = request.build_absolute_uri("/")
        context["letter"] = services.build_letter(
            domain=domain, sender=request.user, host=host, link=None, site_url=site
        )
    except Problem as problem:
        context["nothing"] = problem
    part = "#letter" if request.htmx else ""
    status = 422 if form.errors else 200
    return TemplateResponse(request, f"domains/records_mail/mail_records.html{part}", context, status=status)
