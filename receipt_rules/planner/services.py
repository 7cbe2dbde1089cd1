"""Plans changes of the receipt rules from the live rules and the rows, and stores an approved plan as a run.

The desired state is read from the rows: which recipients, and the delivery of each. Recipients that a rollback changed
are held at their live state (`receipt_rules.rollback`).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models.people import Customer, User
from domains.domain_list.selectors import dns_form
from domains.models.domains import Domain
from domains.ownership.selectors import Holders, holder_of, moved_since
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.core import is_at_or_below
from receipt_rules.deliveries.services import deliveries, has_one_destination, special_endpoints
from receipt_rules.jobs import queue_work
from receipt_rules.live.services import Live, read_live
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.runs import OPEN, UNFINISHED, Run, RunKind, RunState, RunStep
from receipt_rules.planner import selectors
from receipt_rules.planner.core.consequences import Impact, impact, layout_warnings, served, tls_warnings
from receipt_rules.planner.core.desired import DesiredEntries, sorted_entries, without_covered
from receipt_rules.planner.core.planner import make_plan, replaceable_rules
from receipt_rules.planner.core.plans import MOST_SENTENCES, Method, Plan, dump
from receipt_rules.planner.core.rules import (
    RuleDelivery,
    RuleLimits,
    RuleSet,
    broader_entries,
    domain_of,
    ending_in,
    is_address,
)
from receipt_rules.planner.core.steps import touched_recipients
from receipt_rules.planner.core.untouched import UntouchedRule, applicable_state
from receipt_rules.planner.selectors import newly_broken, recipients_of, starting, stop_sentences, stopped_customers
from receipt_rules.rollback.services import (
    recipients_of_snapshot,
    recipients_on_hold,
    restored_state,
    store_hold,
    with_live_deliveries,
)


@dataclass(frozen=True)
class DesiredState:
    """The desired entries of a region. `stopped`: IDs of customers whose receiving is stopped.

    `halted`: their recipients, which no plan serves, with the delivery of each before the stop and after its end.
    """

    desired: DesiredEntries
    holders: Holders
    stopped: frozenset[str] = frozenset()
    halted: Mapping[str, RuleDelivery] = field(default_factory=dict)


def limits() -> RuleLimits:
    return RuleLimits(rules=settings.SES_RULES_PER_SET, recipients=settings.SES_RECIPIENTS_PER_RULE)


def read_desired_state(
    *, customers: frozenset[str] | None = None, also_stopped: frozenset[str] = frozenset()
) -> DesiredState:
    """Read all active addresses and catch-alls of this region. Raises AwsProblem if the AWS account is unknown.

    `customers`: only those of these customers (IDs); no entry covers an address at a name that another customer holds.
    `also_stopped`: treat these customers (IDs) as stopped too, for the preview of a stop.
    """
    return _read_desired_state(lambda _: selectors.address_rows(customers), customers, also_stopped)


def read_desired_entries() -> DesiredState:
    """Read the desired state without addresses that a catch-all serves: a few rows instead of a million.

    A plan of the whole region needs no more. A plan for some recipients needs `read_desired_state`.
    """
    return _read_desired_state(selectors.address_rows_beyond_catch_alls, None, frozenset())


def _read_desired_state(
    read_addresses: Callable[[Collection[str]], Iterator[selectors.RecipientRow]],
    customers: frozenset[str] | None,
    also_stopped: frozenset[str],
) -> DesiredState:
    refused = list(selectors.refused_rows())
    holders = Holders.read(customers if customers is None else customers | {owner for _, owner, *_ in refused})
    refused = [row for row in refused if holders.customer_of(domain_of(row[0])) == row[1]]  # not those of claims
    set_aside = {recipient for recipient, *_ in refused}
    special = special_endpoints()
    deliver = deliveries(special)
    stopped = stopped_customers() | also_stopped
    entries: dict[str, RuleDelivery] = {}
    kept: dict[str, RuleDelivery] = {}
    halted: dict[str, RuleDelivery] = {}
    is_one = has_one_destination()
    catch_alls = list(selectors.catch_all_rows(holders, customers, special, has_one_destination=is_one))
    caught = {row[0] for row in (*catch_alls, *refused)} if settings.RECEIVING_CATCH_ALL_PREFIX else set()
    addresses = selectors.address_rows(customers) if refused else read_addresses(special)
    for recipient, owner, domain, endpoint, of in chain(addresses, catch_alls, refused):
        if holders.customer_of(domain_of(recipient)) == owner:
            if recipient in set_aside and recipient.startswith(".") and holders.shares_below(domain):
                continue
            is_caught = bool(caught) and not caught.isdisjoint(_catching(recipient))
            made = halted if owner in stopped else kept if recipient in set_aside else entries
            made[recipient] = deliver(endpoint if of == owner else None, domain, is_caught)
    desired = without_covered(sorted_entries(entries), shared=holders.shared, owner=holders.customer_of)
    return DesiredState(replace(desired, refused=kept), holders, stopped, halted)


def _catching(recipient: str) -> Iterator[str]:
    """Yield the catch-alls that could receive its mail, the recipient included if it is one."""
    return (each for each in (recipient, *broader_entries(recipient)) if not is_address(each))


def scope_of(customers: frozenset[str], state: DesiredState, live: RuleSet) -> frozenset[str]:
    """Return every recipient, desired or live, at names that these customers (IDs) hold."""
    desired, holders = state.desired, state.holders
    owner, near = cache(holders.customer_of), holders.names_of(customers)
    ending = (one for rule in live.ours for one in ending_in(near, rule.recipients))
    named = (one for one in ending if is_at_or_below(domain_of(one), near))
    return frozenset(
        recipient
        for recipient in (*desired.entries, *desired.covered, *named)
        if owner(domain_of(recipient)) in customers
    )


def recipients_at(name: str, state: DesiredState, live: RuleSet) -> frozenset[str]:
    """Return recipients, desired or live, at a name and below it, except at subdomains that are domains of their own.

    Nobody needs to hold the name: recipients that rules still have for a deleted domain are included.
    """
    live_ones = {recipient for rule in live.ours for recipient in rule.recipients}
    everything = (*state.desired.entries, *state.desired.covered, *live_ones)
    return frozenset(each for each in everything if state.holders.belongs(domain_of(each), name))


@dataclass(frozen=True)
class PlanRequest:
    """The options of a plan. `scope=None` is everything; `snapshot` is the ID of the state to roll back to.

    `customer` (ID) and `domain` (name): whom the plan is for; affecting others needs a typed confirmation. `old_style`:
    take over all unmanaged rules whose recipients all exist here. `instead_of`: another program's active set that ours
    replaces.
    """

    scope: frozenset[str] | None = None
    method: Method = Method.AUTO
    take_over: frozenset[str] = frozenset()
    compacting: bool = False
    snapshot: str = ""
    old_style: bool = False
    instead_of: str = ""
    customer: str = ""
    domain: str = ""


EVERYTHING = PlanRequest()
CHANGED = "The rules have changed since you opened this plan. Review the updated plan."


def build_plan_request(only: str) -> PlanRequest:
    """Limit a plan to what a person typed: a domain with its subdomains, or what a customer holds, by ID or name.

    Reads the live rules. Raises Refused if it is unknown.
    """
    found = _named(only.strip())
    live, state = read_live(), read_desired_state()
    if isinstance(found, Domain):
        scope = recipients_at(found.name, state, live.rule_set)
        return PlanRequest(scope=scope, customer=found.customer_id, domain=found.name)
    return PlanRequest(scope=scope_of(frozenset([found.id]), state, live.rule_set), customer=found.id)


def _named(only: str) -> Domain | Customer:
    name = dns_form(only).lower().rstrip(".")
    if (domain := holder_of(name)) and domain.name == name:
        return domain
    found = list(Customer.objects.filter(Q(pk=only) | Q(name__iexact=only))[:2])
    if len(found) != 1:
        how_many = "There is more than one customer" if found else "There is no domain or customer"
        raise Refused(f"{how_many} named “{only}”. Enter a domain or a customer ID.", code="NOT_KNOWN")
    return found[0]


def plan_changes(
    request: PlanRequest = EVERYTHING, live: Live | None = None, state: DesiredState | None = None
) -> Plan:
    """Plan with the core's `make_plan`. Reads what the caller hasn't read. Raises Refused as `make_plan`, AwsProblem.

    `live` takes one to three SES calls. A new rule set needs an unused name, so blue/green reads all names first.
    """
    live = live or read_live()
    state = state or (read_desired_entries() if request.scope is None else read_desired_state())
    made = _plan_from(request, live, state)
    if made.method is Method.BLUE_GREEN and not live.has_all_names:
        return _plan_from(request, read_live(all_sets=True), state)
    return made


def _plan_from(request: PlanRequest, live: Live, state: DesiredState) -> Plan:
    desired, active = _desired(request, live, state), live.unmanaged_set
    if request.instead_of and request.instead_of != live.sets.active and (active is None or live.is_active):
        raise Refused(
            f"{request.instead_of} isn't active now, so there is nothing to replace. Create a plan without it.",
            code="RULE_SET_MISSING",
        )
    folded = replaceable_rules(live.rule_set, desired) if request.old_style else frozenset()
    made = make_plan(
        desired,
        live.rule_set,
        scope=request.scope,
        limits=limits(),
        method=request.method,
        take_over=request.take_over | folded,
        compacting=request.compacting,
        sets=live.sets,
        unmanaged_set=active if active and active.name == request.instead_of else None,
    )
    made = _without_stopped(made, request, live, state)
    taken = {rule.name for rule in made.before.foreign} - set(made.after.names)
    layout = layout_warnings(made.consequences) if taken else ()
    return replace(made, warnings=(*made.warnings, *layout, *tls_warnings(made.consequences)))


def _without_stopped(made: Plan, request: PlanRequest, live: Live, state: DesiredState) -> Plan:
    """Return the plan without recipients whose receiving Trust & Safety stopped, with the reason. Raises Refused.

    A plan for some recipients may also enable a rule, or activate a set, that has such recipients of others: it then
    removes them too.
    """
    if not state.stopped:
        return made
    if revived := recipients_of(state.stopped, starting(made.before, made.after)):
        if request.scope is None or revived.keys() <= request.scope:
            raise Refused(f"{next(stop_sentences(revived))} This plan would bring them back.", code="RECEIVING_STOPPED")
        return _plan_from(replace(request, scope=request.scope.union(revived)), live, state)
    out = recipients_of(state.stopped, starting(made.after, made.before) | _restorable(request))
    return replace(made, warnings=(*made.warnings, *stop_sentences(out))) if out else made


def _restorable(request: PlanRequest) -> frozenset[str]:
    """Return all recipients of the state that the plan rolls back to."""
    return recipients_of_snapshot(request.snapshot) if request.snapshot else frozenset()


def _desired(request: PlanRequest, live: Live, state: DesiredState) -> DesiredEntries:
    if request.snapshot:
        return restored_state(request.snapshot, live.rule_set, state.desired, state.holders, stopped=state.stopped)
    return with_live_deliveries(state.desired, recipients_on_hold(stopped=state.stopped), live.rule_set)


def untouched_rules(live: Live) -> tuple[UntouchedRule, ...]:
    """Return the rules that must stay unchanged, because SES refuses a recipient in them that receives mail."""
    if not live.is_active or not any(True for _ in selectors.refused_rows()):
        return ()
    return applicable_state(_desired(EVERYTHING, live, read_desired_state()), live.rule_set, scope=None).untouched


def plan_impact(made: Plan, request: PlanRequest = EVERYTHING) -> Impact:
    """Return how many addresses the plan harms, and which belong to a customer other than the one it is for."""
    stores = {settings.RECEIVING_BUCKET, *Endpoint.objects.exclude(s3_bucket="").values_list("s3_bucket", flat=True)}
    others: tuple[str, ...] = ()
    if request.customer:
        owner = cache(Holders.read().customer_of)
        others = tuple(each.address for each in made.consequences if owner(domain_of(each.address)) != request.customer)
    return impact(made.consequences, served=served(made.before), stores=frozenset(stores), others=others)


def needs_typing(found: Impact) -> bool:
    return found.needs_typing(settings.RECEIVING_CONFIRM_PERCENT)


def run_in_progress() -> Run | None:
    """Return the run that is running or queued; None if there is none."""
    rows = Run.objects.filter(state__in=UNFINISHED, region=settings.AWS_REGION).select_related("approved_by")
    return rows.order_by("state", "created_at").first()


def approve(*, digest: str, because: str, actor: User, typed: str = "", request: PlanRequest = EVERYTHING) -> Run:
    """Plan again, and store the run if the digest is the one that was shown. Pressing twice returns the same run.

    Raises Refused: NOT_ALLOWED, REASON_MISSING, PLAN_CHANGED, NOTHING_TO_DO, TYPE_TO_CONFIRM (the rule set's name),
    RUN_UNDER_WAY, EXPECTATION_BROKEN.
    """
    _require_operator_and_reason(actor, because)
    begun = timezone.now()
    made = plan_changes(request)
    if made.digest != digest:
        raise Refused(CHANGED, code="PLAN_CHANGED")
    if same := Run.objects.filter(digest=digest, state__in=OPEN, region=settings.AWS_REGION).first():
        return same  # pressed twice
    found = plan_impact(made, request)
    _refuse_unready(made, found, typed)
    kind = RunKind.ROLLBACK if request.snapshot else RunKind.APPROVED
    needs_second = settings.RECEIVING_SECOND_PERSON and needs_typing(found)
    with transaction.atomic():
        run = store_run(made, request, kind=kind, actor=actor, because=because.strip())
        if moved_since(map(domain_of, touched_recipients(made.steps)), begun):  # later ones stop the run
            raise Refused(CHANGED, code="PLAN_CHANGED")
        if request.snapshot:
            store_hold(made, run)
        if needs_second:
            run.state = RunState.PROPOSED
            run.save(update_fields=("state",))
        else:
            queue_work()
    return run


def _require_operator_and_reason(actor: User, because: str) -> None:
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can change receipt rules.", code="NOT_ALLOWED")
    if not because.strip():
        raise Refused("Enter a reason.", code="REASON_MISSING")


def _refuse_unready(made: Plan, found: Impact, typed: str) -> None:
    if made.is_empty:
        raise Refused("SES receipt rules are up to date. There is nothing to approve.", code="NOTHING_TO_DO")
    if run := run_in_progress():
        raise Refused(
            f"A run started by {run.approved_by or 'the system'} is in progress. Wait until it ends, then "
            "review the plan again.",
            code="RUN_UNDER_WAY",
        )
    if broken := newly_broken(made):
        raise Refused(f"The plan breaks expectations: {' '.join(broken)}", code="EXPECTATION_BROKEN")
    if needs_typing(found) and typed.strip() != made.before.name:
        raise Refused(f"{' '.join(found.sentences)} Type {made.before.name} to confirm.", code="TYPE_TO_CONFIRM")


def store_run(
    made: Plan,
    request: PlanRequest,
    *,
    kind: RunKind,
    actor: User | None,
    because: str = "",
    customer: Customer | None = None,
) -> Run:
    """Store the plan as rows for the worker. Must be called in a transaction."""
    run = Run.objects.create(
        kind=kind,
        region=settings.AWS_REGION,
        customer=customer,
        asked=_dump_request(request, made),
        scope=None if request.scope is None else sorted(request.scope),
        digest=made.digest,
        touched=made.touched,
        summary=made.summary,
        consequences=[each.sentence for each in made.consequences[:MOST_SENTENCES]],
        calls=made.calls,
        approved_by=actor,
        because=because,
    )
    RunStep.objects.bulk_create(
        RunStep(run=run, number=number, step=dump(step), sentence=str(step))
        for number, step in enumerate(made.steps, start=1)
    )
    return run


def request_of(run: Run) -> PlanRequest:
    """Return the request that the run was planned for."""
    scope, method = None if run.scope is None else frozenset(run.scope), Method(run.asked["method"])
    return PlanRequest(
        **{**run.asked, "scope": scope, "method": method, "take_over": frozenset(run.asked["take_over"])}
    )


def _dump_request(request: PlanRequest, made: Plan) -> dict[str, object]:
    values = replace(request, method=made.method)
    return {
        "method": values.method.value,
        "take_over": sorted(values.take_over),
        "compacting": values.compacting,
        "snapshot": values.snapshot,
        "old_style": values.old_style,
        "instead_of": values.instead_of,
        "customer": values.customer,
        "domain": values.domain,
    }
