"""Alerts operators when the SES rules drift, and before a quota is used up."""

from collections.abc import Collection, Sequence
from typing import Protocol

from django.conf import settings

from accounts.models.people import Customer
from audit.services import Subject
from domains.domain_list.selectors import domain_subject
from domains.models.domains import Domain
from notifications.alerts import core as alerts_core
from notifications.alerts import services as alerts_services
from notifications.events import services as events_services
from receipt_rules.live.selectors import Meter, ReceivingOutage, capacity
from receipt_rules.planner.core.rules import RuleSet
from receipt_rules.planner.core.untouched import Untouched
from receipt_rules.runs.selectors import rule_set_subject
from tenants.lifecycle import selectors as lifecycle_selectors

OPERATORS = alerts_core.Staff("receipt_rules.operate_rules")
FULL_FROM = 80  # per cent
MOST_RULES = 3  # in one alert
HARMLESS = ("extra", "reordered", "not_as_wanted")  # of differences; a rule that keeps mail from us is "harmful"
MOST_TOLD = 20  # differences in one event


class DriftNotice(Protocol):
    """A difference, as `drift.services.differences` finds it."""

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


def tell_of_drift(name: str, found: Sequence[DriftNotice], news: set[str]) -> None:
    """At each look; the event is for what the look before had not seen. What a person ignored is no drift."""
    about, open_ = rule_set_subject(name), [each for each in found if not each.is_ignored]
    new = [each for each in open_ if each.key in news]
    if new:
        told = [{"kind": each.kind, "rule": each.rule, "why": each.sentence} for each in new[:MOST_TOLD]]
        data = {"why": new[0].sentence, "differences": told, "number": len(new)}
        events_services.emit(event="rule.drift", about=about, data=data, for_staff=True)
    region = settings.AWS_REGION  # whichever set is active: there is one drift, and one end of it
    alerts_services.observe(
        kind="rule.drift",
        about=Subject("rule_set", region, f"Receipt rules in {region}"),
        firing=bool(open_),
        why=" ".join(each.sentence for each in open_[:3]),
        severity="medium" if all(each.kind in HARMLESS for each in open_) else "high",
        audience=OPERATORS,
    )


def tell_of_active_set(outage: ReceivingOutage | None) -> None:
    """At once, at the first reading; the one that finds our set active again ends it."""
    alerts_services.observe(
        kind="receiving.stopped",
        about=Subject("receiving", settings.AWS_REGION, f"Receiving in {settings.AWS_REGION}"),
        firing=outage is not None,
        why=f"{outage.title}. {outage.sentence}" if outage else "",
        severity="high",
        audience=OPERATORS,
    )


def tell_of_waiting_customers(*, is_set_up: bool, customers: Sequence[Customer]) -> None:
    """As soon as a customer's change depends on it: receiving is not set up, so that nothing of theirs is applied."""
    names = ", ".join(str(each) for each in customers[:3])
    more = f" and {len(customers) - 3} more" if len(customers) > 3 else ""
    why = (
        f"None of our rule sets is active in {settings.AWS_REGION}. Changes of these customers are pending: "
        f"{names}{more}."
    )
    alerts_services.observe(
        kind="receiving.not_set_up",
        about=Subject("receiving", settings.AWS_REGION, f"Receiving in {settings.AWS_REGION}"),
        firing=not is_set_up,
        why="" if is_set_up else why,
        severity="high",
        audience=OPERATORS,
    )


def tell_of_harm(recipients: Sequence[str], customers: Collection[str]) -> None:
    """A rule that is not ours takes, bounces or stops mail that customers want here; one alert, however many."""
    named = ", ".join(sorted(recipients)[:3])
    counted = f"{_number(len(recipients), 'recipient')} of {_number(len(customers), 'customer')}"
    alerts_services.observe(
        kind="receiving.harmed",
        about=Subject("receiving", settings.AWS_REGION, f"Receiving in {settings.AWS_REGION}"),
        firing=bool(recipients),
        why=f"Unmanaged rules receive, bounce or stop mail for {counted}: {named}." if recipients else "",
        severity="high",
        audience=OPERATORS,
    )


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def tell_of_untouched(found: Sequence[Untouched]) -> None:
    """At each look: rules that stay as they are, since SES refuses a recipient in them; one alert, however many."""
    alerts_services.observe(
        kind="rule.untouched",
        about=Subject("receiving", settings.AWS_REGION, f"Receiving in {settings.AWS_REGION}"),
        firing=bool(found),
        why=" ".join(each.sentence for each in found[:MOST_RULES]),
        severity="high",
        audience=OPERATORS,
    )


def tell_of_quotas(live: RuleSet) -> None:
    """Of the region: rules, recipients, identities and tenants. The event when 80 % are reached, once until below."""
    full = capacity(live)
    for meter in (full.rules, full.recipients, full.identities, _tenants()):
        _tell_of_quota(meter)


def _tenants() -> Meter:
    have = lifecycle_selectors.capacity()
    return Meter("Tenants", have.count, have.quota)


def _tell_of_quota(meter: Meter) -> None:
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


def tell_of_former_holder(domain: Domain, *, why: str) -> None:
    """At each look; "" ends it. Customers are told nothing of each other's places."""
    alerts_services.observe(
        kind="route.outlived",
        about=domain_subject(domain),
        firing=bool(why),
        why=why,
        severity="high",
        audience=OPERATORS,
    )


def tell_of_refusal(about: Subject, why: str) -> None:
    """An address or catch-all that SES refused, or, without a reason, one that is over."""
    audience = alerts_core.CustomerPeople(about.customer_id)
    alerts_services.observe(
        kind="address.refused", about=about, firing=bool(why), why=why, severity="high", audience=audience
    )


def tell_of_run(*, failed: bool, why: str) -> None:
    """At each end of a run; one that is carried out ends the alert of one that was not."""
    about = Subject("runs", settings.AWS_REGION, f"Runs in {settings.AWS_REGION}")
    alerts_services.observe(kind="run.failed", about=about, firing=failed, why=why, severity="high", audience=OPERATORS)
