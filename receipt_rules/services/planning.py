"""What must be done at Amazon, shown before it is done: a plan from the live rules and the rows, approved by digest."""

from dataclasses import dataclass, replace

from django.conf import settings
from django.db import transaction

from domains.models import Domain
from inbound_admin.lib.errors import Refused
from receipt_rules.core import matching
from receipt_rules.core.desired import Desired, as_it_stands
from receipt_rules.core.old_style import old_style
from receipt_rules.core.planner import make_plan
from receipt_rules.core.plans import Method, Plan
from receipt_rules.core.rules import RuleSet
from receipt_rules.core.stored import dump
from receipt_rules.models import UNFINISHED, Expectation, Expected, Run, RunKind, RunStep, Snapshot
from receipt_rules.services.desiring import Wanted, limits, recipients_at, scope_of, wanted
from receipt_rules.services.queue import work_soon
from receipt_rules.services.reading import Live, content_of, read_live
from receipt_rules.services.restorable import Restorable
from tenants.models import Customer, User

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


def plan_for(asked: Asked, live: Live, wanted_now: Wanted) -> Plan:
    """As `plan`, from what has been read. A new set needs a name that is free, so all are read then."""
    made = _make(asked, live, wanted_now)
    if made.method is Method.BLUE_GREEN and not live.knows_all:
        return _make(asked, read_live(all_sets=True), wanted_now)
    return made


def _make(asked: Asked, live: Live, wanted_now: Wanted) -> Plan:
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


def _as_it_was(snapshot_id: str, live: RuleSet, wanted_now: Wanted) -> Desired:
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
