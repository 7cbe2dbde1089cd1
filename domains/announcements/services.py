"""Announces that a domain or record was lost or is correct again: webhook events, and an alert for the owners.

Announcements are level-triggered: each check compares with the state that was last announced, so nothing is announced
twice.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from audit.services import Subject
from domains.checking.core.judgement import Judgement, Overall, State
from domains.domain_list.selectors import domain_subject
from domains.models.domains import Domain
from domains.records.core import Record
from notifications.alerts import core as alerts_core
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


def announce_domain(
    domain: Domain, known_before: str, result: Overall, judgements: Sequence[Judgement], now: datetime
) -> None:
    """The alert is evaluated at each check, unless the domain was and is verified. A failed check changes nothing."""
    is_lost = result.state in LOST and domain.verified_at is not None
    if not is_lost and (result.state is not State.VERIFIED or known_before == State.VERIFIED):
        return
    why = " ".join([result.sentence, *(each.sentence for each in judgements if each.state in LOST)][:4])
    _emit_domain_event("domain.at_risk" if is_lost else "domain.verified", domain, why, now)
    alerts_services.observe(
        kind="domain.at_risk",
        about=domain_subject(domain),
        firing=is_lost,
        why=why,
        severity="high",
        audience=alerts_core.CustomerPeople(domain.customer_id),
        now=now,
    )


def _emit_domain_event(event: str, domain: Domain, why: str, now: datetime) -> None:
    about = domain_subject(domain)
    if not events_services.was_last_told(event, about=about, among=DOMAIN_EVENTS):
        data = {"state": str(domain.known_state), "region": domain.region, "why": why}
        events_services.emit(event=event, about=about, data=data, now=now)


def _emit_record_event(event: str, domain: Domain, record: Record, judgement: Judgement, now: datetime) -> None:
    """A recovery is announced only if the loss was."""
    about = Subject("record", f"{domain.id}/{record.key}", record.name, domain.customer_id)
    lost = events_services.was_last_told("record.mismatch", about=about, among=RECORD_EVENTS)
    if lost == (event == "record.mismatch"):
        return
    data = {
        "domain": {"id": domain.id, "name": domain.name},
        "record": {"key": record.key, "type": record.type, "name": record.name, "value": record.value},
        "found": list(judgement.found),
        "code": judgement.code,
        "why": judgement.sentence,
    }
    events_services.emit(event=event, about=about, data=data, now=now)
