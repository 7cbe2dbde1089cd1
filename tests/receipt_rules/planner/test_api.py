"""A plan asked for by a query has the digest that the same question in a body approves."""

from typing import Any

import pytest

from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.runs import Run, RunState
from receipt_rules.planner.api import PlanApproved, PlanQuery
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, ok, refused
from tests.receipt_rules.factories import foreign_rule, live, make_address, make_operator, make_verified

pytestmark = pytest.mark.django_db
PLAN = "/api/v2/receipt-rules/plan"


@pytest.fixture
def olga(sandbox: Sandbox) -> Api:
    """In front of a rule of the old style and one of another program."""
    foreign_rule("shop.com-rule", ["billing@shop.com"], rule_set="inbound-mail", create_set=True)
    foreign_rule("theirs", ["a@else.com"], rule_set="inbound-mail")
    make_address("billing@shop.com", make_verified("shop.com"))
    return api_of(make_operator(), "read", "write", "staff")


def test_a_query_and_an_approval_take_the_same_options() -> None:
    assert set(PlanApproved.model_fields) - set(PlanQuery.model_fields) == {"digest", "because", "typed"}
    assert set(PlanQuery.model_fields) <= set(PlanApproved.model_fields)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({"takeOver": ["shop.com-rule"]}, {"takeOver": ["shop.com-rule"]}),
        ({"oldStyle": "true"}, {"oldStyle": True}),
    ],
)
def test_a_rule_is_taken_over_by_the_digest_of_the_same_question(olga: Api, query: Any, body: Any) -> None:
    plain, shown = ok(olga.get(PLAN)), ok(olga.get(PLAN, **query))
    assert shown["digest"] != plain["digest"]
    approval = {"because": "a test", "typed": "inbound-mail", "digest": shown["digest"]}
    refused(olga.post(PLAN, approval), 409, "PLAN_CHANGED")
    ok(olga.post(PLAN, approval | body), 202)
    auto_apply_services.work()
    assert Run.objects.get().state == RunState.DONE
    assert [rule.name for rule in live().foreign] == ["theirs"]
