"""Stores the facts about receiving and alerts the customer while SES rejects mail.

The check stores where the MX records point. `receipt_rules` stores what the active rules do.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from django.utils import timezone

from domains.dns.core import LookupStatus
from domains.domain_list.selectors import domain_subject
from domains.jobs import queue_checks
from domains.models.domains import Domain, Stage
from domains.nameservers.services import HostLookup
from domains.receiving.core import HALTING, MxFact, ReceivingState, RulesFact, most_severe, mx_fact
from domains.records.core import can_receive, inbound_host, is_inbound
from notifications.alerts import services as alerts_services

SAVED_FIELDS = ("mail_rules", "mx_facts", "receiving_state")


def record_rules(*, domain_id: str, rules: Mapping[str, RulesFact]) -> None:
    """Store what the rules do, by name with an address, in the caller's transaction.

    The next check is due at once if it would require other records, or find another state.
    """
    locked = Domain.objects.select_for_update(of=("self",)).filter(pk=domain_id).first()
    facts = {name: fact.value for name, fact in rules.items() if fact is not RulesFact.NOTHING}
    if locked is None or locked.mail_rules == facts:
        return
    now, before = timezone.now(), (locked.checked_records, _is_red(locked))
    locked.mail_rules = facts
    locked.mx_facts = {name: fact for name, fact in locked.mx_facts.items() if name in locked.mail_names}
    update_receiving_state(locked, now)
    locked.save(update_fields=SAVED_FIELDS)
    if (locked.checked_records, _is_red(locked)) != before and locked.stage == Stage.READY:
        Domain.objects.filter(pk=domain_id).update(next_check_at=now, watched_from=now)
        queue_checks()


def _is_red(domain: Domain) -> bool:
    """Whether mail is rejected or lost: the stored state and summary of the last check say so too, or no longer do."""
    return any(each.is_red for each in (domain.receiving, *domain.receiving_below))


def update_receiving_state(domain: Domain, now: datetime) -> None:
    """Judge again from the row, which the caller saves, and update the alert."""
    found = most_severe((domain.receiving, *domain.receiving_below)) if domain.stage == Stage.READY else None
    before = domain.receiving_state
    domain.receiving_state = found.state if found else ""
    is_red = found is not None and found.is_red
    if found is not None and found.state is ReceivingState.COULD_NOT_TELL:
        return  # a failed lookup changes no alert
    if not is_red and before in ("", ReceivingState.LIVE):
        return
    if is_red and not set(HALTING).isdisjoint(domain.mail_rules.values()):
        return  # Trust & Safety stopped it and told the owners why; what was wrong before is still wrong
    alerts_services.observe(
        kind="domain.rejects_mail",
        about=domain_subject(domain),
        firing=is_red,
        why=found.sentence if found and is_red else "",
        severity="high",
        now=now,
    )


def mx_facts(domain: Domain, seen: HostLookup) -> dict[str, str]:
    """Return where the MX points, for the domain and for each subdomain that receives mail."""
    if not can_receive(domain.region):
        return {}
    host, facts = inbound_host(domain.region), {}
    for record in domain.checked_records:
        if is_inbound(record.key):
            answers = seen.answers_for_record(replace(record, value=host))
            values = [None if a.status is LookupStatus.FAILED else a.values for a in answers]
            facts[record.name] = mx_fact(values, host, MxFact(domain.mx_facts.get(record.name, ""))).value
    return facts
