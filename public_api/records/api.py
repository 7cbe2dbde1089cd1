"""Published API operations on DNS records, and the parts that all responses about a domain share."""

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from pydantic import Field

from accounts.api_keys.api import call_router, reads
from domains.api import domain_of
from domains.checking.core.judgement import State
from domains.models.domains import Domain, Stage
from domains.models.record_checks import RecordCheck
from domains.records.core import Need, Record, label_of, purpose_of
from inbound_admin.lib.api.schemas import Out, given
from public_api.domains.selectors import (
    MX,
    Checks,
    Published,
    checks_of,
    has_mx,
    mail_from_word,
    receives_mail,
    records_of,
    ses_answered,
    ses_word,
    status_of,
)

SILENT = (State.VERIFIED, State.NOT_CHECKED)
MAIL_FROM_KEYS = ("mail-from-mx", "mail-from-spf")
RecordState = Literal["not_checked", "waiting", "spreading", "verified", "at_risk", "wrong", "could_not_check"]


class ReceivingBelowOut(Out):
    """`name` is "*.example.com" for the subdomain catch-all."""

    name: str
    receiving: str
    receiving_message: str


class MtaStsOut(Out):
    """The MTA-STS policy as last fetched. `problem`: why the last fetch failed."""

    effect: str = Field(description="enforced, testing, off, ignored, loses_mail, or empty while unknown")
    message: str
    mode: str
    mx: list[str]
    max_age: int | None = Field(description="In seconds")
    problem: str
    fetched_at: datetime | None = Field(description="When it was last fetched")


class DomainMain(Out):
    """A domain's own fields."""

    id: str
    domain: str
    status: Published = Field(
        description="Of its SES identity. failed: SES stopped checking. pending: neither verified nor failed, or "
        "ownership isn't proven. A verified domain can still have records to fix: see recordsStatus"
    )
    records_status: RecordState = Field(
        description="The domain's DNS records, as its page shows them: wrong is “Needs fixing”, waiting “Action needed”"
    )
    attention: str | None = Field(
        description="What is wrong or left to do, in the words of the domain list. null if nothing is"
    )
    can_receive_emails: bool
    has_mx_records: bool = Field(description="Whether it had an MX record when last found")
    send_only: bool = Field(description="Another mail service receives its mail")
    receiving: str = Field(
        description="Whether its mail is received: live, rejected, taken, copied, foreign, publish_mx, add_address, "
        "applying, not_set_up, blocked, unverified, send_only, unavailable, not_checked or could_not_tell"
    )
    receiving_message: str = Field(description="The receiving state in words, and what to do")
    receiving_below: list[ReceivingBelowOut] = Field(
        description="The receiving state of each subdomain that receives mail"
    )
    mta_sts: MtaStsOut | None = Field(description="null while the domain publishes no MTA-STS record")
    domain_provider: str | None
    provider_confidence: Literal["high"] | None
    last_dns_check: datetime | None
    last_ses_check: datetime | None
    mail_from_domain: str | None
    mail_from_domain_status: Published | None
    mail_from_domain_verified_at: datetime | None
    receive_dmarc_emails: bool = Field(description="Whether DMARC reports are sent to dmarc@ the domain")
    created_at: datetime
    updated_at: datetime
    user_id: str | None = Field(description="The owner of the domain's customer")
    tenant_id: str | None


class RecordOut(Out):
    name: str
    value: str = Field(description="For MX with its priority: “10 host”. Empty if none can be offered: see `withheld`")
    is_required: bool
    withheld: str | None = Field(None, description="Why no value is offered. The record is still required if it was")


class JudgedRecordOut(RecordOut):
    """`isVerified` is what the last successful lookup found, at `lastChecked`."""

    is_verified: bool = Field(description="Whether it was correct in the last lookup that succeeded")
    last_checked: datetime | None = Field(
        None, description="The last lookup that succeeded. null or absent if none did"
    )
    state: RecordState = Field(
        description="As the domain's page shows it. could_not_check: the latest lookup failed, which says nothing "
        "about the record"
    )
    existing: list[str] | None = Field(
        None, description="What is published and must be replaced. Adding the record beside it would be wrong"
    )


class StoredRecordOut(JudgedRecordOut):
    id: str
    domain_id: str
    record_type: str
    last_checked: datetime | None = Field(description="The last lookup that succeeded. null if none did")
    created_at: datetime


class WantedRecordOut(RecordOut):
    type: str
    description: str


class SeenRecordOut(JudgedRecordOut):
    type: str
    last_checked: datetime | None = Field(
        description="The last lookup that succeeded. If none did, when the domain was last checked"
    )
    status: Literal["verified", "pending"] = Field(description="The same as isVerified")
    error: str | None = None


class CheckedRecordOut(JudgedRecordOut):
    type: str
    priority: int | None = Field(None, description="Also a part of `value`")
    description: str
    error: str | None = None


class VerificationOut(Out):
    """`isFullyVerified` and `sesStatus` are null if unknown."""

    dns_records: list[SeenRecordOut]
    ses_status: str | None
    is_fully_verified: bool | None
    last_checked: datetime | None
    dkim_status: str | None = None
    dkim_verified: bool | None = None
    dkim_tokens: list[str] | None = None
    mail_from_domain: str | None = None
    mail_from_status: str | None = None
    mail_from_verified: bool | None = None


def main_fields(domain: Domain, checks: Checks, owner: str | None) -> dict[str, Any]:
    """Return the fields of `DomainMain`."""
    bounces = [checks[key].verified_at for key in MAIL_FROM_KEYS if key in checks]
    mail_from = domain.ses_mail_from or domain.mail_from
    mail_status = mail_from_word(mail_from, domain.mail_from_status)
    return {
        "id": domain.pk,
        "domain": domain.name,
        **_statuses(domain),
        "has_mx_records": has_mx(domain, checks.get(MX)),
        "send_only": not domain.receives,
        "mta_sts": _mta_sts(domain),
        "domain_provider": domain.provider or None,
        "provider_confidence": "high" if domain.provider else None,
        "last_dns_check": domain.last_dns_check,
        "last_ses_check": domain.last_ses_check,
        "mail_from_domain": mail_from or None,
        "mail_from_domain_status": mail_status,
        "mail_from_domain_verified_at": _latest(bounces) if mail_status == "verified" else None,
        "receive_dmarc_emails": domain.dmarc_reports_to == f"dmarc@{domain.name}",
        "created_at": domain.added_at,
        "updated_at": updated_at(domain),
        "user_id": owner,
        "tenant_id": domain.tenant_id,
    }


def _statuses(domain: Domain) -> dict[str, Any]:
    """Return the published status, and what the page says: `attention` is None if nothing is wrong or left to do."""
    shown, receiving, below = domain.shown_state, domain.receiving, domain.receiving_below
    is_red = any(each.is_red for each in (receiving, *below))
    is_well = domain.stage == Stage.READY and shown == State.VERIFIED and not is_red
    attention = None if is_well else domain.headline or None
    return {
        "status": status_of(domain),
        "records_status": shown.value,
        "attention": attention,
        "can_receive_emails": receives_mail(domain, receiving),
        "receiving": receiving.state.value,
        "receiving_message": receiving.sentence,
        "receiving_below": [
            ReceivingBelowOut(name=each.name, receiving=each.state.value, receiving_message=each.sentence)
            for each in below
        ],
    }


def _mta_sts(domain: Domain) -> MtaStsOut | None:
    if domain.mta_sts_at is None:
        return None
    check = domain.mta_sts_check
    return MtaStsOut.of(check, effect=check.effect.value, message=check.sentence, fetched_at=domain.mta_sts_at)


def updated_at(domain: Domain) -> datetime:
    """Return when anything shown in the row last changed."""
    moments = (
        domain.state_since,
        domain.last_dns_check,
        domain.last_ses_check,
        domain.verified_at,
        domain.watched_from,
    )
    return _latest([domain.added_at, *moments]) or domain.added_at


def stored_records(domain: Domain, checks: Checks) -> list[StoredRecordOut]:
    return [
        StoredRecordOut(
            id=f"{domain.pk}:{record.key}",
            domain_id=domain.pk,
            record_type=record.type,
            created_at=domain.added_at,
            **{"last_checked": None} | judged_fields(record, checks.get(record.key)),
        )
        for record in records_of(domain)
    ]


def wanted_records(domain: Domain) -> list[WantedRecordOut]:
    return [
        WantedRecordOut(
            type=record.type,
            description=description(record),
            **_record_fields(record),
        )
        for record in records_of(domain)
    ]


def _record_fields(record: Record) -> dict[str, Any]:
    """Return the fields of `RecordOut`."""
    shown = {"name": record.name, "value": record.with_priority, "is_required": record.need is Need.REQUIRED}
    return shown | given(withheld=record.withheld)


def judged_fields(record: Record, check: RecordCheck | None) -> dict[str, Any]:
    """Return the fields of `JudgedRecordOut`: a failed lookup neither adds to nor takes from what was found last."""
    known = check.known if check else None
    judged = {
        "is_verified": known is not None and known.is_correct,
        "state": State(check.state).value if check else State.NOT_CHECKED.value,
    }
    found_last = given(last_checked=known.at, existing=list(known.existing) or None) if known else {}
    return _record_fields(record) | judged | found_last


def checked_records(domain: Domain, checks: Checks) -> list[CheckedRecordOut]:
    return [
        CheckedRecordOut(
            type=record.type,
            description=description(record),
            **judged_fields(record, check),
            **given(priority=record.priority, error=error_of(check)),
        )
        for record in records_of(domain)
        for check in [checks.get(record.key)]
    ]


def seen_records(domain: Domain, checks: Checks) -> list[SeenRecordOut]:
    return [
        SeenRecordOut(
            type=record.type,
            status="verified" if fields["is_verified"] else "pending",
            **{"last_checked": domain.last_dns_check} | fields,
            **given(error=error_of(checks.get(record.key))),
        )
        for record in records_of(domain)
        for fields in [judged_fields(record, checks.get(record.key))]
    ]


def verification_of(domain: Domain, checks: Checks) -> VerificationOut:
    """Return the latest check. Without a response from SES, its status is unknown."""
    answered = ses_answered(domain)
    unclear = not answered or domain.state in (State.COULD_NOT_CHECK, State.NOT_CHECKED)
    return VerificationOut(
        dns_records=seen_records(domain, checks),
        ses_status=ses_word(domain.identity_status) if answered else None,
        is_fully_verified=None if unclear else domain.state == State.VERIFIED,
        last_checked=domain.last_dns_check,
        **(_ses_details(domain) if answered else {}),
    )


def _ses_details(domain: Domain) -> dict[str, Any]:
    dkim, mail_from = ses_word(domain.dkim_status), ses_word(domain.mail_from_status) if domain.ses_mail_from else None
    return given(
        dkim_status=dkim,
        dkim_verified=dkim == "Success",
        dkim_tokens=list(domain.dkim_tokens),
        mail_from_domain=domain.ses_mail_from,
        mail_from_status=mail_from,
        mail_from_verified=mail_from == "Success",
    )


def description(record: Record) -> str:
    last = " Publish it last, when an address is ready. Until then SES would reject the mail."
    return f"{label_of(record)}. {purpose_of(record)}{last if record.need is Need.LATER else ''}"


def error_of(check: RecordCheck | None) -> str:
    """Return the problem of a record in the page's words, including a failed check, or ""."""
    return "" if check is None or check.state in SILENT else check.reason


def _latest(moments: list[datetime | None]) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)


router = call_router("Domains", lenient=True)


class RecordsOut(Out):
    domain_id: str
    domain: str
    records: list[StoredRecordOut]


@router.get("/v2/domains/{domain_id}/dns-records", **reads(RecordsOut), summary="List the DNS records of a domain")
def list_dns_records(request: HttpRequest, domain_id: str) -> RecordsOut:
    """Return the records to publish and whether each is verified, from stored data, without a DNS check.

    Until ownership is proven, this is only the ownership record.
    """
    domain = domain_of(request, domain_id)
    checks = checks_of([domain])[domain.pk]
    return RecordsOut(domain_id=domain.pk, domain=domain.name, records=stored_records(domain, checks))
