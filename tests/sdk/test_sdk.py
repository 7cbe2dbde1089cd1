"""The published client of the previous system works unchanged, over HTTP, with a real worker."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models.people import Customer
from domains.models.domains import Domain
from sandbox.process import Sandbox
from tests.domains.factories import make_zone, publish, seed_identities, set_identity_status
from tests.receipt_rules.factories import make_verified, set_up_receiving
from tests.sdk.conftest import Call, Fits

pytestmark = pytest.mark.django_db(transaction=True)
TYPES = {
    "domain.create": "PostDomainsResponse",
    "domain.list": "GetDomainsResponse",
    "domain.get": "GetDomainByIdResponse",
    "domain.update": "PutDomainByIdResponse",
    "endpoint.create": "PostEndpointsResponse",
    "endpoint.list": "GetEndpointsResponse",
    "endpoint.get": "GetEndpointByIdResponse",
    "endpoint.update": "PutEndpointByIdResponse",
    "endpoint.delete": "DeleteEndpointByIdResponse",
    "email.address.create": "PostEmailAddressesResponse",
    "email.address.list": "GetEmailAddressesResponse",
    "email.address.get": "GetEmailAddressByIdResponse",
    "email.address.update": "PutEmailAddressByIdResponse",
    "email.address.delete": "DeleteEmailAddressByIdResponse",
}


@pytest.fixture
def call(drive: Call, fits: Fits, worker: None) -> Call:
    """Return a function that calls the client's method with these arguments, and returns its `data` or its `error`.

    The response is checked against the client's own types.
    """

    def called(name: str, *given: Any) -> Any:
        answer = drive("drive.mjs", "/api/v2", name, given)
        if name in TYPES and "data" in answer:
            assert fits(TYPES[name], answer["data"]) == [], name
        return answer.get("data", answer.get("error"))

    return called


def test_a_domain_is_created_verified_and_deleted(call: Call, sandbox: Sandbox) -> None:
    made = call("domain.create", {"domain": "shop.com"})
    assert (made["domain"], made["status"]) == ("shop.com", "pending")
    assert [record["type"] for record in made["dnsRecords"]].count("CNAME") == 3
    domain = Domain.objects.get(pk=made["id"])
    assert call("domain.create", {"domain": "shop.com"}) == "shop.com is already in your list."
    assert call("domain.verify", domain.pk)["dkimEnabled"] is True
    listed = call("domain.getDnsRecords", domain.pk)["records"]
    assert len(listed) >= 7
    set_up_receiving()
    waiting = call("email.address.create", {"address": "a@shop.com", "domainId": domain.pk})
    assert "isn't live" in waiting["warning"]
    make_zone(sandbox, domain)
    publish(sandbox, domain)
    (mx,) = (record for record in listed if (record["recordType"], record["name"]) == ("MX", "shop.com"))
    sandbox.control.add_record("shop.com", "shop.com", "MX", mx["value"])
    set_identity_status("shop.com", ownership="Success", dkim="Success", mail_from="Success")
    Domain.objects.update(last_dns_check=None)
    assert call("domain.checkStatus", domain.pk)["overallStatus"] == "verified"
    assert becomes_true(30, lambda: call("domain.get", domain.pk)["canReceiveEmails"]), "its address became live"
    listed = call("domain.list", {"limit": 10, "status": "verified", "check": "true"})
    assert (listed["pagination"]["total"], listed["meta"]["verifiedCount"]) == (1, 1)
    catch = call("domain.update", domain.pk, {"isCatchAllEnabled": True, "catchAllEndpointId": None})
    assert catch["isCatchAllEnabled"] is True
    gone = call("domain.delete", domain.pk)["deletedResources"]
    assert (gone["domain"], gone["sesIdentity"]) == ("shop.com", False), "the response precedes the worker"
    gone_too = becomes_true(30, lambda: not call("domain.list")["data"])
    assert gone_too, "the worker deletes the identity once no receipt rule names the domain"


def becomes_true(seconds: int, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.5)
    return True


def test_an_address_and_its_endpoint_are_managed(call: Call) -> None:
    customer = Customer.objects.get()
    domain = make_verified("shop.com", customer=customer)
    seed_identities([domain.name], ownership="Success", dkim="Success")
    webhook = {"url": "https://127.0.0.1/in", "timeout": 30, "retryAttempts": 3}
    desk = call("endpoint.create", {"name": "desk", "type": "webhook", "config": webhook})
    assert desk["config"] == webhook
    made = call("email.address.create", {"address": "a@shop.com", "domainId": domain.pk, "endpointId": desk["id"]})
    assert (made["address"], made["routing"]["type"]) == ("a@shop.com", "endpoint")
    assert call("email.address.list", {"domainId": domain.pk, "isActive": "true"})["pagination"]["total"] == 1
    assert call("email.address.get", made["id"])["routing"]["name"] == "desk"
    assert call("email.address.update", made["id"], {"isActive": False})["isActive"] is False
    assert call("endpoint.get", desk["id"])["associatedEmails"][0]["address"] == "a@shop.com"
    assert call("endpoint.update", desk["id"], {"name": "the desk", "description": "new"})["name"] == "the desk"
    assert call("endpoint.list", {"type": "webhook", "active": "true"})["data"][0]["name"] == "the desk"
    tried = call("endpoint.test", desk["id"])
    assert (tried["success"], tried["webhookFormat"]) == (False, "inbound")  # a private address
    assert call("endpoint.delete", desk["id"])["cleanup"]["emailAddressesUpdated"] == 1
    assert call("email.address.delete", made["id"])["cleanup"]["emailAddress"] == "a@shop.com"
    assert call("email.address.get", made["id"]) == "No address has this ID."


def test_the_convenience_methods_work(call: Call) -> None:
    both = call("setupDomain", "shop.com", "https://hooks.example/in")
    assert (both["domain"]["domain"], both["endpoint"]["type"]) == ("shop.com", "webhook")
    assert both["endpoint"]["config"]["timeout"] == 30000
    forwarder = call("createForwarder", "a@shop.com", "me@home.example")
    assert isinstance(forwarder, dict), forwarder  # a string is the message of an error
    assert (forwarder["type"], forwarder["config"]["email"]) == ("email", "me@home.example")
