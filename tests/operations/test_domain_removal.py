"""A domain that is deleted takes its routes along, whichever worker comes first, and its next holder gets none."""

from collections.abc import Callable

import pytest

from domains.models import Domain
from domains.services import deleting as domains_deleting
from inbound_admin.sandbox.process import Sandbox
from operations.services import domain_removal
from receipt_rules.services import catch_alls, working
from tenants.models import Customer, User
from tests.calling import Api, api_of, never_waiting, ok
from tests.domains.making import at_amazon
from tests.factories import make_customer, make_member
from tests.operations.making import make_ready
from tests.receipt_rules.making import live, make_address, make_endpoint, set_up_receiving, taken

pytestmark = pytest.mark.django_db
NAME = "northwind.com"


def rules() -> None:
    working.work()


def domains() -> None:
    for pk in Domain.objects.filter(stage="deleting").values_list("pk", flat=True):
        domains_deleting.carry_out(domain_id=pk)


def removals() -> None:
    domain_removal.work()


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
    catch_alls.set_catch_all(domain=domain, endpoint=endpoint, actor=None)
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
