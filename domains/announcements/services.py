"""Announces that a domain or record was lost or is correct again: webhook events, and an alert for the owners.

Announcements are level-triggered: each check compares with the state that was last announced, so nothing is announced
twice.

People who asked for it are notified once that a domain is verified. These notices are sent as alerts, so that each
person's channels, digest and quiet hours apply, and people who lost access are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from accounts.models.people import User
from audit import services as audit_services
from audit.services import Subject
from domains.checking.core.judgement import Judgement, Overall, State
from domains.diagnosis import selectors as diagnosis_selectors
from domains.domain_list.selectors import domain_subject
from domains.models.domains import Domain, VerifiedNotice
from domains.ownership.selectors import refuse_moved
from domains.records.core import Record
from inbound_admin.lib.errors import Refused
from notifications.alerts import services as alerts_services
from notifications.events import services as events_services

LOST = (State.AT_RISK, State.WRONG)
DOMAIN_EVENTS = ("domain.verified", "domain.at_risk")
RECORD_EVENTS = ("record.mismatch", "record.recovered")


def announce_records(domain: Domain, before: Mapping[str, str], judgements: Sequence[Judgement], now: datetime) -> None:
    """`before` has the state after the previous check of each record that was ever correct."""
    records = {record.key: record for record in domain.records}
    for judgement in judgements:
        if before.get(judgement.key) in (None, judgement.state) or judgement.key not in records:
            continue
        if judgement.state is State.AT_RISK:
            _emit_record_event("record.mismatch", domain, records[judgement.key], judgement, now)
        elif judgement.state is State.VERIFIED:
            _emit_record_event("record.recovered", domain, records[judgement.key], judgement, now)


def _without_page(text: str) -> str:
    """Return sentences for an email or webhook, where the records and the button of the page aren't beside them."""
    text = text.replace(" If you've already added it, diagnose the problem.", "")
    return text.replace(" as shown", " as its page shows").replace(" shown", " on the domain's page")


def announce_domain(
    domain: Domain, known_before: str, result: Overall, judgements: Sequence[Judgement], now: datetime
) -> None:
    """The alert is evaluated at each check, unless the domain was and is verified. A failed check changes nothing."""
    is_lost = result.state in LOST and domain.verified_at is not None
    if not is_lost and (result.state is not State.VERIFIED or known_before == State.VERIFIED):
        return
    said = dict.fromkeys([_without_page(result.sentence), *_reasons(domain, judgements)])  # a zone's cause is both
    why = "\n".join([*said][:4])
    _emit_domain_event("domain.at_risk" if is_lost else "domain.verified", domain, why, now)
    if not is_lost:
        about = domain_subject(domain)
        alerts_services.observe(kind="domain.new_dkim", about=about, firing=False, why="", severity="high", now=now)
    if domain.former_dkim_key:
        update_former_key_alert(domain)
    alerts_services.observe(
        kind="domain.at_risk",
        about=domain_subject(domain),
        firing=is_lost,
        why=why,
        severity="high",
        now=now,
    )


def _reasons(domain: Domain, judgements: Sequence[Judgement]) -> list[str]:
    """Return what is wrong with the lost records: as the latest diagnosis says, if it knows more than the check."""
    explained = diagnosis_selectors.explanations(domain)
    lost = [(each, diagnosis_selectors.diagnosed_reason(each, explained)) for each in judgements if each.state in LOST]
    return [diagnosis_selectors.told(finding) if finding else _without_page(each.sentence) for each, finding in lost]


def update_former_key_alert(domain: Domain) -> None:
    """SES keeps the key with the identity, so mail is signed without a gap, but its owner can sign mail too."""
    record = f"{domain.dkim_tokens[0] if domain.dkim_tokens else '…'}._domainkey.{domain.name}"
    alerts_services.observe(
        kind="domain.former_key",
        about=domain_subject(domain),
        firing=domain.former_dkim_key,
        why=f"{domain} signs with a DKIM key that was in SES before the domain was yours. Its maker can sign mail as "
        f"{domain}. Replace the key under Settings, publish the new records, then remove the TXT record {record}.",
        severity="high",
    )


def _emit_domain_event(event: str, domain: Domain, why: str, now: datetime) -> None:
    about = domain_subject(domain)
    if not events_services.was_last_event(event, about=about, among=DOMAIN_EVENTS):
        data = {"state": str(domain.known_state), "region": domain.region, "why": why}
        events_services.emit(event=event, about=about, data=data, now=now)


def _emit_record_event(event: str, domain: Domain, record: Record, judgement: Judgement, now: datetime) -> None:
    """A recovery is announced only if the loss was."""
    about = Subject("record", f"{domain.id}/{record.key}", record.name, domain.customer_id)
    lost = events_services.was_last_event("record.mismatch", about=about, among=RECORD_EVENTS)
    if lost == (event == "record.mismatch"):
        return
    data = {
        "domain": {"id": domain.id, "name": domain.name},
        "record": {"key": record.key, "type": record.type, "name": record.name, "value": record.value},
        "found": list(judgement.found),
        "code": judgement.code,
        "why": _without_page(judgement.sentence),
    }
    events_services.emit(event=event, about=about, data=data, now=now)


NOTICE = "domain.verified"
NOTICE_TEXT = "All required records are verified. SES can send and sign mail for this domain."


@dataclass(frozen=True)
class NoticeChoice:
    """One person's choice for one domain. `can_change`: the domain is not verified yet."""

    is_on: bool
    told_at: datetime | None
    can_change: bool


def _notices(domain: Domain, person: User) -> QuerySet[VerifiedNotice]:
    """A notice that was sent says nothing about the next time, once the domain has lost its verification."""
    rows = VerifiedNotice.objects.filter(domain=domain, person=person)
    return rows if domain.verified_at else rows.filter(told_at=None)


def notice_choice(person: User, domain: Domain) -> NoticeChoice:
    row = _notices(domain, person).first()
    return NoticeChoice(row is not None, row.told_at if row else None, domain.verified_at is None)


def request_notice(domain: Domain, person: User) -> None:
    """Request the notice when the domain is added, in that transaction and under its change log entry."""
    VerifiedNotice.objects.get_or_create(domain=domain, person=person)


@transaction.atomic
def set_notice(*, domain: Domain, person: User, wanted: bool) -> None:
    """Turn the notice on or off. Idempotent.

    Raises Refused if the domain is already verified, ChangedMeanwhile and DeletedMeanwhile.
    """
    locked = Domain.locked(domain.pk, no_key=True)
    refuse_moved(locked, domain)
    before = _notices(locked, person).exists()
    if before == wanted:
        return
    if locked.verified_at is not None:
        raise Refused(f"{locked} is already verified.", code="VERIFIED_ALREADY")
    VerifiedNotice.objects.filter(domain=locked, person=person).delete()
    if wanted:
        VerifiedNotice.objects.create(domain=locked, person=person)
    audit_services.record(
        "domain.verified_notice",
        about=domain_subject(locked),
        actor=person,
        before={"told": before},
        after={"told": wanted},
    )


def send_notices(domain: Domain, *, now: datetime) -> None:
    """Send the notices, in the transaction that found the domain verified."""
    why = (
        NOTICE_TEXT if domain.receiving.is_live or not domain.receives else f"{NOTICE_TEXT} {domain.receiving.sentence}"
    )
    waiting = VerifiedNotice.objects.filter(domain=domain, told_at=None)
    for row in waiting.select_for_update(of=("self",)).select_related("person"):
        alerts_services.announce(kind=NOTICE, about=domain_subject(domain), people=[row.person], why=why, now=now)
        row.told_at = now
        row.save(update_fields=("told_at",))


def delete_notices(domain: Domain) -> None:
    """Delete all requests at a transfer: they were made by the former customer's people."""
    VerifiedNotice.objects.filter(domain=domain).delete()
    alerts_services.withdraw(kind=NOTICE, about=domain_subject(domain))
