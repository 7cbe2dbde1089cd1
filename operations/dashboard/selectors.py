"""What a person opens in the morning: what needs them first, how full the region is, how it went."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from accounts.people.selectors import Viewer, supports_everyone
from domains.checking.core.judgement import State
from domains.domain_list import selectors as domain_list_selectors
from domains.models.domains import Domain
from inbound_admin.lib import counters, jobs, plots
from inbound_admin.lib.lanes import WorkLane
from inbound_admin.lib.lists import bounded_count
from notifications.alerts.selectors import number_unanswered
from operations.drift import selectors as drift_selectors
from operations.drift.core import HARMFUL
from receipt_rules.addresses.selectors import may_see_rules
from receipt_rules.capacity.selectors import Meter, capacity_known, forecast
from receipt_rules.live.selectors import last_known, receiving_outage
from receipt_rules.models.runs import PendingChange, Run, RunState
from tenants.lifecycle import selectors as lifecycle_selectors

NEARLY_FULL_PERCENT = 80
SHOWN_DAYS = 7
DOMAINS_SHOWN = 8
HARM_SHOWN = 5


@dataclass(frozen=True)
class AttentionItem:
    """One line of what needs attention; `page` and `query` lead to the list that shows just that."""

    count: int
    sentence: str
    page: str
    query: str = ""
    tone: str = "warn"


@dataclass(frozen=True)
class CapacitySummary:
    meters: tuple[Meter, ...]
    forecast: str
    monthly_cost: float
    is_read: bool


def needs(*, viewer: Viewer, now: datetime) -> tuple[AttentionItem, ...]:
    """The worst first: mail that is lost or goes to a stranger, then what stops a pause; nothing that is at zero."""
    sees_rules = may_see_rules(viewer)
    found = [*_of_receiving(), *_of_former_holders()] if sees_rules else []
    found += _of_rejecting(viewer)
    if supports_everyone(viewer):
        found += _of_queue()
    if lifecycle_selectors.sees_tenants(viewer):
        found += _of_tenants(viewer)
    found += [*_of_amazon(), *_of_domains(viewer, now)]
    if sees_rules:
        found += _of_rules(now)
        found += [
            AttentionItem(1, f"{meter.name} are {meter.percent} % full", "receipt_rules:rules")
            for meter in _nearly_full()
        ]
    if unanswered := number_unanswered(viewer):
        found.append(
            AttentionItem(
                unanswered,
                _many(unanswered, "alert nobody has taken up", "alerts nobody has taken up"),
                "notifications:inbox",
            )
        )
    return tuple(sorted((need for need in found if need.count), key=lambda need: need.tone != "bad"))


def how_full(*, now: datetime) -> CapacitySummary:
    """By the rules as we last read them; of a region that was never read nothing is foretold."""
    own = lifecycle_selectors.capacity()
    meters = (*_rule_meters(), Meter("Tenants", own.count, own.quota))
    left = next((meter.left for meter in meters if meter.name == "Recipients"), None)
    ends = "" if left is None else forecast(left=left, now=now)
    return CapacitySummary(meters, ends, own.monthly_cost, is_read=left is not None)


def charts(*, now: datetime) -> tuple[plots.Chart, ...]:
    """Of the last week, by the hour, as all our processes counted."""
    window = plots.Window(now - timedelta(days=SHOWN_DAYS), now, step=timedelta(hours=2))
    states = {words: _levels("domains_by_state", key, window) for key, words in STATES.items()}
    checks = {"Looks at the DNS": _sums("dns_look", window)}
    calls = {"Calls to Amazon": _sums("aws_call", window)}
    most = settings.AWS_CALLS_PER_SECOND * 3600
    pace = [plots.Limit(most, "the pace that all share", "warn")] if most > 0 else []
    return (
        plots.chart("Domains by state", states, window),
        plots.chart("Looks at the DNS, an hour", checks, window),
        plots.chart("Calls to Amazon, an hour", calls, window, limits=pace),
    )


STATES = {
    state.value: state.label
    for state in (State.VERIFIED, State.WAITING, State.AT_RISK, State.WRONG, State.COULD_NOT_CHECK)
}


def domains_to_do(viewer: Viewer) -> list[Domain]:
    """A customer's own that are not in order, the worst first."""
    wrong = (State.AT_RISK, State.WRONG)
    own = domain_list_selectors.domains_not_verified(viewer)
    return sorted(own.order_by("state_since")[:100], key=lambda domain: domain.shown_state not in wrong)[:DOMAINS_SHOWN]


LATE = {
    WorkLane.URGENT: "Urgent work (a pause, a stop) waits for {seconds} seconds: see the runbook",
    WorkLane.PEOPLE: "What people wait for is held up for {seconds} seconds: see the runbook",
    WorkLane.LOOKS: "Hourly checks are held up for {seconds} seconds: see the runbook",
}


def _of_queue() -> Iterator[AttentionItem]:
    for lane, seconds in jobs.late_lanes().items():
        yield AttentionItem(1, LATE[lane].format(seconds=f"{seconds:,}"), "operations:overview", tone="bad")


def _of_amazon() -> Iterator[AttentionItem]:
    unread = [look.area for look in drift_selectors.looks_by_area() if look.problem]
    if unread:
        sentence = f"Amazon’s {' and '.join(unread)} could not be read at the last look"
        yield AttentionItem(1, sentence, "operations:differences", tone="bad")


def _of_receiving() -> Iterator[AttentionItem]:
    """What harms customers now, before anything that only may."""
    if outage := receiving_outage():
        yield AttentionItem(1, outage.title, "receipt_rules:rules", tone="bad")
    for harm in drift_selectors.differences_shown("open", "rules").filter(kind=HARMFUL)[:HARM_SHOWN]:
        yield AttentionItem(1, harm.sentence.rstrip("."), "operations:differences", "area=rules", tone="bad")


def _of_rejecting(viewer: Viewer) -> Iterator[AttentionItem]:
    rejecting = bounded_count(domain_list_selectors.domains_rejecting(viewer))
    sentence = _many(rejecting, "domain loses mail: SES rejects it", "domains lose mail: SES rejects it")
    yield AttentionItem(rejecting, sentence, "domains:list", "show=rejecting", "bad")


def _of_domains(viewer: Viewer, now: datetime) -> Iterator[AttentionItem]:
    counted = domain_list_selectors.attention_counts(viewer=viewer, filters=domain_list_selectors.DomainListFilters())
    wrong, stuck = counted["attention"], bounded_count(domain_list_selectors.domains_stuck(viewer=viewer, now=now))
    yield AttentionItem(
        wrong, _many(wrong, "domain needs attention", "domains need attention"), "domains:list", "show=attention", "bad"
    )
    yield AttentionItem(
        stuck,
        _many(stuck, "domain waits for more than a day", "domains wait for more than a day"),
        "domains:list",
        "show=stuck",
    )
    unclear = counted["unclear"]
    yield AttentionItem(
        unclear,
        _many(unclear, "domain could not be checked", "domains could not be checked"),
        "domains:list",
        "show=unclear",
    )


def _of_tenants(viewer: Viewer) -> Iterator[AttentionItem]:
    counted = lifecycle_selectors.counts(viewer=viewer, filters=lifecycle_selectors.TenantListFilters())
    words = (
        ("suspended", "tenant is suspended by Amazon", "tenants are suspended by Amazon", "bad"),
        ("held_up", "tenant is not as we want it", "tenants are not as we want them", "warn"),
        ("findings", "tenant has a finding of Amazon’s", "tenants have findings of Amazon’s", "warn"),
        (
            "pausing",
            "tenant is not paused yet: mail may leave",
            "tenants are not paused yet: mail may leave",
            "bad",
        ),
        ("paused", "tenant is paused", "tenants are paused", "warn"),
    )
    for show, one, several, tone in words:
        yield AttentionItem(counted[show], _many(counted[show], one, several), "tenants:list", f"show={show}", tone)


def _of_rules(now: datetime) -> Iterator[AttentionItem]:
    region = settings.AWS_REGION
    last = Run.objects.filter(region=region, state__in=(RunState.DONE, RunState.FAILED)).order_by("-ended_at").first()
    failed = int(last is not None and last.state == RunState.FAILED)
    yield AttentionItem(failed, "The last run of changes failed", "receipt_rules:runs", tone="bad")
    waiting = PendingChange.objects.exclude(waits_because="").count()
    yield AttentionItem(
        waiting,
        _many(waiting, "customer’s change waits for an operator", "customers’ changes wait for an operator"),
        "receipt_rules:plan",
    )
    drift = drift_selectors.counts()["open"]
    yield AttentionItem(
        drift,
        _many(
            drift, "difference between Amazon and us is undecided", "differences between Amazon and us are undecided"
        ),
        "operations:differences",
    )


def _of_former_holders() -> Iterator[AttentionItem]:
    """Until SES was read to deliver as the new holder wants."""
    names = list(domain_list_selectors.domains_with_former_routes().values_list("name", flat=True)[:2])
    if names:
        query = f"q={names[0]}" if len(names) == 1 else "show=former"
        number = domain_list_selectors.domains_with_former_routes().count()
        one = f"Mail for {names[0]} may still go to its former holder"
        several = f"Mail for {number:,} domains may still go to their former holders"
        yield AttentionItem(number, one if number == 1 else several, "domains:list", query, tone="bad")


def _nearly_full() -> tuple[Meter, ...]:
    own = lifecycle_selectors.capacity()
    meters = (*_rule_meters(), Meter("Tenants", own.count, own.quota))
    return tuple(meter for meter in meters if meter.percent >= NEARLY_FULL_PERCENT)


def _rule_meters() -> tuple[Meter, ...]:
    latest = last_known()
    if latest is None:
        return (Meter("Identities", domain_list_selectors.domains_in_region().count(), settings.SES_IDENTITIES),)
    full = capacity_known(latest)
    return (full.rules, full.recipients, full.identities)


def _levels(name: str, label: str, window: plots.Window) -> plots.Points:
    return [(each.hour, each.number) for each in counters.counted_since(name, window.start) if each.label == label]


def _sums(name: str, window: plots.Window) -> plots.Points:
    found: dict[datetime, float] = {}
    for each in counters.counted_since(name, window.start):
        found[each.hour] = found.get(each.hour, 0) + each.number
    return sorted(found.items())


def _many(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
