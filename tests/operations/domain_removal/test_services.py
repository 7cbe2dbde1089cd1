"""A domain is removed with its addresses, rules and tenant association, in order, and the removal survives crashes."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models.people import Customer, User
from audit.models import Change
from domains.deletion import services as deletion_services
from domains.models.domains import Domain
from domains.overrides import services as overrides_services
from inbound_admin.lib.errors import AwsProblem, Refused
from operations.domain_removal import services as domain_removal_services
from operations.models import DomainRemoval
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from sandbox.aws.faults import ProcessCut
from sandbox.process import Sandbox
from tenants.models.tenants import TenantResource
from tests.domains.factories import identity_at_ses
from tests.factories import make_customer, make_member, make_staff
from tests.operations.factories import make_ready, migrate, tenants_in_ses
from tests.receipt_rules.factories import live, make_address, make_endpoint, make_mail, rule_count, set_up_receiving

pytestmark = pytest.mark.django_db
NAME = "northwind.com"


@pytest.fixture
def alice(sandbox: Sandbox) -> User:
    customer = make_customer("Northwind")
    domain = make_ready(NAME, customer, adopted=True)
    make_address(f"billing@{NAME}", domain)
    addresses_services.set_catch_all(domain=domain, endpoint=make_endpoint(customer), actor=None)
    make_address("kept@other.com", make_ready("other.com", customer, adopted=True))
    set_up_receiving()
    migrate(customer)
    return make_member(customer)


def get_domain() -> Domain:
    return Domain.objects.select_related("customer", "tenant").get(name=NAME)


def run_workers() -> None:
    """Run the next jobs of all apps."""
    auto_apply_services.work()
    domain_removal_services.work()
    for domain in Domain.objects.filter(stage="deleting"):
        deletion_services.execute_deletion(domain_id=domain.pk)


def test_the_preview_shows_everything_that_is_removed(alice: User) -> None:
    shown = domain_removal_services.consequences(get_domain())
    assert len(shown.recipients) == 2
    assert shown.tenant.startswith("northwind-")
    assert shown.rules is not None
    assert not shown.rules.is_empty
    assert all(NAME in each.address for each in shown.rules.consequences)


def test_the_preview_counts_messages_that_are_still_being_delivered(alice: User) -> None:
    domain = get_domain()
    endpoint = make_endpoint(domain.customer)
    lately, long_ago = timezone.now() - timedelta(hours=1), timezone.now() - timedelta(days=2)
    for outcome, at in (("failed", lately), ("failed", long_ago), ("delivered", lately)):
        make_mail(endpoint, recipient=f"billing@{NAME}", domain=domain, outcome=outcome, received_at=at)
    assert domain_removal_services.consequences(domain).undelivered == 1


def test_mail_stops_before_the_identity_is_deleted(alice: User) -> None:
    domain_removal_services.request_removal(domain=get_domain(), typed_name=NAME, actor=alice)
    assert domain_removal_services.work() is False
    assert identity_at_ses(NAME) is not None  # a rule still contains it
    assert "no receipt rule in SES names the domain" in DomainRemoval.objects.get().problem
    run_workers()
    assert rule_count(f"billing@{NAME}") == 0
    assert identity_at_ses(NAME) is None
    assert not Domain.objects.filter(name=NAME).exists()
    (resources,) = tenants_in_ses().values()
    assert not any(arn.endswith(NAME) for arn in resources)
    assert not TenantResource.objects.filter(name=NAME).exists()
    assert rule_count("kept@other.com") == 1
    assert not DomainRemoval.objects.exists()


def test_a_removal_is_refused_for_a_wrong_name_or_a_hold(alice: User) -> None:
    with pytest.raises(Refused, match="type its name"):
        domain_removal_services.request_removal(domain=get_domain(), typed_name="other.com", actor=alice)
    overrides_services.hold(domain=get_domain(), because="asked on the phone", actor=make_staff())
    with pytest.raises(Refused, match="on hold"):
        domain_removal_services.request_removal(domain=get_domain(), typed_name=NAME, actor=alice)
    assert rule_count(f"billing@{NAME}") == 1
    assert not DomainRemoval.objects.exists()


def test_a_repeated_request_deletes_the_domain_once(alice: User) -> None:
    for _ in range(2):
        domain_removal_services.request_removal(domain=get_domain(), typed_name=NAME, actor=alice)
    run_workers()
    assert Change.objects.filter(what="domain.deleted", object_name=NAME).count() == 1


@pytest.mark.parametrize("kind", ["exit_after", "error"])
@pytest.mark.parametrize("nth", range(1, 9))
def test_a_removal_interrupted_anywhere_ends_the_same(alice: User, sandbox: Sandbox, kind: str, nth: int) -> None:
    domain_removal_services.request_removal(domain=get_domain(), typed_name=NAME, actor=alice)
    sandbox.control.add_fault(kind, nth=nth)  # type: ignore[arg-type]  # one of the kinds, by parameter
    with suppress(AwsProblem, ProcessCut):
        run_workers()
    run_workers()
    run_workers()
    assert identity_at_ses(NAME) is None
    assert not Domain.objects.filter(name=NAME).exists()
    assert not any(NAME in recipient for rule in live().ours for recipient in rule.recipients)
    assert Customer.objects.get(name="Northwind").domains.get().name == "other.com"


def mark_two_for_deletion() -> None:
    for name in (NAME, "other.com"):
        Domain.objects.filter(name=name).update(stage="deleting", wanted_by=None)


def test_a_removal_that_cannot_be_created_holds_up_no_other(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    mark_two_for_deletion()
    save = DomainRemoval.save

    def fail(self: DomainRemoval, **words: Any) -> None:
        if self.domain.name == NAME:
            raise KeyError("unforeseen")
        save(self, **words)

    monkeypatch.setattr(DomainRemoval, "save", fail)
    domain_removal_services.create_missing()
    assert [each.domain.name for each in DomainRemoval.objects.all()] == ["other.com"]


@pytest.mark.parametrize("step", ["_wait_by_rows", "_wait_by_rules"])
def test_a_removal_that_cannot_be_judged_is_not_continued_and_holds_up_no_other(
    alice: User, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (NAME, "other.com"):
        domain = Domain.objects.get(name=name)
        domain_removal_services.request_removal(domain=domain, typed_name=name, actor=alice)
    auto_apply_services.work()
    judge: Any = getattr(domain_removal_services, step)

    def fail(domain: Domain, *more: Any) -> Any:
        if domain.name == NAME:
            raise KeyError("unforeseen")
        return judge(domain, *more)

    with monkeypatch.context() as broken:
        broken.setattr(domain_removal_services, step, fail)
        domain_removal_services.work()
    removed = Domain.objects.exclude(routes_removed_at=None)
    assert [each.name for each in removed] == ["other.com"]
    domain_removal_services.work()
    assert removed.all().count() == 2
