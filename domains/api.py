"""Operations of the API about one domain: its diagnosis, DNS history, exports and the email once it is verified."""

from datetime import datetime
from typing import Annotated, Literal

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from domains.announcements import services as announcements_services
from domains.diagnosis.core.findings import LinkState, Severity, as_json, as_reply
from domains.diagnosis.services import diagnose
from domains.domain_list import selectors as domain_list_selectors
from domains.exports.core.formats import FORMATS, export, format_named
from domains.exports.core.values import replaced
from domains.history.selectors import answer_fields, answers_of
from domains.models.domains import Domain
from domains.records.selectors import records_page
from inbound_admin.lib.api.schemas import In, Out, Page, Paged, QueryIn, Text, page_of
from inbound_admin.lib.api.validation import require_choice

# Finds the domain of an API request that the caller may see.


def domain_of(request: HttpRequest, domain_id: str) -> Domain:
    """Return the domain, or raise 404 if the caller may not see it."""
    return get_object_or_404(domain_list_selectors.domains_for(caller(request)), pk=domain_id)


# API operation that diagnoses a domain, with the content of the page and of `manage.py diagnose --json`.


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


# API operation that lists the DNS answers of a domain over time.


RECORD_TYPES = ("A", "AAAA", "CNAME", "DS", "MX", "NS", "SOA", "TXT")


class AnswerOut(Out):
    """One answer, from `since` to `until` (null: it is still the answer), last seen at `lastSeen`."""

    name: str
    type: str
    answered_by: str
    answer: str
    values: list[str]
    ttl: int | None
    zone_serial: int | None
    since: datetime
    last_seen: datetime | None
    until: datetime | None


class AnswerFilters(Paged):
    name: Text | None = Field(None, description="The full name that was queried")
    type: Text | None = Field(None, description="The record type, such as MX")


@router.get("/v2/domains/{domain_id}/dns-history", **reads(Page[AnswerOut]), summary="List DNS answers over time")
def list_dns_history(request: HttpRequest, domain_id: str, query: Annotated[AnswerFilters, Query()]) -> Page[AnswerOut]:
    """Return what DNS answered for the domain's records, and from when to when, newest first.

    A failed lookup is no answer and isn't listed. 400 for an unknown record type.
    """
    domain, kind = domain_of(request, domain_id), (query.type or "").upper()
    require_choice(kind, RECORD_TYPES, "type", occurring=answers_of(domain, kind=kind))
    found = answers_of(domain, name=query.name or "", kind=kind)
    rows, pagination = page_of(found, query)
    return Page[AnswerOut](data=[AnswerOut(**answer_fields(row, domain)) for row in rows], pagination=pagination)


# API operations that export a domain's records in the formats of DNS tools.


class FormatOut(Out):
    key: str
    title: str
    content_type: str
    hint: str = Field(description="What happens to existing records")


class FormatsOut(Out):
    data: list[FormatOut]


class ReplacedOut(Out):
    type: str
    name: str
    values: list[str]


class WithheldOut(Out):
    type: str
    name: str
    reason: str


class ExportOut(Out):
    """`text` is the file. We parse it again before returning it, so it has exactly these records."""

    domain_id: str
    format: FormatOut
    file_name: str
    text: str
    command: str = Field(description="The command that applies the file, if there is one")
    existing: list[ReplacedOut] = Field(
        description="What is published now and must be replaced. The file only adds records, and a second one beside "
        "it would be wrong: two SPF records make both invalid. Files that can have comments say so too"
    )
    withheld: list[WithheldOut] = Field(description="Records that aren't in the file, because no value can be offered")
    unchecked: int = Field(description="How many records couldn't be checked; they may be published already")


class WhichQuery(QueryIn):
    which: Literal["all", "missing"] = Field("all", description="All records, or only those that aren't correct yet")


@router.get("/v2/domains/{domain_id}/exports", **reads(FormatsOut), summary="List export formats")
def list_exports(request: HttpRequest, domain_id: str) -> FormatsOut:
    """Return the formats in which the domain's records can be exported.

    Use `key` as `format_key` of the export.
    """
    domain_of(request, domain_id)
    return FormatsOut(data=[FormatOut.of(kind) for kind in FORMATS])


@router.get(
    "/v2/domains/{domain_id}/exports/{format_key}", **reads(ExportOut), summary="Export the DNS records of a domain"
)
def get_export(
    request: HttpRequest, domain_id: str, format_key: str, query: Annotated[WhichQuery, Query()]
) -> ExportOut:
    """Return the records as a file of a DNS tool: a zone file, Terraform, a script and others.

    `which=missing` leaves out records that were published in the last lookup that succeeded. `existing` says which
    records the file's must replace, `withheld` which are missing in it. Until ownership is proven, the file has only
    the ownership record. 404 for an unknown format, with those that exist.
    """
    domain = domain_of(request, domain_id)
    kind = format_named(format_key)
    if kind is None:
        keys = ", ".join(each.key for each in FORMATS)
        raise Http404(f"No such export format. Choose from: {keys}.")
    page = records_page(domain, can_check_in=0, only_todo=query.which == "missing")
    done = export(page.entries, kind, domain.hosted.zone, page.withheld, cause=page.cause_sentence)
    return ExportOut(
        domain_id=domain.pk,
        format=FormatOut.of(kind),
        file_name=done.file_name,
        text=done.text,
        command=done.command,
        existing=[ReplacedOut(type=e.type, name=e.name, values=list(e.values)) for e in replaced(page.entries)],
        withheld=[WithheldOut(type=each.type, name=each.name, reason=each.withheld) for each in page.withheld],
        unchecked=sum(row.is_unchecked for row in page.rows),
    )


# Whether the owner of the API key is notified when a domain is verified.


class VerifiedNoticeOut(Out):
    domain_id: str
    tell_when_verified: bool = Field(description="Whether the owner of the API key is notified")
    told_at: datetime | None


class VerifiedNoticeWanted(In):
    tell_when_verified: bool


@router.get(
    "/v2/domains/{domain_id}/verified-notice", **reads(VerifiedNoticeOut), summary="Get the verification notice"
)
def get_verified_notice(request: HttpRequest, domain_id: str) -> VerifiedNoticeOut:
    """Return whether you are notified once when this domain is verified.

    It applies to the person who owns the API key.
    """
    return _out(request, domain_of(request, domain_id))


@router.put(
    "/v2/domains/{domain_id}/verified-notice",
    **writes(VerifiedNoticeOut),
    summary="Turn the verification notice on or off",
)
def set_verified_notice(request: HttpRequest, domain_id: str, asked: VerifiedNoticeWanted) -> VerifiedNoticeOut:
    """Choose whether you are notified once when this domain is verified.

    By email, and by your own webhooks as `alert.raised`. 422 `VERIFIED_ALREADY` if the domain is verified.
    """
    domain = domain_of(request, domain_id)
    announcements_services.set_notice(domain=domain, person=caller(request), wanted=asked.tell_when_verified)
    return _out(request, domain)


def _out(request: HttpRequest, domain: Domain) -> VerifiedNoticeOut:
    found = announcements_services.notice_choice(caller(request), domain)
    return VerifiedNoticeOut(domain_id=domain.pk, tell_when_verified=found.is_on, told_at=found.told_at)
