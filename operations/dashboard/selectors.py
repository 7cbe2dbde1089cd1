"""The overview: what needs attention, capacity, and plots of the last week."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef

from accounts.people.selectors import Viewer, supports_everyone
from domains.checking.core.judgement import State
from domains.diagnosis.core.findings import Diagnosis
from domains.diagnosis.selectors import nameserver_problem, zone_cause_in
from domains.domain_list import selectors as domain_list_selectors
from domains.models.domains import Domain, Stage
from domains.receiving.core import HALTING, NOT_HERE, Receiving, ReceivingState
from domains.records.core import Need, Purpose
from domains.records.selectors import RecordRow, records_page
from inbound_admin.lib import counters, jobs, plots
from inbound_admin.lib.fixed_query import FixedQuery
from inbound_admin.lib.lanes import WorkLane
from inbound_admin.lib.tables import keyed
from notifications.alerts.selectors import open_objects, open_since
from operations.dashboard.core import KEPT_BY_SES, CaseFacts, RecordToFix, SendingOff
from operations.drift import selectors as drift_selectors
from operations.drift.core import HARMFUL
from operations.models import ItemState, MigrationItem
from receipt_rules.addresses.selectors import addresses_for, endpoints_for
from receipt_rules.live.selectors import LastRead, Meter, ReceivingOutage, capacity_as_read, last_read
from receipt_rules.runs.selectors import last_run_failed, may_see_rules, pending_approval_count
from tenants.lifecycle import selectors as lifecycle_selectors

NEARLY_FULL_PERCENT = 80
SHOWN_DAYS = 7
DOMAINS_SHOWN = 8
HARM_SHOWN = 5
_NEWER_ITEMS = MigrationItem.objects.exclude(state=ItemState.CANCELLED).filter(
    customer=OuterRef("customer"), migration__created_at__gt=OuterRef("migration__created_at")
)
FIRST_LINE_AFTER = timedelta(hours=2)  # counts are hourly, and a line needs two


@dataclass(frozen=True)
class AttentionItem:
    """One line of "Needs attention"; `page` and `query` link to the matching list."""

    count: int
    sentence: str
    page: str
    query: str = ""
    tone: str = "warn"


@dataclass(frozen=True)
class CapacitySummary:
    """`meters`: each with the page that lists what it counts. `read_at`: when the rules were last read from SES."""

    meters: tuple[tuple[Meter, str], ...]
    forecast: str
    monthly_cost: float
    read_at: datetime | None


_FAILED_ITEMS = FixedQuery(
    lambda: MigrationItem.objects.filter(migration__region=settings.AWS_REGION, state=ItemState.FAILED)
)


def attention_items(
    *,
    viewer: Viewer,
    full: CapacitySummary | None,
    counts: Mapping[str, int],
    unanswered: int,
    outage: ReceivingOutage | None,
    banners: Iterable[lifecycle_selectors.CustomerBanner],
) -> tuple[AttentionItem, ...]:
    """Return the list, ranked by harm: lost or misdelivered mail first, then pauses without effect.

    Zeros are left out. `full`: how full the region is, for viewers who may see the rules. `counts` (of domains by
    group), `unanswered` (alerts), `outage` and `banners` are on the page too.
    """
    sees_rules = may_see_rules(viewer)
    drift = drift_selectors.open_count() if sees_rules else 0
    found = [*_receiving_items(outage, drift), *_former_holder_items()] if sees_rules else []
    rejecting = domain_list_selectors.rejecting_by_state(viewer)
    found += [*_rejected_mail_items(rejecting), *_endpoint_items(viewer)]
    found += _queue_items() if supports_everyone(viewer) else _own_pause_items(viewer, banners)
    if lifecycle_selectors.sees_tenants(viewer):
        found += [*_tenant_items(viewer), *_ses_items()]
    found += _domain_items(counts, sum(rejecting.values()))
    if sees_rules:
        nearly_full = [meter for meter, _ in (full.meters if full else ()) if meter.percent >= NEARLY_FULL_PERCENT]
        words = "{meter.name}: {meter.percent}% of the quota used"
        found += _rule_items(drift)
        found += [AttentionItem(1, words.format(meter=meter), "receipt_rules:rules") for meter in nearly_full]
    for_you = _many(unanswered, "unacknowledged alert for you", "unacknowledged alerts for you")
    found += [AttentionItem(unanswered, for_you, "notifications:inbox")]
    return tuple(sorted((need for need in found if need.count), key=lambda need: need.tone != "bad"))


METER_PAGES = {
    "Rules": "receipt_rules:rules",
    "Recipients": "receipt_rules:addresses",
    "Identities": "domains:list",
    "Tenants": "tenants:list",
}


def capacity_summary(*, now: datetime) -> CapacitySummary:
    """Compute from the rules as last read from SES. Without a read there is no forecast."""
    own, read = lifecycle_selectors.capacity(), last_read()
    of_rules, ends = _rule_meters(read, now)
    meters = (*of_rules, Meter("Tenants", own.count, own.quota))
    pages = tuple((meter, METER_PAGES.get(meter.name, "receipt_rules:rules")) for meter in meters)
    return CapacitySummary(pages, ends, own.monthly_cost, read.at if read else None)


def charts(*, now: datetime) -> tuple[tuple[plots.Chart, ...], datetime | None]:
    """Return hourly charts of the last seven days, and since when is counted while there is no line to draw yet."""
    start = now - timedelta(days=SHOWN_DAYS)
    counted, first = counters.counted_since(("domains_by_state", "dns_look", "aws_call"), start)
    since = first if first and first > start else None
    is_new = since is not None and now - since < FIRST_LINE_AFTER
    return _charts(counted, plots.Window(since or start, now, step=timedelta(hours=2))), since if is_new else None


def _charts(counted: Sequence[counters.Count], window: plots.Window) -> tuple[plots.Chart, ...]:
    states = {words: _levels(counted, key) for key, words in STATES.items()}
    checks = {"DNS checks": _sums(counted, "dns_look")}
    calls = {"AWS API calls": _sums(counted, "aws_call")}
    most = settings.AWS_CALLS_PER_SECOND * 3600
    pace = [plots.Limit(most, "shared rate limit", "warn")] if most > 0 else []
    return (
        plots.chart("Domains by status", states, window),
        plots.chart("DNS checks per hour", checks, window),
        plots.chart("AWS API calls per hour", calls, window, limits=pace),
    )


STATES = keyed(
    (state.value, state.label)
    for state in (State.VERIFIED, State.WAITING, State.AT_RISK, State.WRONG, State.COULD_NOT_CHECK)
)


ZONE_APPENDED = "dns.value.zone_appended"
TO_FIX = (State.WAITING, State.WRONG, State.AT_RISK)  # a failed lookup isn't among them


def case_facts(domain: Domain, found: Diagnosis | None = None, *, awaits_diagnosis: bool = False) -> CaseFacts:
    """Collect from our rows, and a diagnosis of the last seconds if there is one.

    The state is the checks' result, whatever staff show to the customer.
    """
    page, rejected = records_page(domain, can_check_in=0), _rejected(domain)
    rows = [row for group in page.groups for row in group.rows]
    left = [row for row in rows if row.record.need is Need.REQUIRED and row.state in TO_FIX]
    left = [page.claim_row] if domain.stage == Stage.CLAIM and page.claim_row else left
    return CaseFacts(
        domain=str(domain),
        stage=domain.stage,
        state=State(domain.state),
        to_fix=[_to_fix(row) for row in left],
        is_held=domain.is_held,
        stopped=domain.ses_stopped_checking,
        problem=domain.stage_problem,
        rejected=rejected.sentence if rejected else "",
        rejected_word=rejected.word if rejected else "",
        rejected_by_us=any(_is_by_us(domain, each) for each in _receiving_failures(domain)),
        lame=nameserver_problem(found),
        deadline=_deadline(domain, left),
        awaits_diagnosis=awaits_diagnosis,
        off=_off(domain),
        is_gone=page.is_gone,
        cause=zone_cause_in(found) or page.cause,
        is_correct=bool(rows) and all(row.is_done for row in rows if row.record.need is Need.REQUIRED),
    )


def _off(domain: Domain) -> SendingOff | None:
    standing, banner = lifecycle_selectors.sending_banner(domain.customer)
    return SendingOff(standing, banner.title, banner.told, banner.goes_on) if banner else None


_OF_THE_IDENTITY = (Purpose.OWNERSHIP, Purpose.SIGNING)


def case_since(domain: Domain) -> datetime:
    """Return since when mail is rejected, if it is; otherwise since when the records have their state."""
    if _rejected(domain):
        return open_since("domain.rejects_mail", [domain.pk]).get(domain.pk, domain.state_since)
    return domain.state_since


def _rejected(domain: Domain) -> Receiving | None:
    red = sorted(_receiving_failures(domain), key=lambda each: not _is_by_us(domain, each))
    return red[0] if red else None


def _receiving_failures(domain: Domain) -> list[Receiving]:
    """Return receiving failures. For a domain that SES hasn't verified, its records say what to do."""
    names = (domain.receiving, *domain.receiving_below) if domain.stage == Stage.READY else ()
    failing = [each for each in names if each.is_red or each.state is ReceivingState.BLOCKED]
    return [each for each in failing if domain.receiving_facts(each.name).is_verified]


def _is_by_us(domain: Domain, each: Receiving) -> bool:
    """Return whether a rule or our team is the cause, not a missing address, a send-only domain or their policy."""
    return (
        domain.receives
        and each.state is not ReceivingState.MTA_STS
        and domain.receiving_facts(each.name).rules not in NOT_HERE
    )


def _deadline(domain: Domain, left: Sequence[RecordRow]) -> datetime | None:
    of_identity = any(row.record.purpose in _OF_THE_IDENTITY for row in left)
    if domain.state != State.AT_RISK or not of_identity or domain.ses_stopped_checking:
        return None
    return domain.state_since + KEPT_BY_SES


def _to_fix(row: RecordRow) -> RecordToFix:
    record, is_known = row.record, row.state in TO_FIX
    is_dotted = record.type != "TXT" and (row.form_values.value.endswith(".") or row.code == ZONE_APPENDED)
    value = f"{record.value}." if is_dotted else record.value
    return RecordToFix(
        row.label,
        record.type,
        record.name,
        value,
        _found(row) if is_known else None,
        row.reason if is_known else "",
        typed_name=row.form_values.name,
        priority=record.priority,
    )


def _found(row: RecordRow) -> tuple[str, ...]:
    """Return the value in question. If the diagnosis found the record at another name, that name."""
    is_elsewhere = row.finding is not None and row.finding.code != row.code
    return row.finding.found if row.finding and is_elsewhere else row.found


LATE = {
    WorkLane.URGENT: "Urgent work (pause, stop) is delayed by {seconds} seconds: see the runbook",
    WorkLane.PEOPLE: "Work that people wait for is delayed by {seconds} seconds: see the runbook",
    WorkLane.LOOKS: "Hourly checks are delayed by {seconds} seconds: see the runbook",
}


def _queue_items() -> Iterator[AttentionItem]:
    for lane, seconds in jobs.late_lanes().items():
        yield AttentionItem(1, LATE[lane].format(seconds=f"{seconds:,}"), "operations:overview", tone="bad")


def _ses_items() -> Iterator[AttentionItem]:
    unread = [area_check.area for area_check in drift_selectors.checks_by_area() if area_check.problem]
    if unread:
        sentence = f"{' and '.join(unread).capitalize()} could not be read from SES at the last check"
        yield AttentionItem(1, sentence, "operations:differences", tone="bad")


def _receiving_items(outage: ReceivingOutage | None, drift: int) -> Iterator[AttentionItem]:
    """Yield problems that harm customers now. `drift`: how many differences are open."""
    if outage:
        yield AttentionItem(1, outage.title, "receipt_rules:rules", tone="bad")
    if drift:
        found = drift_selectors.differences_shown("open", "rules").filter(kind=HARMFUL)
        for harm in found.select_related(None)[:HARM_SHOWN]:
            yield AttentionItem(1, harm.sentence.rstrip("."), "operations:differences", "area=rules", tone="bad")


LOSING = {
    ReceivingState.LOST: "SES accepts it, and nothing stores it",
    ReceivingState.PARTLY_LOST: "another rule keeps that of some addresses",
    ReceivingState.TAKEN: "another rule catches it",
    ReceivingState.UNDELIVERED: "the receipt rule stores it without delivering it",
    ReceivingState.TLS_ONLY: "SES rejects what comes without TLS",
    ReceivingState.MTA_STS: "an MTA-STS policy doesn't list our host",
    ReceivingState.BOUNCED: "another rule bounces it",
    ReceivingState.REJECTED: "SES rejects it",
}


def _rejected_mail_items(rejecting: Mapping[str, int]) -> Iterator[AttentionItem]:
    """Yield rejected mail by cause, the worst first. All link to one list."""
    for state, why in LOSING.items():
        number = rejecting.get(state, 0)
        sentence = _many(number, f"domain isn't getting its mail: {why}", f"domains aren't getting their mail: {why}")
        yield AttentionItem(number, sentence, "domains:list", "show=rejecting", "bad")


def _own_pause_items(viewer: Viewer, banners: Iterable[lifecycle_selectors.CustomerBanner]) -> Iterator[AttentionItem]:
    """Yield a customer's own pauses, as in their banners, and the addresses that our team turned off."""
    for each in banners:
        yield AttentionItem(1, each.banner.title, "domains:list", tone="bad")
    off = addresses_for(viewer).filter(rules__in=HALTING, is_active=True).count()
    one, several = "address isn't receiving", "addresses aren't receiving"
    sentence = f"{_many(off, one, several)}: our team has turned off inbound mail"
    yield AttentionItem(off, sentence, "receipt_rules:addresses", tone="bad")


def _endpoint_items(viewer: Viewer) -> Iterator[AttentionItem]:
    """Yield endpoints that refused three messages in a row without accepting one since. They also raise an alert."""
    failing = endpoints_for(viewer).filter(pk__in=open_objects("endpoint.failing"), is_active=True).order_by("name")
    if names := list(failing.values_list("name", flat=True)):
        number = len(names)
        one, several = f"endpoint isn't accepting mail: {names[0]}", "endpoints aren't accepting mail"
        yield AttentionItem(number, _many(number, one, several), "receipt_rules:endpoints", tone="bad")


def _domain_items(counts: Mapping[str, int], rejecting: int) -> Iterator[AttentionItem]:
    """`rejecting`: domains that have a line of their own."""
    wrong, stuck = counts["attention"], counts["stuck"]
    left = max(wrong - rejecting, 0)
    other = "other " if rejecting else ""
    sentence = _many(left, f"{other}domain has a problem", f"{other}domains have a problem")
    yield AttentionItem(left, sentence, "domains:list", "show=attention", "bad")
    yield AttentionItem(
        stuck,
        _many(stuck, "domain unverified for more than a day", "domains unverified for more than a day"),
        "domains:list",
        "show=stuck",
    )
    sentence = _many(counts["unclear"], "domain could not be checked", "domains could not be checked")
    yield AttentionItem(counts["unclear"], sentence, "domains:list", "show=unclear")


def _tenant_items(viewer: Viewer) -> Iterator[AttentionItem]:
    counted = lifecycle_selectors.counts(viewer=viewer, filters=lifecycle_selectors.TenantListFilters())
    pausing, undone = "still pausing: mail may still be sent", "sending: the pause was undone in SES"
    words = (
        ("suspended", "tenant is suspended by AWS", "tenants are suspended by AWS", "bad"),
        ("held_up", "tenant differs from its requested state", "tenants differ from their requested state", "warn"),
        ("findings", "tenant has an open reputation finding", "tenants have open reputation findings", "warn"),
        ("pausing", f"tenant is {pausing}", f"tenants are {pausing}", "bad"),
        ("undone", f"tenant is {undone}", f"tenants are {undone}", "bad"),
        ("paused", "tenant is paused", "tenants are paused", "warn"),
    )
    stopped = int(lifecycle_selectors.account_is_stopped())
    yield AttentionItem(stopped, "Sending is stopped for our whole AWS account", "tenants:account", tone="bad")
    for show, one, several, tone in words:
        yield AttentionItem(counted[show], _many(counted[show], one, several), "tenants:list", f"show={show}", tone)
    failed = _FAILED_ITEMS.build().filter(~Exists(_NEWER_ITEMS)).count() if _FAILED_ITEMS.exists() else 0
    sentence = _many(failed, "customer could not be migrated", "customers could not be migrated")
    yield AttentionItem(failed, sentence, "operations:migrations")


def _rule_items(drift: int) -> Iterator[AttentionItem]:
    yield AttentionItem(int(last_run_failed()), "The last run failed", "receipt_rules:runs", tone="bad")
    waiting = pending_approval_count()
    sentence = _many(waiting, "customer change is pending approval", "customer changes are pending approval")
    yield AttentionItem(waiting, sentence, "receipt_rules:plan")
    yield AttentionItem(
        drift,
        _many(drift, "open difference between SES and the database", "open differences between SES and the database"),
        "operations:differences",
    )


def _former_holder_items() -> Iterator[AttentionItem]:
    """Yield domains until a read of SES confirms delivery for the new customer."""
    if names := domain_list_selectors.two_with_former_routes():
        query = f"q={names[0]}" if len(names) == 1 else "show=former"
        number = domain_list_selectors.domains_with_former_routes().count()
        one = f"Mail for {names[0]} may still be delivered to its previous customer"
        several = f"Mail for {number:,} domains may still be delivered to their previous customers"
        yield AttentionItem(number, one if number == 1 else several, "domains:list", query, tone="bad")


def _rule_meters(read: LastRead | None, now: datetime) -> tuple[tuple[Meter, ...], str]:
    if read is None:
        return (Meter("Identities", domain_list_selectors.domains_in_region().count(), settings.SES_IDENTITIES),), ""
    full, ends = capacity_as_read(read, now=now)
    return (full.rules, full.recipients, full.identities), ends


def _levels(counted: Sequence[counters.Count], label: str) -> plots.Points:
    return [(each.hour, each.number) for each in counted if (each.name, each.label) == ("domains_by_state", label)]


def _sums(counted: Sequence[counters.Count], name: str) -> plots.Points:
    found: dict[datetime, float] = {}
    for each in (each for each in counted if each.name == name):
        found[each.hour] = found.get(each.hour, 0) + each.number
    return sorted(found.items())


def _many(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"
