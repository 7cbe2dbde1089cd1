"""The receiving pipeline, for staff: metrics of the rules and the function, and the bucket's contents."""

from datetime import timedelta

from django.conf import settings
from django.http import Http404, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from domains.domain_list.selectors import dns_form, domains_for
from domains.models.domains import Domain
from inbound_admin.lib import plots
from inbound_admin.lib.http import SignedIn
from receipt_rules.live.views import require_staff
from receipt_rules.pipeline import core, services
from receipt_rules.pipeline.core import FunctionMetric, RuleMetric, Series

SPANS = {"1": timedelta(days=1), "7": timedelta(days=7)}


@require_GET
def pipeline(request: SignedIn) -> HttpResponse:
    require_staff(request)
    days = request.GET.get("days", "1") if request.GET.get("days") in SPANS else "1"
    end = timezone.now()
    window = plots.Window(end - SPANS[days], end)
    rules = services.rule_metrics(start=window.start, end=end)
    functions = services.function_metrics(start=window.start, end=end)
    domain = _domain(request)
    context = {
        "tab": "pipeline",
        "days": days,
        "domain": domain,
        "rules": rules,
        "health": core.health(rules.value or ()),
        "rule_chart": _rule_chart(rules.value or (), window),
        "functions": functions,
        "function_chart": _function_chart(functions.value or (), window),
        "duration_chart": _duration_chart(functions.value or (), window),
        "dead_letters": services.dead_letters(now=end) if settings.RECEIVING_FUNCTION else None,
        "errors": services.last_errors(since=window.start, domain=domain),
        "stored": services.recently_stored(prefix=_prefix(domain)),
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
    return plots.chart("Rules", {name: core.of_all_mail(series, metric) for name, metric in names.items()}, window)


def _function_chart(series: tuple[Series, ...], window: plots.Window) -> plots.Chart:
    names = {
        "Calls": FunctionMetric.INVOCATIONS,
        "Errors": FunctionMetric.ERRORS,
        "Throttled": FunctionMetric.THROTTLES,
    }
    return plots.chart("Function", {name: core.summed(series, metric) for name, metric in names.items()}, window)


def _duration_chart(series: tuple[Series, ...], window: plots.Window) -> plots.Chart:
    lines = {"Longest (ms)": core.longest(series, FunctionMetric.DURATION)}
    return plots.chart("Function duration", lines, window)
