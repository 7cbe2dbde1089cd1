"""A plan requested by a query has the digest that approves the same options in a request body."""

from typing import Any

import pytest

from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.runs import Run, RunState
from receipt_rules.planner.api import PlanApproved, PlanQuery
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, ok, refused
from tests.receipt_rules.factories import live, make_address, make_operator, make_unmanaged_rule, make_verified

pytestmark = pytest.mark.django_db
PLAN = "/api/v2/receipt-rules/plan"


@pytest.fixture
def olga(sandbox: Sandbox) -> Api:
    """Start with a rule of the old style and one of another program."""
    make_unmanaged_rule("shop.com-rule", ["billing@shop.com"], rule_set="inbound-mail", create_set=True)
    make_unmanaged_rule("theirs", ["a@else.com"], rule_set="inbound-mail")
    make_address("billing@shop.com", make_verified("shop.com"))
    return api_of(make_operator(), "read", "write", "staff")


def test_the_plan_query_and_the_approval_accept_the_same_options() -> None:
    assert set(PlanApproved.model_fields) - set(PlanQuery.model_fields) == {"digest", "because", "typed"}
    assert set(PlanQuery.model_fields) <= set(PlanApproved.model_fields)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({"takeOver": ["shop.com-rule"]}, {"takeOver": ["shop.com-rule"]}),
        ({"oldStyle": "true"}, {"oldStyle": True}),
    ],
)
def test_adopting_a_rule_is_approved_by_the_digest_of_the_same_options(olga: Api, query: Any, body: Any) -> None:
    plain, shown = ok(olga.get(PLAN)), ok(olga.get(PLAN, **query))
    assert shown["digest"] != plain["digest"]
    approval = {"because": "a test", "typed": "inbound-mail", "digest": shown["digest"]}
    refused(olga.post(PLAN, approval), 409, "PLAN_CHANGED")
    ok(olga.post(PLAN, approval | body), 202)
    auto_apply_services.work()
    assert Run.objects.get().state == RunState.DONE
    assert [rule.name for rule in live().foreign] == ["theirs"]
