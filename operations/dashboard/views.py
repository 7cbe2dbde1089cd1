"""The overview, and the support case of a domain: problem, owners, reply, recent changes."""

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.people.selectors import owners_of, supports_everyone
from audit.selectors import changes_of
from domains.diagnosis.services import cached_result
from domains.domain_list import selectors as domain_list_selectors
from domains.records.views import domain_for
from domains.sending_status.selectors import sending_in
from inbound_admin.lib.http import SignedIn
from notifications.alerts.selectors import unacknowledged_count
from operations.checklist.selectors import checklist
from operations.dashboard import selectors
from operations.dashboard.core import summary_of
from receipt_rules.inbound_summary.selectors import inbound_summary
from receipt_rules.live.selectors import receiving_outage
from receipt_rules.runs.selectors import may_see_rules
from tenants.lifecycle.selectors import tenant_of


@require_GET
def overview(request: SignedIn) -> HttpResponse:
    """Staff see what needs attention, capacity and plots; customers see their own domains."""
    now = timezone.now()
    staff = supports_everyone(request.user)
    full = selectors.capacity_summary(now=now) if staff or may_see_rules(request.user) else None
    filters = domain_list_selectors.DomainListFilters()
    counts = domain_list_selectors.attention_counts(viewer=request.user, filters=filters)
    unanswered, outage = unacknowledged_count(request.user), receiving_outage() if full else None
    context = {
        "needs": selectors.attention_items(
            viewer=request.user, full=full, counts=counts, unanswered=unanswered, outage=outage
        ),
        "counts": counts,
        "alerts_unanswered": unanswered,  # the frame of the page shows it too, and the outage
        "total": filters.total_of(counts),
    }
    if staff:
        charts, since = selectors.charts(now=now)
        context |= {
            "full": full,
            "receiving_outage": outage,
            "charts": charts,
            "has_counts": any(chart.rows for chart in charts),
            "since": since,
        }
    else:
        context |= {"to_do": selectors.unverified_domains(request.user), "checklist": checklist(request.user)}
        choices = domain_list_selectors.customer_choices(viewer=request.user)
        context["has_several_customers"] = len(choices["customers"]) > 1
    return TemplateResponse(request, "operations/dashboard/overview.html", context)


LAST_CHANGES = 8


@require_GET
def case(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    if not supports_everyone(request.user):
        raise PermissionDenied
    result = cached_result(domain)  # the page requests one, and its head is rendered again when that has finished
    awaits = result is None and "diagnosed" not in request.GET
    facts = selectors.case_facts(domain, result.diagnosis() if result else None, awaits_diagnosis=awaits)
    tenant = tenant_of(domain.customer)
    context = {
        "domain": domain,
        "summary": summary_of(facts),
        "since": selectors.case_since(domain),
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
