"""A domain that is deleted takes its routes along, whichever worker comes first, and its next holder gets none."""

from collections.abc import Callable

import pytest
from django.conf import settings

from accounts.models.people import Customer, User
from audit.models import Change
from domains.deletion import services as deletion_services
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from domains.sharing import services as sharing_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from notifications.models.alerts import Alert
from operations.domain_removal import services as domain_removal_services
from operations.models import DomainRemoval
from operations.reconciler import services as reconciler_services
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.live import gateway as live_gateway
from receipt_rules.live.services import read_live
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.runs import OwnRuleSet, PendingChange, RunState
from receipt_rules.planner import services as planner_services
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, never_waiting, ok, refused
from tests.domains.factories import at_amazon, make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.operations.factories import make_ready
from tests.receipt_rules.factories import (
    approve_and_run,
    foreign_rule,
    live,
    make_address,
    make_endpoint,
    make_operator,
    set_up_receiving,
    taken,
)

pytestmark = pytest.mark.django_db
NAME = "northwind.com"


def rules() -> None:
    auto_apply_services.work()


def domains() -> None:
    for pk in Domain.objects.filter(stage="deleting").values_list("pk", flat=True):
        deletion_services.execute_deletion(domain_id=pk)


def removals() -> None:
    domain_removal_services.work()


ORDERS = [
    pytest.param((domains, removals, rules), id="domains, removals, rules"),
    pytest.param((rules, removals, domains), id="rules, removals, domains"),
    pytest.param((removals, domains, rules), id="removals, domains, rules"),
    pytest.param((domains, rules, removals), id="domains, rules, removals"),
]
Order = tuple[Callable[[], None], ...]


def named() -> set[str]:
    """Recipients at the domain that live rules name."""
    return {each for rule in live().rules for each in rule.recipient_set if each.endswith(NAME)}


@pytest.fixture
def customer(sandbox: Sandbox) -> Customer:
    customer = make_customer("Northwind")
    domain = make_ready(NAME, customer, adopted=True)
    endpoint = make_endpoint(customer, s3_prefix="northwind/")
    make_address(f"billing@{NAME}", domain, endpoint=endpoint)
    make_address(f"a@deep.{NAME}", domain, endpoint=endpoint)
    addresses_services.set_catch_all(domain=domain, endpoint=endpoint, actor=None)
    make_address("kept@other.com", make_ready("other.com", customer, adopted=True))
    set_up_receiving()
    return customer


@pytest.fixture
def owner(customer: Customer) -> User:
    return make_member(customer)


@pytest.fixture
def alice(owner: User, monkeypatch: pytest.MonkeyPatch) -> Api:
    never_waiting(monkeypatch)
    return api_of(owner)


def run_all() -> None:
    """What the workers do next, twice."""
    for _ in range(2):
        rules()
        removals()
        domains()


def the_domain() -> Domain:
    return Domain.objects.get(name=NAME)


def by_api(alice: Api) -> None:
    ok(alice.delete(f"/api/v2/domains/{the_domain().pk}"))


def by_older_api(alice: Api) -> None:
    ok(alice.post("/api/domain/verifications", {"action": "deleteDomain", "domain": NAME}))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("delete", [by_api, by_older_api])
def test_no_rule_names_it_once_it_is_gone(alice: Api, delete: Callable[[Api], None], order: Order) -> None:
    delete(alice)
    for _ in range(3):
        for worker in order:
            worker()
            if not Domain.objects.filter(name=NAME).exists() or at_amazon(NAME) is None:
                assert named() == set()
    assert not Domain.objects.filter(name=NAME).exists()
    assert at_amazon(NAME) is None
    assert taken("kept@other.com") == 1


@pytest.mark.parametrize("delete", [by_api, by_older_api])
def test_what_the_api_removes_stands_in_the_log_under_one_id(
    alice: Api, owner: User, delete: Callable[[Api], None]
) -> None:
    delete(alice)
    assert not Address.objects.filter(domain__name=NAME).exists()
    assert not CatchAll.objects.filter(domain__name=NAME).exists()
    run_all()
    lines = Change.objects.filter(actor_name__contains=owner.email)
    assert sorted(lines.filter(what__endswith=".removed").values_list("what", "object_name")) == [
        ("address.removed", f"a@deep.{NAME}"),
        ("address.removed", f"billing@{NAME}"),
        ("catch_all.removed", NAME),
    ]
    assert lines.filter(what="domain.deleted", object_name=NAME).count() == 1
    removed = lines.filter(what__in=("address.removed", "catch_all.removed", "domain.deleted"))
    assert len(set(removed.values_list("bulk_id", flat=True)) - {""}) == 1


def test_the_api_answers_at_once_with_what_is_gone_by_then_and_no_more(alice: Api) -> None:
    pk = the_domain().pk
    records = len(the_domain().records)
    answer = ok(alice.delete(f"/api/v2/domains/{pk}"))
    assert answer["deletedResources"] == {
        "domain": NAME,
        "emailAddresses": 2,
        "dnsRecords": records,
        "blockedEmails": 0,
        "sesIdentity": False,
        "sesReceiptRules": False,
    }
    assert "is being deleted" in answer["message"]
    rules()
    removals()
    again = ok(alice.delete(f"/api/v2/domains/{pk}"))["deletedResources"]
    assert (again["emailAddresses"], again["sesReceiptRules"], again["sesIdentity"]) == (0, True, False)
    domains()
    refused(alice.delete(f"/api/v2/domains/{pk}"), 404, "NOT_FOUND")


def test_a_domain_with_sub_domains_loses_nothing_by_the_api(alice: Api, customer: Customer) -> None:
    make_ready(f"eu.{NAME}", customer)
    refused(alice.delete(f"/api/v2/domains/{the_domain().pk}"), 409, "HAS_SUB_DOMAINS")
    assert Address.objects.filter(domain__name=NAME).count() == 2
    assert CatchAll.objects.filter(domain__name=NAME).count() == 1


def test_a_claim_that_was_never_proven_is_gone_with_the_answer(alice: Api, customer: Customer) -> None:
    claim = make_domain("claimed.com", customer=customer, stage=Stage.CLAIM, claim_token="t")
    gone = ok(alice.delete(f"/api/v2/domains/{claim.pk}"))["deletedResources"]
    assert (gone["sesIdentity"], gone["sesReceiptRules"]) == (True, True)
    assert not Domain.objects.filter(pk=claim.pk).exists()


def test_a_claim_to_a_name_that_another_holds_touches_nothing_of_theirs(alice: Api, customer: Customer) -> None:
    bobs = make_customer("Bob")
    claim = make_domain(NAME, customer=bobs, stage=Stage.CLAIM, claim_token="t")
    make_address(f"x@deep.{NAME}", claim)
    before = named()
    shown = domain_removal_services.consequences(claim)
    assert shown.rules is None
    domain_removal_services.request_removal(domain=claim, typed_name=NAME, actor=make_member(bobs))
    run_all()
    assert not Domain.objects.filter(pk=claim.pk).exists()
    assert named() == before
    assert at_amazon(NAME) is not None


def test_nothing_is_added_to_a_domain_that_is_being_deleted(alice: Api, customer: Customer) -> None:
    domain = the_domain()
    by_api(alice)
    refused(
        alice.post("/api/v2/email-addresses", {"address": f"new@{NAME}", "domainId": domain.pk}),
        400,
        "DOMAIN_NOT_VERIFIED",
    )
    with pytest.raises(Refused):
        addresses_services.set_catch_all(domain=domain, endpoint=None, actor=None)
    with pytest.raises(Refused, match="being deleted"):
        overrides_services.transfer(domain=domain, to=make_customer("Bob"), because="x", actor=make_staff())
    with pytest.raises(Refused, match="being deleted"):
        sharing_services.create(domain=domain, actor=make_member(customer))


FAULTS = ["DescribeActiveReceiptRuleSet", "ListReceiptRuleSets"]


@pytest.mark.parametrize("operation", FAULTS)
def test_rules_that_cannot_be_read_are_not_taken_for_none(alice: Api, sandbox: Sandbox, operation: str) -> None:
    by_api(alice)
    rules()
    sandbox.control.add_fault("error", operation, times=5)
    with pytest.raises(AwsProblem):
        removals()
    domains()
    domain = the_domain()
    assert "don’t know yet whether receipt rules still name it" in domain.stage_problem
    assert at_amazon(NAME) is not None
    sandbox.control.clear_faults()
    run_all()
    assert not Domain.objects.filter(name=NAME).exists()


def test_a_rule_of_somebody_elses_is_named_to_operators_and_waited_for(alice: Api, sandbox: Sandbox) -> None:
    foreign_rule("by-hand", [f"Sales@{NAME}"], rule_set=live().name)
    by_api(alice)
    run_all()
    domain = the_domain()
    assert at_amazon(NAME) is not None
    assert "rule that we did not make" in domain.stage_problem
    assert "by-hand" not in domain.stage_problem  # its name is not for customers
    alert = Alert.objects.get(kind="domain.removal_held_up")
    assert (alert.state, alert.permission) == ("open", "receipt_rules.operate_rules")
    assert "The receipt rule by-hand in the rule set" in alert.why
    assert domain_removal_services.work() is True  # not asked again every few seconds
    aws.client("ses").delete_receipt_rule(RuleSetName=live().name, RuleName="by-hand")
    run_all()
    assert not Domain.objects.filter(name=NAME).exists()
    assert Alert.objects.get(kind="domain.removal_held_up").state == "recovered"


def test_an_active_rule_set_that_is_not_ours_is_read_as_well(alice: Api, sandbox: Sandbox) -> None:
    foreign_rule("theirs", [f"deep.{NAME}"], rule_set="their-set", create_set=True)
    by_api(alice)
    run_all()
    assert "their-set" in Alert.objects.get(kind="domain.removal_held_up").why
    assert at_amazon(NAME) is not None


def test_a_rule_at_a_sub_domain_that_somebody_else_holds_is_not_waited_for(alice: Api, sandbox: Sandbox) -> None:
    make_ready(f"bob.{NAME}", make_customer("Bob"))
    foreign_rule("bobs", [f"a@bob.{NAME}"], rule_set=live().name)
    by_api(alice)
    run_all()
    assert not Domain.objects.filter(name=NAME).exists()


def test_where_no_rule_set_was_ever_made_a_domain_with_addresses_goes_as_well(sandbox: Sandbox) -> None:
    customer = make_customer("Early")
    make_address("a@early.com", make_ready("early.com", customer, adopted=True))
    domain_removal_services.request_removal(
        domain=Domain.objects.get(name="early.com"), typed_name="early.com", actor=None
    )
    run_all()
    assert not Domain.objects.filter(name="early.com").exists()


def test_a_rule_set_that_is_not_active_keeps_nothing_of_it(alice: Api, sandbox: Sandbox) -> None:
    client, old = aws.client("ses"), live().name
    client.clone_receipt_rule_set(RuleSetName=f"{old}-kept", OriginalRuleSetName=old)
    OwnRuleSet.objects.create(region=settings.AWS_REGION, name=f"{old}-kept")
    by_api(alice)
    run_all()
    assert not Domain.objects.filter(name=NAME).exists()
    kept = live_gateway.describe_rule_set(f"{old}-kept")
    recipients = {each for rule in kept.rules for each in rule.recipient_set}
    assert recipients == {"kept@other.com"}
    assert Change.objects.filter(what="rules.kept_changed", for_staff=True).exists()


def test_a_rule_that_was_put_back_by_hand_gets_a_run_of_its_own(alice: Api, sandbox: Sandbox) -> None:
    before = live()
    by_api(alice)
    rules()
    assert named() == set()
    for rule in before.ours:
        if rule.name in live().names:
            live_gateway.update_rule(before.name, rule)
        else:
            live_gateway.create_rule(before.name, rule)
    removals()
    assert PendingChange.objects.filter(customer__name="Northwind").exists()
    run_all()
    assert named() == set()
    assert not Domain.objects.filter(name=NAME).exists()


def test_a_plan_that_was_approved_before_brings_no_route_back(alice: Api, sandbox: Sandbox) -> None:
    domain = the_domain()
    operator = make_operator()
    make_address(f"late@sub.{NAME}", domain, endpoint=make_endpoint(domain.customer, s3_prefix="late/"))
    run = planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    by_api(alice)
    assert domain_removal_services.work() is False
    run_all()
    run.refresh_from_db()
    assert run.state == RunState.REFUSED
    assert "being deleted" in run.problem
    assert not Domain.objects.filter(name=NAME).exists()
    assert named() == set()


def test_while_a_run_that_names_it_is_unfinished_it_stays(alice: Api, sandbox: Sandbox) -> None:
    domain = the_domain()
    operator = make_operator()
    make_address(f"late@sub.{NAME}", domain, endpoint=make_endpoint(domain.customer, s3_prefix="late/"))
    planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    by_api(alice)
    PendingChange.objects.all().delete()
    assert domain_removal_services.work() is False
    assert "run of rule changes" in DomainRemoval.objects.get().problem
    assert the_domain().routes_removed_at is None


def test_a_domain_that_was_marked_and_lost_its_removal_gets_one(customer: Customer) -> None:
    Address.objects.filter(domain__name=NAME).delete()
    CatchAll.objects.all().delete()
    deletion_services.mark_for_deletion(domain=the_domain(), typed_name=NAME, actor=None)
    reconciler_services.queue_unfinished()
    run_all()
    assert not Domain.objects.filter(name=NAME).exists()
    assert named() == set()


def test_a_run_for_a_name_that_nobody_holds_removes_its_recipients(customer: Customer, sandbox: Sandbox) -> None:
    Address.objects.filter(domain__name=NAME).delete()
    CatchAll.objects.all().delete()
    Domain.objects.filter(name=NAME).delete()
    wanted = planner_services.read_desired_state()
    asked = planner_services.PlanRequest(scope=planner_services.recipients_at(NAME, wanted, read_live().rule_set))
    assert asked.scope == frozenset({NAME, f"a@deep.{NAME}"})
    approve_and_run(make_operator(), asked, typed=live().name)
    assert named() == set()
    assert taken("kept@other.com") == 1
