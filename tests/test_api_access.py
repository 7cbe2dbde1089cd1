"""Who can make each call: every operation of the API has a row here, and a new one without a row fails."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from accounts.api_keys.services import revoke_api_key
from accounts.models.api_keys import ApiKey
from accounts.roles import Role
from operations.models import ItemState, Migration, MigrationItem
from receipt_rules.models.addresses import CatchAll
from receipt_rules.models.endpoints import Forwarding
from receipt_rules.models.runs import Run, RunState
from receipt_rules.planner import services as planner_services
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.api_client import Api, api_of, expire_waits, operations
from tests.api_rows import World, make_world
from tests.factories import make_member, make_staff
from tests.receipt_rules.factories import set_up_receiving

pytestmark = pytest.mark.django_db

# Alice owns the objects, Bob belongs to another customer; the reader has Alice's key with only "read"; each of staff
# has a key with the scope "staff"; `plain` is Olga's key without "staff", which belongs to no customer.
CALLERS = ("anonymous", "alice", "bob", "reader", "sam", "olga", "tess", "adam", "plain", "revoked", "expired")
STAFF = {"sam": Role.SUPPORT, "olga": Role.OPERATOR, "tess": Role.TRUST_AND_SAFETY, "adam": Role.ADMIN}
Body = Callable[[World], Any]
Prepare = Callable[[World], Any]


@dataclass(frozen=True)
class Row:
    """The status for each of CALLERS. `body` is the valid body to send; `prepare` is called before."""

    statuses: tuple[int, ...]
    body: Body | None = None
    query: str = ""
    prepare: Prepare | None = None


def _row(alice: int, bob: int, reader: int, staff: int, plain: int, body: Body | None = None, **more: Any) -> Row:
    return Row((401, alice, bob, reader, staff, staff, staff, staff, plain, 401, 401), body, **more)


def _list() -> Row:
    return _row(200, 200, 200, 200, 200)


def _one() -> Row:
    return _row(200, 404, 200, 200, 404)


def _change(body: Body | None = None, status: int = 200, **more: Any) -> Row:
    return _row(status, 404, 403, status, 404, body, **more)


def _route(body: Body | None = None, status: int = 200, *, missing: int = 404, **more: Any) -> Row:
    """Changes where mail is delivered: by the customer, operators and admins."""
    return Row((401, status, missing, 403, 403, status, 403, status, missing, 401, 401), body, **more)


def _own(body: Body | None = None, status: int = 200, **more: Any) -> Row:
    """Staff can see it, but only its customer can change it."""
    return _row(status, 404, 403, 403, 404, body, **more)


def _create(body: Body) -> Row:
    """For Alice's customer, which Bob cannot see."""
    return _row(201, 400, 403, 201, 400, body)


def _staff(sam: int, olga: int, tess: int, adam: int, body: Body | None = None, **more: Any) -> Row:
    """A key needs the scope “staff”, and its user the permission."""
    return Row((401, 403, 403, 403, sam, olga, tess, adam, 403, 401, 401), body, **more)


def _seen(body: Body | None = None, status: int = 200) -> Row:
    return _staff(status, status, status, status, body)


def _managed(body: Body | None = None, status: int = 202, **more: Any) -> Row:
    """By operators and admins."""
    return _staff(403, status, 403, status, body, **more)


def _paused(body: Body, **more: Any) -> Row:
    """By Trust & Safety and admins."""
    return _staff(403, 403, 202, 202, body, **more)


def _new_address(world: World) -> Any:
    return {"address": "new@shop.com", "domainId": world.domain.pk}


def _new_endpoint(world: World) -> Any:
    config = {"forwardTo": "a@b.com"}
    return {"name": "new", "type": "email", "config": config, "customerId": world.customer.pk}


def _new_webhook(world: World) -> Any:
    return {"name": "new", "url": "https://hooks.example/", "customerId": world.customer.pk}


def _no_run(world: World) -> Any:
    return Run.objects.filter(pk=world.run.pk).update(state=RunState.DONE)


def _proposed(world: World) -> Any:
    return Run.objects.filter(pk=world.run.pk).update(state=RunState.PROPOSED, approved_by=None)


def _named(_: World) -> Any:
    return {"domain": "shop.com"}


def _because(_: World) -> Any:
    return {"because": "a test"}


def _ignored(world: World) -> Any:
    return {"decision": "ignore", "because": "a test", "ids": [world.difference.pk]}


def _approval(_: World) -> Any:
    return {"digest": planner_services.plan_changes().digest, "because": "a test"}


def _pause(_: World) -> Any:
    return {"reason": "spam", "text": "Spam.", "told": "Clean your list."}


def _migration(**fields: Any) -> Prepare:
    return lambda world: Migration.objects.filter(pk=world.item.migration_id).update(**fields)


def _item(state: ItemState) -> Prepare:
    return lambda world: MigrationItem.objects.filter(pk=world.item.pk).update(state=state, before={"sent": False})


def _tenant(**fields: Any) -> Prepare:
    return lambda world: Tenant.objects.filter(pk=world.tenant.pk).update(**fields)


def _forwarding(world: World) -> None:
    """The endpoint forwards to an address whose confirmation was requested long ago."""
    world.endpoint.type, world.endpoint.config = "email", {"address": "someone@else.example"}
    world.endpoint.save()
    asked_at = timezone.now() - timedelta(days=3)
    Forwarding.objects.create(customer=world.customer, address="someone@else.example", asked_at=asked_at)


def _routed(world: World) -> None:
    """The recipient of the message has an endpoint."""
    world.address.endpoint = world.endpoint
    world.address.save()


def _receiving(world: World) -> None:
    """Our rule set is active, as the last run left it."""
    world.run.delete()
    set_up_receiving()


_MOMENT = "2026-01-01T12:00:00Z"
REPORT = {"messageId": "m", "receivedAt": _MOMENT, "recipients": ["a@shop.com"], "outcome": "unrouted", "at": _MOMENT}
DOMAIN, ADDRESS, ENDPOINT = "/domains/{domain_id}", "/email-addresses/{address_id}", "/endpoints/{endpoint_id}"
TENANT, RULES, DELIVERIES = "/api/v2/tenants/{tenant_id}", "/api/v2/receipt-rules", "/api/v2/webhooks/deliveries"
MIGRATION, ALERT, WEBHOOK = "/api/v2/migrations/{migration_id}", "/api/v2/alerts/{alert_id}", "/api/v2/webhooks"
ITEM = f"{MIGRATION}/items/{{item_id}}"
COMPATIBLE: dict[str, Row] = {
    "GET /api/v2/domains": _list(),
    "POST /api/v2/domains": _create(lambda world: {"domain": "new.com", "customerId": world.customer.pk}),
    f"GET /api/v2{DOMAIN}": _one(),
    f"PUT /api/v2{DOMAIN}": _route(lambda _: {"isCatchAllEnabled": True}),
    f"PATCH /api/v2{DOMAIN}": _change(lambda _: {"mailFromDomain": "post"}),
    f"DELETE /api/v2{DOMAIN}": _route(),
    f"POST /api/v2{DOMAIN}/auth": _change(status=201),
    f"PATCH /api/v2{DOMAIN}/auth": _change(),
    f"GET /api/v2{DOMAIN}/dns-records": _one(),
    "GET /api/v2/email-addresses": _list(),
    "POST /api/v2/email-addresses": _route(_new_address, status=201),
    f"GET /api/v2{ADDRESS}": _one(),
    f"PUT /api/v2{ADDRESS}": _route(lambda _: {"isActive": False}),
    f"DELETE /api/v2{ADDRESS}": _route(),
    "GET /api/v2/endpoints": _list(),
    "POST /api/v2/endpoints": _route(_new_endpoint, 201, missing=400),
    f"GET /api/v2{ENDPOINT}": _one(),
    f"PUT /api/v2{ENDPOINT}": _route(lambda _: {"name": "other"}),
    f"DELETE /api/v2{ENDPOINT}": _route(),
    f"POST /api/v2{ENDPOINT}/test": _change(),
    f"POST /api/v2{ENDPOINT}/confirmations": _change(prepare=_forwarding),
    "GET /api/v1.1/domains": _list(),
    f"GET /api/v1.1{DOMAIN}/catch-all": _one(),
    f"PUT /api/v1.1{DOMAIN}/catch-all": _route(lambda world: {"endpointId": world.endpoint.pk}),
    f"DELETE /api/v1.1{DOMAIN}/catch-all": _route(prepare=lambda world: CatchAll.objects.create(domain=world.domain)),
    "GET /api/v1.1/email-addresses": _list(),
    "POST /api/v1.1/email-addresses": _route(_new_address, status=201),
    f"GET /api/v1.1{ADDRESS}": _one(),
    f"PUT /api/v1.1{ADDRESS}": _route(lambda _: {"isActive": False}),
    f"DELETE /api/v1.1{ADDRESS}": _route(),
    "GET /api/v1.1/endpoints": _list(),
    "POST /api/v1.1/endpoints": _route(_new_endpoint, 201, missing=400),
    f"GET /api/v1.1{ENDPOINT}": _one(),
    f"PUT /api/v1.1{ENDPOINT}": _route(lambda _: {"name": "other"}),
    f"DELETE /api/v1.1{ENDPOINT}": _route(),
    "GET /api/e2/domains": _list(),
    "POST /api/e2/domains": _create(lambda world: {"domain": "new.com", "customerId": world.customer.pk}),
    f"GET /api/e2{DOMAIN}": _one(),
    f"PATCH /api/e2{DOMAIN}": _route(lambda _: {"isCatchAllEnabled": True}),
    f"DELETE /api/e2{DOMAIN}": _route(),
    "GET /api/e2/email-addresses": _list(),
    "POST /api/e2/email-addresses": _route(_new_address, status=201),
    f"GET /api/e2{ADDRESS}": _one(),
    f"PUT /api/e2{ADDRESS}": _route(lambda _: {"isActive": False}),
    f"DELETE /api/e2{ADDRESS}": _route(),
    "GET /api/e2/endpoints": _list(),
    "POST /api/e2/endpoints": _route(_new_endpoint, 201, missing=400),
    f"GET /api/e2{ENDPOINT}": _one(),
    f"PUT /api/e2{ENDPOINT}": _route(lambda _: {"name": "other"}),
    f"DELETE /api/e2{ENDPOINT}": _route(),
    f"POST /api/e2{ENDPOINT}/test": _change(),
    "POST /api/inbound/verify-domain": _change(_named),
    "POST /api/inbound/configure-email": _route(lambda _: {"domain": "shop.com", "emailAddresses": ["b@shop.com"]}),
    "POST /api/domain/verifications": _change(lambda _: {"domain": "shop.com", "action": "getDomain"}),
    # Mail of all customers, for the delivery function: a separate scope, which none of these keys has.
    "POST /api/v2/route-lookup": _row(403, 403, 403, 403, 403, lambda _: {"recipients": ["a@shop.com"]}),
    "POST /api/v2/deliveries": _row(403, 403, 403, 403, 403, lambda _: {"deliveries": [REPORT]}),
}
OWN_OPERATIONS: dict[str, Row] = {
    f"GET /api/v2{DOMAIN}/diagnosis": _one(),
    f"GET /api/v2{DOMAIN}/dns-history": _one(),
    f"GET /api/v2{DOMAIN}/exports": _one(),
    f"GET /api/v2{DOMAIN}/exports/{{format_key}}": _one(),
    f"POST /api/v2{DOMAIN}/mail-records": _change(lambda _: {"to": "dns@example.com"}, status=201),
    f"GET /api/v2{DOMAIN}/verified-notice": _one(),
    f"PUT /api/v2{DOMAIN}/verified-notice": _change(lambda _: {"tellWhenVerified": False}),
    f"GET /api/v2{DOMAIN}/test-messages": _one(),
    f"PUT /api/v2{DOMAIN}/test-messages": _change(lambda _: {"schedule": "hourly"}),
    f"GET /api/v2{DOMAIN}/share-links": _one(),
    f"POST /api/v2{DOMAIN}/share-links": _change(status=201),
    f"DELETE /api/v2{DOMAIN}/share-links/{{link_id}}": _change(),
    "GET /api/v2/customers": _list(),
    "GET /api/v2/customers/{customer_id}": _one(),
    "GET /api/v2/tenants": _list(),
    "POST /api/v2/tenants": _managed(lambda world: {"customerId": world.newcomer.pk}),
    f"GET {TENANT}": _one(),
    f"DELETE {TENANT}": _managed(query="?confirm=gone", prepare=_tenant(name="gone")),
    f"PUT {TENANT}/policy": _managed(lambda _: {"policy": "strict", "because": "a test"}),
    f"GET {TENANT}/resources": _seen(),
    f"GET {TENANT}/statuses": _seen(),
    f"GET {TENANT}/reputation": _seen(),
    f"POST {TENANT}/reputation": _seen(status=202),
    f"GET {TENANT}/findings": _seen(),
    "GET /api/v2/account/reputation": _seen(),
    f"GET {TENANT}/pause": _seen(),
    f"POST {TENANT}/pause": _paused(_pause),
    f"POST {TENANT}/resume": _paused(_because, prepare=_tenant(is_paused=True, standing="paused")),
    f"GET {RULES}": _seen(),
    f"GET {RULES}/plan": _seen(),
    f"POST {RULES}/plan": _managed(_approval, prepare=_no_run),
    f"GET {RULES}/runs": _seen(),
    f"GET {RULES}/runs/{{run_id}}": _seen(),
    f"POST {RULES}/runs/{{run_id}}/cancel": _managed(status=200),
    f"POST {RULES}/runs/{{run_id}}/confirm": _managed(status=200, prepare=_proposed),
    f"GET {RULES}/states": _seen(),
    f"POST {RULES}/simulate": _seen(lambda _: {"recipients": ["a@shop.com"]}),
    f"POST {RULES}/decisions": _managed(lambda _: {"decision": "accept", "because": "a test"}, 200, prepare=_receiving),
    "GET /api/v2/migrations": _seen(),
    "POST /api/v2/migrations": _managed(
        lambda world: {"chosen": "customers", "customers": [world.newcomer.pk], "because": "a test"}, 201
    ),
    f"GET {MIGRATION}": _seen(),
    f"POST {MIGRATION}/start": _managed(),
    f"POST {MIGRATION}/pause": _managed(prepare=_migration(state="running")),
    f"POST {MIGRATION}/resume": _managed(prepare=_migration(state="paused")),
    f"POST {MIGRATION}/cancel": _managed(),
    f"POST {MIGRATION}/retry": _managed(prepare=_item(ItemState.FAILED)),
    f"POST {MIGRATION}/rollback": _managed(_because, prepare=_item(ItemState.DONE)),
    f"GET {MIGRATION}/items": _seen(),
    f"GET {ITEM}": _seen(),
    f"POST {ITEM}/retry": _managed(prepare=_item(ItemState.FAILED)),
    f"POST {ITEM}/rollback": _managed(_because, prepare=_item(ItemState.DONE)),
    "GET /api/v2/drift": _seen(),
    "POST /api/v2/drift/look": _managed(),
    "POST /api/v2/drift/decisions": _managed(_ignored, 200),
    "GET /api/v2/drift/{difference_id}": _seen(),
    "POST /api/v2/drift/{difference_id}/decision": _managed(lambda _: {"decision": "ignore", "because": "a test"}, 200),
    "GET /api/v2/audit": _list(),
    "GET /api/v2/alerts": _list(),
    f"GET {ALERT}": _one(),
    f"POST {ALERT}/acknowledge": _own(),
    f"PUT {ALERT}/mute": _own(lambda _: {"until": (timezone.now() + timedelta(days=1)).isoformat()}),
    f"DELETE {ALERT}/mute": _own(),
    f"GET {WEBHOOK}": _list(),
    f"POST {WEBHOOK}": _row(201, 400, 403, 403, 400, _new_webhook),
    f"GET {WEBHOOK}/{{webhook_id}}": _one(),
    f"PATCH {WEBHOOK}/{{webhook_id}}": _own(lambda _: {"isOn": False}),
    f"DELETE {WEBHOOK}/{{webhook_id}}": _own(),
    f"POST {WEBHOOK}/{{webhook_id}}/secret": _own(),
    f"POST {WEBHOOK}/{{webhook_id}}/test": _own(status=202),
    f"GET {DELIVERIES}": _list(),
    f"GET {DELIVERIES}/{{delivery_id}}": _one(),
    f"POST {DELIVERIES}/{{delivery_id}}/redeliver": _own(
        status=202, prepare=lambda world: type(world.delivery).objects.update(state="delivered")
    ),
    "GET /api/v2/deliveries": _list(),
    "POST /api/v2/deliveries/{mail_id}/again": _change(status=202, prepare=_routed),
    "GET /api/v2/health": _list(),
}
TABLE = COMPATIBLE | OWN_OPERATIONS


def test_every_operation_has_a_row_and_every_row_an_operation() -> None:
    assert {f"{method} {path}" for method, path in operations()} == set(TABLE)


@pytest.fixture
def world(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> World:
    expire_waits(monkeypatch)
    settings.API_WAIT_SECONDS = 0
    return make_world()


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


def _called(operation: str, api: Api, ids: dict[str, str], body: Any) -> Any:
    method, _, path = operation.partition(" ")
    address = path.format(**ids) + TABLE[operation].query
    call = {"GET": api.get, "DELETE": api.delete}.get(method)
    return call(address) if call else getattr(api, method.lower())(address, body)


@pytest.mark.parametrize("operation", sorted(TABLE))
def test_the_response_to_each_caller_matches_the_table(operation: str, world: World) -> None:
    """Each caller finds the initial rows. Only the worker changes SES, and it does not run."""
    row = TABLE[operation]
    if row.prepare:
        row.prepare(world)
    body = row.body(world) if row.body else None
    found = {}
    for who in CALLERS:
        before = transaction.savepoint()
        answer = _called(operation, _api(who, world), world.ids, body)
        assert answer["Content-Type"].startswith("application/json")
        found[who] = answer.status_code
        transaction.savepoint_rollback(before)
        assert found[who] == row.statuses[CALLERS.index(who)], (who, found, answer.content)
    assert tuple(found.values()) == row.statuses


@pytest.mark.parametrize("operation", sorted(name for name in TABLE if "{" in name))
def test_an_unknown_id_is_404_like_another_customers(operation: str, world: World) -> None:
    row = TABLE[operation]
    is_of_staff = row.statuses[CALLERS.index("alice")] == 403
    api = _api("adam" if is_of_staff else "alice", world)
    body = row.body(world) if row.body else None
    answer = _called(operation, api, {name: f"{value[:4]}none" for name, value in world.ids.items()}, body)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
