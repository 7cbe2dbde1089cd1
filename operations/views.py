"""Pages over all customers: the overview, the search, the change log, batches and the removal of a domain."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from accounts.people.selectors import owners_of, supports_everyone
from audit import selectors as audit_selectors
from audit.selectors import changes_of
from domains.diagnosis.services import cached_result
from domains.domain_list import selectors as domain_list_selectors
from domains.domain_list.selectors import domains_for
from domains.models.domains import Domain, Stage
from domains.sending_status.selectors import sending_in
from domains.views import domain_for
from inbound_admin.lib.errors import ChangedMeanwhile, Refused
from inbound_admin.lib.http import SignedIn, list_as_file, page_of, requires_password, template
from inbound_admin.lib.seen import fingerprint
from notifications.alerts.selectors import unacknowledged_count
from operations.audit_log.selectors import name_of_deleted, pairs_offered, search_changes
from operations.batches import services as batches_services
from operations.batches.core import URGENT_KINDS, BatchKind
from operations.batches.selectors import (
    batches_for,
    counts_of,
    items_of,
    may_start,
    results_of,
    seconds_left,
    summary_of,
    words_of,
)
from operations.checklist.selectors import checklist
from operations.dashboard import selectors as dashboard_selectors
from operations.dashboard.core import summary_of as overview_summary
from operations.domain_removal import services as domain_removal_services
from operations.models import Batch
from operations.search import selectors as search_selectors
from operations.search.selectors import Hit, HitKind
from receipt_rules.inbound_summary.selectors import inbound_summary
from receipt_rules.live.selectors import receiving_outage
from receipt_rules.runs.selectors import may_see_rules
from tenants.lifecycle.selectors import banners_for, tenant_of

# The overview, and the support case of a domain: problem, owners, reply, recent changes.


@require_GET
def overview(request: SignedIn) -> HttpResponse:
    """Staff see what needs attention, capacity and plots; customers see their own domains."""
    now = timezone.now()
    staff = supports_everyone(request.user)
    full = dashboard_selectors.capacity_summary(now=now) if staff or may_see_rules(request.user) else None
    filters = domain_list_selectors.DomainListFilters()
    counts = domain_list_selectors.attention_counts(viewer=request.user, filters=filters)
    unanswered, outage = unacknowledged_count(request.user), receiving_outage() if full else None
    banners = banners_for(request.user)
    context = {
        "needs": dashboard_selectors.attention_items(
            viewer=request.user, full=full, counts=counts, unanswered=unanswered, outage=outage, banners=banners
        ),
        "banners": banners,
        "counts": counts,
        "alerts_unanswered": unanswered,  # the frame of the page shows it too, and the outage
        "total": filters.total_of(counts),
    }
    if staff:
        charts, since = dashboard_selectors.charts(now=now)
        context |= {
            "full": full,
            "receiving_outage": outage,
            "charts": charts,
            "has_counts": any(chart.rows for chart in charts),
            "since": since,
        }
    else:
        to_do = domain_list_selectors.unverified_domains(request.user)[: dashboard_selectors.DOMAINS_SHOWN]
        customers = domain_list_selectors.customer_choices(viewer=request.user)["customers"]
        context |= {"to_do": to_do, "checklist": checklist(request.user), "has_several_customers": len(customers) > 1}
    return TemplateResponse(request, "operations/dashboard/overview.html", context)


LAST_CHANGES = 8


@require_GET
def case(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    if not supports_everyone(request.user):
        raise PermissionDenied
    result = cached_result(domain)  # the page requests one, and its head is rendered again when that has finished
    awaits = result is None and "diagnosed" not in request.GET
    facts = dashboard_selectors.case_facts(domain, result.diagnosis() if result else None, awaits_diagnosis=awaits)
    tenant = tenant_of(domain.customer)
    context = {
        "domain": domain,
        "summary": overview_summary(facts),
        "since": dashboard_selectors.case_since(domain),
        "deadline": facts.deadline,
        "to_fix": facts.to_fix,
        "owners": owners_of(domain.customer).order_by("email"),
        "tenant": tenant,
        "sending": sending_in(domain, tenant),
        "lame": facts.lame,
        "inbound": inbound_summary(domain),
        "changes": changes_of("domain", domain.id, of_customers=None)[:LAST_CHANGES],
    }
    return TemplateResponse(request, "operations/dashboard/case.html", context)


# The search box: a page, an action, a name, an address, an ID, a token or an ARN leads to its page.


# Of each kind: its heading, and the page of an object. In the order of the headings.
KINDS = {
    HitKind.PAGE: ("Pages and actions", ""),
    HitKind.DOMAIN: ("Domains", "domains:detail"),
    HitKind.ADDRESS: ("Addresses", "receipt_rules:address"),
    HitKind.ENDPOINT: ("Endpoints", "receipt_rules:endpoint"),
    HitKind.CUSTOMER: ("Customers", "customers:detail"),
    HitKind.PERSON: ("People", "customers:detail"),
    HitKind.INVITATION: ("Invited people", "customers:detail"),
    HitKind.TENANT: ("Tenants", "tenants:detail"),
    HitKind.RULE: ("Receipt rules", "receipt_rules:rule"),
    HitKind.RUN: ("Runs", "receipt_rules:run"),
}


@require_GET
def find(request: SignedIn) -> HttpResponse:
    text = request.GET.get("q", "")
    hits = search_selectors.search(viewer=request.user, text=text)
    support = supports_everyone(request.user)
    if (one := search_selectors.single_hit(hits)) is not None:
        return redirect(_page(one, support=support))
    groups = [
        (words, [(hit, _page(hit, support=support)) for hit in hits if hit.kind is kind])
        for kind, (words, _) in KINDS.items()
    ]
    context = {"text": text.strip(), "groups": [group for group in groups if group[1]], "most": search_selectors.MOST}
    return TemplateResponse(request, "operations/search/find.html", context)


def _page(hit: Hit, *, support: bool) -> str:
    """Return the hit's URL. For a domain, staff get the case page, customers the records."""
    if hit.kind is HitKind.DOMAIN and support:
        return reverse("operations:case", args=[hit.id])
    if hit.kind is HitKind.PAGE:
        return reverse(hit.id)
    return reverse(KINDS[hit.kind][1], args=[hit.id])


# Change log pages: every change by a person, an API key, the worker or AWS, with search and export.


@require_GET
def changes(request: SignedIn) -> HttpResponse:
    filters = audit_selectors.ChangeListFilters.read(request.GET)
    found = search_changes(viewer=request.user, filters=filters)
    offered = audit_selectors.choices(pairs_offered(request.user))
    context = {"page": page_of(found, request), "filters": filters, "choices": offered}
    return TemplateResponse(request, template(request, "operations/audit_log/changes.html", "results"), context)


@require_GET
def export_changes(request: SignedIn, kind: str) -> HttpResponseBase:
    """Return all entries that match the filters, as CSV or JSON."""
    filters = audit_selectors.ChangeListFilters.read(request.GET)
    rows = audit_selectors.export_rows(search_changes(viewer=request.user, filters=filters))
    return list_as_file(rows, name="changes", kind=kind)


# Delete a domain with its addresses: preview in order, then progress.


POLL_SECONDS = 3


@require_http_methods(["GET", "POST"])
@requires_password
def delete_domain(request: SignedIn, domain_id: str) -> HttpResponse:
    """Show and start the deletion. Another customer's domain is 404."""
    theirs = domains_for(request.user)
    if not theirs.filter(pk=domain_id).exists() and (name := name_of_deleted(domain_id, viewer=request.user)):
        return _gone(request, name)
    found = get_object_or_404(theirs, pk=domain_id)
    context: dict[str, Any] = {"domain": found, "error": "", "removal": domain_removal_services.removal_of(found)}
    if request.method == "POST" and context["removal"] is None:
        try:
            requested = _request_removal(request, found)
        except ChangedMeanwhile as changed:
            messages.error(request, str(changed))
            return redirect("operations:delete_domain", found.pk)
        except Refused as refused:
            context |= {"error": str(refused), "typed": request.POST.get("name", "")}
        else:
            messages.success(request, f"{found} is {'' if requested.is_gone else 'being '}deleted.")
            return redirect("domains:list") if requested.is_gone else redirect("operations:delete_domain", found.pk)
    if context["removal"] or found.stage == Stage.DELETING:
        context["poll_seconds"] = POLL_SECONDS
        part = "#live" if request.htmx and not request.htmx.boosted else ""
        return TemplateResponse(request, f"operations/domain_removal/removal_progress.html{part}", context)
    context["seen"] = fingerprint(domain_removal_services.shown_values(found))  # read before what it stands for
    context |= {"consequences": domain_removal_services.consequences(found), "leads_here": found.mx_here}
    context["may_delete"] = domain_removal_services.may_delete(found, context["consequences"].recipients, request.user)
    return TemplateResponse(
        request, "operations/domain_removal/delete_domain.html", context, status=422 if context["error"] else 200
    )


def _request_removal(request: SignedIn, found: Domain) -> domain_removal_services.RequestedRemoval:
    return domain_removal_services.request_removal(
        domain=found,
        typed_name=request.POST.get("name", ""),
        actor=request.user,
        despite_mx="despite_mx" in request.POST,
        seen=request.POST.get("seen", ""),
    )


def _gone(request: SignedIn, name: str) -> HttpResponse:
    """Redirect when the domain is gone, from the waiting page or after a second press of the button."""
    messages.success(request, f"{name} was deleted.")
    waits = request.htmx and not request.htmx.boosted
    return HttpResponseClientRedirect(reverse("domains:list")) if waits else redirect("domains:list")


# The page of a batch: progress, result of each item, pause, resume, stop and retry.


BATCH_POLL_SECONDS = 2
PER_PAGE = 100
LISTS = {"domain": ("Domains", "domains:list"), "tenant": ("Tenants", "tenants:list")}
DRIFT = ("Drift", "operations:differences")


@require_GET
def bulk(request: SignedIn, bulk_id: str) -> HttpResponse:
    """Show the batch. 404 for a customer if somebody else started it."""
    shown = get_object_or_404(batches_for(request.user), pk=bulk_id)
    return TemplateResponse(
        request, template(request, "operations/batches/batch.html", "live"), _context(request, shown)
    )


def _context(request: SignedIn, shown: Batch) -> dict[str, Any]:
    kind = BatchKind(shown.kind)
    counts, page = counts_of(shown), page_of(items_of(shown), request, per_page=PER_PAGE)
    results, summary = results_of(shown, list(page), request.user), summary_of(shown, counts)
    parent, list_name = LISTS.get(kind.noun, DRIFT)
    return {
        "batch": shown,
        "kind": kind,
        "parent": parent,
        "list_url": reverse(list_name),
        "page": page,
        "results": results,
        "counts": counts,
        "total": sum(counts.values()),
        "summary": summary,
        "words": words_of(shown),
        "again": counts["refused"] + counts["stopped"],
        "may_start": may_start(kind, request.user),
        "minutes_left": seconds_left(shown, summary) // 60 + 1,
        "poll_seconds": BATCH_POLL_SECONDS
        if summary.unconfirmed or (summary.waiting and not shown.paused_at)
        else None,
    }


@require_POST
def retry_bulk(request: SignedIn, bulk_id: str) -> HttpResponse:
    """Retry failed items."""
    shown = get_object_or_404(batches_for(request.user), pk=bulk_id)
    number, noun = batches_services.retry(batch=shown, actor=request.user), BatchKind(shown.kind).noun
    shown.refresh_from_db(fields=("paused_at",))
    paused = " The bulk action is paused: they start when it is resumed." if shown.paused_at else ""
    messages.info(request, f"{number:,} {noun}{'' if number == 1 else 's'} queued for retry.{paused}")
    return redirect(_name(shown), shown.pk)


@require_POST
def stop_bulk(request: SignedIn, bulk_id: str) -> HttpResponse:
    shown = get_object_or_404(batches_for(request.user), pk=bulk_id)
    number, noun = batches_services.stop(batch=shown, actor=request.user), BatchKind(shown.kind).noun
    count = f"{number:,} {noun} stays" if number == 1 else f"{number:,} {noun}s stay"
    messages.info(request, f"Stopped. {count} unchanged.")
    return redirect(_name(shown), shown.pk)


@require_POST
def pause_bulk(request: SignedIn, bulk_id: str) -> HttpResponse:
    shown = get_object_or_404(batches_for(request.user), pk=bulk_id)
    try:
        batches_services.pause(batch=shown, actor=request.user)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.info(request, "Paused. Items that already started will finish.")
    return redirect(_name(shown), shown.pk)


@require_POST
def resume_bulk(request: SignedIn, bulk_id: str) -> HttpResponse:
    shown = get_object_or_404(batches_for(request.user), pk=bulk_id)
    batches_services.resume(batch=shown, actor=request.user)
    messages.info(request, "Resumed.")
    return redirect(_name(shown), shown.pk)


def _name(batch: Batch) -> str:
    return "operations:batch" if batch.kind in URGENT_KINDS else "operations:bulk"
