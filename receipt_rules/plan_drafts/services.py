"""The content of the plan page, and drafts: plans of many recipients, which the worker creates while the page polls.

A plan of a whole region takes seconds and much memory, so a request plans only if there are few recipients. A draft is
cached for some minutes and has the content of the page, never the plan itself: an approval plans again, also in the
worker, and refuses another digest. If the cache loses a draft, the page requests another.
"""

import re
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from accounts.models.people import User
from inbound_admin.lib import jobs
from inbound_admin.lib.errors import AwsProblem, Problem, Refused
from inbound_admin.lib.ids import new_id
from receipt_rules.drift import services as drift_services
from receipt_rules.live.services import Live, read_live
from receipt_rules.models.addresses import Address
from receipt_rules.models.runs import Run
from receipt_rules.planner import selectors
from receipt_rules.planner.core.desired import live_state
from receipt_rules.planner.core.groups import grouped_steps
from receipt_rules.planner.core.planner import replaceable_rules
from receipt_rules.planner.core.plans import Plan
from receipt_rules.planner.core.rules import AnyRule
from receipt_rules.planner.core.steps import Activate, CloneSet, Create, CreateSet, Delete, Move, Reorder, Step, Update
from receipt_rules.planner.selectors import newly_broken, still_broken
from receipt_rules.planner.services import (
    DesiredState,
    PlanRequest,
    approve,
    build_plan_request,
    needs_typing,
    plan_changes,
    plan_impact,
    read_desired_entries,
    read_desired_state,
)
from receipt_rules.rollback.services import changed_recipients

DRAFT = "receipt_rules.plan_draft"
KEPT_SECONDS = 900
IS_DRAFT = re.compile(r"draft_[0-9a-z]{20}")
INTERNAL_ERROR = "We couldn't create the plan because of an internal error (see the worker’s log). Nothing was changed."
FEW = 2_000  # addresses; up to so many are planned in a request
MOST_SHOWN = 200  # steps; more are counted
MOST_RECIPIENTS = 600  # of all steps together; each shows some
FEWEST_OF_ONE = 3
MOST_DOUBLES = 20
MOST_NEWS = 5  # differences at SES since the last approval


@dataclass(frozen=True)
class PlanShown:
    """A plan's numbers and sentences. `number`: of its steps."""

    is_empty: bool
    summary: str
    number: int
    method: str
    calls: int
    warnings: tuple[str, ...]
    doubles: tuple[str, ...]
    more_doubles: int
    untouched: tuple[str, ...]
    waiting: int
    digest: str
    rule_set: str


@dataclass(frozen=True)
class StepShown:
    """One step as a change of its rule: recipients added and removed, and the delivery before and after."""

    number: int
    kind: str
    sentence: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    adds: int = 0
    removes: int = 0

    @property
    def more(self) -> int:
        return self.adds + self.removes - len(self.added) - len(self.removed)


@dataclass(frozen=True)
class StepsShown:
    """Consecutive steps of one kind, shown as one line if there are many."""

    steps: tuple[StepShown, ...]
    number: int
    recipients: int

    @property
    def first(self) -> StepShown:
        return self.steps[0]

    @property
    def more(self) -> int:
        return self.number - len(self.steps)


@dataclass(frozen=True)
class Approval:
    """The form values of the plan page."""

    digest: str
    because: str
    typed: str
    actor: int


@dataclass(frozen=True)
class Draft:
    """`shown` is the content of the page, or of the API, once created. For an approval, `run` is the run's ID."""

    id: str
    request: PlanRequest
    only: str = ""
    approval: Approval | None = None
    is_made: bool = False
    run: str = ""
    began: datetime | None = None
    refused: Problem | None = None
    shown: dict[str, Any] = field(default_factory=dict)
    is_for_api: bool = False


def is_large() -> bool:
    """Return whether there are too many recipients to plan in a request."""
    return Address.objects.filter(is_active=True).values("pk")[FEW : FEW + 1].exists()


def create_draft(
    *, request: PlanRequest, only: str = "", approval: Approval | None = None, is_for_api: bool = False
) -> Draft:
    """Create a draft and queue it: the worker plans, or executes the approval."""
    draft = Draft(new_id("draft"), request, only, approval, began=timezone.now(), is_for_api=is_for_api)
    _keep(draft)
    queue_draft(draft=draft)
    return draft


def queue_draft(*, draft: Draft) -> None:
    """Queue the draft unless its job is queued or running, also again after its worker died."""
    jobs.queue(DRAFT, lock=f"plan {draft.id}", unless_running=True, draft_id=draft.id)


def read_draft(draft_id: str, *, is_for_api: bool = False) -> Draft | None:
    """Return the draft; None if it has expired, or was created for the API instead of the page, or the reverse."""
    found = _kept(draft_id)
    return found if found is not None and found.is_for_api == is_for_api else None


def api_draft(*, draft_id: str, request: PlanRequest, only: str) -> Draft:
    """Return the draft of this request, created if there is none, and queued until it is made."""
    draft = read_draft(draft_id, is_for_api=True)
    if draft is None or (draft.request, draft.only) != (request, only):
        return create_draft(request=request, only=only, is_for_api=True)
    if not draft.is_made:
        queue_draft(draft=draft)
    return draft


def _kept(draft_id: str) -> Draft | None:
    found: Draft | None = cache.get(_key(draft_id)) if IS_DRAFT.fullmatch(draft_id) else None
    return found


def make_draft(*, draft_id: str) -> None:
    """Create the draft in the worker. A refusal or an AWS problem is shown on the page."""
    draft = _kept(draft_id)
    if draft is None or draft.is_made:
        return
    try:
        _make(draft)
    except (Refused, AwsProblem) as problem:
        _keep(replace(draft, is_made=True, refused=problem))
    except Exception:
        _keep(replace(draft, is_made=True, refused=Refused(INTERNAL_ERROR)))
        raise


def _make(draft: Draft) -> None:
    request = limit_request(draft.request, draft.only)
    if draft.approval:
        actor = User.objects.get(pk=draft.approval.actor)
        if done := _approved_before(draft.approval, draft.began):
            return _keep(replace(draft, is_made=True, run=done.pk))
        given = {name: value for name, value in asdict(draft.approval).items() if name != "actor"}
        return _keep(replace(draft, is_made=True, run=approve(**given, actor=actor, request=request).pk))
    shown = plan_values(plan_changes(request), request) if draft.is_for_api else plan_page_context(request)
    return _keep(replace(draft, is_made=True, shown=shown))


def _approved_before(approval: Approval, since: datetime | None) -> Run | None:
    """Return the run of this approval if a worker died after storing it; it may have ended since."""
    rows = Run.objects.filter(digest=approval.digest, approved_by=approval.actor, region=settings.AWS_REGION)
    return rows.filter(created_at__gte=since).first() if since else None


def limit_request(request: PlanRequest, only: str) -> PlanRequest:
    """Limit the request to what a person typed. Raises Refused if it is unknown."""
    if not only.strip():
        return request
    found = build_plan_request(only)
    return replace(request, scope=found.scope, customer=found.customer, domain=found.domain)


def _keep(draft: Draft) -> None:
    cache.set(_key(draft.id), draft, KEPT_SECONDS)


def _key(draft_id: str) -> str:
    return f"plan_draft:{settings.AWS_REGION}:{draft_id}"


def plan_values(made: Plan, request: PlanRequest) -> dict[str, Any]:
    """Return a plan for the API, bounded."""
    found = plan_impact(made, request)
    some = made.consequences[:MOST_SHOWN]
    return {
        "digest": made.digest,
        "method": made.method.value,
        "rule_set": made.before.name,
        "is_empty": made.is_empty,
        "needs_typing": needs_typing(found),
        "calls": made.calls,
        "summary": made.summary,
        "steps": [str(step) for step in made.steps[:MOST_SHOWN]],
        "more_steps": max(0, len(made.steps) - MOST_SHOWN),
        "consequences": [{"address": each.address, "fate": str(each.kind), "sentence": each.sentence} for each in some],
        "more_consequences": len(made.consequences) - len(some),
        "warnings": list(made.warnings),
        "untouched": [each.sentence for each in made.untouched],
        "waiting": list(made.waiting[:MOST_SHOWN]),
        "more_waiting": max(0, len(made.waiting) - MOST_SHOWN),
        "impact": found.numbers,
        "still_broken": list(still_broken(made)),
        "breaks": list(newly_broken(made)),
    }


def plan_page_context(request: PlanRequest) -> dict[str, Any]:
    """Return the content of the plan page, bounded. Raises Refused and AwsProblem as `plan_changes`."""
    live = read_live()
    # of a rollback, the page also shows which addresses would be delivered otherwise
    state = read_desired_entries() if request.scope is None and not request.snapshot else read_desired_state()
    made = plan_changes(request, live, state)
    found = plan_impact(made, request)
    return {
        "plan": _plan_shown(made),
        "read_at": live.read_at,
        "steps": shown_steps(made),
        "groups": selectors.groups_shown(made.consequences),
        "number_by_kind": dict(Counter(str(each.kind) for each in made.consequences)),
        "impact": found,
        "needs_typing": needs_typing(found),
        "broken": newly_broken(made),
        "still_broken": still_broken(made),
        "kept": [rule.name for rule in made.before.foreign if not rule.may_be_taken_over],
        "foreign": [rule.name for rule in made.before.foreign if rule.may_be_taken_over],
        "old_style": len(replaceable_rules(live.rule_set, state.desired)),
        **_since(live),
        **_overridden_by_rollback(request, made, state),
    }


def _since(live: Live) -> dict[str, Any]:
    """The last approval, and the changes since then at SES and here."""
    last = selectors.last_approval()
    news = [each for each in drift_services.differences(live) if not each.is_ignored]
    return {
        "last": last,
        "requested_changes_since": selectors.requested_changes_since(last) if last else 0,
        "news": news[:MOST_NEWS],
        "more_news": max(0, len(news) - MOST_NEWS),
    }


def _overridden_by_rollback(request: PlanRequest, made: Plan, state: DesiredState) -> dict[str, Any]:
    """Return the recipients of a rollback whose desired state differs: only the hold keeps them."""
    if not request.snapshot:
        return {}
    undone = sorted(changed_recipients(state.desired, live_state(made.after)))
    return {"undone": undone[:MOST_NEWS], "undone_number": len(undone)}


def shown_steps(made: Plan) -> list[StepsShown]:
    left, groups = MOST_SHOWN, []
    most = max(FEWEST_OF_ONE, MOST_RECIPIENTS // max(1, min(MOST_SHOWN, len(made.steps))))
    for group in grouped_steps(made.steps):
        some = tuple(_shown(group.number + at, step, most) for at, step in enumerate(group.members[: max(1, left)]))
        left -= len(some)
        groups.append(StepsShown(some, len(group.members), sum(map(_number_of, group.members))))
    return groups


def _number_of(step: Step) -> int:
    match step:
        case Create():
            return len(step.new.recipient_set)
        case Delete():
            return len(step.old.recipient_set)
        case Update():
            return len(step.added) + len(step.removed)
    return 0


def _shown(number: int, step: Step, most: int) -> StepShown:
    match step:
        case Create():
            made = StepShown(number, "create", str(step), added=_recipients(step.new), after=str(step.new.delivery))
        case Delete():
            made = StepShown(number, "delete", str(step), removed=_recipients(step.old), before=str(step.old.delivery))
        case Update():
            before, after = (_handling(step.old), _handling(step.new)) if step.redirects else ("", "")
            made = StepShown(number, "update", str(step), step.added, step.removed, before, after)
        case Move() | Reorder():
            made = StepShown(number, "order", str(step))
        case CreateSet() | CloneSet() | Activate():
            made = StepShown(number, "set", str(step))
    adds, removes = len(made.added), len(made.removed)
    return replace(made, added=made.added[:most], removed=made.removed[:most], adds=adds, removes=removes)


def _handling(rule: AnyRule) -> str:
    return str(rule.delivery) if rule.enabled else "none: the rule is disabled, and SES rejects this mail"


def _recipients(rule: AnyRule) -> tuple[str, ...]:
    return tuple(sorted(rule.recipient_set))


def _plan_shown(made: Plan) -> PlanShown:
    return PlanShown(
        is_empty=made.is_empty,
        summary=made.summary,
        number=len(made.steps),
        method=made.method.value,
        calls=made.calls,
        warnings=made.warnings,
        doubles=tuple(each.sentence for each in made.doubles[:MOST_DOUBLES]),
        more_doubles=max(0, len(made.doubles) - MOST_DOUBLES),
        untouched=tuple(each.sentence for each in made.untouched),
        waiting=len(made.waiting),
        digest=made.digest,
        rule_set=made.before.name,
    )
