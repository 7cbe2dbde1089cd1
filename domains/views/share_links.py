"""Links for whoever looks after the DNS: made, shown with their QR code, withdrawn, and who opened them."""

from dataclasses import dataclass

import segno
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST

from domains.forms import ShareForm
from domains.models import Domain, ShareLink, ShareVisit
from domains.selectors.sharing import links_of, token_of
from domains.services import sharing
from domains.views.records import domain_for
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import SignedIn


@dataclass(frozen=True)
class ShownLink:
    link: ShareLink
    state: str
    url: str
    qr: SafeString
    visits: tuple[ShareVisit, ...]


@require_http_methods(["GET", "POST"])
def share(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    form = ShareForm(request.POST or None, initial={"days": settings.SHARE_LINK_DAYS})
    if request.method == "POST" and form.is_valid():
        try:
            sharing.create(domain=domain, actor=request.user, **form.cleaned_data)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, "The link is ready below.")
            return redirect("domains:share", domain.id)
    context = {"domain": domain, "form": form, "links": _shown(request, domain), "tab": "share"}
    return TemplateResponse(request, "domains/share.html", context, status=422 if form.errors else 200)


@require_POST
def revoke(request: SignedIn, domain_id: str, link_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    link = get_object_or_404(domain.share_links, pk=link_id)
    sharing.revoke(link=link, actor=request.user)
    messages.success(request, "The link is withdrawn: it opens nothing any more.")
    return redirect("domains:share", domain.id)


def _shown(request: SignedIn, domain: Domain) -> list[ShownLink]:
    now = timezone.now()
    return [_one(request, link, str(link.state(now))) for link in links_of(domain)]


def _one(request: SignedIn, link: ShareLink, state: str) -> ShownLink:
    url = request.build_absolute_uri(reverse("domains:shared", args=(token_of(link),)))
    return ShownLink(link, state, url, _qr(url) if state == "open" else SafeString(), tuple(link.visits.all()[:10]))


def _qr(url: str) -> SafeString:
    """Black on white in any theme: cameras want it so. It holds the address alone, as squares."""
    return SafeString(segno.make(url, error="m").svg_inline(scale=5, dark="#000", light="#fff", omitsize=True))
