"""The intentional differences of the older families: each row of the list in docs/api.md has a check here."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import Customer
from domains.models.domains import Domain, Stage
from inbound_admin.lib.redaction import MASK
from receipt_rules.models.addresses import Address
from receipt_rules.models.endpoints import EndpointType
from receipt_rules.received_mail.services import record_deliveries
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, expire_waits, ok, refused
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_endpoint, make_report, make_verified

pytestmark = pytest.mark.django_db
DOCS = Path(__file__).parents[2] / "docs" / "api.md"
Check = Callable[[Api, Customer, Any], None]
CHECKS: dict[str, Check] = {}


def differs(words: str) -> Callable[[Check], Check]:
    """Register the check of the row whose first cell begins with these words."""

    def register(check: Check) -> Check:
        CHECKS[words] = check
        return check

    return register


def _rows() -> list[str]:
    text = DOCS.read_text().partition("Intentional differences:")[2]
    return re.findall(r"^\| (.+?) \| .{10,} \|$", text, re.MULTILINE)


@pytest.fixture
def customer() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def alice(customer: Customer, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Api:
    settings.API_WAIT_SECONDS = 0
    expire_waits(monkeypatch)
    return api_of(make_member(customer))


@differs("A failed lookup returns 503")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    sandbox.control.add_zone("shop.com")
    sandbox.control.set_dns_fault("shop.com", "servfail")
    body_sent = {"action": "canDomainBeUsed", "domain": "shop.com"}
    refused(alice.post("/api/domain/verifications", body_sent), 503, "DNS_UNREACHABLE")


@differs("A filter with an unknown name, value or ID")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    make_verified("shop.com", customer=customer)
    for family in ("v2", "e2", "v1.1"):
        message = refused(alice.get(f"/api/{family}/domains", stauts="failed"), 400, "UNKNOWN_PARAMETER")["error"]
        assert "status" in message
        message = refused(alice.get(f"/api/{family}/domains", status="faild"), 400, "MALFORMED")["error"]
        assert "status must be one of: verified, pending, failed." in message
        refused(alice.get(f"/api/{family}/email-addresses", domainId="dom_nope"), 400, "DOMAIN_MISSING")


@differs("If you belong to several customers")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    user = customer.memberships.get().user
    make_customer().memberships.create(user=user)
    refused(api_of(user).post("/api/e2/domains", {"domain": "shop.com"}), 400, "CUSTOMER_UNCLEAR")


@differs("A domain that others could claim")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    make_verified("shop.com")
    claim = ok(alice.post("/api/v2/domains", {"domain": "eu.shop.com"}), 201)
    assert [record["type"] for record in claim["dnsRecords"]] == ["TXT"]
    body_sent = {"address": "a@eu.shop.com", "domainId": claim["id"]}
    refused(alice.post("/api/v2/email-addresses", body_sent), 400, "DOMAIN_NOT_VERIFIED")


@differs("`webhookId` is accepted as `endpointId`")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    desk, domain = make_endpoint(customer), make_verified("shop.com", customer=customer)
    body_sent = {"address": "a@shop.com", "domainId": domain.pk, "webhookId": desk.pk}
    body = ok(alice.post("/api/v2/email-addresses", body_sent), 201)
    assert (body["endpointId"], body["webhookId"]) == (desk.pk, None)


@differs("An endpoint that isn't yours")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    domain, bobs = make_verified("shop.com", customer=customer), make_endpoint()
    path = f"/api/v1.1/domains/{domain.pk}/catch-all"
    refused(alice.put(path, {"endpointId": bobs.pk}), 400, "ENDPOINT_MISSING")
    body_sent = {"address": "a@shop.com", "domainId": domain.pk, "endpointId": bobs.pk}
    refused(alice.post("/api/e2/email-addresses", body_sent), 400, "ENDPOINT_MISSING")


@differs("In v2, a catch-all without an endpoint")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    path = f"/api/v2/domains/{make_verified('shop.com', customer=customer).pk}"
    body = ok(alice.put(path, {"isCatchAllEnabled": True, "catchAllEndpointId": None}))
    assert (body["isCatchAllEnabled"], body["catchAllEndpoint"]) == (True, None)


@differs("A null for `isCatchAllEnabled`")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    path = f"/api/v2/domains/{make_verified('shop.com', customer=customer).pk}"
    ok(alice.put(path, {"isCatchAllEnabled": True}))
    assert ok(alice.put(path, {"isCatchAllEnabled": None}))["isCatchAllEnabled"] is True


@differs("When an endpoint is removed")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    desk, domain = make_endpoint(customer), make_verified("shop.com", customer=customer)
    make_address("a@shop.com", domain, endpoint=desk)
    ok(alice.delete(f"/api/v2/endpoints/{desk.pk}"))
    assert (Address.objects.get().is_active, Address.objects.get().endpoint) == (True, None)
    assert ok(alice.delete(f"/api/v2/domains/{domain.pk}"))["deletedResources"]["emailAddresses"] == 1


@differs("`receiveDmarcEmails` directs")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    domain = make_verified("shop.com", customer=customer)
    ok(alice.put(f"/api/v2/domains/{domain.pk}", {"receiveDmarcEmails": True}))
    domain.refresh_from_db()
    assert domain.dmarc_reports_to == "dmarc@shop.com"


@differs("`lambdaFunction` and `s3Bucket`")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    make_verified("shop.com", customer=customer)
    body_sent = {"domain": "shop.com", "emailAddresses": ["a@shop.com"]}
    body = ok(alice.post("/api/inbound/configure-email", body_sent))
    assert (body["lambdaFunction"], body["s3Bucket"]) == (None, None)


@differs("`emailsLast24h` and similar fields")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    path = f"/api/v2/domains/{make_verified('shop.com', customer=customer).pk}"
    endpoint = make_endpoint(customer)
    assert ok(alice.get(path))["stats"]["emailsLast30d"] == 0
    make_address("a@shop.com", Domain.objects.get(), endpoint=endpoint)
    report = make_report("a@shop.com", endpoint=endpoint)
    record_deliveries(reports=[report], now=timezone.now())
    assert ok(alice.get(path))["stats"]["emailsLast30d"] == 1
    desk = ok(alice.get(f"/api/v2/endpoints/{endpoint.pk}"))
    assert (desk["deliveryStats"]["successful"], len(desk["recentDeliveries"])) == (1, 1)


@differs("An endpoint test goes to the stored URL")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    path = f"/api/v2/endpoints/{make_endpoint(customer).pk}/test"
    refused(alice.post(path, {"overrideUrl": "https://else.example/"}), 400, "OVERRIDE_URL")
    cache.clear()
    assert ok(alice.post(path, {"webhookFormat": "inbound"}))["webhookFormat"] == "inbound"


@differs("A test of a forwarding endpoint")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    endpoint = make_endpoint(customer, type=EndpointType.EMAIL, config={"address": "a@b.com"})
    assert ok(alice.post(f"/api/v2/endpoints/{endpoint.pk}/test"))["success"] is False


@differs("`configure-email` returns")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    make_address("old@shop.com", make_verified("shop.com", customer=customer))
    path, body_sent = "/api/inbound/configure-email", {"domain": "shop.com", "emailAddresses": ["a@shop.com"]}
    (row,) = ok(alice.post(path, body_sent))["emailAddresses"]
    assert (row["address"], row["isNew"], row["isConfigured"], row["ruleName"]) == ("a@shop.com", True, False, None)
    assert ok(alice.post(path, body_sent))["emailAddresses"][0]["isNew"] is False
    refused(alice.post(path, body_sent | {"emailAddresses": []}), 400, "MALFORMED")


@differs("Endpoint secrets are masked")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    config = {"url": "https://a.example/", "headers": {"X-Key": "1"}}
    made = make_endpoint(customer, config=config)
    path = f"/api/v2/endpoints/{made.pk}"
    assert ok(alice.get(path))["config"]["headers"] == {"X-Key": MASK}
    ok(alice.put(path, {"config": {"headers": {"X-Key": MASK}}}))
    made.refresh_from_db()
    assert made.config["headers"] == {"X-Key": "1"}


@differs("A request for the existing MAIL FROM domain")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    path = f"/api/v2/domains/{make_domain('shop.com', customer=customer, stage=Stage.READY).pk}"
    assert ok(alice.patch(path))["success"] is True
    refused(alice.patch(path, {"mailFromDomain": "post"}), 409, "MAIL_FROM_SET")


@differs("Methods for mail itself")
def _(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    for path in ("/api/v2/emails", "/api/v2/mail/x", "/api/e2/attachments/x/a.txt"):
        refused(alice.post(path, {}), 404, "OUT_OF_SCOPE")


def test_each_row_has_one_check_and_each_check_a_row() -> None:
    rows = _rows()
    assert [row for row in rows if sum(row.startswith(words) for words in CHECKS) != 1] == []
    assert len(rows) == len(CHECKS) > 15


@pytest.mark.parametrize("words", sorted(CHECKS))
def test_the_api_differs_as_documented(words: str, alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    CHECKS[words](alice, customer, sandbox)
