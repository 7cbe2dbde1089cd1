"""A domain goes in the order that SES demands, and nothing of anybody else's goes with it."""

import pytest

from accounts.models.people import User
from audit.models import Change
from domains.deletion import services as deletion_services
from domains.identity import services as identity_services
from domains.models.domains import Domain, Stage
from domains.preflight import services as preflight_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from sandbox.process import Sandbox
from tests.domains.factories import at_amazon, carry_out_deletion, make_domain, set_up_domain, waiting_jobs
from tests.factories import make_customer, make_user

pytestmark = pytest.mark.django_db


def marked(domain: Domain) -> Domain:
    deletion_services.mark_for_deletion(domain=domain, typed_name=domain.name, actor=olga())
    domain.refresh_from_db()
    return domain


def olga() -> User:
    return User.objects.filter(email="olga@ops.example").first() or make_user("olga@ops.example")


def in_tenant(domain: Domain, tenant: str) -> None:
    client = aws.client("sesv2")
    client.create_tenant(TenantName=tenant)
    client.create_tenant_resource_association(TenantName=tenant, ResourceArn=aws.identity_arn(domain.name))


def test_associations_go_before_the_identity(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    for tenant in ("alice", "alice-bulk"):
        in_tenant(domain, tenant)
    marked(domain)
    sandbox.control.clear_calls()
    carry_out_deletion(domain_id=domain.id)
    writes = [call.operation for call in sandbox.control.write_calls()]
    assert writes == ["DeleteTenantResourceAssociation"] * 2 + ["DeleteEmailIdentity"]
    calls = len(sandbox.control.calls())
    assert at_amazon("shop.com") is None
    change = Change.objects.get(what="domain.deleted")
    assert (change.actor_name, change.before["name"]) == ("olga@ops.example", "shop.com")
    assert len(change.aws_request_ids) == calls


def test_another_domain_in_the_same_tenant_stays_in_it(sandbox: Sandbox) -> None:
    gone, other = set_up_domain(sandbox, "gone.com"), set_up_domain(sandbox, "other.com")
    in_tenant(gone, "alice")
    arn = aws.identity_arn(other.name)
    aws.client("sesv2").create_tenant_resource_association(TenantName="alice", ResourceArn=arn)
    carry_out_deletion(domain_id=marked(gone).id)
    left = aws.client("sesv2").list_tenant_resources(TenantName="alice")["TenantResources"]
    assert [resource["ResourceArn"] for resource in left] == [arn]
    assert at_amazon("other.com") is not None


@pytest.mark.parametrize("typed", ["shop.co", "", "www.shop.com", "shop.com.example"])
def test_another_name_than_the_domains_is_refused(typed: str) -> None:
    domain = make_domain("shop.com", stage=Stage.READY)
    with pytest.raises(Refused) as refused:
        deletion_services.mark_for_deletion(domain=domain, typed_name=typed, actor=make_user())
    assert refused.value.code == "NAME_NOT_TYPED"


@pytest.mark.parametrize("typed", ["shop.com", " SHOP.com. ", "Shop.Com"])
def test_the_name_may_be_typed_as_people_type_it(typed: str) -> None:
    domain = make_domain("shop.com", stage=Stage.READY)
    deletion_services.mark_for_deletion(domain=domain, typed_name=typed, actor=make_user())
    domain.refresh_from_db()
    assert domain.stage == Stage.DELETING


@pytest.mark.parametrize("typed", ["bücher.de", "xn--bcher-kva.de"])
def test_an_international_name_may_be_typed_either_way(typed: str) -> None:
    domain = make_domain("xn--bcher-kva.de", stage=Stage.READY)
    deletion_services.mark_for_deletion(domain=domain, typed_name=typed, actor=make_user())
    domain.refresh_from_db()
    assert domain.stage == Stage.DELETING


def test_ones_own_sub_domains_must_go_first_and_somebody_elses_are_not_told() -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    domain = make_domain("shop.com", customer=alice, stage=Stage.READY)
    make_domain("bob.shop.com", customer=bob, stage=Stage.READY)
    assert deletion_services.consequences(domain).sub_domains == ()
    make_domain("in.shop.com", customer=alice, stage=Stage.READY)
    assert deletion_services.consequences(domain).sub_domains == ("in.shop.com",)
    with pytest.raises(Refused) as refused:
        marked(domain)
    assert refused.value.code == "HAS_SUB_DOMAINS"
    assert "bob" not in str(refused.value)


def test_deleting_twice_is_deleting_once(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    marked(domain)
    marked(domain)
    assert "domains.delete" not in waiting_jobs(domain)
    for _ in range(2):
        deletion_services.confirm_routes_removed(domain_id=domain.id)
    assert waiting_jobs(domain).count("domains.delete") == 1
    carry_out_deletion(domain_id=domain.id)
    carry_out_deletion(domain_id=domain.id)
    assert Change.objects.filter(what="domain.deleted").count() == 1


def test_nothing_goes_while_receipt_rules_may_name_it(sandbox: Sandbox) -> None:
    domain = marked(set_up_domain(sandbox, "shop.com"))
    sandbox.control.clear_calls()
    deletion_services.execute_deletion(domain_id=domain.id)
    assert sandbox.control.calls() == ()
    assert at_amazon("shop.com") is not None
    assert Domain.objects.get(name="shop.com").headline == (
        "Deleting. Removing the domain from the receipt rules first."
    )


def test_routes_of_a_domain_that_stays_cannot_be_said_to_be_removed(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    carry_out_deletion(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.routes_removed_at) == (Stage.READY, None)
    assert at_amazon("shop.com") is not None


def test_one_that_was_never_set_up_goes_without_a_write(sandbox: Sandbox) -> None:
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    carry_out_deletion(domain_id=marked(domain).id)
    identity_services.set_up(domain_id=domain.id)
    assert sandbox.control.write_calls() == ()
    assert not Domain.objects.filter(pk=domain.pk).exists()


def test_one_whose_identity_was_deleted_by_hand_goes_as_well(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    aws.client("sesv2").delete_email_identity(EmailIdentity="shop.com")
    carry_out_deletion(domain_id=marked(domain).id)
    assert not Domain.objects.filter(pk=domain.pk).exists()


def test_why_it_is_held_up_is_on_the_page_and_the_domain_stays(sandbox: Sandbox) -> None:
    domain = marked(set_up_domain(sandbox))
    sandbox.control.add_fault("error", "DeleteEmailIdentity", times=3)
    with pytest.raises(AwsProblem) as problem:
        carry_out_deletion(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.stage_problem) == (Stage.DELETING, str(problem.value))


@pytest.mark.parametrize("stage", [Stage.CLAIM, Stage.STARTING, Stage.READY])
def test_a_job_for_a_domain_that_is_not_being_deleted_does_nothing(sandbox: Sandbox, stage: Stage) -> None:
    domain = make_domain(stage=stage, dkim_tokens=["x"])
    carry_out_deletion(domain_id=domain.id)
    assert Domain.objects.filter(pk=domain.pk).exists()
    assert sandbox.control.call_counts() == {}


def test_a_look_alike_is_named_with_its_form_in_dns_and_typed_in_either() -> None:
    domain = make_domain("xn--pple-43d.com", stage=Stage.READY)
    assert str(domain) == f"{domain.parsed.unicode} (xn--pple-43d.com)"
    for typed in ("xn--pple-43d.com", domain.parsed.unicode):
        deletion_services.refuse_deletion(domain=domain, typed_name=typed)
