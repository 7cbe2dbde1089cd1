"""Published API operations on authentication of a domain: identity, DKIM, MAIL FROM."""

import re
from datetime import datetime
from functools import reduce
from typing import Literal

from django.http import HttpRequest
from ninja import Status
from pydantic import Field

from accounts.api_keys.api import call_router, caller, writes
from accounts.models.people import User
from domains.api import domain_of
from domains.checking import services as checking_services
from domains.models.domains import Domain, Stage
from domains.records.core import Need
from domains.records.selectors import RecordRow, records_page
from domains.settings import services as settings_services
from inbound_admin.lib.api.schemas import LenientIn, Out, Text, given
from inbound_admin.lib.errors import Malformed, aws_sentence
from public_api.domains.selectors import Published, checks_of, is_authenticated, ses_word, status_of
from public_api.domains.services import pending_message, records_message, require_ses, usual_mail_from
from public_api.records.api import CheckedRecordOut, checked_records

router = call_router("Domains", lenient=True)
VERIFIED = "Success"


class AuthAsked(LenientIn):
    mail_from_domain: Text | None = Field(None, description="A label in front of the domain, or the full name")
    generate_spf: bool | None = None
    generate_dmarc: bool | None = None


class AuthBegunOut(Out):
    success: Literal[True] = True
    domain: str
    ses_identity_status: str | None
    dkim_enabled: bool
    dkim_tokens: list[str]
    mail_from_domain: str | None
    mail_from_status: str | None
    records: list[CheckedRecordOut]
    message: str


class AuthSesOut(Out):
    identity_status: str | None
    identity_verified: bool
    dkim_status: str | None
    dkim_verified: bool
    dkim_tokens: list[str]
    mail_from_domain: str | None = None
    mail_from_status: str | None
    mail_from_verified: bool


class AuthSummaryOut(Out):
    total_records: int
    verified_records: int
    required_records: int
    verified_required_records: int


class AuthVerifiedOut(Out):
    success: Literal[True] = True
    domain: str
    overall_status: Published = Field(
        description="verified: SES has verified the domain, and each required record except the inbound MX was correct "
        "in the last lookup that succeeded. failed: SES stopped checking"
    )
    dns_records: list[CheckedRecordOut]
    ses_status: AuthSesOut
    summary: AuthSummaryOut
    message: str
    next_steps: list[str] = Field(
        description="For each required record that isn't correct or couldn't be checked, what the domain's page says; "
        "then what is wrong with receiving, and whether SES stopped checking. If there is nothing to do yet, what the "
        "domain waits for. Empty if nothing is left to do and SES has verified the domain"
    )
    last_checked: datetime | None


@router.post(
    "/v2/domains/{domain_id}/auth", **writes(AuthBegunOut, status=201), summary="Set up authentication of a domain"
)
def begin_auth(request: HttpRequest, domain_id: str, asked: AuthAsked | None = None) -> Status[AuthBegunOut]:
    """Create the SES identity with DKIM and the MAIL FROM domain, and return the records to publish.

    Waits for SES for up to API_WAIT_SECONDS; `message` says what is still pending. If SES stopped checking, the call
    restarts verification. Otherwise repeating it with the same members changes nothing. Without `mailFromDomain` the
    present name is kept, or the usual one set. Another `mailFromDomain` replaces the present one at once: MAIL FROM is
    then pending until its new records are found. `PATCH /v2/domains/{id}` refuses that.
    """
    wanted = asked or AuthAsked.model_validate({})
    domain = domain_of(request, domain_id)
    domain = settings_services.change_and_wait(
        domain=domain,
        mail_from=usual_mail_from(domain) if wanted.mail_from_domain is None else wanted.mail_from_domain,
        spf=wanted.generate_spf,
        dmarc=wanted.generate_dmarc,
        actor=caller(request),
    )
    answer = AuthBegunOut(
        success=True,
        domain=domain.name,
        ses_identity_status=ses_word(domain.identity_status),
        dkim_enabled=domain.ses_dkim_signing and bool(domain.dkim_tokens),
        dkim_tokens=list(domain.dkim_tokens),
        mail_from_domain=domain.mail_from or None,
        mail_from_status=ses_word(domain.mail_from_status) if domain.mail_from else None,
        records=checked_records(domain, checks_of([domain])[domain.pk]),
        message=pending_message(domain, to=caller(request)) or records_message(domain),
    )
    return Status(201, answer)


@router.patch(
    "/v2/domains/{domain_id}/auth", **writes(AuthVerifiedOut), summary="Verify the authentication of a domain"
)
def verify_auth(request: HttpRequest, domain_id: str) -> AuthVerifiedOut:
    """Check DNS and SES now, and return each record with its problem and the next steps.

    A record whose lookup fails has the `state` could_not_check and keeps its last result, from `lastChecked`.
    429 if the domain was checked a few seconds ago. 400 `AUTH_NOT_BEGUN` while SES is still creating the identity.
    503, never a status, if SES isn't responding.
    """
    domain = domain_of(request, domain_id)
    if domain.stage == Stage.STARTING:
        raise Malformed(f"{domain} is still being created in SES. Try again in a moment.", code="AUTH_NOT_BEGUN")
    sentence = checking_services.check_now(domain=domain)
    domain = domain_of(request, domain_id)
    require_ses(domain)
    checks = checks_of([domain])[domain.pk]
    records, status = checked_records(domain, checks), status_of(domain)
    return AuthVerifiedOut(
        success=True,
        domain=domain.name,
        overall_status="pending" if status == "verified" and not is_authenticated(domain, checks) else status,
        dns_records=records,
        ses_status=_ses(domain),
        summary=_summary(records),
        message=sentence,
        next_steps=_steps(domain, status, caller(request)),
        last_checked=domain.last_dns_check,
    )


def _steps(domain: Domain, status: Published, user: User) -> list[str]:
    found = next_steps(domain)
    return found if found and domain.stage != Stage.STARTING else [*found, *_waiting(domain, status, user)]


def _waiting(domain: Domain, status: Published, user: User) -> list[str]:
    """Return what an unfinished domain waits for: a client that reads no next step stops asking."""
    if status == "verified":
        return []
    if domain.stage == Stage.READY:
        return [f"Amazon SES hasn't verified {domain} yet. Leave the records unchanged, and repeat this call later."]
    problem = aws_sentence(domain.stage_problem, to=user, retried=True)
    if domain.stage == Stage.STARTING:
        setup = f"{domain} is being set up in Amazon SES."
        return [" ".join(filter(None, (setup, problem, "Repeat this call in a moment to get the records to publish.")))]
    return [problem or f"{domain} isn't set up. Repeat this call in a moment."]


def _ses(domain: Domain) -> AuthSesOut:
    identity, dkim = ses_word(domain.identity_status), ses_word(domain.dkim_status)
    mail_from = ses_word(domain.mail_from_status) if domain.ses_mail_from else None
    return AuthSesOut(
        identity_status=identity,
        identity_verified=identity == VERIFIED,
        dkim_status=dkim,
        dkim_verified=dkim == VERIFIED,
        dkim_tokens=list(domain.dkim_tokens),
        mail_from_status=mail_from,
        mail_from_verified=mail_from == VERIFIED,
        **given(mail_from_domain=domain.ses_mail_from),
    )


def _summary(records: list[CheckedRecordOut]) -> AuthSummaryOut:
    required = [record for record in records if record.is_required]
    return AuthSummaryOut(
        total_records=len(records),
        verified_records=sum(record.is_verified for record in records),
        required_records=len(required),
        verified_required_records=sum(record.is_verified for record in required),
    )


# What is left to do about a domain's records, as sentences: what its page says.


PLAIN_CODES = ("", "dns.absent", "dns.not_checked", "dns.change.nameservers")  # the record is just to be published


def next_steps(domain: Domain) -> list[str]:
    """Return what to do about the zone or each required record that isn't correct, as its page says, then about SES."""
    if domain.is_held_by_another:
        return [domain.stage_problem]
    page = records_page(domain, can_check_in=0)
    steps = [_step(row) for row in page.rows if row.record.need is Need.REQUIRED and not row.is_done]
    if page.cause:
        steps = [page.cause.sentence, *(steps if page.cause.asks_to_publish else ())]
    if domain.stage != Stage.READY:
        return steps
    steps += [each.sentence for each in (domain.receiving, *domain.receiving_below) if each.is_red]
    if domain.ses_stopped_checking:
        why = domain.ses_problem if domain.is_gone else "Amazon SES stopped checking."
        steps.append(f"{why} When the records are correct, restart with POST /api/v2/domains/{domain.pk}/auth.")
    return steps


def _step(row: RecordRow) -> str:
    """Only a record that is missing is to be published. Any other has a reason, which says what to do."""
    record = row.record
    named = f"{record.type} {record.name}"
    is_plain = not row.is_unchecked and row.finding is None and row.code in PLAIN_CODES
    if is_plain and record.value:
        return f"Publish {named} with the value {record.with_priority}."
    value = record.withheld if not record.value else "" if _is_told(row) else f"The value is {record.with_priority}."
    return " ".join(filter(None, (f"{named}:", row.reason, value)))


def _is_told(row: RecordRow) -> bool:
    """Return whether the reason says the value, in any form: a second one would contradict the advice.

    What it says was found doesn't count, since a damaged value can contain the right one.
    """
    found = (*row.found, *(row.finding.found if row.finding else ()))
    advice = reduce(lambda text, value: text.replace(value, " "), filter(None, found), row.reason)
    return re.search(rf"(?<![\w=+/-]){re.escape(row.record.value)}(?![\w=+/-])", advice) is not None
