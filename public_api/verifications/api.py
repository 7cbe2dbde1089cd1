"""The two oldest families: add, check, read and delete a domain by its name."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from django.conf import settings
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from pydantic import Field

from accounts.api_keys.api import call_router, caller, chosen_customer, writes
from accounts.models.people import User
from accounts.people.selectors import first_owners, supports_everyone
from domains.checking import services as checking_services
from domains.domain_list import selectors as domain_list_selectors
from domains.models.domains import Domain, Stage
from domains.names.core import parse_existing_domain
from domains.preflight import services as preflight_services
from domains.settings import services as settings_services
from inbound_admin.lib.api.schemas import LenientIn, Out, Text, given
from inbound_admin.lib.errors import Malformed
from operations.domain_removal import services as domain_removal_services
from public_api.addresses.api import AddressOut, rows
from public_api.domain_removal.api import said
from public_api.domains import services as domains_services
from public_api.domains.selectors import (
    Published,
    checks_of,
    find_addresses,
    mail_from_word,
    receiving_of,
    records_of,
    ses_word,
    status_of,
)
from public_api.records.api import DomainMain, JudgedRecordOut, description, error_of, judged_fields, main_fields
from receipt_rules.live.selectors import applied_when
from receipt_rules.models.addresses import Address
from receipt_rules.received_mail.selectors import received_counts, received_last_day

router = call_router("Older", lenient=True)
MOST_ADDRESSES = 100


class RecordSeenOut(JudgedRecordOut):
    type: str
    description: str | None = None
    actual_values: list[str] | None = None
    error: str | None = None


class VerifyDomainAsked(LenientIn):
    domain: Text
    domain_id: Text | None = None


class VerifyDomainOut(Out):
    domain: str
    domain_id: str
    verification_token: str
    status: Published
    ses_status: str | None
    mail_from_domain: str | None
    mail_from_domain_status: Published | None
    dns_records: list[RecordSeenOut]
    can_proceed: bool
    error: str | None = None
    timestamp: datetime


class ConfigureAsked(LenientIn):
    domain: Text
    email_addresses: list[Text] = Field(min_length=1, max_length=MOST_ADDRESSES)


class ConfiguredOut(AddressOut):
    is_configured: bool
    rule_name: str | None
    is_new: bool


class RuleOut(Out):
    name: str | None
    status: Literal["active", "pending"]


class ConfigureOut(Out):
    domain: str
    email_addresses: list[ConfiguredOut]
    receipt_rule: RuleOut
    lambda_function: str | None = Field(description="Only for staff")
    s3_bucket: str | None = Field(description="Only for staff")
    message: str
    timestamp: datetime


class NamedDomain(DomainMain):
    verification_token: str
    can_proceed: bool


class NamedAddress(AddressOut):
    emails_last_24h: int = Field(alias="emailsLast24h", description="As reported by the delivery function")


class Provider(Out):
    name: str
    confidence: Literal["high"]


class Conflicting(Out):
    type: str
    name: str
    value: str


class AddressCounts(Out):
    total_email_addresses: int
    active_email_addresses: int
    configured_email_addresses: int
    total_emails_last_24h: int = Field(alias="totalEmailsLast24h", description="Messages for the domain, as reported")


class ActionAsked(LenientIn):
    action: Literal["canDomainBeUsed", "addDomain", "verifyDomain", "checkVerification", "getDomain", "deleteDomain"]
    domain: Text
    domain_id: Text | None = None
    refresh_provider: bool = False
    customer_id: Text | None = None


class ActionOut(Out):
    """The members depend on the action. A failure is never a 200."""

    success: Literal[True] = True
    domain: NamedDomain | str
    timestamp: datetime
    error: str | None = None
    can_be_used: bool | None = None
    can_receive_emails: bool | None = None
    has_mx_records: bool | None = None
    has_conflicting_records: bool | None = None
    conflicting_records: list[Conflicting] | None = None
    provider: Provider | None = None
    domain_id: str | None = None
    verification_token: str | None = None
    status: Published | None = None
    ses_status: str | None = None
    dns_records: list[RecordSeenOut] | None = None
    can_proceed: bool | None = None
    ses_verified: bool | None = None
    dns_verified: bool | None = Field(
        None, description="Whether each required record was correct in the last lookup that succeeded"
    )
    all_verified: bool | None = None
    email_addresses: list[NamedAddress] | None = Field(None, description="The first 100")
    stats: AddressCounts | None = None
    message: str | None = None


@router.post("/inbound/verify-domain", **writes(VerifyDomainOut), summary="Start verification of a domain")
def verify_domain(request: HttpRequest, asked: VerifyDomainAsked) -> VerifyDomainOut:
    """Start or continue the verification of a domain in your list, and return the records to publish.

    Waits for up to API_WAIT_SECONDS; `error` says what is pending. 404 if you don't have it, 400 `OTHER_DOMAIN`.
    """
    domain = _begun(_requested_domain(caller(request), asked), caller(request))
    mail_from = domain.ses_mail_from or domain.mail_from
    return VerifyDomainOut(
        **_shared(domain),
        domain=domain.name,
        mail_from_domain=mail_from or None,
        mail_from_domain_status=mail_from_word(mail_from, domain.mail_from_status),
        dns_records=_seen(domain, described=True),
        timestamp=timezone.now(),
        **given(error=_pending(domain, caller(request))),
    )


@router.post("/inbound/configure-email", **writes(ConfigureOut), summary="Add addresses to a domain")
def configure_email(request: HttpRequest, asked: ConfigureAsked) -> ConfigureOut:
    """Add or turn on up to 100 addresses of a verified domain, and return them with their receipt rule.

    400 `DOMAIN_NOT_VERIFIED`, or `MALFORMED` with the invalid ones in `details.invalidEmails`; none is added then.
    """
    user = caller(request)
    domain = _named(user, asked.domain)
    own = find_addresses(viewer=user, domain_id=domain.pk)
    before = set(own.values_list("pk", flat=True))
    made = domains_services.activate_addresses(domain=domain, addresses=asked.email_addresses, actor=user)
    answers = rows(list(own.filter(pk__in=[each.pk for each in made])))
    is_live = all(each.is_receipt_rule_configured for each in answers)
    staff = supports_everyone(user)
    return ConfigureOut(
        domain=domain.name,
        email_addresses=[
            ConfiguredOut(
                **each.model_dump(exclude_unset=True),
                is_configured=each.is_receipt_rule_configured,
                rule_name=each.receipt_rule_name,
                is_new=each.id not in before,
            )
            for each in answers
        ],
        receipt_rule=RuleOut(
            name=next((each.receipt_rule_name for each in answers if each.receipt_rule_name), None),
            status="active" if is_live else "pending",
        ),
        lambda_function=settings.RECEIVING_FUNCTION if staff else None,
        s3_bucket=settings.RECEIVING_BUCKET if staff else None,
        message="The addresses receive mail." if is_live else f"Addresses added. {applied_when(domain.customer)}",
        timestamp=timezone.now(),
    )


@router.post("/domain/verifications", **writes(ActionOut, proven=True), summary="Act on a domain by name")
def act_on_domain(request: HttpRequest, asked: ActionAsked) -> ActionOut:
    """Check, add, verify, read or delete a domain, as `action` says. The members of the answer depend on it.

    `canDomainBeUsed` looks up DNS and adds nothing. `checkVerification` checks now: 429 if it was checked a few
    seconds ago. A record whose lookup fails keeps its last result, and `error` says so. 404 if you have no such domain.
    503, never a status, if SES isn't responding, and for `canDomainBeUsed` also if DNS isn't.
    """
    answer = ACTIONS[asked.action](caller(request), asked)
    return ActionOut(**{"success": True, "domain": asked.domain, "timestamp": timezone.now(), **answer})


def _can_be_used(user: User, asked: ActionAsked) -> dict[str, Any]:
    found = preflight_services.check_usability(text=asked.domain, customer=chosen_customer(user, asked.customer_id))
    conflicts = [Conflicting(type=kind, name=found.name.ascii, value=value) for kind, value in found.conflicts]
    return {
        "domain": found.name.ascii,
        "can_be_used": found.can_be_used,
        "can_receive_emails": found.can_receive,
        "has_mx_records": bool(found.mx),
        "has_conflicting_records": bool(conflicts),
        "conflicting_records": conflicts,
        "provider": Provider(name=found.provider, confidence="high") if found.provider else None,
        **given(error=found.refused),
    }


def _add(user: User, asked: ActionAsked) -> dict[str, Any]:
    customer = chosen_customer(user, asked.customer_id)
    domain = settings_services.wait_until_applied(
        preflight_services.add(text=asked.domain, customer=customer, actor=user)
    )
    return _domain_members(domain) | given(error=_pending(domain, user))


def _verify(user: User, asked: ActionAsked) -> dict[str, Any]:
    domain = _begun(_requested_domain(user, asked), user)
    return _domain_members(domain) | given(error=_pending(domain, user))


def _check(user: User, asked: ActionAsked) -> dict[str, Any]:
    """Check now, at most every few seconds (429). Returns 503 if SES isn't responding."""
    domain = _requested_domain(user, asked)
    checking_services.check_now(domain=domain)
    domain = _requested_domain(user, asked)
    domains_services.require_ses(domain)
    seen = _seen(domain, actual=True)
    required = [each.is_verified for each in seen if each.is_required]
    dns = bool(required) and all(required)
    ses = ses_word(domain.identity_status) == "Success"
    told = {"ses_verified": ses, "dns_verified": dns, "all_verified": ses and dns, "dns_records": seen}
    return _domain_members(domain) | told | given(error=_pending(domain, user) or _unchecked(seen))


def _unchecked(seen: list[RecordSeenOut]) -> str:
    count = sum(each.is_required and each.state == "could_not_check" for each in seen)
    records = "1 required record" if count == 1 else f"{count} required records"
    return f"We couldn't check {records}. The last successful lookup decides." if count else ""


def _get(user: User, asked: ActionAsked) -> dict[str, Any]:
    domain = _requested_domain(user, asked)
    checks, receiving = checks_of([domain])[domain.pk], receiving_of([domain])[domain.pk]
    owner = first_owners([domain.customer_id]).get(domain.customer_id)
    addresses = find_addresses(viewer=user, domain_id=domain.pk)[:MOST_ADDRESSES]
    return {
        "domain": NamedDomain(
            **main_fields(domain, checks, owner),
            verification_token=domain.verification_token,
            can_proceed=domain.stage == Stage.READY,
        ),
        "dns_records": _seen(domain),
        "email_addresses": _named_addresses(domain, list(addresses)),
        "stats": AddressCounts(
            total_email_addresses=receiving.addresses,
            active_email_addresses=receiving.active,
            configured_email_addresses=receiving.configured,
            totalEmailsLast24h=received_counts(domain.pk, customer_id=domain.customer_id, now=timezone.now())[0],
        ),
    }


def _named_addresses(domain: Domain, found: list[Address]) -> list[NamedAddress]:
    asked = [each.address for each in found]
    lately = received_last_day(asked, customer_id=domain.customer_id, now=timezone.now())
    return [
        NamedAddress(**row.model_dump(exclude_unset=True) | {"emails_last_24h": lately.get(row.address, 0)})
        for row in rows(found)
    ]


def _delete(user: User, asked: ActionAsked) -> dict[str, Any]:
    domain = _requested_domain(user, asked)
    done = domain_removal_services.request_removal(domain=domain, typed_name=domain.name, actor=user)
    return {"domain": domain.name, "domain_id": domain.pk, "message": said(domain, done)}


ACTIONS: dict[str, Callable[[User, ActionAsked], dict[str, Any]]] = {
    "canDomainBeUsed": _can_be_used,
    "addDomain": _add,
    "verifyDomain": _verify,
    "checkVerification": _check,
    "getDomain": _get,
    "deleteDomain": _delete,
}


def _named(user: User, text: str) -> Domain:
    """Return the caller's domain of this name, preferably the one that isn't only a claim.

    Raises Http404, or Malformed (DOMAIN_UNCLEAR) if several customers of the caller only claim it.
    """
    found = list(domain_list_selectors.domains_for(user).filter(name=parse_existing_domain(text)))
    held = [domain for domain in found if domain.stage != Stage.CLAIM]
    if not found:
        raise Http404("You have no domain with this name.")
    if not held and len(found) > 1:
        raise Malformed("Several customers claim this domain. Use the calls that take its ID.", code="DOMAIN_UNCLEAR")
    return (held or found)[0]


def _requested_domain(user: User, asked: ActionAsked | VerifyDomainAsked) -> Domain:
    """Return the domain by ID, which must match the name, or by name. Raises Http404, or Malformed (OTHER_DOMAIN)."""
    if not asked.domain_id:
        domain = _named(user, asked.domain)
    else:
        domain = get_object_or_404(domain_list_selectors.domains_for(user), pk=asked.domain_id)
        if domain.name != parse_existing_domain(asked.domain):
            raise Malformed("domainId and domain name different domains.", code="OTHER_DOMAIN")
    if isinstance(asked, ActionAsked) and asked.refresh_provider:
        preflight_services.refresh_provider(domain)
    return domain


def _begun(domain: Domain, user: User) -> Domain:
    return settings_services.change_and_wait(domain=domain, mail_from=None, spf=None, dmarc=None, actor=user)


def _domain_members(domain: Domain) -> dict[str, Any]:
    return {"domain": domain.name, **_shared(domain), "dns_records": _seen(domain)}


def _shared(domain: Domain) -> dict[str, Any]:
    return {
        "domain_id": domain.pk,
        "verification_token": domain.verification_token,
        "status": status_of(domain),
        "ses_status": ses_word(domain.identity_status),
        "can_proceed": domain.stage == Stage.READY,
    }


def _pending(domain: Domain, user: User) -> str | None:
    return domains_services.pending_message(domain, to=user) or None


def _seen(domain: Domain, *, described: bool = False, actual: bool = False) -> list[RecordSeenOut]:
    checks = checks_of([domain])[domain.pk]
    found = []
    for record in records_of(domain):
        check = checks.get(record.key)
        extra = given(description=description(record) if described else None)
        if actual:
            known = check.known if check else None
            extra |= given(actual_values=list(known.found) if known else [], error=error_of(check))
        found.append(RecordSeenOut(type=record.type, **judged_fields(record, check), **extra))
    return found
