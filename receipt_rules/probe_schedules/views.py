"""The schedule of a domain's test messages is chosen on its Inbound tab, by one form."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from domains.domain_list.selectors import domains_for
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import SignedIn
from receipt_rules.probe_schedules.forms import ProbeScheduleForm
from receipt_rules.probe_schedules.services import schedule_probes

SAID = "Test messages to {domain} will be sent {how}, starting within the hour."


@require_POST
def choose(request: SignedIn, domain_id: str) -> HttpResponse:
    """Another customer's is 404, as if it did not exist."""
    domain, form = get_object_or_404(domains_for(request.user), pk=domain_id), ProbeScheduleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose how often to send test messages: off, once a day, or once an hour.")
        return redirect("receipt_rules:domain", domain.pk)
    try:
        schedule_probes(domain=domain, pace=form.chosen, actor=request.user)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        off = f"Turned off scheduled test messages for {domain}."
        how = "once an hour" if form.chosen == "hourly" else "once a day"
        messages.success(request, SAID.format(domain=domain, how=how) if form.chosen else off)
    return redirect("receipt_rules:domain", domain.pk)
