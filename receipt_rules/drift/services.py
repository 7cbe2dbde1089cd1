"""Detects drift of the receipt rules: another client changed a rule, or another rule set is active.

The known state is what the last run left, or what a person accepted since. Reading doesn't change it.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models.people import User
from audit import services as audit_services
from domains.ownership.selectors import Holders
from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.freshness import is_outdated
from inbound_admin.lib.seen import fingerprint, refuse_if_changed
from receipt_rules.alerts import services as alerts_services
from receipt_rules.jobs import queue_drift_check
from receipt_rules.live import selectors as live_selectors
from receipt_rules.live import services as live_services
from receipt_rules.live.services import Live, live_from_last_read, read_live, receives_here
from receipt_rules.models.runs import IgnoredDifference, OwnRuleSet, PendingChange, RulesCheck, Run
from receipt_rules.planner.core.plans import digest
from receipt_rules.planner.core.recipient_index import RecipientIndex, SampleAddresses
from receipt_rules.planner.core.rules import AnyRule, ForeignRule, RuleSet, domain_of, is_ours
from receipt_rules.planner.core.steps import Reorder, touched_rules
from receipt_rules.planner.services import plan_changes, untouched_rules
from receipt_rules.receiving import services as receiving_services
from receipt_rules.runs.selectors import rule_set_subject, steps_in_progress

OUTAGES = ("none_active", "stranger_active")


@dataclass(frozen=True)
class RuleDifference:
    """`key` identifies this difference; another change of the rule gives another key.

    `lost`: how many recipients it keeps from receiving. `kind`, for the page, is one of:
    stranger_active, none_active, harmful, missing, extra, changed, reordered, not_as_wanted.
    """

    key: str
    kind: str
    rule: str
    sentence: str
    is_ignored: bool = False
    lost: int = 0

    @property
    def is_planned(self) -> bool:
        """Return whether a plan reverts it, or protects mail from it. A plan never changes an unmanaged rule."""
        return self.kind not in ("extra", "missing", "changed") or is_ours(self.rule)


def differences(live: Live) -> tuple[RuleDifference, ...]:
    """Return differences between the live and the known rules; none if no state is known yet."""
    harmful = tuple(_harmful_rules(live)) if live.is_active else ()
    harmed_rules = {each.rule for each in harmful}
    rules = (each for each in _rule_differences(live) if each.kind != "extra" or each.rule not in harmed_rules)
    found = [*_set_differences(live), *harmful, *rules]
    ignored = set(IgnoredDifference.objects.filter(region=settings.AWS_REGION).values_list("key", flat=True))
    return tuple(replace(each, is_ignored=each.key in ignored) for each in found)


def check_drift() -> tuple[RuleDifference, ...]:
    """Read and compare the rules, and store the result. Raises AwsProblem, which is stored too."""
    if not receives_here():
        return ()
    try:
        live = read_live()
    except AwsProblem as problem:
        _store_check(problem=str(problem))
        raise
    found = (*differences(live), *outdated_rules(live))
    active, stays = live.active, untouched_rules(live)
    with transaction.atomic():
        receiving_services.record_live_rules(active, is_ours=live.is_active)
        alerts_services.update_active_set_alert(
            live_services.record_active_set(active if active.name and live.sets.active else None, now=live.read_at)
        )
        news = {each.key for each in found} - {each["key"] for each in _last_differences()}
        for each in found:
            if each.key in news:
                about = rule_set_subject(active.name or live.rule_set.name)
                audit_services.record("rules.drift", about=about, actor=None, because=each.sentence, for_staff=True)
        alerts_services.update_drift_alert(active.name or live.rule_set.name, found, news)
        alerts_services.update_untouched_alert(stays)
        alerts_services.update_quota_alerts(active)
        _store_check(found)
    return found


_compared: dict[str, tuple[str, str, object]] = {}  # by region, what this process found to be as checked


def queue_check_if_changed() -> None:
    """Queue a check now if the rules as last read differ otherwise than the last check found. Makes no call to SES.

    Of rules that are as we left them, only digests are compared: the content may be megabytes.
    """
    read, kept = live_selectors.last_read(), live_selectors.last_known()
    if read is None or not receives_here():
        return
    check = RulesCheck.objects.filter(region=settings.AWS_REGION).first()
    compared = (read.row.digest, kept.pk if kept else "", check.at if check else None)
    if _compared.get(settings.AWS_REGION) == compared:
        return
    found = {each["key"] for each in check.differences if each["kind"] != "not_as_wanted"} if check else set()
    is_as_left = kept is not None and kept.digest == read.row.digest and live_selectors.is_all_known(kept)
    if (found or not is_as_left) and {each.key for each in differences(live_from_last_read(read))} != found:
        queue_drift_check()
        return
    _compared[settings.AWS_REGION] = compared


def outdated_rules(live: Live) -> tuple[RuleDifference, ...]:
    """Return one difference if the plan for everything isn't empty; none while changes are pending or in progress.

    No change in the SES console is needed for that: a transferred domain, or a newly proven subdomain, changes the plan
    too.
    """
    if not live.is_active or PendingChange.objects.exists() or steps_in_progress():
        return ()
    try:
        made = plan_changes(live=live)
    except Refused as refused:
        return (RuleDifference(f"not_as_wanted {refused.code}", "not_as_wanted", "", str(refused)),)
    if made.is_empty:
        return ()
    key = f"not_as_wanted {made.digest[:16]}"
    is_ignored = IgnoredDifference.objects.filter(region=settings.AWS_REGION, key=key).exists()
    planned = f"{made.summary[0].lower()}{made.summary[1:]}"
    sentence = f"SES receipt rules are out of date. With the plan, {planned} The plan shows the changes."
    return (RuleDifference(key, "not_as_wanted", "", sentence, is_ignored=is_ignored),)


def seen_drift(live: Live, found: Iterable[RuleDifference]) -> str:
    """Return the fingerprint of what a page shows, on which a person decides (`lib.seen`)."""
    return fingerprint(_seen_values(live, found))


def _seen_values(live: Live, found: Iterable[RuleDifference]) -> dict[str, object]:
    theirs = digest(list(live.unmanaged_set.rules)) if live.unmanaged_set else ""
    return {"differences": sorted(each.key for each in found), "unmanaged_set": theirs}


def accept(*, because: str, actor: User, key: str = "", seen: str = "") -> None:
    """Accept the live rules as known; outdated rules show in the next plan. Raises Refused.

    `key`: the difference for which a person accepts them; it must be there now, and the last check, which they read,
    must have found all others. `seen`: from `seen_drift`.
    """
    _require_operator_and_reason(because, actor)
    live, runs = read_live(), Run.objects.filter(region=settings.AWS_REGION)
    found = differences(live)
    refuse_if_changed(seen, _seen_values(live, found))
    if key:
        _require_present(key, found)
        _require_listed(found)
    if not live.is_active:
        raise Refused("None of our rule sets is active, so there is nothing to accept.", code="RULE_SET_NOT_OURS")
    with transaction.atomic():
        if is_outdated(live.read_at, runs.aggregate(at=Max("ended_at"))["at"]):
            raise Refused("A change of the rules has just ended. Check again.", code="CHANGED_MEANWHILE")
        live_services.store_snapshot(live.rule_set)
        _store_check()
        alerts_services.update_drift_alert(live.rule_set.name, (), set())  # now, not at the next check
        audit_services.record(
            "rules.accepted",
            about=rule_set_subject(live.rule_set.name),
            actor=actor,
            because=because,
            after={"rules": len(live.rule_set.rules), "differences": 0},
            for_staff=True,
        )


def ignore(*, key: str, because: str, actor: User) -> None:
    """Ignore this difference. Reads SES. Raises Refused without a reason, if it isn't there now, and for an outage."""
    _require_operator_and_reason(because, actor)
    if key.partition(" ")[0] in OUTAGES:
        raise Refused("This is an outage and can't be ignored. Restore our rule set.", code="NOT_POSSIBLE")
    _require_present(key, differences(read_live()))
    with transaction.atomic():
        row, is_new = IgnoredDifference.objects.get_or_create(
            region=settings.AWS_REGION, key=key, defaults={"because": because.strip(), "by": actor}
        )
        if is_new:
            audit_services.record(
                "rules.ignored",
                about=rule_set_subject(row.key),
                actor=actor,
                because=row.because,
                before={"shown_as_news": True},
                after={"shown_as_news": False},
                for_staff=True,
            )
            _update_alert_after_decision()


def adopt_rule_set(*, name: str, because: str, actor: User, seen: str = "") -> None:
    """Adopt the active unmanaged set: our rules are added, and its rules stay unchanged as unmanaged rules.

    `seen`: from `seen_drift`. Raises Refused.
    """
    _require_operator_and_reason(because, actor)
    live = read_live()
    if live.unmanaged_set is None or live.unmanaged_set.name != name:
        raise Refused(f"{name} isn't an active rule set of another program.", code="RULE_SET_MISSING")
    refuse_if_changed(seen, _seen_values(live, differences(live)))
    with transaction.atomic():
        fields = {"adopted": True, "by": actor, "because": because.strip()}
        _, is_new = OwnRuleSet.objects.get_or_create(region=settings.AWS_REGION, name=name, defaults=fields)
        if not is_new:
            raise Refused(f"{name} was just adopted by somebody else.", code="RULE_SET_MISSING")
        live_services.store_snapshot(live.unmanaged_set)
        alerts_services.update_active_set_alert(live_services.record_active_set(live.unmanaged_set, now=live.read_at))
        audit_services.record(
            "rules.adopted",
            about=rule_set_subject(name),
            actor=actor,
            because=because.strip(),
            after={"rules": len(live.unmanaged_set.rules)},
            for_staff=True,
        )


def _require_present(key: str, found: Iterable[RuleDifference]) -> None:
    """That the rules are outdated is known from the last check: it takes a plan of the whole region."""
    outdated = {each["key"] for each in _last_differences() if each["kind"] == "not_as_wanted"}
    if key not in outdated and key not in {each.key for each in found}:
        raise Refused("There is no such difference now. Check again.", code="DIFFERENCE_MISSING")


def _require_listed(found: Iterable[RuleDifference]) -> None:
    listed = {each["key"] for each in _last_differences()}
    if new := next((each for each in found if each.key not in listed), None):
        raise Refused(f"More has changed since the last check: {new.sentence} Check again.", code="CHANGED_MEANWHILE")


def _set_differences(live: Live) -> Iterable[RuleDifference]:
    if live.unmanaged_set is not None:
        name, rules = live.unmanaged_set.name, len(live.unmanaged_set.rules)
        since = f", created on {live.unmanaged_set.created:%-d %B %Y}" if live.unmanaged_set.created else ""
        yield RuleDifference(
            f"stranger_active {name}",
            "stranger_active",
            "",
            f"Another program activated its rule set: {name} is active "
            f"({rules:,} rule{'' if rules == 1 else 's'}{since}) and isn't managed here. SES applies its rules to "
            "all mail. "
            f"Restore {live.rule_set.name}, or adopt {name} to keep its rules and add ours.",
        )
    elif not live.sets.active and live_selectors.known_rules() is not None:
        yield RuleDifference(
            "none_active", "none_active", "", f"No rule set is active: SES rejects all mail in {settings.AWS_REGION}."
        )


def _harmful_rules(live: Live) -> Iterable[RuleDifference]:
    """Yield unmanaged rules that keep mail from managed rules after them, or that lose mail for unknown addresses.

    Accepted or not.
    """
    for rule in live.rule_set.foreign:
        if not rule.enabled or is_ours(rule.name):
            continue
        if rule.delivery.stops and (lost := intercepted_addresses(live.rule_set, rule)):
            holders = Holders.at({domain_of(address) for address in lost})
            customers = {holders.customer_of(domain_of(address)) for address in lost} - {""}
            sentence = (
                f"The unmanaged rule {rule.name} stops all mail for {_many(len(lost), 'address', 'addresses')} "
                f"of {_many(len(customers), 'customer', 'customers')}."
            )
            key = f"harmful {rule.name} {digest([rule, *lost])[:16]}"
            yield RuleDifference(key, "harmful", rule.name, sentence, lost=len(lost))
        elif rule.is_for_everybody and not rule.delivery.delivers and not rule.delivery.bounces:
            sentence = (
                f"The unmanaged rule {rule.name} accepts mail for every address and stores nothing: mail for addresses "
                "that don't exist is lost without a bounce."
            )
            yield RuleDifference(f"harmful {rule.name} {digest(rule)[:16]}", "harmful", rule.name, sentence)


def intercepted_addresses(rule_set: RuleSet, rule: ForeignRule) -> tuple[str, ...]:
    """Return the addresses that a managed rule would receive without this one."""
    others = tuple(each for each in rule_set.rules if each.name != rule.name)
    now, without = RecipientIndex(rule_set), RecipientIndex(replace(rule_set, rules=others))
    return tuple(
        address
        for address in SampleAddresses(rule_set.rules).all
        if not _is_delivered_by_us(now, address) and _is_delivered_by_us(without, address)
    )


def _is_delivered_by_us(trace: RecipientIndex, address: str) -> bool:
    return any(not isinstance(rule, ForeignRule) for rule in trace.delivering_rules(address))


def _many(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"


def _rule_differences(live: Live) -> Iterable[RuleDifference]:
    known = live_selectors.known_rules()
    if known is None or not live.is_active or known.rules == live.rule_set.rules:
        return
    steps = steps_in_progress()  # what our run changes right now isn't drift
    ours = touched_rules(steps)
    then, now = (
        {name: rule for name, rule in each.by_name.items() if name not in ours} for each in (known, live.rule_set)
    )
    for name, rule in then.items():
        if name not in now:
            sentence = f"Rule {name} was deleted. It applied to {_scope_of(rule)}{_stopping(lost := _lost(rule, None))}"
            yield _difference("missing", name, None, sentence, lost)
        elif now[name] != rule:
            lost = _lost(rule, now[name])
            sentence = f"Rule {name} was changed outside this system{_what_changed(rule, now[name])}.{_stopping(lost)}"
            yield _difference("changed", name, now[name], sentence, lost)
    for name, rule in now.items():
        if name not in then:
            yield _difference(
                "extra", name, rule, f"Rule {name} was created outside this system. It applies to {_scope_of(rule)}"
            )
    common = [[name for name in names if name in then and name in now] for names in (then, now)]
    if common[0] != common[1] and not any(isinstance(step, Reorder) for step in steps):
        key = f"reordered {digest(list(now))}"
        yield RuleDifference(key, "reordered", "", "The rules were reordered outside this system.")


def _difference(kind: str, name: str, now: AnyRule | None, sentence: str, lost: int = 0) -> RuleDifference:
    return RuleDifference(f"{kind} {name} {digest(now)[:16]}", kind, name, sentence, lost=lost)


def _lost(then: AnyRule, now: AnyRule | None) -> int:
    """Return how many recipients of a managed rule it no longer receives for."""
    if not then.enabled or not is_ours(then.name):
        return 0
    return len(then.recipient_set - (now.recipient_set if now is not None and now.enabled else frozenset()))


def _stopping(lost: int) -> str:
    return f" {_many(lost, 'recipient stops', 'recipients stop')} receiving through it." if lost else ""


def _scope_of(rule: AnyRule) -> str:
    number = len(rule.recipient_set)
    whom = "all recipients" if not number else f"{number:,} recipient{'' if number == 1 else 's'}"
    return f"{whom}.{' It isn’t managed here.' if isinstance(rule, ForeignRule) else ''}"


def _what_changed(then: AnyRule, now: AnyRule) -> str:
    added, removed = now.recipient_set - then.recipient_set, then.recipient_set - now.recipient_set
    parts = [f"{len(added):,} added"] if added else []
    parts += [f"{len(removed):,} removed ({', '.join(sorted(removed)[:3])})"] if removed else []
    parts += ["disabled"] if then.enabled and not now.enabled else []
    parts += [f"now: {now.delivery}"] if then.delivery != now.delivery else []
    return f": {', '.join(parts)}" if parts else ""


def _require_operator_and_reason(because: str, actor: User) -> None:
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can decide on receipt rules.", code="NOT_ALLOWED")
    if not because.strip():
        raise Refused("Enter a reason.", code="REASON_MISSING")


def _last_differences() -> list[dict[str, Any]]:
    row = RulesCheck.objects.filter(region=settings.AWS_REGION).first()
    return list(row.differences) if row else []


def _update_alert_after_decision() -> None:
    """Resolve the alert if every difference of the last check is ignored."""
    ignored = set(IgnoredDifference.objects.filter(region=settings.AWS_REGION).values_list("key", flat=True))
    found = [RuleDifference(**(each | {"is_ignored": each["key"] in ignored})) for each in _last_differences()]
    active = live_selectors.last_read()
    alerts_services.update_drift_alert(active.name if active else str(settings.RULE_SET), found, set())


def _store_check(found: Iterable[RuleDifference] = (), *, problem: str = "") -> None:
    """Store the check. A failed check keeps the differences of the last one: it proves nothing."""
    fields: dict[str, object] = {"at": timezone.now(), "problem": problem}
    if not problem:
        fields["differences"] = [asdict(each) for each in found]
    RulesCheck.objects.update_or_create(region=settings.AWS_REGION, defaults=fields)
