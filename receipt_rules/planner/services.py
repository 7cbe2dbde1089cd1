"""Plans changes of the receipt rules from the live rules and the rows, and stores an approved plan as a run.

The desired state is read from the rows: which recipients, and the delivery of each. What a rollback changed is held as
it is (`receipt_rules.rollback`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.models.people import Customer, User
from domains.models.domains import Domain
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.core import is_at_or_below
from receipt_rules.addresses.selectors import Holders, holder_of
from receipt_rules.expectations.selectors import newly_broken
from receipt_rules.jobs import work_soon
from receipt_rules.live.services import Live, read_live
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.live import ReceivingStop
from receipt_rules.models.runs import OPEN, UNFINISHED, Run, RunKind, RunState, RunStep
from receipt_rules.planner import selectors
from receipt_rules.planner.core.consequences import Impact, impact, layout_remarks, served
from receipt_rules.planner.core.desired import Desired, in_order, reduced
from receipt_rules.planner.core.planner import make_plan, old_style
from receipt_rules.planner.core.plans import MOST_SENTENCES, Method, Plan, dump
from receipt_rules.planner.core.rules import (
    S3,
    Action,
    Lambda,
    RuleDelivery,
    RuleLimits,
    RuleSet,
    broader,
    domain_of,
    ending_in,
    is_address,
)
from receipt_rules.planner.core.untouched import Untouched, around
from receipt_rules.rollback.services import as_it_was, held_recipients, hold_back, holds, with_held

AS_USUAL = Q(s3_bucket="", s3_prefix="", lambda_arn="", sns_topic="", tls_required=None, scan=None)  # of an endpoint


@dataclass(frozen=True)
class WantedState:
    """`silent` are IDs of customers whose receiving is stopped."""

    desired: Desired
    holders: Holders
    silent: frozenset[str] = frozenset()


def limits() -> RuleLimits:
    return RuleLimits(rules=settings.SES_RULES_PER_SET, recipients=settings.SES_RECIPIENTS_PER_RULE)


def wanted(
    *, stopped: frozenset[str] | None = None, customers: frozenset[str] | None = None, entries_only: bool = False
) -> WantedState:
    """All active addresses and catch-alls of this region. Raises AwsProblem where the account cannot be found out.

    `stopped`: IDs of customers whose receiving is stopped; None: those that staff stopped. `customers`: whose entries
    are read; no entry covers an address at a name that another customer holds. `entries_only`: skip addresses that a
    catch-all serves (a plan without a scope needs none of them), unless SES refuses a recipient.
    """
    refused = list(selectors.refused_rows())
    set_aside = {recipient for recipient, *_ in refused}
    holders = Holders.read(customers if customers is None else customers | {owner for _, owner, *_ in refused})
    special = _special_endpoints()
    deliver = _deliveries(special)
    silent = stopped_customers() if stopped is None else stopped
    entries: dict[str, RuleDelivery] = {}
    kept: dict[str, RuleDelivery] = {}
    catch_alls = list(selectors.catch_all_rows(holders, customers))
    caught = {row[0] for row in (*catch_alls, *refused)} if settings.RECEIVING_CATCH_ALL_PREFIX else set()
    is_lean = entries_only and customers is None and not refused
    addresses = selectors.address_rows_apart(special) if is_lean else selectors.address_rows(customers)
    for recipient, owner, domain, endpoint, of in chain(addresses, catch_alls, refused):
        if owner not in silent and holders.customer_of(domain_of(recipient)) == owner:
            if recipient in set_aside and recipient.startswith(".") and holders.shares_below(domain):
                continue
            is_caught = bool(caught) and not caught.isdisjoint(_catching(recipient))
            made = kept if recipient in set_aside else entries
            made[recipient] = deliver(endpoint if of == owner else None, domain, is_caught)
    return WantedState(replace(reduced(in_order(entries)), refused=kept), holders, silent)


def _catching(recipient: str) -> Iterator[str]:
    """The catch-alls that could take its mail, itself where it is one."""
    return (each for each in (recipient, *broader(recipient)) if not is_address(each))


def scope_of(customers: frozenset[str], wanted_now: WantedState, live: RuleSet) -> frozenset[str]:
    """Every recipient, wanted or live, at names that these customers hold, by their ids."""
    desired, holders = wanted_now.desired, wanted_now.holders
    owner, near = cache(holders.customer_of), holders.names_of(customers)
    ending = (one for rule in live.ours for one in ending_in(near, rule.recipients))
    named = (one for one in ending if is_at_or_below(domain_of(one), near))
    return frozenset(
        recipient
        for recipient in (*desired.entries, *desired.covered, *named)
        if owner(domain_of(recipient)) in customers
    )


def stopped_customers() -> frozenset[str]:
    return frozenset(ReceivingStop.objects.filter(is_stopped=True).values_list("customer_id", flat=True))


def _special_endpoints() -> dict[str, Endpoint]:
    """Those with a delivery of their own, by their ids."""
    return {endpoint.id: endpoint for endpoint in Endpoint.objects.exclude(AS_USUAL).defer("sealed_config")}


def _deliveries(special: Mapping[str, Endpoint]) -> Callable[[str | None, str, bool], RuleDelivery]:
    """Each delivery is made once. An address beside a catch-all is stored where the catch-all is, never twice."""
    each_domain = settings.RECEIVING_PREFIX_EACH_DOMAIN

    @cache
    def made(endpoint: str | None, domain: str, tail: str) -> RuleDelivery:
        return _delivery(special.get(endpoint or "", Endpoint()), domain, tail)

    return lambda endpoint, domain, is_caught: made(
        endpoint, domain if each_domain else "", settings.RECEIVING_CATCH_ALL_PREFIX if is_caught else ""
    )


def _delivery(endpoint: Endpoint, domain: str, tail: str) -> RuleDelivery:
    prefix = endpoint.s3_prefix or settings.RECEIVING_PREFIX
    if not endpoint.s3_prefix:
        prefix = f"{prefix}{domain}/{tail}" if domain else f"{prefix}{tail}"
    topic = endpoint.sns_topic or settings.RECEIVING_TOPIC
    bucket = endpoint.s3_bucket or settings.RECEIVING_BUCKET
    actions: list[Action] = [S3(bucket, prefix, topic, role=role_for(bucket))]
    if arn := endpoint.lambda_arn or function_arn():
        actions.append(Lambda(arn))
    tls, scan = endpoint.tls_required, endpoint.scan
    return RuleDelivery(
        tuple(actions),
        tls_required=settings.RECEIVING_TLS_REQUIRED if tls is None else tls,
        scan=settings.RECEIVING_SCAN if scan is None else scan,
    )


def role_for(bucket: str) -> str:
    """The IAM role with which SES writes to the bucket; "" where the bucket's own policy lets it."""
    return settings.RECEIVING_BUCKET_ROLE if bucket == settings.RECEIVING_BUCKET else ""


def function_arn() -> str:
    """The default function's, in the account, region and partition of our own credentials; "" for none."""
    name: str = settings.RECEIVING_FUNCTION
    if not name or name.startswith("arn:"):
        return name
    _, partition, _, region, account, _ = aws.identity_arn("any").split(":", 5)
    return f"arn:{partition}:lambda:{region}:{account}:function:{name}"


def recipients_at(name: str, wanted_now: WantedState, live: RuleSet) -> frozenset[str]:
    """Recipients, wanted or live, at a name and below it, save at names below it that are domains of their own.

    The name need not be held by anybody: what rules still name of a domain that is gone is found as well.
    """
    live_ones = {recipient for rule in live.ours for recipient in rule.recipients}
    everything = (*wanted_now.desired.entries, *wanted_now.desired.covered, *live_ones)
    return frozenset(each for each in everything if wanted_now.holders.belongs(domain_of(each), name))


@dataclass(frozen=True)
class Asked:
    """What a plan is asked for. `scope` None is everything; `snapshot` is the id of the state to roll back to.

    `customer` (an id) and `domain` (a name) say for whom it was asked: more than theirs needs a typed confirmation.
    `old_style`: all foreign rules are taken over of which every recipient is wanted here. `instead_of`: another
    program's active set, which ours replaces.
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


EVERYTHING = Asked()


def plan(*, asked: Asked = EVERYTHING) -> Plan:
    """Reads the live rules: one call, or three. Raises Refused as `make_plan` does, and AwsProblem."""
    return plan_for(asked, read_live(), wanted(entries_only=asked.scope is None))


def asked_for(only: str) -> Asked:
    """Limited to what a person typed: a domain and the names below it, or what a customer holds, by their ID or name.

    Reads the live rules. Raises Refused for one that is not known.
    """
    found = _named(only.strip())
    live, wanted_now = read_live(), wanted()
    if isinstance(found, Domain):
        scope = recipients_at(found.name, wanted_now, live.rule_set)
        return Asked(scope=scope, customer=found.customer_id, domain=found.name)
    return Asked(scope=scope_of(frozenset([found.id]), wanted_now, live.rule_set), customer=found.id)


def _named(only: str) -> Domain | Customer:
    name = only.lower().rstrip(".")
    if (domain := holder_of(name)) and domain.name == name:
        return domain
    found = list(Customer.objects.filter(Q(pk=only) | Q(name__iexact=only))[:2])
    if len(found) != 1:
        how_many = "There is more than one customer" if found else "There is no domain or customer"
        raise Refused(f"{how_many} named “{only}”. Enter a domain or a customer ID.", code="NOT_KNOWN")
    return found[0]


def plan_for(asked: Asked, live: Live, wanted_now: WantedState) -> Plan:
    """As `plan`, from what has been read. A new set needs a name that is free, so all are read then."""
    made = _make(asked, live, wanted_now)
    if made.method is Method.BLUE_GREEN and not live.knows_all:
        return _make(asked, read_live(all_sets=True), wanted_now)
    return made


def _make(asked: Asked, live: Live, wanted_now: WantedState) -> Plan:
    desired = _desired(asked, live, wanted_now)
    folded = old_style(live.rule_set, desired) if asked.old_style else frozenset()
    made = make_plan(
        desired,
        live.rule_set,
        scope=asked.scope,
        limits=limits(),
        method=asked.method,
        take_over=asked.take_over | folded,
        compacting=asked.compacting,
        sets=live.sets,
        stranger=live.stranger if live.stranger and live.stranger.name == asked.instead_of else None,
    )
    taken = {rule.name for rule in made.before.foreign} - set(made.after.names)
    return replace(made, warnings=(*made.warnings, *layout_remarks(made.consequences))) if taken else made


def _desired(asked: Asked, live: Live, wanted_now: WantedState) -> Desired:
    if asked.snapshot:
        return as_it_was(asked.snapshot, live.rule_set, wanted_now.desired, wanted_now.holders)
    return with_held(wanted_now.desired, held(wanted_now), live.rule_set)


def untouched(live: Live) -> tuple[Untouched, ...]:
    """The rules that stay as they are, since SES refuses a recipient in them that receives mail."""
    if not live.is_active or not any(True for _ in selectors.refused_rows()):
        return ()
    return around(_desired(EVERYTHING, live, wanted()), live.rule_set, scope=None).untouched


def held(wanted_now: WantedState) -> frozenset[str]:
    """The recipients that a rollback holds as they are."""
    return held_recipients(Holders.read_staying(), stopped=wanted_now.silent) if holds().exists() else frozenset()


def guard(made: Plan, asked: Asked = EVERYTHING) -> Impact:
    """How many addresses the plan harms, and whether any is another customer's than the one asked for."""
    stores = {settings.RECEIVING_BUCKET, *Endpoint.objects.exclude(s3_bucket="").values_list("s3_bucket", flat=True)}
    others: tuple[str, ...] = ()
    if asked.customer:
        owner = cache(Holders.read().customer_of)
        others = tuple(each.address for each in made.consequences if owner(domain_of(each.address)) != asked.customer)
    return impact(made.consequences, served=served(made.before), stores=frozenset(stores), others=others)


def needs_typing(found: Impact) -> bool:
    return found.needs_typing(settings.RECEIVING_CONFIRM_PERCENT)


def under_way() -> Run | None:
    """The run that is being carried out, or waits for the worker."""
    rows = Run.objects.filter(state__in=UNFINISHED, region=settings.AWS_REGION).select_related("approved_by")
    return rows.order_by("state", "created_at").first()


def approve(*, digest: str, because: str, actor: User, typed: str = "", asked: Asked = EVERYTHING) -> Run:
    """Plan again; where the digest is the one that was shown, the worker carries it out. Raises Refused:

    NOT_ALLOWED, REASON_MISSING, PLAN_CHANGED, NOTHING_TO_DO, TYPE_TO_CONFIRM (the rule set's name), EXPECTATION_BROKEN.
    """
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can change receipt rules.", code="NOT_ALLOWED")
    if not because.strip():
        raise Refused("Enter a reason.", code="REASON_MISSING")
    made = plan(asked=asked)
    if made.digest != digest:
        raise Refused(
            "The rules have changed since you opened this plan. Review the updated plan.",
            code="PLAN_CHANGED",
        )
    if same := Run.objects.filter(digest=digest, state__in=OPEN, region=settings.AWS_REGION).first():
        return same  # pressed twice
    found = guard(made, asked)
    _refuse_unready(made, found, typed)
    kind = RunKind.ROLLBACK if asked.snapshot else RunKind.APPROVED
    needs_second = settings.RECEIVING_SECOND_PERSON and needs_typing(found)
    with transaction.atomic():
        run = store_run(made, asked, kind=kind, actor=actor, because=because.strip())
        if asked.snapshot:
            hold_back(made, run)
        if needs_second:
            run.state = RunState.PROPOSED
            run.save(update_fields=("state",))
        else:
            work_soon()
    return run


def _refuse_unready(made: Plan, found: Impact, typed: str) -> None:
    if made.is_empty:
        raise Refused("SES receipt rules are up to date. There is nothing to approve.", code="NOTHING_TO_DO")
    if run := under_way():
        raise Refused(
            f"A run started by {run.approved_by or 'the system'} is in progress. Wait until it ends, then "
            "review the plan again.",
            code="RUN_UNDER_WAY",
        )
    if broken := newly_broken(made):
        raise Refused(f"The plan breaks expectations: {' '.join(broken)}", code="EXPECTATION_BROKEN")
    if needs_typing(found) and typed.strip() != made.before.name:
        raise Refused(
            f"{' '.join(found.sentences)} Type {made.before.name} to confirm.",
            code="TYPE_TO_CONFIRM",
        )


def store_run(
    made: Plan,
    asked: Asked,
    *,
    kind: RunKind,
    actor: User | None,
    because: str = "",
    customer: Customer | None = None,
) -> Run:
    """Inside a transaction: the plan as rows, which the worker finds."""
    run = Run.objects.create(
        kind=kind,
        region=settings.AWS_REGION,
        customer=customer,
        asked=_dump_asked(asked, made),
        scope=None if asked.scope is None else sorted(asked.scope),
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


def _dump_asked(asked: Asked, made: Plan) -> dict[str, object]:
    values = replace(asked, method=made.method)
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
