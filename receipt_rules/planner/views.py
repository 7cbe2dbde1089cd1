"""What would be changed at Amazon, shown before it is; approved by its digest and with a reason."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.http import SignedIn
from receipt_rules.addresses.selectors import may_operate
from receipt_rules.drift import services as drift_services
from receipt_rules.expectations.selectors import newly_broken, still_broken
from receipt_rules.live.selectors import last_known
from receipt_rules.live.services import Live, read_live
from receipt_rules.live.views import given, refuse_strangers
from receipt_rules.planner import selectors
from receipt_rules.planner.core.desired import as_it_stands
from receipt_rules.planner.core.groups import grouped_steps
from receipt_rules.planner.core.planner import old_style
from receipt_rules.planner.core.plans import Method, Plan
from receipt_rules.planner.core.rules import AnyRule
from receipt_rules.planner.core.steps import Activate, CloneSet, Create, CreateSet, Delete, Move, Reorder, Step, Update
from receipt_rules.planner.forms import ApproveForm
from receipt_rules.planner.services import (
    Asked,
    WantedState,
    approve,
    asked_for,
    guard,
    needs_typing,
    plan_for,
    under_way,
    wanted,
)
from receipt_rules.rollback import services as rollback_services
from receipt_rules.rollback.services import changed_recipients, holds
from receipt_rules.runs.forms import CancelRunForm

MOST_SHOWN = 200  # steps; more are counted
MOST_OF_ONE = 50  # recipients of one step
MOST_NEWS = 5  # differences at Amazon since the last approval


@dataclass(frozen=True)
class StepShown:
    """One step, as its rule changes: recipients that come and go, and what its mail does before and after."""

    number: int
    kind: str
    sentence: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    before: str = ""
    after: str = ""

    @property
    def more(self) -> int:
        return max(0, len(self.added) - MOST_OF_ONE) + max(0, len(self.removed) - MOST_OF_ONE)


@dataclass(frozen=True)
class StepsShown:
    """Steps of one kind that follow on each other, as one line where they are many."""

    steps: tuple[StepShown, ...]
    number: int
    recipients: int

    @property
    def first(self) -> StepShown:
        return self.steps[0]

    @property
    def more(self) -> int:
        return self.number - len(self.steps)


@require_http_methods(["GET", "POST"])
def detail(request: SignedIn) -> HttpResponse:
    refuse_strangers(request, operates=request.method == "POST")
    if request.POST.get("do") == "release":
        return _release(request)
    data = request.POST if request.method == "POST" else request.GET
    form = ApproveForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"tab": "plan", "form": form, "may_operate": may_operate(request.user)}
    asked = read_asked(data)
    try:
        asked = _limited(asked, given(data, "only"))
        if request.method == "POST" and form.is_valid() and (done := _approved(request, form, asked)):
            return done
        context |= _planned(asked)
    except Refused as refused:
        context |= {"refused": refused, "status": refused.status}
    except AwsProblem as problem:
        context |= {"problem": problem, "known": last_known(), "status": problem.status}
    context |= {"asked": asked, "only": given(data, "only"), "run_under_way": under_way(), "held": list(holds())}
    status = 422 if form.errors else context.pop("status", 200)
    return TemplateResponse(request, "receipt_rules/planner/plan.html", context, status=status)


def _release(request: SignedIn) -> HttpResponse:
    hold, form = get_object_or_404(holds(), pk=given(request.POST, "hold")), CancelRunForm(request.POST)
    try:
        because = form.cleaned_data["because"] if form.is_valid() else ""
        rollback_services.release(hold=hold, because=because, actor=request.user)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, "The rollback is released. The plan shows what is wanted now.")
    return redirect("receipt_rules:plan")


def _approved(request: SignedIn, form: ApproveForm, asked: Asked) -> HttpResponse | None:
    try:
        run = approve(**form.cleaned_data, actor=request.user, asked=asked)
    except Refused as refused:
        form.add_error("typed" if refused.code == "TYPE_TO_CONFIRM" else None, str(refused))
        return None
    return redirect("receipt_rules:run", run.id)


def read_asked(data: QueryDict) -> Asked:
    """Nonsense in it asks for nothing."""
    method = data.get("method", "")
    return Asked(
        method=Method(method) if method in list(Method) else Method.AUTO,
        take_over=frozenset(data.getlist("take_over")),
        compacting=data.get("compacting") == "1",
        snapshot=given(data, "snapshot"),
        old_style=data.get("old_style") == "1",
        instead_of=given(data, "instead_of"),
    )


def _limited(asked: Asked, only: str) -> Asked:
    if not only.strip():
        return asked
    limited = asked_for(only=only)
    return replace(asked, scope=limited.scope, customer=limited.customer, domain=limited.domain)


def _planned(asked: Asked) -> dict[str, Any]:
    live, wanted_now = read_live(), wanted()
    read_at = timezone.now()
    made = plan_for(asked, live, wanted_now)
    found = guard(made, asked)
    return {
        "plan": made,
        "read_at": read_at,
        "steps": shown_steps(made),
        "groups": selectors.groups_shown(made.consequences),
        "fates": dict(Counter(str(each.fate) for each in made.consequences)),
        "guard": found,
        "needs_typing": needs_typing(found),
        "broken": newly_broken(made),
        "still_broken": still_broken(made),
        "foreign": [rule for rule in made.before.foreign if rule.may_be_taken_over],
        "old_style": len(old_style(live.rule_set, wanted_now.desired)),
        **_since(live),
        **_undone_by(asked, made, wanted_now),
    }


def _since(live: Live) -> dict[str, Any]:
    """The last approval, and what has changed since then at Amazon and in what is wanted."""
    last = selectors.last_approval()
    news = [each for each in drift_services.differences(live) if not each.is_ignored]
    return {
        "last": last,
        "wishes_since": selectors.wishes_since(last) if last else 0,
        "news": news[:MOST_NEWS],
        "more_news": max(0, len(news) - MOST_NEWS),
    }


def _undone_by(asked: Asked, made: Plan, wanted_now: WantedState) -> dict[str, Any]:
    """Of a rollback: the recipients that are wanted otherwise, so that only the hold keeps them."""
    if not asked.snapshot:
        return {}
    undone = sorted(changed_recipients(wanted_now.desired, as_it_stands(made.after)))
    return {"undone": undone[:MOST_NEWS], "undone_number": len(undone)}


def shown_steps(made: Plan) -> list[StepsShown]:
    left, groups = MOST_SHOWN, []
    for group in grouped_steps(made.steps):
        some = tuple(_shown(group.number + at, step) for at, step in enumerate(group.members[: max(1, left)]))
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


def _shown(number: int, step: Step) -> StepShown:
    match step:
        case Create():
            return StepShown(number, "create", str(step), added=_recipients(step.new), after=str(step.new.delivery))
        case Delete():
            return StepShown(number, "delete", str(step), removed=_recipients(step.old), before=str(step.old.delivery))
        case Update():
            before, after = (str(step.old.delivery), str(step.new.delivery)) if step.redirects else ("", "")
            return StepShown(number, "update", str(step), step.added, step.removed, before, after)
        case Move() | Reorder():
            return StepShown(number, "order", str(step))
        case CreateSet() | CloneSet() | Activate():
            return StepShown(number, "set", str(step))


def _recipients(rule: AnyRule) -> tuple[str, ...]:
    return tuple(sorted(rule.recipient_set))
