"""The records page of a domain, the check, and its history."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.people.selectors import supports_everyone
from audit.selectors import changes_of
from domains.announcements import services as announcements_services
from domains.checking import services as checking_services
from domains.domain_connect import services as domain_connect_services
from domains.domain_list import selectors as domain_list_selectors
from domains.models.domains import Domain
from domains.providers.views import chosen_host
from domains.records.selectors import records_page
from inbound_admin.lib.http import SignedIn, page_of


def domain_for(request: SignedIn, domain_id: str) -> Domain:
    """Return the domain, or raise 404 if the user may not see it."""
    return get_object_or_404(domain_list_selectors.domains_for(request.user), pk=domain_id)


@require_GET
def detail(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    checking_services.schedule_for_open_page(domain)
    return _page(request, domain)


@require_POST
def check(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    sentence = checking_services.check_now(domain=domain)
    if request.htmx:
        return _page(request, domain_for(request, domain_id), said=sentence)
    messages.info(request, sentence)
    return redirect("domains:detail", domain.id)


@require_GET
def history(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    theirs = None if supports_everyone(request.user) else [domain.customer_id]
    changes = changes_of("domain", domain.id, of_customers=theirs)
    context = {"domain": domain, "changes": page_of(changes, request), "tab": "history"}
    return TemplateResponse(request, "domains/records/history.html", context)


def _page(request: SignedIn, domain: Domain, said: str = "") -> HttpResponse:
    wait = checking_services.can_check_in(domain, timezone.now())
    todo, host = request.GET.get("show") == "todo", chosen_host(request, domain)
    page = records_page(domain, can_check_in=wait, only_todo=todo, message=said, host=host)
    notice = None if domain.verified_at else announcements_services.notice_choice(request.user, domain)
    domain_connect_services.discover_if_due(domain)
    link = domain_connect_services.link_for(domain, page)
    context = {"domain": domain, "page": page, "tab": "records", "asked": notice, "connect": link}
    part = "#live" if request.htmx else ""
    return TemplateResponse(request, f"domains/records/detail.html{part}", context)
