"""What would be changed at Amazon, shown before it is; approved by its digest and with a reason."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.http import SignedIn
from receipt_rules.addresses.selectors import may_operate
from receipt_rules.live.services import read_live
from receipt_rules.live.views import given, refuse_strangers
from receipt_rules.planner.core.consequences import Consequence
from receipt_rules.planner.core.planner import old_style
from receipt_rules.planner.core.plans import Method, Plan
from receipt_rules.planner.core.rules import AnyRule
from receipt_rules.planner.core.steps import Activate, CloneSet, Create, CreateSet, Delete, Move, Reorder, Step, Update
from receipt_rules.planner.forms import ApproveForm
from receipt_rules.planner.services import Asked, approve, broken_expectations, plan_for, wanted

MOST_SHOWN = 200  # addresses and steps; more are counted
MOST_OF_ONE = 50  # recipients of one step


@dataclass(frozen=True)
class PlanShown:
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
class ChangedRule:
    """One address: what is done with its mail now and no more, from then on, and all along."""

    who: str
    fate: str
    gone: tuple[str, ...]
    come: tuple[str, ...]
    stays: tuple[str, ...]


@require_http_methods(["GET", "POST"])
def detail(request: SignedIn) -> HttpResponse:
    refuse_strangers(request, operates=request.method == "POST")
    asked = read_asked(request.POST if request.method == "POST" else request.GET)
    form = ApproveForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            run = approve(**form.cleaned_data, actor=request.user, asked=asked)
        except Refused as refused:
            form.add_error("typed" if refused.code == "TYPE_TO_CONFIRM" else None, str(refused))
        else:
            return redirect("receipt_rules:run", run.id)
    context: dict[str, Any] = {"tab": "plan", "asked": asked, "form": form, "may_operate": may_operate(request.user)}
    context |= _planned(asked)
    status = 422 if form.errors else context.pop("status", 200)
    return TemplateResponse(request, "receipt_rules/planner/plan.html", context, status=status)


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


def _planned(asked: Asked) -> dict[str, Any]:
    """A plan that cannot be made says why, in the place where it would stand."""
    try:
        live, wanted_now = read_live(), wanted()
        made = plan_for(asked, live, wanted_now)
    except Refused as refused:
        return {"refused": refused, "status": refused.status}
    except AwsProblem as problem:
        return {"problem": problem, "status": problem.status}
    return {
        "plan": made,
        "steps": shown_steps(made),
        "more_steps": max(0, len(made.steps) - MOST_SHOWN),
        "addresses": [_changed(each) for each in made.consequences[:MOST_SHOWN]],
        "more_addresses": max(0, len(made.consequences) - MOST_SHOWN),
        "fates": _counted(made.consequences),
        "broken": broken_expectations(made.after),
        "foreign": [rule for rule in made.before.foreign if rule.may_be_taken_over],
        "old_style": len(old_style(live.rule_set, wanted_now.desired)),
    }


def _changed(each: Consequence) -> ChangedRule:
    """By number, since one delivery may be made twice before and once after."""
    before, after = (Counter(str(delivery) for delivery in some) for some in (each.before, each.after))
    gone, come, stays = (tuple(some.elements()) for some in (before - after, after - before, before & after))
    return ChangedRule(each.who, str(each.fate), gone, come, stays)


def _counted(found: tuple[Consequence, ...]) -> dict[str, int]:
    return dict(Counter(str(each.fate) for each in found))


def shown_steps(made: Plan) -> list[PlanShown]:
    return [_shown(number, step) for number, step in enumerate(made.steps[:MOST_SHOWN], start=1)]


def _shown(number: int, step: Step) -> PlanShown:
    match step:
        case Create():
            return PlanShown(number, "create", str(step), added=_recipients(step.new), after=str(step.new.delivery))
        case Delete():
            return PlanShown(number, "delete", str(step), removed=_recipients(step.old), before=str(step.old.delivery))
        case Update():
            before, after = (str(step.old.delivery), str(step.new.delivery)) if step.redirects else ("", "")
            return PlanShown(number, "update", str(step), step.added, step.removed, before, after)
        case Move() | Reorder():
            return PlanShown(number, "order", str(step))
        case CreateSet() | CloneSet() | Activate():
            return PlanShown(number, "set", str(step))


def _recipients(rule: AnyRule) -> tuple[str, ...]:
    return tuple(sorted(rule.recipient_set))
