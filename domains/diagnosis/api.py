"""API operation that diagnoses a domain, with the content of the page and of `manage.py diagnose --json`."""

from datetime import datetime

from django.http import HttpRequest
from django.utils import timezone
from pydantic import Field

from accounts.api_keys.api import call_router, reads
from domains.diagnosis.core.findings import LinkState, Severity, as_json, as_reply
from domains.diagnosis.services import diagnose
from domains.domain_list.api import domain_of
from inbound_admin.lib.api.schemas import Out

router = call_router("Domains")


class DiagnosisLinkOut(Out):
    """One step from the DNS host to SES. Steps after the first broken one are unknown."""

    key: str
    title: str
    state: LinkState
    sentence: str


class DiagnosisLaneOut(Out):
    """What one party answers: your DNS host, public resolvers, or SES."""

    key: str
    title: str
    state: LinkState
    lines: list[str]


class DiagnosisFindingOut(Out):
    code: str = Field(description="Permanent. /domains/codes/ explains each code")
    title: str
    record_key: str
    verdict: str
    looked_for: str
    found: list[str]
    difference: str
    why: str
    steps: list[str]
    then: str
    severity: Severity
    stops: bool
    blocks: list[str]
    mistake: str
    data: dict[str, str]
    link: str
    more: str


class WhoSaysOut(Out):
    who: str
    says: str


class DiagnosisRecordOut(Out):
    """`finding` is the code of its first problem."""

    key: str
    title: str
    need: str
    type: str
    name: str
    value: str
    priority: int | None
    is_right: bool
    is_known: bool = Field(description="False: unknown, because a lookup failed")
    found: list[str]
    servers: list[WhoSaysOut]
    finding: str | None


class DiagnosisOut(Out):
    """`finding` is the first problem, `further` the others. By `visibleBy`, old answers have left all caches."""

    domain_id: str
    domain: str
    is_right: bool
    looked_at: datetime
    visible_by: datetime | None
    provider: str
    nameservers: list[str]
    serials: dict[str, str]
    links: list[DiagnosisLinkOut]
    lanes: list[DiagnosisLaneOut]
    finding: DiagnosisFindingOut | None
    further: list[DiagnosisFindingOut]
    records: list[DiagnosisRecordOut]
    reply: str = Field(description="The reply to the customer as plain text")
    transcript: list[str] = Field(description="Every DNS query and its answer")
    asked: int


@router.get(
    "/v2/domains/{domain_id}/diagnosis",
    **reads(DiagnosisOut),
    summary="Diagnose a domain",
)
def get_diagnosis(request: HttpRequest, domain_id: str) -> DiagnosisOut:
    """Look up the domain's DNS now, and return why it isn't verified and how to fix it.

    At most 60 queries in 10 seconds. A result that is a few seconds old is returned again. `finding` is the first
    problem, `records` the state of each record, `reply` a text for the customer. A failed lookup is reported as
    unknown, never as missing. 429 `TOO_MANY_AT_ONCE` if too many such calls run.
    """
    domain = domain_of(request, domain_id)
    found = diagnose(domain, now=timezone.now())
    return DiagnosisOut.model_validate({**as_json(found), "domain_id": domain.pk, "reply": as_reply(found)})
