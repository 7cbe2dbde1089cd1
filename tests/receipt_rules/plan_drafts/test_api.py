"""The API's plan of a large region is made by the worker: 202 until it is there, then the plan."""

from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from receipt_rules.models.runs import Run
from receipt_rules.plan_drafts import services
from receipt_rules.plan_drafts.services import DRAFT
from receipt_rules.planner.services import EVERYTHING
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, ok, refused
from tests.receipt_rules.factories import make_address, make_operator, make_verified

pytestmark = pytest.mark.django_db
PLAN = "/api/v2/receipt-rules/plan"


@pytest.fixture
def olga(sandbox: Sandbox) -> Api:
    make_address("info@maple.com", make_verified("maple.com"))
    return api_of(make_operator(), "read", "write", "staff")


@pytest.fixture
def at_once(olga: Api) -> dict[str, Any]:
    """Return the plan as it is for few addresses, within the request."""
    return ok(olga.get(PLAN, method="blue_green"))


@pytest.fixture
def every_plan_is_large(at_once: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "FEW", 0)


def run_draft_jobs() -> None:
    for job in ProcrastinateJob.objects.filter(task_name=DRAFT, status="todo"):
        services.make_draft(draft_id=job.args["draft_id"])


@pytest.mark.usefixtures("every_plan_is_large")
def test_a_large_plan_is_202_until_it_is_made_and_then_the_same_plan(olga: Api, at_once: dict[str, Any]) -> None:
    asked = ok(olga.get(PLAN, method="blue_green"), 202)
    where = asked["statusUrl"]
    assert where == f"{PLAN}?method=blue_green&draft={asked['id']}"
    assert ok(olga.get(where), 202)["statusUrl"] == where
    run_draft_jobs()
    made = ok(olga.get(where))
    assert {**made, "seconds": 0} == {**at_once, "seconds": 0}
    approval = {"because": "a test", "digest": made["digest"], "method": "blue_green"}
    assert ok(olga.post(PLAN, approval), 202)["id"] == Run.objects.get().pk
    assert ok(olga.get(where))["underWay"] == Run.objects.get().pk


@pytest.mark.usefixtures("every_plan_is_large")
def test_a_refusal_of_a_large_plan_is_the_response_once_it_is_known(olga: Api) -> None:
    where = ok(olga.get(PLAN, state="snap_unknown"), 202)["statusUrl"]
    run_draft_jobs()
    refused(olga.get(where), 422, "SNAPSHOT_MISSING")


@pytest.mark.usefixtures("every_plan_is_large")
def test_a_plan_made_for_other_options_or_for_the_page_is_not_returned(olga: Api) -> None:
    first = ok(olga.get(PLAN), 202)["id"]
    of_page = services.create_draft(request=EVERYTHING)
    run_draft_jobs()
    assert ok(olga.get(PLAN, draft=first))["steps"]
    for words in ({"draft": first, "compacting": "true"}, {"draft": of_page.id}, {"draft": "draft_unknown"}):
        assert ok(olga.get(PLAN, **words), 202)["id"] not in (first, of_page.id)
    assert services.read_draft(first) is None
