"""What the published contract does to a domain in one call: over the services of domains and of receiving."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import transaction

from domains.core.published import label_in
from domains.core.records import mail_from_candidates
from domains.models import Domain, Stage
from domains.services import configuring
from domains.services.authenticating import settled, wanted_of
from inbound_admin.lib.api import Malformed
from inbound_admin.lib.errors import Refused
from receipt_rules.models import Address, CatchAll, Endpoint
from receipt_rules.services.catch_alls import set_catch_all
from receipt_rules.services.modes import configure_email_receiving
from receipt_rules.services.owning import refuse_elsewhere, refuse_unverified
from tenants.models import User

KEEP = "\0"  # no endpoint has this id


@dataclass(frozen=True)
class Wanted:
    """What is not named stays; the endpoint can be taken away, so that None is a wish of its own."""

    is_catch_all_enabled: bool | None = None
    catch_all_endpoint_id: str | None = KEEP
    mail_from_domain: str | None = None
    receive_dmarc_emails: bool | None = None


def change(*, domain: Domain, wanted: Wanted, actor: User) -> None:
    """All of it or nothing. Raises Refused: DOMAIN_NOT_VERIFIED, ENDPOINT_MISSING, or for a MAIL FROM name."""
    refuse_unverified(domain)
    with transaction.atomic():
        _configure(domain, wanted, actor)
        if wanted.is_catch_all_enabled is not None or wanted.catch_all_endpoint_id != KEEP:
            _catch(domain, wanted, actor)


def set_mail_from_up(*, domain: Domain, name: str | None, actor: User) -> Domain:
    """As named, or the first usual name; returns the row once Amazon knows, or the time is over. Raises Refused."""
    usual = mail_from_candidates(domain.parsed)[0]
    label = label_in(usual if name is None else name, domain.name)
    if not label:
        raise Refused("Give the name for bounces one word, such as bounce.")
    configuring.configure(domain=domain, wanted=replace(wanted_of(domain), mail_from_label=label), actor=actor)
    return settled(domain)


def take(*, domain: Domain, addresses: Sequence[str], actor: User) -> list[Address]:
    """These take mail, beside what does already. Raises Refused: DOMAIN_NOT_VERIFIED, or Malformed with all that cannot
    be or are not of the domain."""
    refuse_unverified(domain)
    wrong = {text[:320]: why for text in addresses if (why := _why_not(text, domain))}
    if wrong:
        details = {"invalidEmails": list(wrong), "reasons": list(wrong.values())}
        raise Malformed("Some of these are no addresses of this domain: see the details.", details=details)
    return configure_email_receiving(domain=domain, addresses=addresses, actor=actor)


def _why_not(text: str, domain: Domain) -> str:
    try:
        refuse_elsewhere(text, domain)
    except Refused as refused:
        return str(refused)
    return ""


def what_is_pending(domain: Domain) -> str:
    """A sentence for a program's log; empty where nothing is."""
    if domain.stage == Stage.CLAIM:
        return "Ownership has to be proven first: publish the record, then verify."
    if domain.stage == Stage.STARTING or domain.is_configuring:
        return domain.stage_problem or "Amazon has not finished yet: ask for the records again in a moment."
    return ""


def _configure(domain: Domain, wanted: Wanted, actor: User) -> None:
    now = settings = wanted_of(domain)
    if wanted.mail_from_domain is not None:
        settings = replace(settings, mail_from_label=label_in(wanted.mail_from_domain, domain.name))
    own = f"dmarc@{domain.name}"
    if wanted.receive_dmarc_emails:
        settings = replace(settings, dmarc_reports_to=own, wants_dmarc=True)
    elif wanted.receive_dmarc_emails is False and settings.dmarc_reports_to == own:
        settings = replace(settings, dmarc_reports_to="")
    if settings != now:
        configuring.configure(domain=domain, wanted=settings, actor=actor)


def _catch(domain: Domain, wanted: Wanted, actor: User) -> None:
    found = CatchAll.objects.select_related("endpoint", "domain").filter(domain=domain, subdomains=False).first()
    if found is None and not wanted.is_catch_all_enabled and wanted.catch_all_endpoint_id in (KEEP, None):
        return
    endpoint = found.own_endpoint if found else None
    if wanted.catch_all_endpoint_id != KEEP:
        endpoint = own_endpoint(domain.customer_id, wanted.catch_all_endpoint_id)
    is_on = (
        found is not None and found.is_active if wanted.is_catch_all_enabled is None else wanted.is_catch_all_enabled
    )
    set_catch_all(domain=domain, actor=actor, endpoint=endpoint, is_active=is_on)


def own_endpoint(customer_id: str, endpoint_id: str | None) -> Endpoint | None:
    """The customer's endpoint of this id. Raises Refused (ENDPOINT_MISSING), whoever's another one is."""
    if endpoint_id is None:
        return None
    found = Endpoint.objects.filter(pk=endpoint_id, customer=customer_id).first()
    if found is None:
        raise Refused("There is no endpoint of this id.", code="ENDPOINT_MISSING")
    return found
