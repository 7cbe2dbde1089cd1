"""API operations on a domain's scheduled test messages."""

from datetime import datetime
from typing import Literal, cast

from django.http import HttpRequest
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from domains.domain_list.api import domain_of
from domains.models.domains import Domain
from inbound_admin.lib.api.schemas import In, Out
from receipt_rules.probes.core import OFF, ProbePace
from receipt_rules.probes.selectors import schedule_of
from receipt_rules.probes.services import schedule_probes

router = call_router("Domains")

PaceName = Literal["off", "daily", "hourly"]
VerdictName = Literal["", "waiting", "arrived", "missing", "could_not_tell"]


class ProbeScheduleOut(Out):
    domain_id: str
    schedule: PaceName
    next_at: datetime | None = Field(description="When the next message is sent")
    last_recipient: str | None
    last_asked_at: datetime | None
    last_verdict: VerdictName = Field(description="Empty until the first message is sent")
    message: str = Field(description="Why it is missing, with the stage where it stopped, or why we can't tell")


class ProbeScheduleIn(In):
    schedule: PaceName


@router.get(
    "/v2/domains/{domain_id}/test-messages", **reads(ProbeScheduleOut), summary="Get the schedule of test messages"
)
def get_probe_schedule(request: HttpRequest, domain_id: str) -> ProbeScheduleOut:
    """Return how often a test message is sent to the domain, and whether the last one arrived."""
    return _schedule(domain_of(request, domain_id))


@router.put("/v2/domains/{domain_id}/test-messages", **writes(ProbeScheduleOut), summary="Schedule test messages")
def set_probe_schedule(request: HttpRequest, domain_id: str, asked: ProbeScheduleIn) -> ProbeScheduleOut:
    """Send a test message to the domain every day or hour, or never.

    The first one is sent within the hour. 400 `DOMAIN_NOT_VERIFIED` or `SEND_ONLY` while the domain can't receive
    mail.
    """
    domain = domain_of(request, domain_id)
    pace = None if asked.schedule == OFF else ProbePace(asked.schedule)
    schedule_probes(domain=domain, pace=pace, actor=caller(request))
    return _schedule(domain)


def _schedule(domain: Domain) -> ProbeScheduleOut:
    found = schedule_of(domain)
    probe = found.last_probe if found else None
    return ProbeScheduleOut(
        domain_id=domain.pk,
        schedule=cast("PaceName", found.pace if found else OFF),
        next_at=found.next_at if found else None,
        last_recipient=probe.recipient if probe else None,
        last_asked_at=probe.asked_at if probe else None,
        last_verdict=cast("VerdictName", found.verdict if found else ""),
        message=found.sentence if found else "",
    )
