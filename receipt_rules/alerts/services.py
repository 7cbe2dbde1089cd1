"""Alerts operators when the SES rules drift, and before a quota is used up. Each function also resolves its alert."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from django.conf import settings

from accounts.models.people import Customer
from audit.services import Subject
from domains.domain_list.selectors import domain_subject
from domains.models.domains import Domain
from notifications.alerts import core as alerts_core
from notifications.alerts import services as alerts_services
from notifications.events import services as events_services
from receipt_rules.live.core import IpFilter, blocked_percent
from receipt_rules.live.selectors import Meter, ReceivingOutage, capacity
from receipt_rules.planner.core.rules import RuleSet
from receipt_rules.planner.core.untouched import UntouchedRule
from receipt_rules.runs.selectors import rule_set_subject
from tenants.lifecycle import selectors as lifecycle_selectors

OPERATORS = alerts_core.Staff("receipt_rules.operate_rules")
FULL_FROM = 80  # percent
MOST_RULES = 3  # in one alert
HARMLESS = ("extra", "reordered", "not_as_wanted")  # kinds of differences; a rule that takes our mail is "harmful"
MOST_DIFFERENCES = 20  # differences in one event


class DriftNotice(Protocol):
    """A difference, as found by `drift.services.differences`."""

    @property
    def key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def rule(self) -> str: ...
    @property
    def sentence(self) -> str: ...
    @property
    def is_ignored(self) -> bool: ...
    @property
    def lost(self) -> int: ...


def update_drift_alert(name: str, found: Sequence[DriftNotice], news: set[str]) -> None:
    """Update the alert after a check, and emit an event for new differences. It is sent again when it gets worse.

    Ignored differences don't count as drift.
    """
    about = rule_set_subject(name)
    open_ = sorted(
        (each for each in found if not each.is_ignored), key=lambda each: (each.kind in HARMLESS, -each.lost)
    )
    new = [each for each in open_ if each.key in news]
    if new:
        shown = [{"kind": each.kind, "rule": each.rule, "why": each.sentence} for each in new[:MOST_DIFFERENCES]]
        data = {"why": new[0].sentence, "differences": shown, "number": len(new)}
        events_services.emit(event="rule.drift", about=about, data=data, for_staff=True)
    region = settings.AWS_REGION  # one alert per region, whichever set is active
    alerts_services.observe(
        kind="rule.drift",
        about=Subject("rule_set", region, f"Receipt rules in {region}"),
        firing=bool(open_),
        why=" ".join(each.sentence for each in open_[:3]),
        severity="medium" if all(each.kind in HARMLESS for each in open_) else "high",
        audience=OPERATORS,
        harmed=sum(each.lost for each in open_),
    )


def update_active_set_alert(outage: ReceivingOutage | None) -> None:
    """Raise the alert at the first read without our rule set, and resolve it at the next read with it."""
    observe("receiving.stopped", f"{outage.title}. {outage.sentence}" if outage else "")


def update_not_set_up_alert(*, is_set_up: bool, customers: Sequence[Customer]) -> None:
    """Raise the alert when a customer's change is pending because receiving isn't set up."""
    names = ", ".join(str(each) for each in customers[:3])
    more = f" and {len(customers) - 3} more" if len(customers) > 3 else ""
    why = f"None of our rule sets is active in {settings.AWS_REGION}. Changes of these customers are pending: "
    observe("receiving.not_set_up", "" if is_set_up else f"{why}{names}{more}.")


def update_harmed_mail_alert(recipients: Sequence[str], customers: Collection[str]) -> None:
    """Update the one alert for unmanaged rules that receive, bounce or stop customers' mail."""
    why = f"Unmanaged rules receive, bounce or stop mail for {_counted(recipients, customers)}."
    _update_mail_alert("receiving.harmed", recipients, why)


def update_rejected_mail_alert(recipients: Sequence[str], customers: Collection[str]) -> None:
    """Update the one alert for recipients that a rule received until someone else changed it.

    It is updated together with what their customers see and are notified of.
    """
    why = f"SES rejects mail for {_counted(recipients, customers)}. It was received before: the rules were changed "
    _update_mail_alert("receiving.rejected", recipients, f"{why}outside this system. A plan restores them.")


def update_defective_rule_alert(recipients: Sequence[str], customers: Collection[str]) -> None:
    """Update the one alert for mail that a rule stores, and that isn't delivered or is accepted only over TLS."""
    why = f"A receipt rule doesn't deliver mail as planned for {_counted(recipients, customers)}. It doesn't call our "
    _update_mail_alert("receiving.undelivered", recipients, f"{why}function, or requires TLS. A plan restores it.")


def update_split_alert(recipients: Sequence[str], customers: Collection[str]) -> None:
    """Update the one alert for catch-alls of subdomains that ended because another customer has proven a subdomain."""
    why = f"SES rejects mail for {_counted(recipients, customers)}. Another customer has proven one of the subdomains, "
    why += "and a receipt rule can't exclude it. A catch-all continues if its mail and that of the subdomain have one "
    why += "destination without SES options, and the function claims each message: deploy the current function. "
    why += "Otherwise agree on domains or addresses for the other subdomains."
    _update_mail_alert("receiving.split", recipients, why)


def update_filter_alert(filters: Sequence[IpFilter]) -> None:
    """Update the alert for IP filters that block all senders, or very many. Raises ValueError for an invalid range."""
    percent = blocked_percent(filters)
    much = "all senders" if percent == 100 else f"{percent:.3g}% of all senders"
    allowed = "" if all(each.blocks for each in filters) else " except those that another filter allows"
    blocking = [str(each) for each in filters if each.blocks]
    _update_mail_alert(
        "receiving.filtered",
        blocking if percent else (),
        f"SES rejects mail from {much}{allowed}: {', '.join(blocking[:MOST_RULES])}. Delete these filters in SES.",
    )


def update_storage_alert(problem: str) -> None:
    """Update the one alert for stored mail that the function can't read; "" resolves it."""
    why = f"The function can't read stored messages, so nothing is delivered: {problem}"
    observe("storage.unreadable", why if problem else "")


def update_undecided_alert(messages: int) -> None:
    """Update the one alert for mail that SES received when its domain changed hands: staff choose its customer."""
    why = f"{_number(messages, 'message')} came in when a domain changed hands, and nobody gets "
    why += "it" if messages == 1 else "them"
    alerts_services.observe(
        kind="mail.undecided",
        about=Subject("received", settings.AWS_REGION, "Mail that belongs to nobody"),
        firing=messages > 0,
        why=f"{why} until you decide: see Received, Nobody's." if messages else "",
        severity="high",
        audience=alerts_core.Staff("domains.transfer_domain"),
        harmed=messages,
    )


def _counted(recipients: Sequence[str], customers: Collection[str]) -> str:
    number = f"{_number(len(recipients), 'recipient')} of {_number(len(customers), 'customer')}"
    return f"{number}: {', '.join(sorted(recipients)[:3])}"


def _update_mail_alert(kind: str, recipients: Sequence[str], why: str) -> None:
    observe(kind, why if recipients else "", harmed=len(recipients))


def observe(
    kind: str, why: str, *, severity: str = "high", harmed: int | None = None, now: datetime | None = None
) -> None:
    """Update the region's one alert of this kind for operators; an empty `why` resolves it."""
    alerts_services.observe(
        kind=kind,
        about=Subject("receiving", settings.AWS_REGION, f"Receiving in {settings.AWS_REGION}"),
        firing=bool(why),
        why=why,
        severity=severity,
        audience=OPERATORS,
        harmed=harmed,
        now=now,
    )


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def update_untouched_alert(found: Sequence[UntouchedRule]) -> None:
    """Update the one alert for rules that stay unchanged because SES refuses a recipient in them."""
    observe("rule.untouched", " ".join(each.sentence for each in found[:MOST_RULES]))


def update_quota_alerts(live: RuleSet) -> None:
    """Update the alerts for the region's rules, recipients, identities and tenants.

    The event is emitted once when 80% is reached, and again only after it was below.
    """
    full = capacity(live)
    for meter in (full.rules, full.recipients, full.identities, _tenants()):
        _update_quota_alert(meter)


def _tenants() -> Meter:
    have = lifecycle_selectors.capacity()
    return Meter("Tenants", have.count, have.quota)


def _update_quota_alert(meter: Meter) -> None:
    about = Subject("quota", f"{settings.AWS_REGION}/{meter.name.lower()}", f"{meter.name} in {settings.AWS_REGION}")
    is_full = 100 * meter.used >= FULL_FROM * meter.limit
    why = (
        f"{meter.used:,} of {meter.limit:,} used ({meter.percent}%). Request a quota increase from AWS before they "
        "run out."
    )
    effect = alerts_services.observe(
        kind="quota.80",
        about=about,
        firing=is_full,
        why=why if is_full else "",
        severity="high" if meter.left == 0 else "medium",
        audience=OPERATORS,
    )
    if effect is alerts_core.Effect.RAISED:
        data = {"why": why, "used": meter.used, "limit": meter.limit, "percent": meter.percent}
        events_services.emit(event="quota.80", about=about, data=data, for_staff=True)


def update_former_holder_alert(domain: Domain, *, why: str) -> None:
    """Update the alert after a check; an empty `why` resolves it. Customers aren't told each other's destinations."""
    alerts_services.observe(
        kind="route.outlived",
        about=domain_subject(domain),
        firing=bool(why),
        why=why,
        severity="high",
        audience=OPERATORS,
    )


def update_refusal_alert(about: Subject, why: str) -> None:
    """Alert the customer that SES refused an address or catch-all; an empty `why` resolves the alert."""
    audience = alerts_core.CustomerPeople(about.customer_id)
    alerts_services.observe(
        kind="address.refused", about=about, firing=bool(why), why=why, severity="high", audience=audience
    )


def update_run_alert(*, failed: bool, why: str, customer: Customer | None = None) -> None:
    """Update the alert at the end of a run; a completed run resolves the alert of a failed one.

    A customer's change has its own alert, which only that change resolves.
    """
    about = Subject("runs", settings.AWS_REGION, f"Runs in {settings.AWS_REGION}")
    about = Subject("runs", customer.pk, f"Change of {customer}") if customer else about
    alerts_services.observe(kind="run.failed", about=about, firing=failed, why=why, severity="high", audience=OPERATORS)
