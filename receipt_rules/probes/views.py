"""Pages of test messages: a form requests one, its own page shows its progress; a domain can have a schedule.

The form that chooses how often a domain gets a test message.
"""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from domains.domain_list.selectors import domains_for
from inbound_admin.lib.errors import RateLimited, Refused
from inbound_admin.lib.http import SignedIn, page_of, template
from inbound_admin.lib.lists import text_in
from inbound_admin.lib.seen import SeenField, fingerprint
from receipt_rules.probes.core import OFF, ProbePace, is_over, probe_status, stages
from receipt_rules.probes.selectors import facts_of_probe, facts_of_probes, probes_for
from receipt_rules.probes.services import request_probe, schedule_probes
from receipt_rules.runs.selectors import may_see_rules

CHOICES = ((OFF, "Off"), (ProbePace.DAILY.value, "Once a day"), (ProbePace.HOURLY.value, "Once an hour"))


class ProbeScheduleForm(forms.Form):
    pace = forms.ChoiceField(label="Test messages", choices=CHOICES, initial=OFF)
    seen = SeenField()

    @classmethod
    def showing(cls, pace: str) -> "ProbeScheduleForm":
        """Return the form for a domain whose schedule has this pace, "" if it has none."""
        shown = {"pace": pace or OFF}
        return cls(initial=shown | {"seen": fingerprint(shown)})

    @property
    def chosen(self) -> ProbePace | None:
        pace = self.cleaned_data["pace"]
        return None if pace == OFF else ProbePace(pace)


@require_http_methods(["GET", "POST"])
def list_(request: SignedIn) -> HttpResponse:
    """Show the form, and earlier messages."""
    recipient, problem = text_in(request.GET, "recipient"), ""
    if request.method == "POST":
        recipient = text_in(request.POST, "recipient")
        try:
            made = request_probe(recipient=recipient, actor=request.user)
        except (Refused, RateLimited) as refused:
            if getattr(refused, "code", "") == "REASON_MISSING":
                raise
            problem = str(refused)
        else:
            messages.success(request, "Test message requested.")
            return redirect("receipt_rules:probe", made.pk)
    page, now, names_rules = page_of(probes_for(request.user), request, 20), timezone.now(), may_see_rules(request.user)
    probes = list(page.object_list)
    context = {
        "page": page,
        "rows": [
            (probe, probe_status(facts, now))
            for probe, facts in zip(probes, facts_of_probes(probes, names_rules=names_rules), strict=True)
        ],
        "recipient": recipient,
        "problem": problem,
        "tab": "received",
    }
    return TemplateResponse(request, "receipt_rules/probes/probes.html", context, status=422 if problem else 200)


@require_GET
def detail(request: SignedIn, probe_id: str) -> HttpResponse:
    probe = get_object_or_404(probes_for(request.user), pk=probe_id)
    facts, now = facts_of_probe(probe, names_rules=may_see_rules(request.user)), timezone.now()
    context = {
        "probe": probe,
        "verdict": probe_status(facts, now),
        "stages": stages(facts, now),
        "is_over": is_over(facts, now),
    }
    return TemplateResponse(request, template(request, "receipt_rules/probes/probe.html", "probe"), context)


SAID = "Test messages to {domain} will be sent {how}, starting within the hour."


@require_POST
def choose(request: SignedIn, domain_id: str) -> HttpResponse:
    """Another customer's domain is 404, as if it didn't exist."""
    domain, form = get_object_or_404(domains_for(request.user), pk=domain_id), ProbeScheduleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose how often to send test messages: off, once a day, or once an hour.")
        return redirect("receipt_rules:domain", domain.pk)
    try:
        schedule_probes(domain=domain, pace=form.chosen, actor=request.user, seen=form.cleaned_data["seen"])
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        off = f"Turned off scheduled test messages for {domain}."
        how = "once an hour" if form.chosen == "hourly" else "once a day"
        messages.success(request, SAID.format(domain=domain, how=how) if form.chosen else off)
    return redirect("receipt_rules:domain", domain.pk)
