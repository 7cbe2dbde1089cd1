"""contract.txt holds each route of the older families: what it is asked, and every field that it answers.

Of each member of a body: what happens where it is absent, null or empty, as the status and the fields that tell it. Of
each query parameter: what some values do. Then what a caller gets without a key, with the key of another customer, and
for a body that is not JSON.

Each call finds the same world: shop.com, verified, with its catch-all on, and billing@shop.com at an endpoint. A line
that is out of date is shown by the test; `CONTRACT=write` writes the file anew, for a person to read the difference.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings

from domains.models.domains import Domain
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, description, expire_waits, operations
from tests.api_rows import World, make_world
from tests.factories import make_customer, make_member

pytestmark = pytest.mark.django_db
CONTRACT = Path(__file__).with_name("contract.txt")
FAMILIES = ("/api/v2/domains", "/api/v2/email-addresses", "/api/v2/endpoints", "/api/v1.1/", "/api/inbound/")
OURS = (
    "/test-messages",
    "/diagnosis",
    "/dns-history",
    "/exports",
    "/share-links",
    "/mail-records",
    "/verified-notice",
    "/confirmations",
)
D, A, E = "domains/{domain_id}", "email-addresses/{address_id}", "endpoints/{endpoint_id}"
_ADDRESS = {"address": "new@shop.com", "domainId": "{domain_id}", "endpointId": "{endpoint_id}", "isActive": True}
_ENDPOINT = {"name": "new", "type": "email", "config": {"forwardTo": "a@b.com"}, "description": "words"}
_CHANGED = {"name": "other", "isActive": True, "description": "words", "config": {"url": "https://127.0.0.1/b"}}
_NAMED = {"domain": "shop.com", "domainId": "{domain_id}"}
_AT_ADDRESS = ("endpointId", "isActive", "routing.type")
_AT_ENDPOINT = ("name", "description", "isActive", "config")
# The good body of each operation that has one, and the fields of its answer that tell what a member did.
BODIES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "POST /api/v2/domains": (
        {"domain": "new.com", "customerId": "{customer_id}", "sendOnly": False, "tellWhenVerified": True},
        ("sendOnly",),
    ),
    f"PUT /api/v2/{D}": (
        {
            "isCatchAllEnabled": True,
            "catchAllEndpointId": "{endpoint_id}",
            "mailFromDomain": "post",
            "receiveDmarcEmails": True,
            "sendOnly": False,
        },
        ("isCatchAllEnabled", "catchAllEndpointId", "mailFromDomain", "receiveDmarcEmails"),
    ),
    f"PATCH /api/v2/{D}": ({"mailFromDomain": "post"}, ("mailFromDomain",)),
    f"POST /api/v2/{D}/auth": (
        {"mailFromDomain": "post", "generateSpf": True, "generateDmarc": True},
        ("mailFromDomain",),
    ),
    "POST /api/v2/email-addresses": (_ADDRESS, _AT_ADDRESS),
    f"PUT /api/v2/{A}": ({"endpointId": "{endpoint_id}", "webhookId": None, "isActive": True}, _AT_ADDRESS),
    "POST /api/v2/endpoints": (_ENDPOINT | {"customerId": "{customer_id}"}, _AT_ENDPOINT),
    f"PUT /api/v2/{E}": (_CHANGED, _AT_ENDPOINT),
    f"POST /api/v2/{E}/test": ({"webhookFormat": "inbound", "overrideUrl": None}, ("success", "webhookFormat")),
    f"PUT /api/v1.1/{D}/catch-all": (
        {"endpointId": "{endpoint_id}"},
        ("data.hasCatchAll", "data.catchAllEndpointId", "message"),
    ),
    "POST /api/v1.1/email-addresses": (_ADDRESS, tuple(f"data.{each}" for each in _AT_ADDRESS)),
    f"PUT /api/v1.1/{A}": (
        {"endpointId": "{endpoint_id}", "webhookId": None, "isActive": True},
        tuple(f"data.{each}" for each in _AT_ADDRESS),
    ),
    "POST /api/v1.1/endpoints": (_ENDPOINT, tuple(f"data.{each}" for each in _AT_ENDPOINT)),
    f"PUT /api/v1.1/{E}": (_CHANGED, tuple(f"data.{each}" for each in _AT_ENDPOINT)),
    "POST /api/inbound/verify-domain": (_NAMED, ("status",)),
    "POST /api/inbound/configure-email": (
        {"domain": "shop.com", "emailAddresses": ["new@shop.com", "billing@shop.com"]},
        ("emailAddresses.isNew",),
    ),
}
ACTIONS = ("canDomainBeUsed", "addDomain", "verifyDomain", "checkVerification", "getDomain", "deleteDomain")
for _action in ACTIONS:
    _name = "new.com" if _action in ("addDomain", "canDomainBeUsed") else "shop.com"
    BODIES[f"POST /api/domain/verifications {_action}"] = (
        {"action": _action, "domain": _name, "domainId": "{domain_id}", "refreshProvider": False},
        (),
    )


def contract_operations() -> Iterator[str]:
    """Return the operations of the older families. Each action of an operation is one."""
    for method, path in operations():
        if path == "/api/domain/verifications":
            yield from (f"{method} {path} {action}" for action in ACTIONS)
        elif path.startswith(FAMILIES) and not path.endswith(OURS) and "/exports/" not in path and "/share" not in path:
            yield f"{method} {path}"


@pytest.fixture
def world(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> World:
    expire_waits(monkeypatch)
    settings.API_WAIT_SECONDS, settings.CHECK_NOW_EVERY_SECONDS = 0, 0
    sandbox.control.add_zone("shop.com")
    sandbox.control.add_zone("new.com")
    world = make_world()
    Endpoint.objects.update(name="desk")
    Address.objects.update(endpoint=world.endpoint)
    CatchAll.objects.create(domain=world.domain, endpoint=world.endpoint)
    return world


def test_each_route_matches_the_contract(world: World) -> None:
    found = "\n".join(line for operation in sorted(contract_operations()) for line in _contract_of(operation, world))
    if os.environ.get("CONTRACT") == "write":
        CONTRACT.write_text(found)
    assert found.splitlines() == CONTRACT.read_text().splitlines()


def _contract_of(operation: str, world: World) -> Iterator[str]:
    method, path, *_ = operation.split()
    body, telling = BODIES.get(operation, ({}, ()))
    sent = json.loads(
        json.dumps(body).replace("{endpoint_id}", world.endpoint.pk).replace("{domain_id}", world.domain.pk)
    )
    if "customerId" in sent:
        sent["customerId"] = world.customer.pk
    answer = _call_and_roll_back(world, method, path, sent)
    yield operation
    yield f"    answers {answer.status_code}"
    yield from (f"        {name}: {kind}" for name, kind in sorted(_fields(answer.json())))
    for member in sent:
        yield f"    takes {member}"
        without = {name: value for name, value in sent.items() if name != member}
        cases = {"absent": without, "null": sent | {member: None}, "empty": sent | {member: _empty(sent[member])}}
        for case, given in cases.items():
            yield f"        {case}: {_outcome(_call_and_roll_back(world, method, path, given), telling)}"
    yield from _query_lines(path, world) if method == "GET" else ()
    if sent:
        unknown = _call_and_roll_back(world, method, path, sent | {"zzz": 1})
        yield f"    leaves an unknown member out: {unknown.status_code}, X-Ignored: {unknown.headers.get('X-Ignored')}"
    yield from _failures(method, path, sent, world)
    yield ""


VALUES = ("", "zzz", "-1", "0", "2", "100000")  # for any query parameter


def _query_lines(path: str, world: World) -> Iterator[str]:
    schema = description()["paths"][path]["get"]
    called, address = api_of(world.alice), path.format(**world.ids)
    names = [each["name"] for each in schema.get("parameters", ()) if each["in"] == "query"]
    for name in names:
        yield f"    takes ?{name}="
        for value in VALUES:
            yield f'        "{value}": {_list_outcome(called.get(address, **{name: value}))}'
    if names:
        answer = called.get(address, zzz=1)
        yield f"    for an unknown parameter: {_list_outcome(answer)}"


def _list_outcome(answer: Any) -> str:
    body = answer.json()
    if answer.status_code >= 400:
        return f"{answer.status_code} {body['code']}"
    rows, page = body.get("data"), body.get("pagination") or {}
    details = [f"{name}={page[name]}" for name in ("limit", "offset", "page") if name in page]
    return ", ".join([str(answer.status_code), *([f"rows={len(rows)}"] if isinstance(rows, list) else []), *details])


def _failures(method: str, path: str, body: dict[str, Any], world: World) -> Iterator[str]:
    """Yield the failures. Each is JSON with a code."""
    yield f"    without a key: {_outcome(_call_and_roll_back(world, method, path, body, caller=Api('')), ())}"
    if "{" in path:
        bob = api_of(make_member(make_customer("Bob Ltd")))
        yield f"    with a stranger's key: {_outcome(_call_and_roll_back(world, method, path, body, caller=bob), ())}"
    if body:
        broken = api_of(world.alice)._call(method, path.format(**world.ids), b"{", {})
        yield f"    for a body that is no JSON: {_outcome(broken, ())}"


def _empty(value: Any) -> Any:
    return type(value)() if isinstance(value, dict | list) else ""


def _call_and_roll_back(
    world: World, method: str, path: str, body: dict[str, Any], *, caller: Api | None = None
) -> Any:
    """Return the response, and roll the call back."""
    before = transaction.savepoint()
    caller = caller or api_of(world.alice)
    address = path.format(**world.ids)
    call = {"GET": caller.get, "DELETE": caller.delete}.get(method)
    answer = call(address) if call else getattr(caller, method.lower())(address, body)
    transaction.savepoint_rollback(before)
    return answer


def _fields(value: Any, name: str = "") -> set[tuple[str, str]]:
    if isinstance(value, dict) and value and not name.endswith(("config", "testPayload", "breakdown")):
        return {each for key, below in value.items() for each in _fields(below, f"{name}.{key}".lstrip("."))}
    if isinstance(value, list) and value:
        return set().union(*(_fields(each, f"{name}[]") for each in value))
    return {(name, _kind(value))}


def _kind(value: Any) -> str:
    kinds = {bool: "yes or no", int: "number", str: "text", type(None): "null", list: "empty list", dict: "object"}
    return kinds[type(value)]


def _outcome(answer: Any, telling: tuple[str, ...]) -> str:
    body = answer.json()
    if answer.status_code >= 400:
        return f"{answer.status_code} {body['code']}"
    details = (f"{name}={_shown(_at(body, name))}" for name in telling)
    return ", ".join([str(answer.status_code), *details])


def _at(body: Any, name: str) -> Any:
    for part in name.split("."):
        body = [each[part] for each in body] if isinstance(body, list) else body.get(part)
    return body


def _shown(value: Any) -> str:
    text = json.dumps(value)
    for model, word in ((Domain, "its domain"), (Address, "its address")):
        for pk in model.objects.values_list("pk", flat=True):
            text = text.replace(pk, word)
    return "the endpoint" if text.startswith('"ep_') else text
