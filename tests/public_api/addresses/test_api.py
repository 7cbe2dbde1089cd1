"""The API of addresses and endpoints: what requests store, and the state of the receipt rules in responses."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from pytest_django import Settings

from accounts.models.people import Customer, User
from inbound_admin.lib.redaction import MASK
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint, EndpointType, Forwarding, ForwardingState
from receipt_rules.models.runs import PendingChange
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, ok, refused
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db
ADDRESSES, ENDPOINTS = "/api/v2/email-addresses", "/api/v2/endpoints"


@pytest.fixture
def customer() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def owner(customer: Customer) -> User:
    return make_member(customer)


@pytest.fixture
def alice(owner: User) -> Api:
    return api_of(owner)


@pytest.fixture
def bob() -> Api:
    return api_of(make_member())


# --- addresses -----------------------------------------------------------------------------------------------------
def test_a_new_address_is_applied_by_the_worker(alice: Api, customer: Customer, owner: User, sandbox: Sandbox) -> None:
    set_up_receiving()
    domain, desk = make_verified("shop.com", customer=customer), make_endpoint(customer, name="desk")
    body_sent = {"address": "Billing@shop.com", "domainId": domain.pk, "endpointId": desk.pk}
    body = ok(alice.post(ADDRESSES, body_sent), 201)
    assert (body["address"], body["isActive"], body["isReceiptRuleConfigured"]) == ("billing@shop.com", True, False)
    assert body["domain"] == {"id": domain.pk, "name": "shop.com", "status": "verified"}
    assert (body["routing"]["type"], body["routing"]["name"], body["userId"]) == ("endpoint", "desk", str(owner.pk))
    assert "few seconds" in body["warning"]
    auto_apply_services.work()
    body = ok(alice.get(f"{ADDRESSES}/{body['id']}"))
    assert (body["isReceiptRuleConfigured"], body["receiptRuleName"]) == (True, "inbound-admin-001")
    assert "warning" not in body
    refused(alice.post(ADDRESSES, body_sent), 409, "ADDRESS_EXISTS")


@pytest.mark.parametrize(
    ("address", "code"),
    [("billing@else.com", "ADDRESS_ELSEWHERE"), ("billing", "NOT_AN_ADDRESS"), ("a b@shop.com", "NOT_AN_ADDRESS")],
)
def test_an_invalid_address_is_400(alice: Api, customer: Customer, address: str, code: str) -> None:
    domain = make_verified("shop.com", customer=customer)
    refused(alice.post(ADDRESSES, {"address": address, "domainId": domain.pk}), 400, code)
    assert not Address.objects.exists()


def test_an_update_changes_only_the_given_fields(alice: Api, customer: Customer) -> None:
    desk = make_endpoint(customer)
    address = make_address("a@shop.com", make_verified("shop.com", customer=customer), endpoint=desk)
    path = f"{ADDRESSES}/{address.pk}"
    body = ok(alice.put(path, {"isActive": False}))
    assert (body["isActive"], body["endpointId"]) == (False, desk.pk)
    body = ok(alice.put(path, {"endpointId": None}))
    assert (body["isActive"], body["endpointId"], body["routing"]["type"]) == (False, None, "none")
    assert body["updatedAt"] > body["createdAt"]
    body = ok(alice.put(path, {"webhookId": desk.pk, "isActive": True}))
    assert (body["endpointId"], body["webhookId"]) == (desk.pk, None)
    body = ok(alice.delete(path))
    assert body["cleanup"]["emailAddress"] == "a@shop.com"
    assert body["cleanup"]["sesRuleUpdated"] is False  # the worker applies it to SES
    refused(alice.get(path), 404, "NOT_FOUND")


def test_the_list_of_addresses_is_filtered(alice: Api, customer: Customer) -> None:
    shop, eu = make_verified("shop.com", customer=customer), make_verified("eu.com", customer=customer)
    make_address("a@shop.com", shop, rules="carried")
    make_address("b@shop.com", shop, is_active=False)
    make_address("a@eu.com", eu)
    make_address("x@bobs.com", make_verified("bobs.com"))

    def found(**query: Any) -> list[str]:
        return [row["address"] for row in ok(alice.get(ADDRESSES, **query))["data"]]

    assert found() == ["a@eu.com", "a@shop.com", "b@shop.com"]
    assert found(domainId=shop.pk) == ["a@shop.com", "b@shop.com"]
    assert found(isActive="false") == ["b@shop.com"]
    assert found(isReceiptRuleConfigured="true") == ["a@shop.com"]


def test_a_change_that_waits_for_an_operator_says_why(alice: Api, customer: Customer) -> None:
    address = make_address("a@shop.com", make_verified("shop.com", customer=customer))
    ok(alice.put(f"{ADDRESSES}/{address.pk}", {"isActive": False}))
    ok(alice.put(f"{ADDRESSES}/{address.pk}", {"isActive": True}))
    PendingChange.objects.update(waits_because="Our team reviews it first.")
    assert ok(alice.get(f"{ADDRESSES}/{address.pk}"))["warning"] == "Our team reviews it first."


def test_another_customers_address_and_endpoint_are_404(bob: Api, customer: Customer) -> None:
    address = make_address("a@shop.com", make_verified("shop.com", customer=customer))
    endpoint = make_endpoint(customer)
    for path in (f"{ADDRESSES}/{address.pk}", f"{ENDPOINTS}/{endpoint.pk}"):
        for call in (bob.get(path), bob.put(path, {"isActive": False}), bob.delete(path)):
            refused(call, 404, "NOT_FOUND")
    body_sent = {"address": "b@shop.com", "domainId": address.domain_id}
    refused(bob.post(ADDRESSES, body_sent), 404, "NOT_FOUND")
    refused(bob.post(f"{ENDPOINTS}/{endpoint.pk}/test"), 404, "NOT_FOUND")
    assert (Address.objects.get().is_active, Endpoint.objects.get().is_active) == (True, True)


# --- endpoints -----------------------------------------------------------------------------------------------------
def test_an_endpoint_of_each_type_is_added_and_shown(alice: Api) -> None:
    webhook = {"url": "https://a.example/in", "timeout": 30000, "retryAttempts": 3, "headers": {"X-Key": "1"}}
    for kind, config, shown in (
        ("webhook", webhook, webhook | {"headers": {"X-Key": MASK}}),
        ("email", {"forwardTo": "a@b.com"}, {"forwardTo": "a@b.com", "email": "a@b.com"}),
        ("email_group", {"emails": ["a@b.com", "c@d.com"]}, {"emails": ["a@b.com", "c@d.com"]}),
    ):
        body_sent = {"name": f"A {kind}", "type": kind, "config": config, "description": "for tests"}
        body = ok(alice.post(ENDPOINTS, body_sent), 201)
        assert (body["type"], body["config"], body["description"]) == (kind, shown, "for tests")
        assert body["groupEmails"] == (["a@b.com", "c@d.com"] if kind == "email_group" else None)
        assert body["deliveryStats"] == {"total": 0, "successful": 0, "failed": 0, "lastDelivery": None}
    assert ok(alice.get(ENDPOINTS))["pagination"]["total"] == 3
    assert [row["type"] for row in ok(alice.get(ENDPOINTS, type="email"))["data"]] == ["email"]
    refused(alice.post(ENDPOINTS, body_sent), 409, "ENDPOINT_NAME_TAKEN")


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("webhook", {}),
        ("webhook", {"url": "http://a.example/"}),
        ("webhook", {"url": 1}),
        ("webhook", {"url": "https://a.example/", "timeout": "30"}),
        ("webhook", {"url": "https://a.example/", "headers": {"a b": "c"}}),
        ("webhook", {"url": "https://a.example/", "headers": {"a": "c\r\nd: e"}}),
        ("webhook", {"url": "https://a.example/", "headers": {"Host": "elsewhere.example"}}),
        ("webhook", {"url": "https://a.example/", "headers": {"transfer-encoding": "chunked"}}),
        ("email", {"forwardTo": "nobody"}),
        ("email", {"forwardTo": ["a@b.com"]}),
        ("email_group", {"emails": []}),
        ("email_group", {"emails": "\ud800@b.com"}),
        ("email_group", {"emails": [1]}),
        ("email_group", {"emails": 1}),
    ],
)
def test_an_invalid_configuration_is_400(alice: Api, kind: str, config: Any, settings: Settings) -> None:
    settings.WEBHOOKS_MAY_BE_PRIVATE = False
    answer = alice.post(ENDPOINTS, {"name": "desk", "type": kind, "config": config})
    assert answer.status_code == 400, answer.content
    assert not Endpoint.objects.exists()


def test_an_update_keeps_fields_that_are_not_given(alice: Api, customer: Customer) -> None:
    config = {"url": "https://a.example/", "timeout": 30, "headers": {"X-Key": "1"}}
    endpoint = make_endpoint(customer, config=config)
    path = f"{ENDPOINTS}/{endpoint.pk}"
    body = ok(alice.put(path, {"config": {"url": "https://b.example/", "headers": {}}, "isActive": False}))
    assert body["config"] == {"url": "https://b.example/", "timeout": 30}
    assert (body["isActive"], body["name"]) == (False, endpoint.name)


def test_removing_an_endpoint_detaches_addresses_and_catch_alls(alice: Api, customer: Customer) -> None:
    desk, domain = make_endpoint(customer), make_verified("shop.com", customer=customer)
    make_address("a@shop.com", domain, endpoint=desk)
    CatchAll.objects.create(domain=domain, endpoint=desk)
    one = ok(alice.get(f"{ENDPOINTS}/{desk.pk}"))
    assert [each["address"] for each in one["associatedEmails"]] == ["a@shop.com"]
    assert [each["domain"] for each in one["catchAllDomains"]] == ["shop.com"]
    cleanup = ok(alice.delete(f"{ENDPOINTS}/{desk.pk}"))["cleanup"]
    assert (cleanup["emailAddresses"], cleanup["domains"]) == (["a@shop.com"], ["shop.com"])
    assert (Address.objects.get().endpoint, CatchAll.objects.get().endpoint) == (None, None)
    assert CatchAll.objects.get().is_active


def test_a_member_of_several_customers_must_name_one(owner: User, customer: Customer) -> None:
    other = make_customer()
    other.memberships.create(user=owner)
    both = api_of(owner)
    body_sent = {"name": "desk", "type": "email", "config": {"email": "a@b.com"}}
    refused(both.post(ENDPOINTS, body_sent), 400, "CUSTOMER_UNCLEAR")
    refused(both.post(ENDPOINTS, body_sent | {"customerId": make_customer().pk}), 400, "CUSTOMER_MISSING")
    ok(both.post(ENDPOINTS, body_sent | {"customerId": other.pk}), 201)
    assert Endpoint.objects.get().customer == other


# --- the test message ----------------------------------------------------------------------------------------------
class _Hook(http.server.BaseHTTPRequestHandler):
    answers = 200
    seen: list[dict[str, str]]

    def do_POST(self) -> None:  # the name that http.server requires
        type(self).seen.append(dict(self.headers.items()))
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(type(self).answers)
        self.end_headers()
        self.wfile.write(b"Thank you.")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name that it requires
        """Log nothing."""


@pytest.fixture
def hook() -> Iterator[tuple[type[_Hook], str]]:
    class Hook(_Hook):
        seen: list[dict[str, str]] = []  # noqa: RUF012  # only for this test's server

    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Hook, f"http://127.0.0.1:{server.server_port}/in"
    server.shutdown()
    server.server_close()


def test_testing_a_webhook_returns_its_response(
    alice: Api, customer: Customer, settings: Settings, hook: tuple[type[_Hook], str]
) -> None:
    settings.WEBHOOKS_MAY_BE_PRIVATE = True
    server, url = hook
    path = f"{ENDPOINTS}/{make_endpoint(customer, config={'url': url, 'headers': {'X-Key': '1'}}).pk}/test"
    body = ok(alice.post(path))
    assert (body["success"], body["statusCode"], body["responseBody"]) == (True, 200, "Thank you.")
    assert (body["testPayload"]["event"], body["urlTested"]) == ("email.received", url)
    assert server.seen[0]["X-Key"] == "1"
    refused(alice.post(path), 429, "RATE_LIMITED")
    assert len(server.seen) == 1
    cache.clear()
    server.answers = 500
    body = ok(alice.post(path))
    assert (body["success"], body["statusCode"]) == (False, 500)


def test_a_private_address_is_never_tested(
    alice: Api, customer: Customer, settings: Settings, hook: tuple[type[_Hook], str]
) -> None:
    settings.WEBHOOKS_MAY_BE_PRIVATE = False
    server, url = hook
    config = {"url": url.replace("http:", "https:")}
    body = ok(alice.post(f"{ENDPOINTS}/{make_endpoint(customer, config=config).pk}/test"))
    assert (body["success"], server.seen) == (False, [])
    assert "statusCode" not in body


def test_testing_a_forwarding_endpoint_returns_its_address_and_confirmation(alice: Api, customer: Customer) -> None:
    endpoint = make_endpoint(customer, type=EndpointType.EMAIL, config={"address": "a@b.com"})
    body = ok(alice.post(f"{ENDPOINTS}/{endpoint.pk}/test"))
    assert (body["success"], "until a@b.com confirms" in body["message"]) == (False, True)
    Forwarding.objects.create(customer=customer, address="a@b.com", state=ForwardingState.CONFIRMED)
    body = ok(alice.post(f"{ENDPOINTS}/{endpoint.pk}/test", {}))
    assert (body["success"], body["testPayload"]["forwardTo"]) == (True, "a@b.com")
    assert "No test message was sent" in body["message"]


def test_a_test_goes_only_to_the_stored_url(alice: Api, customer: Customer) -> None:
    path = f"{ENDPOINTS}/{make_endpoint(customer).pk}/test"
    refused(alice.post(path, {"overrideUrl": "https://else.example/"}), 400, "OVERRIDE_URL")
