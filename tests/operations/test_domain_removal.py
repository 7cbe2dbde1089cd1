"""Deleting a domain removes its routes whichever worker runs first, and its next owner gets none of them."""

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
from tests.api_client import Api, api_of, expire_waits, ok, refused
from tests.domains.factories import identity_at_ses, make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.operations.factories import make_ready
from tests.receipt_rules.factories import (
    approve_and_run,
    live,
    make_address,
    make_endpoint,
    make_operator,
    make_unmanaged_rule,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db
NAME = "northwind.com"


def apply_rules() -> None:
    auto_apply_services.work()


def delete_domains() -> None:
    for pk in Domain.objects.filter(stage="deleting").values_list("pk", flat=True):
        deletion_services.execute_deletion(domain_id=pk)


def work_removals() -> None:
    domain_removal_services.work()


ORDERS = [
    pytest.param((delete_domains, work_removals, apply_rules), id="domains, removals, rules"),
    pytest.param((apply_rules, work_removals, delete_domains), id="rules, removals, domains"),
    pytest.param((work_removals, delete_domains, apply_rules), id="removals, domains, rules"),
    pytest.param((delete_domains, apply_rules, work_removals), id="domains, rules, removals"),
]
Order = tuple[Callable[[], None], ...]


def live_recipients() -> set[str]:
    """Return the domain's recipients in live rules."""
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
    expire_waits(monkeypatch)
    return api_of(owner)


def run_all() -> None:
    """Run the next jobs of all workers, twice."""
    for _ in range(2):
        apply_rules()
        work_removals()
        delete_domains()


def get_domain() -> Domain:
    return Domain.objects.get(name=NAME)


def delete_by_api(alice: Api) -> None:
    ok(alice.delete(f"/api/v2/domains/{get_domain().pk}"))


def delete_by_older_api(alice: Api) -> None:
    ok(alice.post("/api/domain/verifications", {"action": "deleteDomain", "domain": NAME}))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("delete", [delete_by_api, delete_by_older_api])
def test_no_rule_contains_the_domain_once_it_is_deleted(
    alice: Api, delete: Callable[[Api], None], order: Order
) -> None:
    delete(alice)
    for _ in range(3):
        for worker in order:
            worker()
            if not Domain.objects.filter(name=NAME).exists() or identity_at_ses(NAME) is None:
                assert live_recipients() == set()
    assert not Domain.objects.filter(name=NAME).exists()
    assert identity_at_ses(NAME) is None
    assert rule_count("kept@other.com") == 1


@pytest.mark.parametrize("delete", [delete_by_api, delete_by_older_api])
def test_everything_removed_by_the_api_is_logged_under_one_id(
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


def test_the_api_answers_at_once_with_what_has_been_deleted_so_far(alice: Api) -> None:
    pk = get_domain().pk
    records = len(get_domain().records)
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
    apply_rules()
    work_removals()
    again = ok(alice.delete(f"/api/v2/domains/{pk}"))["deletedResources"]
    assert (again["emailAddresses"], again["sesReceiptRules"], again["sesIdentity"]) == (0, True, False)
    delete_domains()
    refused(alice.delete(f"/api/v2/domains/{pk}"), 404, "NOT_FOUND")


def test_the_api_refuses_to_delete_a_domain_with_subdomains(alice: Api, customer: Customer) -> None:
    make_ready(f"eu.{NAME}", customer)
    refused(alice.delete(f"/api/v2/domains/{get_domain().pk}"), 409, "HAS_SUB_DOMAINS")
    assert Address.objects.filter(domain__name=NAME).count() == 2
    assert CatchAll.objects.filter(domain__name=NAME).count() == 1


def test_an_unproven_claim_is_deleted_at_once(alice: Api, customer: Customer) -> None:
    claim = make_domain("claimed.com", customer=customer, stage=Stage.CLAIM, claim_token="t")
    gone = ok(alice.delete(f"/api/v2/domains/{claim.pk}"))["deletedResources"]
    assert (gone["sesIdentity"], gone["sesReceiptRules"]) == (True, True)
    assert not Domain.objects.filter(pk=claim.pk).exists()


def test_deleting_a_claim_changes_nothing_of_the_verified_owner(alice: Api, customer: Customer) -> None:
    bobs = make_customer("Bob")
    claim = make_domain(NAME, customer=bobs, stage=Stage.CLAIM, claim_token="t")
    make_address(f"x@deep.{NAME}", claim)
    before = live_recipients()
    shown = domain_removal_services.consequences(claim)
    assert shown.rules is None
    domain_removal_services.request_removal(domain=claim, typed_name=NAME, actor=make_member(bobs))
    run_all()
    assert not Domain.objects.filter(pk=claim.pk).exists()
    assert live_recipients() == before
    assert identity_at_ses(NAME) is not None


def test_nothing_can_be_added_to_a_domain_that_is_being_deleted(alice: Api, customer: Customer) -> None:
    domain = get_domain()
    delete_by_api(alice)
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
def test_rules_that_could_not_be_read_delay_the_deletion(alice: Api, sandbox: Sandbox, operation: str) -> None:
    delete_by_api(alice)
    apply_rules()
    sandbox.control.add_fault("error", operation, times=5)
    with pytest.raises(AwsProblem):
        work_removals()
    delete_domains()
    domain = get_domain()
    assert "don’t know yet whether receipt rules still name it" in domain.stage_problem
    assert identity_at_ses(NAME) is not None
    sandbox.control.clear_faults()
    run_all()
    assert not Domain.objects.filter(name=NAME).exists()


def test_an_unmanaged_rule_delays_the_deletion_and_is_named_only_to_operators(alice: Api, sandbox: Sandbox) -> None:
    make_unmanaged_rule("by-hand", [f"Sales@{NAME}"], rule_set=live().name)
    delete_by_api(alice)
    run_all()
    domain = get_domain()
    assert identity_at_ses(NAME) is not None
    assert "rule that we did not make" in domain.stage_problem
    assert "by-hand" not in domain.stage_problem  # customers must not see its name
    alert = Alert.objects.get(kind="domain.removal_held_up")
    assert (alert.state, alert.permission) == ("open", "receipt_rules.operate_rules")
    assert "The receipt rule by-hand in the rule set" in alert.why
    assert domain_removal_services.work() is True  # the removal waits before the next check
    aws.client("ses").delete_receipt_rule(RuleSetName=live().name, RuleName="by-hand")
    run_all()
    assert not Domain.objects.filter(name=NAME).exists()
    assert Alert.objects.get(kind="domain.removal_held_up").state == "recovered"


def test_an_unmanaged_active_rule_set_delays_the_deletion_too(alice: Api, sandbox: Sandbox) -> None:
    make_unmanaged_rule("theirs", [f"deep.{NAME}"], rule_set="their-set", create_set=True)
    delete_by_api(alice)
    run_all()
    assert "their-set" in Alert.objects.get(kind="domain.removal_held_up").why
    assert identity_at_ses(NAME) is not None


def test_a_rule_for_another_customers_subdomain_does_not_delay_the_deletion(alice: Api, sandbox: Sandbox) -> None:
    make_ready(f"bob.{NAME}", make_customer("Bob"))
    make_unmanaged_rule("bobs", [f"a@bob.{NAME}"], rule_set=live().name)
    delete_by_api(alice)
    run_all()
    assert not Domain.objects.filter(name=NAME).exists()


def test_without_any_rule_set_a_domain_with_addresses_is_deleted(sandbox: Sandbox) -> None:
    customer = make_customer("Early")
    make_address("a@early.com", make_ready("early.com", customer, adopted=True))
    domain_removal_services.request_removal(
        domain=Domain.objects.get(name="early.com"), typed_name="early.com", actor=None
    )
    run_all()
    assert not Domain.objects.filter(name="early.com").exists()


def test_the_domain_is_removed_from_inactive_rule_sets_too(alice: Api, sandbox: Sandbox) -> None:
    client, old = aws.client("ses"), live().name
    client.clone_receipt_rule_set(RuleSetName=f"{old}-kept", OriginalRuleSetName=old)
    OwnRuleSet.objects.create(region=settings.AWS_REGION, name=f"{old}-kept")
    delete_by_api(alice)
    run_all()
    assert not Domain.objects.filter(name=NAME).exists()
    kept = live_gateway.describe_rule_set(f"{old}-kept")
    recipients = {each for rule in kept.rules for each in rule.recipient_set}
    assert recipients == {"kept@other.com"}
    assert Change.objects.filter(what="rules.kept_changed", for_staff=True).exists()


def test_a_manually_restored_rule_is_removed_by_another_run(alice: Api, sandbox: Sandbox) -> None:
    before = live()
    delete_by_api(alice)
    apply_rules()
    assert live_recipients() == set()
    for rule in before.ours:
        if rule.name in live().names:
            live_gateway.update_rule(before.name, rule)
        else:
            live_gateway.create_rule(before.name, rule)
    work_removals()
    assert PendingChange.objects.filter(customer__name="Northwind").exists()
    run_all()
    assert live_recipients() == set()
    assert not Domain.objects.filter(name=NAME).exists()


def test_an_earlier_approved_plan_does_not_restore_a_route(alice: Api, sandbox: Sandbox) -> None:
    domain = get_domain()
    operator = make_operator()
    make_address(f"late@sub.{NAME}", domain, endpoint=make_endpoint(domain.customer, s3_prefix="late/"))
    run = planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    delete_by_api(alice)
    assert domain_removal_services.work() is False
    run_all()
    run.refresh_from_db()
    assert run.state == RunState.REFUSED
    assert "being deleted" in run.problem
    assert not Domain.objects.filter(name=NAME).exists()
    assert live_recipients() == set()


def test_an_unfinished_run_that_contains_the_domain_delays_the_deletion(alice: Api, sandbox: Sandbox) -> None:
    domain = get_domain()
    operator = make_operator()
    make_address(f"late@sub.{NAME}", domain, endpoint=make_endpoint(domain.customer, s3_prefix="late/"))
    planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    delete_by_api(alice)
    PendingChange.objects.all().delete()
    assert domain_removal_services.work() is False
    assert "run of rule changes" in DomainRemoval.objects.get().problem
    assert get_domain().routes_removed_at is None


def test_a_marked_domain_without_a_removal_gets_one(customer: Customer) -> None:
    Address.objects.filter(domain__name=NAME).delete()
    CatchAll.objects.all().delete()
    deletion_services.mark_for_deletion(domain=get_domain(), typed_name=NAME, actor=None)
    reconciler_services.queue_unfinished()
    run_all()
    assert not Domain.objects.filter(name=NAME).exists()
    assert live_recipients() == set()


def test_a_plan_for_an_unowned_domain_removes_its_recipients(customer: Customer, sandbox: Sandbox) -> None:
    Address.objects.filter(domain__name=NAME).delete()
    CatchAll.objects.all().delete()
    Domain.objects.filter(name=NAME).delete()
    state = planner_services.read_desired_state()
    asked = planner_services.PlanRequest(scope=planner_services.recipients_at(NAME, state, read_live().rule_set))
    assert asked.scope == frozenset({NAME, f"a@deep.{NAME}"})
    approve_and_run(make_operator(), asked, typed=live().name)
    assert live_recipients() == set()
    assert rule_count("kept@other.com") == 1
