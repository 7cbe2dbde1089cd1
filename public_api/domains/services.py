"""Change and check domains for the published API, with one call each, on the services of domains and receiving.

`check_where_allowed` checks every domain that may be checked now and skips the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.models.people import User
from domains.checking import services as checking_services
from domains.models.domains import Domain, Stage
from domains.names.core import parse_mail_from_label
from domains.ownership.selectors import refuse_moved
from domains.ownership_claims import services as ownership_claims_services
from domains.records.core import INBOUND_MX, mail_from_candidates
from domains.settings import services as settings_services
from domains.settings.services import wait_until_applied
from inbound_admin.lib import aws, isolation, slow_work
from inbound_admin.lib.errors import AwsUnreachable, Conflict, Malformed, Refused, aws_sentence
from public_api.domains.selectors import ses_answered
from receipt_rules.addresses.selectors import address_at_domain, addresses_named, refuse_unproven
from receipt_rules.addresses.services import (
    add_address,
    change_address,
    lock_domain,
    set_catch_all,
)
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.receiving import services as receiving_services

KEEP = "\0"  # no endpoint has this id


@dataclass(frozen=True)
class DomainChange:
    """Absent values are unchanged. None removes the endpoint."""

    is_catch_all_enabled: bool | None = None
    catch_all_endpoint_id: str | None = KEEP
    mail_from_domain: str | None = None
    receive_dmarc_emails: bool | None = None
    send_only: bool | None = None

    @property
    def only_switches_off(self) -> bool:
        return replace(self, catch_all_endpoint_id=KEEP) == DomainChange(is_catch_all_enabled=False)


@transaction.atomic
def change(*, domain: Domain, wanted: DomainChange, actor: User) -> None:
    """Apply all changes or none. Raises Refused: DOMAIN_NOT_VERIFIED, ENDPOINT_MISSING, or for the MAIL FROM domain."""
    if wanted.send_only is not None:
        receiving_services.choose(domain=domain, receives=not wanted.send_only, actor=actor)
        domain.refresh_from_db()
    if replace(wanted, send_only=None) == DomainChange():
        return
    if not wanted.only_switches_off:
        refuse_unproven(domain)
    _configure(domain, wanted, actor)
    if wanted.is_catch_all_enabled is not None or wanted.catch_all_endpoint_id != KEEP:
        _catch(domain, wanted, actor)


def configure_mail_from(*, domain: Domain, name: str | None, actor: User) -> Domain:
    """Set the MAIL FROM domain, by default a usual name. Waits for SES for a limited time. Raises Refused.

    Raises Conflict if it has another by now, ChangedMeanwhile and DeletedMeanwhile.
    """
    usual = mail_from_candidates(domain.parsed)[0]
    label = parse_mail_from_label(usual if name is None else name, domain.name)
    if not label:
        raise Refused("Enter one label for the MAIL FROM domain, such as bounce.")
    with transaction.atomic():
        locked = Domain.locked(domain.pk)
        refuse_moved(locked, domain)
        if locked.mail_from_label not in ("", label):
            raise Conflict(f"{domain} already uses {locked.mail_from}.", code="MAIL_FROM_SET")
        settings_services.change(domain=locked, actor=actor, mail_from_label=label)
    return wait_until_applied(domain)


def usual_mail_from(domain: Domain) -> str | None:
    """Return the default MAIL FROM label, or None to keep the existing one."""
    return None if domain.mail_from else mail_from_candidates(domain.parsed)[0]


def is_mail_from(domain: Domain, name: str) -> bool:
    return parse_mail_from_label(name, domain.name) == domain.mail_from_label


def activate_addresses(*, domain: Domain, addresses: Sequence[str], actor: User) -> list[Address]:
    """Add or activate addresses. Raises Refused: DOMAIN_NOT_VERIFIED, or Malformed with all invalid
    addresses."""
    refuse_unproven(domain)
    wrong = {text[:320]: why for text in addresses if (why := _why_not(text, domain))}
    if wrong:
        details = {"invalidEmails": list(wrong), "reasons": list(wrong.values())}
        raise Malformed("Some of these aren't valid addresses of this domain. See details.", details=details)
    with transaction.atomic():
        lock_domain(domain)
        return [_activate_address(text, domain, actor) for text in addresses]


def _activate_address(text: str, domain: Domain, actor: User) -> Address:
    """Add an address, or activate the customer's existing one with its endpoint."""
    existing = addresses_named([address_at_domain(text, domain)], domain.customer).first()
    if existing is None:
        return add_address(text=text, customer=domain.customer, actor=actor)
    return change_address(address=existing, actor=actor, is_active=True, endpoint=existing.own_endpoint)


def _why_not(text: str, domain: Domain) -> str:
    try:
        address_at_domain(text, domain)
    except Refused as refused:
        return str(refused)
    return ""


def require_ses(domain: Domain) -> None:
    """Raise AwsUnreachable if SES didn't answer at the last check."""
    if not ses_answered(domain):
        why = "" if domain.is_gone else f": {domain.ses_problem}"
        raise AwsUnreachable(f"DNS was checked, but SES wasn't{why or '. Try again in a minute.'}")


def pending_message(domain: Domain, *, to: User) -> str:
    """Return what is pending, as a sentence for this user, or "".

    A claim that has a problem can't be proven: another account has proven the name, or an earlier entry is in the way.
    """
    if domain.stage == Stage.CLAIM:
        return domain.stage_problem or "Prove ownership first: publish the TXT record, then verify."
    if domain.stage == Stage.STARTING or domain.is_configuring:
        why = aws_sentence(domain.stage_problem, to=to, retried=True)
        return why or "SES hasn't finished yet. Request the records again in a moment."
    return ""


def records_message(domain: Domain) -> str:
    """Return what the caller does with the records of a domain that SES is done with, as sentences."""
    last = ", the inbound MX last" if any(each.key == INBOUND_MX for each in domain.records) else ""
    return f"Publish these records{last}. Then verify with PATCH /api/v2/domains/{domain.pk}/auth."


def _configure(domain: Domain, wanted: DomainChange, actor: User) -> None:
    changes: dict[str, Any] = {}
    if wanted.mail_from_domain is not None:
        changes["mail_from_label"] = parse_mail_from_label(wanted.mail_from_domain, domain.name)
    own = f"dmarc@{domain.name}"
    if wanted.receive_dmarc_emails:
        changes |= {"dmarc_reports_to": own, "wants_dmarc": True}
    elif wanted.receive_dmarc_emails is False and domain.dmarc_reports_to == own:
        changes["dmarc_reports_to"] = ""
    settings_services.change(domain=domain, actor=actor, **changes)


def _catch(domain: Domain, wanted: DomainChange, actor: User) -> None:
    found = CatchAll.objects.select_related("endpoint", "domain").filter(domain=domain, subdomains=False).first()
    if found is None and not wanted.is_catch_all_enabled and wanted.catch_all_endpoint_id in (KEEP, None):
        return
    endpoint = found.own_endpoint if found else None
    if wanted.is_catch_all_enabled is False:
        endpoint = None
    elif wanted.catch_all_endpoint_id != KEEP:
        endpoint = own_endpoint(domain.customer_id, wanted.catch_all_endpoint_id)
        _refuse_inactive(endpoint)
    is_on = (
        found is not None and found.is_active if wanted.is_catch_all_enabled is None else wanted.is_catch_all_enabled
    )
    set_catch_all(domain=domain, actor=actor, endpoint=endpoint, is_active=is_on)


def _refuse_inactive(endpoint: Endpoint | None) -> None:
    if endpoint is not None and not endpoint.is_active:
        raise Refused(f"{endpoint} is off, so it can't receive a catch-all.", code="ENDPOINT_INACTIVE")


def own_endpoint(customer_id: str, endpoint_id: str | None) -> Endpoint | None:
    """Return the customer's endpoint with this ID; "" is none. Raises Refused (ENDPOINT_MISSING)."""
    if not endpoint_id:
        return None
    found = Endpoint.objects.filter(pk=endpoint_id, customer=customer_id).first()
    if found is None:
        raise Refused("No endpoint has this ID.", code="ENDPOINT_MISSING")
    return found


def check_where_allowed(domains: Sequence[Domain], *, now: datetime) -> None:
    """Check DNS and SES of the domains that may be checked now. One that fails unexpectedly stops no other."""
    customers, before = {domain.customer_id for domain in domains}, {each.pk: each.last_dns_check for each in domains}
    with slow_work.slot(customer=customers.pop() if len(customers) == 1 else ""):
        _check(_claim_checks(domains, now), now, before)


def _check(due: Sequence[Domain], now: datetime, before: Mapping[str, datetime | None]) -> None:
    claimed = [domain for domain in due if domain.stage == Stage.CLAIM]
    ready = [domain for domain in due if domain.stage == Stage.READY]
    check = partial(checking_services.check, now=now)
    with aws.max_wait(settings.AWS_PAGE_PATIENCE_SECONDS):
        if len(due) == 1:  # whoever asked for it alone gets the error
            (ownership_claims_services.check_claims if claimed else check)([*claimed, *ready])
            return
        unchecked = partial(_set_unchecked, before=before)
        isolation.together("claims", claimed, ownership_claims_services.check_claims, postpone=unchecked)
        isolation.together("domains", ready, check, postpone=unchecked)


def _set_unchecked(domain: Domain, *, before: Mapping[str, datetime | None]) -> None:
    """Undo the claim of the check, unless another check ended since."""
    same = Domain.objects.filter(pk=domain.pk, last_dns_check=domain.last_dns_check)
    if same.update(last_dns_check=before[domain.pk]):
        domain.last_dns_check = before[domain.pk]


def _claim_checks(domains: Sequence[Domain], now: datetime) -> list[Domain]:
    """Return the domains to check. Of concurrent callers, only one checks a domain."""
    latest = now - timedelta(seconds=settings.CHECK_NOW_EVERY_SECONDS)
    free = Q(last_dns_check=None) | Q(last_dns_check__lte=latest)
    can_be = Q(held_at__isnull=True, region=settings.AWS_REGION, stage__in=(Stage.READY, Stage.CLAIM))
    with transaction.atomic():
        rows = Domain.objects.filter(free & can_be, pk__in=[domain.pk for domain in domains]).order_by("pk")
        pks = set(rows.select_for_update(no_key=True).values_list("pk", flat=True))
        Domain.objects.filter(pk__in=pks).update(last_dns_check=now, watched_from=now)
    taken = [domain for domain in domains if domain.pk in pks]
    for domain in taken:
        domain.last_dns_check = domain.watched_from = now
    return taken
