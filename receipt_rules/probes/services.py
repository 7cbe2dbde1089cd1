"""Sends test messages and notes what the function reports of them.

The row is stored before the message is sent, and the message by the worker. A process that dies after the sending
sends it once more; both carry the same token.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.cache import cache
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models.people import User
from audit import services as audit_services
from domains.domain_list.selectors import domains_for
from domains.models.domains import Domain
from domains.receiving.core import MX_POINTS_HERE, MxFact
from inbound_admin.lib.errors import RateLimited, Refused
from receipt_rules.addresses.core import CatchAllMeant, read_recipient
from receipt_rules.addresses.selectors import holder_of
from receipt_rules.jobs import send_probe_soon
from receipt_rules.models.probes import MailProbe
from receipt_rules.planner.core.rules import domain_of
from receipt_rules.probes.core import HEADER
from receipt_rules.probes.selectors import probe_subject
from receipt_rules.received_mail.core import Report

EVERY_SECONDS = 30
KEPT = timedelta(days=30)
BODY = "This is a test message from {site}, sent to check whether mail for {recipient} arrives. No reply is needed.\n"
_UNKNOWN = (MxFact.UNKNOWN, MxFact.UNSEEN, MxFact.NOT_CHECKED)


def ask_for_probe(*, recipient: str, actor: User) -> MailProbe:
    """Raises Refused for an address that is not at a domain of the actor's; RateLimited for another within seconds."""
    address = _address(recipient)
    domain = holder_of(domain_of(address))
    if domain is None or not domains_for(actor).filter(pk=domain.pk).exists():
        raise Refused(f"{address} isn't at one of your domains.", code="ADDRESS_ELSEWHERE")
    because = audit_services.reason_for(actor=actor, customer_id=domain.customer_id)
    if not cache.add(f"probe:{address}", 1, EVERY_SECONDS):
        said = f"You can send one test message to an address every {EVERY_SECONDS} seconds."
        raise RateLimited(said, retry_after=EVERY_SECONDS)
    with transaction.atomic():
        probe = store_probe(recipient=address, domain=domain, by=actor, now=timezone.now())
        audit_services.record(
            "probe.sent", about=probe_subject(probe), actor=actor, because=because, after={"recipient": address}
        )
    return probe


def store_probe(*, recipient: str, domain: Domain, by: User | None, now: datetime) -> MailProbe:
    """In the transaction that makes it necessary; the worker sends it. The domain holds the recipient's name."""
    mx = MxFact(domain.mx_facts.get(domain_of(recipient), ""))
    probe = MailProbe.objects.create(
        recipient=recipient,
        customer=domain.customer,
        domain=domain,
        by=by,
        asked_at=now,
        mx_leads_here=None if mx in _UNKNOWN else mx in MX_POINTS_HERE,
        mx_seen_at=domain.last_dns_check,
    )
    send_probe_soon(probe.pk)
    return probe


def send_probe(*, probe_id: str) -> None:
    """Send it, unless it was sent. A rejection by our mail server is shown on the page and not retried."""
    probe = MailProbe.objects.filter(pk=probe_id, sent_at=None, send_problem="").first()
    if probe is None:
        return
    body = BODY.format(site=settings.SITE_NAME, recipient=probe.recipient)
    message = EmailMessage("Test message", body, None, [probe.recipient], headers={HEADER: probe.token})
    message.connection = get_connection(fail_silently=False, **settings.PROBE_EMAIL)
    problem = ""
    try:
        message.send()
    except (SMTPException, OSError) as error:
        problem = f"The mail server rejected the message: {_words(error)}"
    MailProbe.objects.filter(pk=probe.pk).update(sent_at=timezone.now(), send_problem=problem[:1000])


def note_reports(reports: Iterable[Report]) -> None:
    """Of messages that carry a token of ours; the recipient must be the probe's. An older report changes nothing.

    What became of a message whose domain has another holder by now is no news for who had it.
    """
    told = {report.probe: report for report in reports if report.probe}
    rows = MailProbe.objects.filter(token__in=told, domain__customer=F("customer"))
    for probe in rows if told else ():
        report = told[probe.token]
        if probe.recipient not in {each.lower() for each in report.recipients}:
            continue
        if probe.handled_at is not None and report.at <= probe.handled_at:
            continue
        MailProbe.objects.filter(pk=probe.pk).update(
            message_id=report.message_id,
            received_at=report.received_at,
            handled_at=report.at,
            outcome=report.outcome,
            problem=report.problem,
        )


def delete_old_probes(*, now: datetime) -> int:
    return MailProbe.objects.filter(asked_at__lt=now - KEPT).delete()[0]


def _address(text: str) -> str:
    try:
        return read_recipient(text).address
    except CatchAllMeant as meant:
        raise Refused("Enter one address, such as test@example.com.", code="NOT_AN_ADDRESS") from meant


def _words(error: Exception) -> str:
    """Of smtplib's errors what the server said."""
    refused = getattr(error, "recipients", None)
    if isinstance(refused, dict) and refused:
        code, said = next(iter(refused.values()))
        return f"{code} {said.decode('utf-8', 'replace') if isinstance(said, bytes) else said}"
    said = getattr(error, "smtp_error", None)
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said or error)
