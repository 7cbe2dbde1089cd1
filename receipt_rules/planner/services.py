"""Plans changes of the receipt rules from the live rules and the rows, and stores an approved plan as a run.

The desired state is read from the rows: which recipients, and the delivery of each. A rollback restores only recipients
whose name is still the same customer's (`Restorable`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.models.people import Customer, User
from domains.models.domains import Domain
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.selectors import Holders
from receipt_rules.jobs import work_soon
from receipt_rules.live.selectors import content_of
from receipt_rules.live.services import Live, read_live
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.expectations import Expectation, Expected
from receipt_rules.models.live import ReceivingStop
from receipt_rules.models.runs import UNFINISHED, Run, RunKind, RunStep, Snapshot
from receipt_rules.planner.core import matching
from receipt_rules.planner.core.desired import Desired, as_it_stands, reduced
from receipt_rules.planner.core.planner import make_plan, old_style
from receipt_rules.planner.core.plans import Method, Plan, dump
from receipt_rules.planner.core.rules import S3, Action, Lambda, RuleDelivery, RuleLimits, RuleSet, domain_of


class Restorable:
    """Of a snapshot and its content, against who holds each name now."""

    def __init__(self, snapshot: Snapshot, then: RuleSet, now: Holders) -> None:
        self._snapshot = snapshot
        self._named = {domain_of(recipient) for rule in then.rules for recipient in rule.recipient_set}
        self._now = now

    def changed_hands(self, recipient: str) -> bool:
        """Whether rules named its name then, and another customer holds it now."""
        name = domain_of(recipient)
        holder = self._now.customer_of(name)
        return bool(holder) and name in self._named and not self._was(name, holder)

    def may_return(self, recipient: str) -> bool:
        """Whether the customer who holds its name now held it then."""
        return bool(self._now.customer_of(domain_of(recipient))) and not self.changed_hands(recipient)

    def is_nobodys(self, recipient: str) -> bool:
        """Whether no customer held its name then or holds it now: a rule of somebody else's served it."""
        name = domain_of(recipient)
        return not (self._now.customer_of(name) or (self._snapshot.holders or {}).get(name))

    def _was(self, name: str, holder: str) -> bool:
        """A snapshot from before holders were kept counts for domains that are older than it."""
        if self._snapshot.holders is None:
            return self._now.nearest(name) not in self._younger
        return bool(self._snapshot.holders.get(name) == holder)

    @cached_property
    def _younger(self) -> frozenset[str]:
        return frozenset(Domain.objects.filter(created_at__gt=self._snapshot.at).values_list("name", flat=True))


@dataclass(frozen=True)
class WantedState:
    desired: Desired
    holders: Holders


def limits() -> RuleLimits:
    return RuleLimits(rules=settings.SES_RULES_PER_SET, recipients=settings.SES_RECIPIENTS_PER_RULE)


def wanted(*, stopped: frozenset[str] | None = None) -> WantedState:
    """All active addresses and catch-alls of this region. Raises AwsProblem where the account cannot be found out.

    `stopped` are ids of customers of whom no mail is taken; None: those whose receiving our staff have stopped.
    """
    holders = Holders.read()
    deliver = _deliveries()
    silent = stopped_customers() if stopped is None else stopped
    entries: dict[str, RuleDelivery] = {}
    for recipient, owner, domain, endpoint, of in (*_addresses(), *_catch_alls(holders)):
        if owner not in silent and holders.customer_of(domain_of(recipient)) == owner:
            entries[recipient] = deliver(endpoint if of == owner else None, domain)
    return WantedState(reduced(entries), holders)


def scope_of(customers: frozenset[str], wanted_now: WantedState, live: RuleSet) -> frozenset[str]:
    """Every recipient, wanted or live, at names that these customers hold, by their ids."""
    desired, holders = wanted_now.desired, wanted_now.holders
    named = {recipient for rule in live.ours for recipient in rule.recipients}
    owner = cache(holders.customer_of)
    return frozenset(
        recipient
        for recipient in (*desired.entries, *desired.covered, *named)
        if owner(domain_of(recipient)) in customers
    )


def stopped_customers() -> frozenset[str]:
    return frozenset(ReceivingStop.objects.filter(is_stopped=True).values_list("customer_id", flat=True))


_Row = tuple[str, str, str, str | None, str | None]  # recipient, customer, domain, endpoint, customer of the endpoint


def _receiving() -> Q:
    """Of a domain that only sends nothing is wanted; its addresses are kept."""
    return Q(domain__region=settings.AWS_REGION, domain__receives=True)


def _addresses() -> list[_Row]:
    rows = Address.objects.filter(_receiving(), is_active=True).order_by("address")
    return list(
        rows.values_list("address", "domain__customer_id", "domain__name", "endpoint_id", "endpoint__customer_id")
    )


def _catch_alls(holders: Holders) -> list[_Row]:
    """One for all sub-domains is not wanted as soon as another customer holds one of them."""
    rows = CatchAll.objects.filter(_receiving(), is_active=True).order_by("domain__name")
    found = rows.select_related("domain", "endpoint")
    return [
        (
            row.recipient,
            row.domain.customer_id,
            row.domain.name,
            row.endpoint_id,
            row.endpoint.customer_id if row.endpoint else None,
        )
        for row in found
        if not (row.subdomains and holders.shares_below(row.domain.name))
    ]


def _deliveries() -> Callable[[str | None, str], RuleDelivery]:
    """Each delivery is made once: a plan compares them once a recipient."""
    special = {endpoint.id: endpoint for endpoint in Endpoint.objects.all()}
    each_domain = settings.RECEIVING_PREFIX_EACH_DOMAIN

    @cache
    def made(endpoint: str | None, domain: str) -> RuleDelivery:
        return _delivery(special.get(endpoint or "", Endpoint()), domain)

    return lambda endpoint, domain: made(endpoint, domain if each_domain else "")


def _delivery(endpoint: Endpoint, domain: str) -> RuleDelivery:
    prefix = endpoint.s3_prefix or settings.RECEIVING_PREFIX
    if settings.RECEIVING_PREFIX_EACH_DOMAIN and domain and not endpoint.s3_prefix:
        prefix = f"{prefix}{domain}/"
    topic = endpoint.sns_topic or settings.RECEIVING_TOPIC
    actions: list[Action] = [S3(endpoint.s3_bucket or settings.RECEIVING_BUCKET, prefix, topic)]
    if arn := endpoint.lambda_arn or function_arn():
        actions.append(Lambda(arn))
    tls, scan = endpoint.tls_required, endpoint.scan
    return RuleDelivery(
        tuple(actions),
        tls_required=settings.RECEIVING_TLS_REQUIRED if tls is None else tls,
        scan=settings.RECEIVING_SCAN if scan is None else scan,
    )


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


MOST_SENTENCES = 1000  # of the consequences, the worst first, that a run keeps to be shown later
_SIGNS = {Expected.TAKEN: "at least once", Expected.ONCE: "exactly once", Expected.NOT_TAKEN: "never"}


@dataclass(frozen=True)
class Asked:
    """What a plan is asked for. `scope` None is everything; `snapshot` is the id of the state to roll back to.

    `old_style`: all foreign rules are taken over of which every recipient is wanted here.
    """

    scope: frozenset[str] | None = None
    method: Method = Method.AUTO
    take_over: frozenset[str] = frozenset()
    compacting: bool = False
    snapshot: str = ""
    old_style: bool = False


EVERYTHING = Asked()


def plan(*, asked: Asked = EVERYTHING) -> Plan:
    """Reads the live rules: one call, or three. Raises Refused as `make_plan` does, and AwsProblem."""
    return plan_for(asked, read_live(), wanted())


def asked_for(
    *,
    customer: Customer | None = None,
    domain: Domain | None = None,
    name: str = "",
    method: Method = Method.AUTO,
) -> Asked:
    """Limited to what a customer holds, or to a domain and the names below it. Reads the live rules.

    `name` needs no row: what nobody holds is wanted by nobody, so the plan removes it.
    """
    live, wanted_now = read_live(), wanted()
    if name:
        return Asked(scope=recipients_at(name, wanted_now, live.rule_set), method=method)
    if domain is not None:
        return Asked(scope=recipients_at(domain.name, wanted_now, live.rule_set), method=method)
    if customer is not None:
        return Asked(scope=scope_of(frozenset([customer.id]), wanted_now, live.rule_set), method=method)
    return Asked(method=method)


def plan_for(asked: Asked, live: Live, wanted_now: WantedState) -> Plan:
    """As `plan`, from what has been read. A new set needs a name that is free, so all are read then."""
    made = _make(asked, live, wanted_now)
    if made.method is Method.BLUE_GREEN and not live.knows_all:
        return _make(asked, read_live(all_sets=True), wanted_now)
    return made


def _make(asked: Asked, live: Live, wanted_now: WantedState) -> Plan:
    desired = _as_it_was(asked.snapshot, live.rule_set, wanted_now) if asked.snapshot else wanted_now.desired
    folded = old_style(live.rule_set, desired) if asked.old_style else frozenset()
    return make_plan(
        desired,
        live.rule_set,
        scope=asked.scope,
        limits=limits(),
        method=asked.method,
        take_over=asked.take_over | folded,
        compacting=asked.compacting,
        sets=live.sets,
    )


def _as_it_was(snapshot_id: str, live: RuleSet, wanted_now: WantedState) -> Desired:
    """What our rules did then; and what was a foreign rule's then, which is gone now, becomes ours to serve.

    Names that have changed hands since stay as they are wanted now: nobody gets back what another holds by now.
    """
    snapshot = Snapshot.objects.filter(pk=snapshot_id, region=settings.AWS_REGION).first()
    if snapshot is None:
        raise Refused("That state is not kept any more; the last ten are.", code="SNAPSHOT_MISSING")
    then = content_of(snapshot)
    names = Restorable(snapshot, then, wanted_now.holders)
    entries = {each: to for each, to in wanted_now.desired.entries.items() if names.changed_hands(each)}
    entries |= {each: to for each, to in as_it_stands(then).entries.items() if names.may_return(each)}
    for rule in then.foreign:
        if rule.enabled and rule.may_be_taken_over and rule.name not in live.by_name:
            back = (each for each in rule.recipient_set if names.may_return(each) or names.is_nobodys(each))
            entries |= {each: rule.delivery for each in back if each not in entries}
    return Desired(entries)


def approve(*, digest: str, because: str, actor: User, typed: str = "", asked: Asked = EVERYTHING) -> Run:
    """Plan again; where the digest is the one that was shown, the worker carries it out. Raises Refused:

    NOT_ALLOWED, REASON_MISSING, PLAN_CHANGED, NOTHING_TO_DO, TYPE_TO_CONFIRM (the rule set's name), EXPECTATION_BROKEN.
    """
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Receipt rules are changed by operators.", code="NOT_ALLOWED")
    if not because.strip():
        raise Refused("Say why the rules are changed; the next person will ask.", code="REASON_MISSING")
    made = plan(asked=asked)
    if made.digest != digest:
        raise Refused(
            "Something has changed since you looked at the plan. Look at the new one before you approve it.",
            code="PLAN_CHANGED",
        )
    _refuse_unready(made, typed)
    if same := Run.objects.filter(digest=digest, state__in=UNFINISHED, region=settings.AWS_REGION).first():
        return same  # pressed twice
    kind = RunKind.ROLLBACK if asked.snapshot else RunKind.APPROVED
    with transaction.atomic():
        run = store_run(made, asked, kind=kind, actor=actor, because=because.strip())
        work_soon()
    return run


def _refuse_unready(made: Plan, typed: str) -> None:
    if made.is_empty:
        raise Refused("Amazon's rules are as they are wanted: there is nothing to do.", code="NOTHING_TO_DO")
    if made.needs_typing and typed.strip() != made.before.name:
        raise Refused(
            f"More than a third of our rules would be emptied. Type {made.before.name} to confirm it.",
            code="TYPE_TO_CONFIRM",
        )
    if broken := newly_broken(made):
        raise Refused(f"The plan breaks what is expected: {' '.join(broken)}", code="EXPECTATION_BROKEN")


def newly_broken(made: Plan) -> tuple[str, ...]:
    """What is expected, held before, and would not after: a plan is not to blame for what is broken already."""
    before = broken_expectations(made.before)
    return tuple(sentence for sentence in broken_expectations(made.after) if sentence not in before)


def broken_expectations(after: RuleSet) -> tuple[str, ...]:
    """A sentence for each saved expectation that does not hold in this rule set."""
    found = []
    for each in Expectation.objects.all():
        number = len(matching.taking(after.rules, each.address))
        holds = {Expected.TAKEN: number > 0, Expected.ONCE: number == 1, Expected.NOT_TAKEN: number == 0}
        if not holds[Expected(each.expected)]:
            found.append(f"Mail for {each.address} shall be taken {_SIGNS[Expected(each.expected)]}; it is {number}×.")
    return tuple(found)


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
    }
