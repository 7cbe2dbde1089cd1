"""Updates the rules when a domain changes hands: the former holder's delivery ends at once, without approval.

`reconcile_transfers` reads SES, plans for the names of that domain only, executes the plan, and reads SES again. While
a rule still delivers as the former holder wanted, the domain shows it and operators have an alert. A subdomain of
another customer's domain counts too: that customer's addresses and catch-all for it end.

If staff stopped the new holder's receiving, the stop isn't settled until SES's rules have it for this domain too.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from accounts.models.people import Customer
from accounts.people.selectors import owners_of
from audit import services as audit_services
from domains.domain_list.selectors import domain_subject
from domains.domain_list.services import record_routes_checked, record_routes_problem
from domains.models.domains import Domain, Stage
from domains.ownership.selectors import Holders, held_domains, holder_of
from domains.ownership.services import handover_shown, holder_changed, tenure_ended
from domains.receiving.core import DELIVERED
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import Refused
from notifications.alerts import services as alerts_services
from receipt_rules.addresses.services import merge_addresses
from receipt_rules.alerts.services import update_former_holder_alert
from receipt_rules.jobs import queue_customer_change, queue_work
from receipt_rules.live.services import Live, read_live, receives_here
from receipt_rules.models.addresses import Address, CatchAll, FormerHolder, FormerRoute, RequestedRecipient
from receipt_rules.models.runs import ReceivingStop, RunKind
from receipt_rules.planner.core.plans import Method, Plan
from receipt_rules.planner.core.rules import AnyRule, domain_of, is_address
from receipt_rules.planner.services import (
    DesiredState,
    PlanRequest,
    plan_changes,
    read_desired_state,
    recipients_at,
    store_run,
)
from receipt_rules.received_mail.selectors import retried_mail
from receipt_rules.receiving import services as receiving_services
from receipt_rules.rollback.services import remove_from_inactive_sets
from receipt_rules.route_lookup.services import keep_routes
from receipt_rules.runs import services as runs_services
from tenants.pause import services as pause_services

RECHECK_AFTER = timedelta(minutes=5)
ALERT_AFTER = timedelta(minutes=5)
FORMER_HOLDERS_KEPT = timedelta(days=400)  # longer than a message is retried
NOT_READ = (
    "We couldn't read SES since the domain changed hands, so mail may still go to the former holder's destination."
)
MOST_NAMED = 3
MOST_LISTED = 20  # addresses in the email to who loses them


@receiver(holder_changed, dispatch_uid="receipt_rules.transfers")
def on_holder_changed(*, domain: Domain, former: Customer | None = None, **_: Any) -> None:
    """Queue the work and notify who loses mail. Runs in the transaction that changes the holder."""
    queue_work(urgent=True)
    if former is not None and domain.proven_at is not None:
        _delete_old_holders()
        _keep_routes(domain, former)
    _reopen_stop(domain)  # first: it locks tenants, which come before pending changes and addresses
    _queue_waiting_addresses(domain)
    merge_addresses(domain)
    holders = Holders.read()
    for above, recipients in _lost_by_others(domain, holders):
        about, after = domain_subject(above), {"name": domain.name, "recipients": recipients}
        audit_services.record("domain.routes_left", about=about, actor=None, after=after)
        _notify_losing_customer(above, domain.name, recipients)


def _reopen_stop(domain: Domain, *, only_settled: bool = False) -> None:
    """If receiving of the holder is stopped, the worker applies that to this domain too; until then nobody reads it.

    It is settled for what the customer held before.
    """
    stops = ReceivingStop.objects.filter(customer=domain.customer_id, is_stopped=True)
    settled = stops.exclude(settled_at=None)
    if not (settled if only_settled else stops).exists():
        return
    with transaction.atomic():  # locks in the order of `auto_apply`
        pause_services.lock_tenants(customer=domain.customer)
        if (stop := stops.select_for_update(of=("self",)).first()) is None:
            return
        if settled.update(settled_at=None):
            pause_services.record_receiving(customer=domain.customer, asked_at=stop.asked_at)
        queue_customer_change(domain.customer, None, domains=[domain.pk], urgent=True)


@receiver(handover_shown, dispatch_uid="receipt_rules.handover")
def on_handover_shown(*, domain: Domain, **_: Any) -> str:
    """Return what happens to mail that isn't delivered yet: to staff, before the domain gets another holder."""
    holder = holder_of(domain.name)
    if holder is None or (domain.is_proven and holder.pk != domain.pk):
        return ""
    number = retried_mail(domain.name, holder.customer_id).count()
    what = (
        "1 message that isn’t delivered yet stays"
        if number == 1
        else f"{number:,} messages that aren’t delivered yet stay"
    )
    return (
        f"{what} with {holder.customer}, and we go on delivering to that customer’s endpoints. Mail that SES receives "
        "at the moment of the change waits under Received, Nobody’s, until you decide."
    )


@receiver(post_delete, sender=Domain, dispatch_uid="receipt_rules.released")
def on_domain_deleted(*, instance: Domain, **_: Any) -> None:
    """Queue what the owners of domains above asked for at the deleted name: it is theirs again, from now on."""
    if instance.proven_at is None:
        return
    at_or_below = Q(address__iendswith=f"@{instance.name}") | Q(address__iendswith=f".{instance.name}")
    above = {"domain__name__in": instance.parsed.parents, "is_active": True}
    addresses = Address.objects.filter(at_or_below, **above).select_related("domain__customer")
    catch_alls = CatchAll.objects.filter(subdomains=True, **above).select_related("domain__customer")
    asked: dict[Customer, list[RequestedRecipient]] = defaultdict(list)
    for row in (*addresses, *catch_alls):
        asked[row.domain.customer].append(row)
    for customer, rows in sorted(asked.items(), key=lambda each: each[0].pk):  # whoever queues for several: by ID
        names, domains = [each.recipient for each in rows], [each.domain_id for each in rows]
        queue_customer_change(customer, None, recipients=names, domains=domains)
    _delete_old_holders()
    # Last: until the commit, route lookup gives mail at the name to its former holder.
    record_former_holder(
        name=instance.name, customer_id=instance.customer_id, since=instance.proven_at, until=timezone.now()
    )


def _keep_routes(domain: Domain, former: Customer) -> None:
    addresses = Address.objects.select_related("endpoint").filter(domain=domain)
    catch_alls = CatchAll.objects.select_related("domain", "endpoint").filter(domain=domain)
    keep_routes((*addresses, *catch_alls), domain_name=domain.name, customer_id=former.pk)


def _delete_old_holders() -> None:
    for model in (FormerHolder, FormerRoute):
        model.objects.filter(until__lt=timezone.now() - FORMER_HOLDERS_KEPT).delete()


@receiver(tenure_ended, dispatch_uid="receipt_rules.tenures")
def record_former_holder(*, name: str, customer_id: str, since: datetime, until: datetime, **_: Any) -> None:
    """Store who held the name: mail from that time stays theirs."""
    FormerHolder.objects.create(name=name, customer=customer_id, since=since, until=until)


def _queue_waiting_addresses(domain: Domain) -> None:
    """Apply addresses that were added before the proof; those of an adopted domain wait for a plan."""
    rows = Address.objects.filter(domain=domain, is_active=True).exclude(rules__in=DELIVERED)
    waiting = [each.recipient for each in rows]
    if waiting and not domain.adopted:
        queue_customer_change(domain.customer, None, recipients=waiting, domains=[domain.pk])


def _lost_by_others(domain: Domain, holders: Holders) -> Iterator[tuple[Domain, list[str]]]:
    """What others have at a claim was never received, and they must not learn who proves what."""
    others = Q(domain__in=held_domains()) | Q(rules__in=DELIVERED)
    at_or_below = Q(address__iendswith=f"@{domain.name}") | Q(address__iendswith=f".{domain.name}")
    rows = Address.objects.filter(others, at_or_below, is_active=True).exclude(domain__customer=domain.customer_id)
    found: dict[Domain, list[str]] = {}
    for row in rows.select_related("domain__customer").order_by("address"):
        if holders.belongs(domain_of(row.address), domain.name):
            found.setdefault(row.domain, []).append(row.address)
    parents = domain.parsed.parents
    above = CatchAll.objects.filter(others, domain__name__in=parents, subdomains=True, is_active=True)
    for each in above.exclude(domain__customer=domain.customer_id).select_related("domain__customer"):
        found.setdefault(each.domain, []).append(each.recipient)
    yield from found.items()


def _notify_losing_customer(above: Domain, name: str, recipients: list[str]) -> None:
    whole = f"any other address at {name} (your subdomain catch-all)"
    lines = [each if is_address(each) else whole for each in recipients[:MOST_LISTED]]
    lines += [f"and {left:,} more"] if (left := len(recipients) - MOST_LISTED) > 0 else []
    shown = "\n".join(lines)
    why = (
        f"{name} now belongs to another account. Mail for these addresses is no longer received for you:\n{shown}\n"
        f"Mail received before is still delivered to your endpoints. If {name} is yours, contact support."
    )
    people, now = owners_of(above.customer), timezone.now()
    alerts_services.announce(kind="mail.moved", about=domain_subject(above), people=people, why=why, now=now)


def has_due_transfers() -> bool:
    return _due(timezone.now()).exists()


def reconcile_transfers() -> None:
    """Update the rules for each due domain; SES is read once for all. Raises AwsProblem to wait and retry."""
    due = list(_due(timezone.now()).select_related("customer", "moved_from"))
    if not due or not receives_here():
        return
    live, state = read_live(), read_desired_state()
    receiving_services.record_live_rules(live.active, is_ours=live.is_active)
    for domain in due:
        reconcile = partial(_reconcile, domain, live, state)
        live = isolation.or_else("transfers", domain, reconcile, partial(_postpone, domain))


def _postpone(domain: Domain) -> Live:
    """Look again later, and return what SES has now: part of the work may be done."""
    _unchecked().filter(pk=domain.pk).update(routes_look_at=timezone.now() + RECHECK_AFTER)
    return read_live()


def alert_unread_transfers(*, now: datetime) -> None:
    """Alert staff about a transferred domain whose rules couldn't be read for minutes."""
    silent = _unchecked().filter(moved_at__lte=now - ALERT_AFTER, routes_problem="").select_related("customer")
    if receives_here():
        isolation.each_alone("unread transfers", silent, _alert_unread)


def _alert_unread(domain: Domain) -> None:
    record_routes_problem(domain_id=domain.pk, customer_id=domain.customer_id, why=NOT_READ)
    update_former_holder_alert(domain, why=NOT_READ)


def _unchecked() -> QuerySet[Domain]:
    """An unverified domain holds nothing, so there is nothing to compare before it is verified."""
    rows = held_domains().filter(region=settings.AWS_REGION, routes_unchecked=True)
    return rows.exclude(stage=Stage.DELETING)


def _due(now: datetime) -> QuerySet[Domain]:
    return _unchecked().filter(Q(routes_look_at=None) | Q(routes_look_at__lte=now))


def _reconcile(domain: Domain, live: Live, state: DesiredState) -> Live:
    """Return the live state. Failures are retried later; an unmanaged rule waits for a person."""
    why = ""
    if _former_recipients(domain, live, state):
        if live.is_active:
            live, why = _remove_outdated(domain, live, state)
        else:
            queue_customer_change(
                domain.customer, None
            )  # the set is inactive and delivers nothing; an operator's plan comes first
    if live.is_active and domain.customer_id in state.stopped and _outdated_recipients(domain, live, state):
        _reopen_stop(domain, only_settled=True)
    if left := list(_sentences(domain, live, state)):
        sentence = " ".join((*left, why)).strip()
        later = timezone.now() + RECHECK_AFTER
        record_routes_problem(domain_id=domain.pk, customer_id=domain.customer_id, why=sentence, look_at=later)
        update_former_holder_alert(domain, why=sentence)
        return live
    if domain.moved_at is not None:
        remove_from_inactive_sets((domain.name,))
    update_former_holder_alert(domain, why="")
    record_routes_checked(domain_id=domain.pk, customer_id=domain.customer_id)
    return live


def _outdated_recipients(domain: Domain, live: Live, state: DesiredState) -> list[tuple[str, AnyRule]]:
    """Return recipients in managed rules at the domain that no row asks for, or that need another delivery."""
    desired, holders = state.desired, state.holders
    entries = {**desired.entries, **desired.refused}
    return [
        (each, rule)
        for rule in live.rule_set.ours
        for each in rule.recipients
        if entries.get(each) != rule.delivery and _covers_mail_at(each, domain.name, holders)
    ]


def _former_recipients(domain: Domain, live: Live, state: DesiredState) -> list[tuple[str, AnyRule]]:
    """Return the outdated recipients, except those that the holder would have: only the stop of receiving ends them."""
    outdated = _outdated_recipients(domain, live, state)
    return [(each, rule) for each, rule in outdated if state.halted.get(each) != rule.delivery]


def _covers_mail_at(recipient: str, name: str, holders: Holders) -> bool:
    """Return whether it is a recipient at or below the domain, or a subdomain catch-all above it."""
    covers = recipient.startswith(".") and name.endswith(recipient)
    return covers or holders.belongs(domain_of(recipient.lower()), name)


def _sentences(domain: Domain, live: Live, state: DesiredState) -> Iterator[str]:
    """Yield a sentence for each rule that still delivers as the former holder wanted. An inactive set delivers nothing.

    We can't know this of an unmanaged rule, so each one that names a transferred domain is shown.
    """
    if live.is_active and (left := _former_recipients(domain, live, state)):
        whose = f"the destination of {domain.moved_from}" if domain.moved_from else "the former holder's destination"
        whose = "a former destination" if domain.moved_from_id == domain.customer_id else whose  # it has come back
        more = f" and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
        named = ", ".join(recipient for recipient, _ in left[:MOST_NAMED])
        yield f"Mail for {named}{more} still goes to {whose}: {left[0][1].delivery}."
    active = live.rule_set if live.is_active else live.unmanaged_set
    for rule in active.foreign if active is not None and domain.moved_at else ():
        if rule.enabled and any(_covers_mail_at(each, domain.name, state.holders) for each in rule.recipient_set):
            yield (
                f"The receipt rule {rule.name} includes {domain} and isn't managed here: its mail still goes to "
                f"{rule.delivery}. Take over the rule, or remove the domain from it in the SES console."
            )


def _remove_outdated(domain: Domain, live: Live, state: DesiredState) -> tuple[Live, str]:
    """Execute one run for this domain's names. Return the live state, and why it failed. Raises AwsProblem."""
    try:
        made, request = _plan(_scope(domain, live, state), live, state)
    except Refused as refused:
        return live, str(refused)
    if made.is_empty:
        return live, " ".join(each.sentence for each in made.untouched)
    with transaction.atomic():
        because = f"{domain} has a new holder."
        run = store_run(made, request, kind=RunKind.HOLDER, actor=None, because=because)
    after = runs_services.execute_run(run_id=run.pk, active=live.rule_set)
    run.refresh_from_db()
    return read_live(), "" if after is not None else run.problem or "The run was cancelled."


def _plan(scope: frozenset[str], live: Live, state: DesiredState) -> tuple[Plan, PlanRequest]:
    """Plan in place, which stores mail at worst twice for a moment; else blue/green. Raises Refused."""
    in_place, copy = (PlanRequest(scope=scope, method=method) for method in (Method.IN_PLACE, Method.BLUE_GREEN))
    try:
        return plan_changes(in_place, live, state), in_place
    except Refused:
        return plan_changes(copy, live, state), copy


def _scope(domain: Domain, live: Live, state: DesiredState) -> frozenset[str]:
    """Return all recipients at the domain; if a catch-all above it ends, also the others that it covered."""
    scope = recipients_at(domain.name, state, live.rule_set)
    for recipient, _ in _outdated_recipients(domain, live, state):
        if recipient.startswith("."):
            below = recipients_at(domain_of(recipient), state, live.rule_set)
            scope |= {each for each in below if domain_of(each).endswith(recipient)} | {recipient}
    return scope
