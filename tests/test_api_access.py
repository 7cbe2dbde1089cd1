"""Who may make which call: every operation of the API has a row here, and a new one without a row fails."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from domains.models import Domain
from inbound_admin.sandbox.process import Sandbox
from receipt_rules.models import Address, Endpoint
from tenants.core.roles import Role
from tenants.models import ApiKey, Customer, User
from tenants.services.api_keys import revoke_api_key
from tests.calling import Api, api_of, never_waiting, operations
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.making import make_address, make_endpoint, make_verified

pytestmark = pytest.mark.django_db

# Alice owns what is asked for, Bob is another customer's; the reader has Alice's key with "read" alone; of staff each
# has a key with the scope "staff". Each row: the status for each of them, in this order.
CALLERS = ("anonymous", "alice", "bob", "reader", "sam", "olga", "tess", "adam", "plain", "revoked", "expired")
STAFF = {"sam": Role.SUPPORT, "olga": Role.OPERATOR, "tess": Role.TRUST_AND_SAFETY, "adam": Role.ADMIN}


@dataclass(frozen=True)
class World:
    customer: Customer
    alice: User
    domain: Domain
    address: Address
    endpoint: Endpoint


Body = Callable[[World], Any]


@dataclass(frozen=True)
class Row:
    """`plain` is Olga's key without "staff": it is nobody's of a customer. `body`: what is sent, good for Alice."""

    statuses: tuple[int, ...]
    body: Body | None = None


def _row(alice: int, bob: int, reader: int, staff: int, plain: int, body: Body | None = None) -> Row:
    return Row((401, alice, bob, reader, staff, staff, staff, staff, plain, 401, 401), body)


def _list() -> Row:
    return _row(200, 200, 200, 200, 200)


def _one() -> Row:
    return _row(200, 404, 200, 200, 404)


def _change(body: Body | None = None, status: int = 200) -> Row:
    return _row(status, 404, 403, status, 404, body)


def _create(body: Body) -> Row:
    """For Alice's customer, which for Bob is none."""
    return _row(201, 400, 403, 201, 400, body)


def _new_address(world: World) -> Any:
    return {"address": "new@shop.com", "domainId": world.domain.pk}


def _new_endpoint(world: World) -> Any:
    config = {"forwardTo": "a@b.com"}
    return {"name": "new", "type": "email", "config": config, "customerId": world.customer.pk}


def _named(_: World) -> Any:
    return {"domain": "shop.com"}


DOMAIN, ADDRESS, ENDPOINT = "/domains/{domain_id}", "/email-addresses/{address_id}", "/endpoints/{endpoint_id}"
TABLE: dict[str, Row] = {
    "GET /api/v2/domains": _list(),
    "POST /api/v2/domains": _create(lambda world: {"domain": "new.com", "customerId": world.customer.pk}),
    f"GET /api/v2{DOMAIN}": _one(),
    f"PUT /api/v2{DOMAIN}": _change(lambda _: {"isCatchAllEnabled": True}),
    f"PATCH /api/v2{DOMAIN}": _change(lambda _: {"mailFromDomain": "post"}),
    f"DELETE /api/v2{DOMAIN}": _change(),
    f"POST /api/v2{DOMAIN}/auth": _change(status=201),
    f"PATCH /api/v2{DOMAIN}/auth": _change(),
    f"GET /api/v2{DOMAIN}/dns-records": _one(),
    "GET /api/v2/email-addresses": _list(),
    "POST /api/v2/email-addresses": _change(_new_address, status=201),
    f"GET /api/v2{ADDRESS}": _one(),
    f"PUT /api/v2{ADDRESS}": _change(lambda _: {"isActive": False}),
    f"DELETE /api/v2{ADDRESS}": _change(),
    "GET /api/v2/endpoints": _list(),
    "POST /api/v2/endpoints": _create(_new_endpoint),
    f"GET /api/v2{ENDPOINT}": _one(),
    f"PUT /api/v2{ENDPOINT}": _change(lambda _: {"name": "other"}),
    f"DELETE /api/v2{ENDPOINT}": _change(),
    f"POST /api/v2{ENDPOINT}/test": _change(),
    "GET /api/v1.1/domains": _list(),
    f"GET /api/v1.1{DOMAIN}/catch-all": _one(),
    f"PUT /api/v1.1{DOMAIN}/catch-all": _change(lambda world: {"endpointId": world.endpoint.pk}),
    f"DELETE /api/v1.1{DOMAIN}/catch-all": _change(),
    "GET /api/v1.1/email-addresses": _list(),
    "POST /api/v1.1/email-addresses": _change(_new_address, status=201),
    f"GET /api/v1.1{ADDRESS}": _one(),
    f"PUT /api/v1.1{ADDRESS}": _change(lambda _: {"isActive": False}),
    f"DELETE /api/v1.1{ADDRESS}": _change(),
    "POST /api/inbound/verify-domain": _change(_named),
    "POST /api/inbound/configure-email": _change(lambda _: {"domain": "shop.com", "emailAddresses": ["b@shop.com"]}),
    "POST /api/domain/verifications": _change(lambda _: {"domain": "shop.com", "action": "getDomain"}),
    # Everybody's mail at once, for the operator's function: its own scope, which none of these keys has.
    "POST /api/v2/route-lookup": _row(403, 403, 403, 403, 403, lambda _: {"recipients": ["a@shop.com"]}),
}


def test_every_operation_has_a_row_and_every_row_an_operation() -> None:
    assert {f"{method} {path}" for method, path in operations()} == set(TABLE)


@pytest.fixture
def world(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> World:
    never_waiting(monkeypatch)
    customer = make_customer("Alice Ltd")
    domain = make_verified("shop.com", customer=customer, mail_from_label="")
    endpoint = make_endpoint(customer, config={"url": "https://127.0.0.1/"})
    address = make_address("a@shop.com", domain)
    return World(customer, make_member(customer), domain, address, endpoint)


def _api(who: str, world: World) -> Api:
    if who == "anonymous":
        return Api("")
    if who == "bob":
        return api_of(make_member())
    if who == "plain":
        return api_of(make_staff(Role.OPERATOR))
    if role := STAFF.get(who):
        return api_of(make_staff(role), "read", "write", "staff")
    made = api_of(world.alice, *(("read",) if who == "reader" else ("read", "write")))
    if who == "revoked":
        revoke_api_key(key=ApiKey.objects.get(), actor=None)
    if who == "expired":
        ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    return made


@pytest.mark.parametrize("operation", sorted(TABLE))
@pytest.mark.parametrize("who", CALLERS)
def test_who_may_call_it(operation: str, who: str, world: World) -> None:
    method, _, path = operation.partition(" ")
    row = TABLE[operation]
    ids = {"domain_id": world.domain.pk, "address_id": world.address.pk, "endpoint_id": world.endpoint.pk}
    api = _api(who, world)
    body = row.body(world) if row.body else None
    call = {"GET": api.get, "DELETE": api.delete}.get(method)
    address = path.format(**ids)
    answer = call(address) if call else getattr(api, method.lower())(address, body)
    assert answer.status_code == row.statuses[CALLERS.index(who)], answer.content
    assert answer["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("operation", sorted(name for name in TABLE if "{" in name))
def test_an_id_of_nobody_is_as_anothers(operation: str, world: World) -> None:
    method, _, path = operation.partition(" ")
    api = api_of(world.alice)
    body = TABLE[operation].body
    address = path.format(domain_id="dom_none", address_id="addr_none", endpoint_id="ep_none")
    sent = body(world) if body else None
    call = {"GET": api.get, "DELETE": api.delete}.get(method)
    answer = call(address) if call else getattr(api, method.lower())(address, sent)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
