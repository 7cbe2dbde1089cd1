"""The public page behind a share link, and the pages that create, show and revoke such links.

The link is a secret for the person who manages the DNS. A GET changes nothing of the domain, because email scanners
follow links. The public page shows nothing about the customer. The managing pages show a QR code and the visits.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import segno
from allauth.core.internal.httpkit import get_client_ip
from allauth.core.internal.ratelimit import consume
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST

from domains.checking import services as checking_services
from domains.domain_connect import services as domain_connect_services
from domains.models.domains import Domain
from domains.models.sharing import ShareLink
from domains.providers.core import PROVIDERS
from domains.providers.selectors import dns_host
from domains.records.selectors import records_page
from domains.sharing import services
from domains.sharing.core import ShareLinkState, network_of
from domains.sharing.selectors import link_for_token, links_of, requester_of, shared_page, token_of
from domains.views import chosen_host, domain_for
from inbound_admin.lib import slow_work
from inbound_admin.lib.errors import Problem, RateLimited, Refused
from inbound_admin.lib.fields import AS_TYPED, AddressField
from inbound_admin.lib.http import SignedIn, page_of, secret_page, site_url


class ShareForm(forms.Form):
    meant_for = forms.CharField(
        label="Label",
        max_length=100,
        required=False,
        help_text="Only you and your team see this.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "Our IT company"}),
    )
    days = forms.TypedChoiceField(
        label="Expires after", coerce=int, choices=[(1, "1 day"), (7, "7 days"), (14, "14 days"), (30, "30 days")]
    )


class MailRecordsForm(forms.Form):
    to = AddressField(
        label="Email address",
        help_text="The person who manages your DNS, such as a colleague.",
        widget=forms.TextInput({**AS_TYPED, "inputmode": "email", "placeholder": "dns@example.com"}),
    )
    host = forms.ChoiceField(required=False, choices=[("", "")] + [(each.key, each.name) for each in PROVIDERS])


LINKS_SHOWN = 20
RATES = {"open": "240/m/key", "guess": "30/m/ip"}  # an open page polls up to twenty times a minute
WHY_NOT = {
    ShareLinkState.REVOKED: "This link was revoked.",
    ShareLinkState.EXPIRED: "This link has expired.",
}


class LinkGone(Refused):
    """There is no such link, or it no longer works."""

    code = "LINK_GONE"
    status = 404


@login_not_required
@secret_page
@require_http_methods(["GET", "HEAD", "POST"])
def shared(request: SignedIn, token: str) -> HttpResponse:
    """A POST means “I have added them”."""
    pressed = request.method == "POST"
    try:
        link = _link(request, token)
        if pressed or not request.htmx:
            _record_visit(request, link, pressed=pressed)
        with _limit_checks(request, link):
            sentence = services.check_shared(link=link) if pressed else ""
    except Refused as refused:
        if request.htmx:
            raise
        return _refused(request, refused)
    if pressed and not request.htmx:
        with _limit_checks(request, link):
            services.explain(domain=link.domain)
        messages.info(request, sentence)
        return redirect(_address(token, _host(request)))
    if not pressed:
        checking_services.schedule_for_open_page(link.domain)
    return _page(request, link_for_token(token) or link, token, said=sentence)


def _link(request: SignedIn, token: str) -> ShareLink:
    """Limit guesses by address, and valid links by link."""
    link = link_for_token(token)
    _check_rate(request, "open" if link else "guess", link.pk if link else None)
    if link is None:
        raise LinkGone("This link isn't valid. Ask the person who sent it for a new one.")
    state = link.state(timezone.now())
    if state is not ShareLinkState.OPEN:
        raise LinkGone(f"{WHY_NOT[state]} Ask the person who sent it for a new one.")
    return link


def _limit_checks(request: SignedIn, link: ShareLink) -> AbstractContextManager[None]:
    """Allow one check at a time per link and per network, in addition to the customer's limit."""
    return slow_work.limited_by(f"link {link.pk}", f"address {network_of(get_client_ip(request) or '')}")


def _check_rate(request: SignedIn, action: str, key: str | None) -> None:
    if not consume(request, app="domains", action=action, key=key, config=RATES, limit_get=True):
        raise RateLimited("Too many requests. Try again in a minute.", retry_after=60)


def _record_visit(request: SignedIn, link: ShareLink, *, pressed: bool) -> None:
    who = {"address": get_client_ip(request) or "", "user_agent": request.headers.get("User-Agent", "")}
    services.record_visit(link=link, checked=pressed, now=timezone.now(), **who)


def _page(request: SignedIn, link: ShareLink, token: str, said: str = "") -> HttpResponse:
    """Choosing another DNS host replaces only the text; the form keeps its input."""
    domain = link.domain
    if said:
        with _limit_checks(request, link):
            services.explain(domain=domain)
    page = records_page(domain, can_check_in=0, message=said, host=chosen_host(request, domain))
    context = {
        "domain": domain,
        "page": page,
        "shared": shared_page(domain, page),
        "asked_by": requester_of(domain, link.created_by),
        "link": link,
        "connect": domain_connect_services.link_for(domain, page),
        "token": token,
        "here": _address(token, _host(request)),
    }
    return TemplateResponse(request, f"domains/sharing/shared.html{'#live' if request.htmx else ''}", context)


def _refused(request: SignedIn, refused: Problem) -> HttpResponse:
    response = TemplateResponse(
        request, "domains/sharing/shared_gone.html", {"refused": refused}, status=refused.status
    )
    if isinstance(refused, RateLimited):
        response.headers["Retry-After"] = str(refused.retry_after)
    return response


def _host(request: SignedIn) -> str:
    return (request.GET.get("host") or "")[:40]


def _address(token: str, host: str) -> str:
    """Return the page's URL, with the DNS host that the reader chose."""
    path = reverse("domains:shared", args=(token,))
    return f"{path}?{urlencode({'host': host})}" if host else path


@require_http_methods(["GET", "POST"])
def share(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    form = ShareForm(request.POST or None, initial={"days": settings.SHARE_LINK_DAYS})
    if request.method == "POST" and form.is_valid():
        try:
            services.create(domain=domain, actor=request.user, **form.cleaned_data)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, "Link created.")
            return redirect("domains:share", domain.id)
    page = page_of(links_of(domain), request, LINKS_SHOWN)
    context = {
        "domain": domain,
        "form": form,
        "page": page,
        "links": list(_shown(request, domain, page)),
        "tab": "share",
    }
    return TemplateResponse(request, "domains/sharing/share.html", context, status=422 if form.errors else 200)


@require_POST
def revoke(request: SignedIn, domain_id: str, link_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    link = get_object_or_404(domain.share_links, pk=link_id)
    services.revoke(link=link, actor=request.user)
    messages.success(request, "Link revoked. It no longer works.")
    return redirect("domains:share", domain.id)


def _shown(request: SignedIn, domain: Domain, links: Iterable[ShareLink]) -> Iterator[dict[str, Any]]:
    """The links' URLs include the DNS host that the sender chose."""
    now, host = timezone.now(), chosen_host(request, domain)
    for link in links:
        state = link.state(now)
        url = request.build_absolute_uri(_address(token_of(link), host))
        qr = _qr(url) if state is ShareLinkState.OPEN else ""
        yield {"link": link, "state": str(state), "url": url, "qr": qr, "visits": link.visits.all()[:10]}


def _qr(url: str) -> SafeString:
    """Return the URL as a QR code, black on white in any theme, which cameras need."""
    drawn = segno.make(url, error="m").svg_inline(scale=5, dark="#000", light="#fff", omitsize=True)
    return SafeString(drawn)  # generated SVG without text  # nosec B703


@require_http_methods(["GET", "POST"])
def mail_records(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    form = MailRecordsForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and (sent_to := _send(request, domain, form)):
        messages.success(request, f"Email sent to {sent_to}. The link is below.")
        return redirect("domains:share", domain.id)
    return _letter_page(request, domain, form)


def _send(request: SignedIn, domain: Domain, form: MailRecordsForm) -> str:
    """Return the recipient; "" if the email was not sent, with the error in the form."""
    given = form.cleaned_data
    site = site_url(request)
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


def _letter_page(request: SignedIn, domain: Domain, form: MailRecordsForm) -> HttpResponse:
    """Choosing another DNS host replaces only the text; the form keeps its input."""
    host = str(form.data.get("host", "")) or chosen_host(request, domain)
    context = {"domain": domain, "form": form, "host": dns_host(domain, host), "tab": "share"}
    try:
        site = site_url(request)
        context["letter"] = services.build_letter(
            domain=domain, sender=request.user, host=host, link=None, site_url=site
        )
    except Problem as problem:
        context["nothing"] = problem
    part = "#letter" if request.htmx else ""
    status = 422 if form.errors else 200
    return TemplateResponse(request, f"domains/sharing/mail_records.html{part}", context, status=status)
