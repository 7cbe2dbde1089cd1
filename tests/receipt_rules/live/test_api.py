"""The API reads, plans, approves by digest, rolls back and simulates receipt rules."""

import pytest

from accounts.roles import Role
from domains.models.domains import Domain
from receipt_rules.auto_apply.services import work
from receipt_rules.models.runs import Run
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, ok, refused
from tests.factories import make_customer, make_staff
from tests.receipt_rules.factories import make_address, make_unmanaged_rule, make_verified, rule_count, set_up_receiving

pytestmark = pytest.mark.django_db
RULES = "/api/v2/receipt-rules"


@pytest.fixture
def olga(sandbox: Sandbox) -> Api:
    domain = make_verified("shop.com", customer=make_customer("Alice Ltd"))
    make_address("a@shop.com", domain)
    set_up_receiving()
    return api_of(make_staff(Role.OPERATOR), "read", "write", "staff")


def test_the_response_contains_the_live_rules_and_the_customers_sharing_them(olga: Api) -> None:
    live = ok(olga.get(RULES))
    (rule,) = live["rules"]
    assert (live["isActive"], rule["recipients"], rule["isOurs"]) == (True, ["a@shop.com"], True)
    assert len(rule["customers"]) == 1
    assert live["capacity"]["recipients"]["used"] == 1
    assert live["differences"] == []


def test_a_plan_is_approved_by_its_digest_and_its_run_can_be_followed(olga: Api) -> None:
    assert ok(olga.get(f"{RULES}/plan"))["isEmpty"] is True
    make_address("b@shop.com", Domain.objects.get())
    shown = ok(olga.get(f"{RULES}/plan"))
    assert [each["fate"] for each in shown["consequences"]] == ["gains"]
    approval = {"digest": shown["digest"], "because": "It is wanted."}
    refused(olga.post(f"{RULES}/plan", approval | {"digest": "0"}), 409, "PLAN_CHANGED")
    refused(olga.post(f"{RULES}/plan", approval | {"because": " "}), 422, "REASON_MISSING")
    begun = ok(olga.post(f"{RULES}/plan", approval), 202)
    assert ok(olga.get(begun["statusUrl"]))["state"] == "waiting"
    work()
    run = ok(olga.get(begun["statusUrl"]))
    assert (run["state"], run["isOver"], run["steps"][0]["state"]) == ("done", True, "done")
    assert rule_count("b@shop.com") == 1
    assert ok(olga.get(f"{RULES}/runs"))["data"][0]["id"] == run["id"]
    refused(olga.post(f"{begun['statusUrl']}/cancel"), 422, "RUN_OVER")


def test_a_plan_rolls_back_to_an_earlier_state(olga: Api) -> None:
    make_address("b@shop.com", Domain.objects.get())
    _approve(olga, ok(olga.get(f"{RULES}/plan")), {})
    states = ok(olga.get(f"{RULES}/states"))["data"]
    before = next(state for state in states if state["recipients"] == 1)
    shown = ok(olga.get(f"{RULES}/plan", state=before["id"]))
    assert [each["fate"] for each in shown["consequences"]] == ["loses"]
    _approve(olga, shown, {"state": before["id"]})
    assert (rule_count("a@shop.com"), rule_count("b@shop.com")) == (1, 0)
    assert Run.objects.filter(kind="rollback", state="done").count() == 1
    refused(olga.get(f"{RULES}/plan", state="snap_none"), 422, "SNAPSHOT_MISSING")


def _approve(olga: Api, shown: dict[str, str], more: dict[str, str]) -> None:
    asked = {"digest": shown["digest"], "because": "a test", "typed": shown["ruleSet"]}
    ok(olga.post(f"{RULES}/plan", asked | more), 202)
    work()


def test_an_unmanaged_rule_is_a_difference_until_it_is_accepted(olga: Api) -> None:
    name = ok(olga.get(RULES))["ruleSet"]
    make_unmanaged_rule("theirs", ["x@else.com"], rule_set=name)
    live = ok(olga.get(RULES))
    assert [rule["isOurs"] for rule in live["rules"] if rule["name"] == "theirs"] == [False]
    (difference,) = live["differences"]
    address = f"{RULES}/decisions"
    wrong = {"decision": "ignore", "key": "no such", "because": "x"}
    refused(olga.post(address, wrong), 422, "DIFFERENCE_MISSING")
    ignored = ok(olga.post(address, {"decision": "ignore", "key": difference["key"], "because": "It is known."}))
    assert [each["isIgnored"] for each in ignored["differences"]] == [True]
    accepted = ok(olga.post(address, {"decision": "accept", "because": "It may stay."}))
    assert accepted["differences"] == []


def test_the_simulation_shows_which_rules_match_each_recipient(olga: Api) -> None:
    found = ok(olga.post(f"{RULES}/simulate", {"recipients": ["A+x@shop.com", "no@shop.com"]}))
    one, other = found["recipients"]
    assert (one["because"], len(one["takenBy"])) == ("label", 1)
    assert (other["because"], other["takenBy"]) == ("nobody", [])
    assert found["isRejected"] is False
    assert [rule["fired"] for rule in found["rules"]] == [True]
    assert olga.post(f"{RULES}/simulate", {"recipients": []}).status_code == 400
    assert olga.post(f"{RULES}/simulate", {"recipients": ["no address"]}).status_code == 400
