"""The deletion of a domain: in the order that SES demands, and without touching anything of others."""

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
from tests.domains.factories import delete_marked_domain, identity_at_ses, make_domain, set_up_domain, waiting_jobs
from tests.factories import make_customer, make_user

pytestmark = pytest.mark.django_db


def marked_for_deletion(domain: Domain) -> Domain:
    deletion_services.mark_for_deletion(domain=domain, typed_name=domain.name, actor=olga())
    domain.refresh_from_db()
    return domain


def olga() -> User:
    return User.objects.filter(email="olga@ops.example").first() or make_user("olga@ops.example")


def in_tenant(domain: Domain, tenant: str) -> None:
    client = aws.client("sesv2")
    client.create_tenant(TenantName=tenant)
    client.create_tenant_resource_association(TenantName=tenant, ResourceArn=aws.identity_arn(domain.name))


def test_tenant_associations_are_deleted_before_the_identity(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    for tenant in ("alice", "alice-bulk"):
        in_tenant(domain, tenant)
    marked_for_deletion(domain)
    sandbox.control.clear_calls()
    delete_marked_domain(domain_id=domain.id)
    writes = [call.operation for call in sandbox.control.write_calls()]
    assert writes == ["DeleteTenantResourceAssociation"] * 2 + ["DeleteEmailIdentity"]
    calls = len(sandbox.control.calls())
    assert identity_at_ses("shop.com") is None
    change = Change.objects.get(what="domain.deleted")
    assert (change.actor_name, change.before["name"]) == ("olga@ops.example", "shop.com")
    assert len(change.aws_request_ids) == calls


def test_another_domain_in_the_same_tenant_stays_in_it(sandbox: Sandbox) -> None:
    gone, other = set_up_domain(sandbox, "gone.com"), set_up_domain(sandbox, "other.com")
    in_tenant(gone, "alice")
    arn = aws.identity_arn(other.name)
    aws.client("sesv2").create_tenant_resource_association(TenantName="alice", ResourceArn=arn)
    delete_marked_domain(domain_id=marked_for_deletion(gone).id)
    left = aws.client("sesv2").list_tenant_resources(TenantName="alice")["TenantResources"]
    assert [resource["ResourceArn"] for resource in left] == [arn]
    assert identity_at_ses("other.com") is not None


@pytest.mark.parametrize("typed", ["shop.co", "", "www.shop.com", "shop.com.example"])
def test_a_wrong_typed_name_is_refused(typed: str) -> None:
    domain = make_domain("shop.com", stage=Stage.READY)
    with pytest.raises(Refused) as refused:
        deletion_services.mark_for_deletion(domain=domain, typed_name=typed, actor=make_user())
    assert refused.value.code == "NAME_NOT_TYPED"


@pytest.mark.parametrize("typed", ["shop.com", " SHOP.com. ", "Shop.Com"])
def test_the_typed_name_ignores_case_spaces_and_a_final_dot(typed: str) -> None:
    domain = make_domain("shop.com", stage=Stage.READY)
    deletion_services.mark_for_deletion(domain=domain, typed_name=typed, actor=make_user())
    domain.refresh_from_db()
    assert domain.stage == Stage.DELETING


@pytest.mark.parametrize("typed", ["bücher.de", "xn--bcher-kva.de"])
def test_an_international_name_can_be_typed_in_either_form(typed: str) -> None:
    domain = make_domain("xn--bcher-kva.de", stage=Stage.READY)
    deletion_services.mark_for_deletion(domain=domain, typed_name=typed, actor=make_user())
    domain.refresh_from_db()
    assert domain.stage == Stage.DELETING


def test_own_subdomains_block_the_deletion_and_foreign_ones_are_not_shown() -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    domain = make_domain("shop.com", customer=alice, stage=Stage.READY)
    make_domain("bob.shop.com", customer=bob, stage=Stage.READY)
    assert deletion_services.consequences(domain).sub_domains == ()
    make_domain("in.shop.com", customer=alice, stage=Stage.READY)
    assert deletion_services.consequences(domain).sub_domains == ("in.shop.com",)
    with pytest.raises(Refused) as refused:
        marked_for_deletion(domain)
    assert refused.value.code == "HAS_SUB_DOMAINS"
    assert "Delete those first" in str(refused.value)
    Domain.objects.filter(name="in.shop.com").update(stage=Stage.DELETING)
    assert deletion_services.consequences(domain).sub_domains == ()
    assert deletion_services.mark_for_deletion(domain=domain, typed_name="shop.com", actor=None)
    assert "bob" not in str(refused.value)


def test_a_repeated_deletion_has_no_further_effect(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    marked_for_deletion(domain)
    marked_for_deletion(domain)
    assert "domains.delete" not in waiting_jobs(domain)
    for _ in range(2):
        deletion_services.confirm_routes_removed(domain_id=domain.id)
    assert waiting_jobs(domain).count("domains.delete") == 1
    delete_marked_domain(domain_id=domain.id)
    delete_marked_domain(domain_id=domain.id)
    assert Change.objects.filter(what="domain.deleted").count() == 1


def test_the_identity_is_kept_while_receipt_rules_may_name_the_domain(sandbox: Sandbox) -> None:
    domain = marked_for_deletion(set_up_domain(sandbox, "shop.com"))
    sandbox.control.clear_calls()
    deletion_services.execute_deletion(domain_id=domain.id)
    assert sandbox.control.calls() == ()
    assert identity_at_ses("shop.com") is not None
    assert Domain.objects.get(name="shop.com").headline == (
        "Deleting. Removing the domain from the receipt rules first."
    )


def test_a_domain_not_marked_for_deletion_is_kept(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    delete_marked_domain(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.routes_removed_at) == (Stage.READY, None)
    assert identity_at_ses("shop.com") is not None


def test_a_domain_that_was_never_set_up_is_deleted_without_a_write(sandbox: Sandbox) -> None:
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    delete_marked_domain(domain_id=marked_for_deletion(domain).id)
    identity_services.set_up(domain_id=domain.id)
    assert sandbox.control.write_calls() == ()
    assert not Domain.objects.filter(pk=domain.pk).exists()


def test_a_domain_whose_identity_is_gone_is_deleted(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    aws.client("sesv2").delete_email_identity(EmailIdentity="shop.com")
    delete_marked_domain(domain_id=marked_for_deletion(domain).id)
    assert not Domain.objects.filter(pk=domain.pk).exists()


def test_a_failed_deletion_stores_its_problem_and_keeps_the_domain(sandbox: Sandbox) -> None:
    domain = marked_for_deletion(set_up_domain(sandbox))
    sandbox.control.add_fault("error", "DeleteEmailIdentity", times=3)
    with pytest.raises(AwsProblem) as problem:
        delete_marked_domain(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.stage_problem) == (Stage.DELETING, str(problem.value))


@pytest.mark.parametrize("stage", [Stage.CLAIM, Stage.STARTING, Stage.READY])
def test_the_job_does_nothing_for_a_domain_not_being_deleted(sandbox: Sandbox, stage: Stage) -> None:
    domain = make_domain(stage=stage, dkim_tokens=["x"])
    delete_marked_domain(domain_id=domain.id)
    assert Domain.objects.filter(pk=domain.pk).exists()
    assert sandbox.control.call_counts() == {}


def test_a_look_alike_name_is_shown_with_its_dns_form_and_typed_in_either() -> None:
    domain = make_domain("xn--pple-43d.com", stage=Stage.READY)
    assert str(domain) == f"{domain.parsed.unicode} (xn--pple-43d.com)"
    for typed in ("xn--pple-43d.com", domain.parsed.unicode):
        deletion_services.refuse_deletion(domain=domain, typed_name=typed)
