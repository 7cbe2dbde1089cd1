"""The newer published client (`inboundemail`) works for domains, addresses and endpoints, with its own types."""

from typing import Any

import pytest

from accounts.models.people import Customer
from domains.models.domains import Domain
from sandbox.process import Sandbox
from tests.domains.factories import make_zone, publish, seed_identities, set_identity_status
from tests.receipt_rules.factories import make_verified, set_up_receiving
from tests.sdk.conftest import Call, Fits
from tests.sdk.test_sdk import becomes_true

pytestmark = pytest.mark.django_db(transaction=True)
TYPES = {"domains": "Domain", "endpoints": "Endpoint", "emailAddresses": "EmailAddress"}


@pytest.fixture
def call(drive: Call, fits: Fits, worker: None) -> Call:
    """Return a function that calls a method, checks the response against the client's type, and returns it."""

    def called(name: str, *given: Any) -> Any:
        answer = drive("drive_e2.mjs", "", name, given)
        assert "data" in answer, answer
        thing, method = name.split(".")
        assert fits(f"{TYPES[thing]}{method.capitalize()}Response", answer["data"]) == [], name
        return answer["data"]

    return called


def test_a_domain_is_created_updated_and_deleted(call: Call, drive: Call, sandbox: Sandbox) -> None:
    made = call("domains.create", {"domain": "shop.com"})
    assert (made["domain"], made["status"]) == ("shop.com", "pending")
    assert ("MX", "shop.com") in {(record["type"], record["name"]) for record in made["dnsRecords"]}
    again = drive("drive_e2.mjs", "", "domains.create", [{"domain": "shop.com"}])["error"]
    assert (again["status"], again["body"]["code"]) == (409, "DOMAIN_ALREADY_REGISTERED")
    domain = Domain.objects.get(pk=made["id"])
    set_up_receiving()
    waiting = call("emailAddresses.create", {"address": "a@shop.com", "domainId": domain.pk})
    assert (waiting["isReceiptRuleConfigured"], "isn't live" in waiting["warning"]) == (False, True)
    make_zone(sandbox, domain)
    publish(sandbox, domain)
    set_identity_status("shop.com", ownership="Success", dkim="Success", mail_from="Success")
    Domain.objects.update(last_dns_check=None)
    seen = call("domains.retrieve", domain.pk, {"check": "true"})
    assert (seen["status"], seen["verificationCheck"]["dkimVerified"]) == ("verified", True)
    address = waiting["id"]
    assert becomes_true(30, lambda: call("emailAddresses.retrieve", address)["isReceiptRuleConfigured"])
    assert call("domains.list", {"limit": "500", "status": "verified", "check": "true"})["pagination"]["limit"] == 100
    desk = call("endpoints.create", {"name": "desk", "type": "email", "config": {"forwardTo": "me@home.example"}})
    catch = {"isCatchAllEnabled": True, "catchAllEndpointId": desk["id"]}
    assert call("domains.update", domain.pk, catch)["catchAllEndpoint"]["name"] == "desk"
    off = call("domains.update", domain.pk, {"isCatchAllEnabled": False})
    assert (off["isCatchAllEnabled"], off["catchAllEndpointId"]) == (False, None)
    assert call("domains.delete", domain.pk)["deletedResources"]["domain"] == "shop.com"


def test_addresses_and_endpoints_of_each_type_are_managed(call: Call) -> None:
    domain = make_verified("shop.com", customer=Customer.objects.get())
    seed_identities([domain.name], ownership="Success", dkim="Success")
    webhook = {"url": "https://127.0.0.1/in", "timeout": 30, "retryAttempts": 3}
    desk = call("endpoints.create", {"name": "desk", "type": "webhook", "config": webhook})
    mail = {"forwardTo": "me@home.example", "preserveHeaders": True}
    call("endpoints.create", {"name": "mail", "type": "email", "config": mail})
    call("endpoints.create", {"name": "all", "type": "email_group", "config": {"emails": ["a@b.example"]}})
    assert [row["name"] for row in call("endpoints.list", {"sortBy": "oldest"})["data"]] == ["desk", "mail", "all"]
    assert [row["name"] for row in call("endpoints.list", {"type": "email", "search": "MA"})["data"]] == ["mail"]
    made = call("emailAddresses.create", {"address": "a@shop.com", "domainId": domain.pk, "endpointId": desk["id"]})
    assert call("emailAddresses.list", {"isActive": "true", "domainId": domain.pk})["pagination"]["total"] == 1
    assert call("endpoints.retrieve", desk["id"])["associatedEmails"][0]["address"] == "a@shop.com"
    assert call("endpoints.test", desk["id"], {"webhookFormat": "inbound"})["success"] is False  # a private address
    assert call("endpoints.update", desk["id"], {"isActive": False, "webhookFormat": "slack"})["isActive"] is False
    assert call("emailAddresses.update", made["id"], {"endpointId": None})["routing"]["type"] == "none"
    assert call("endpoints.delete", desk["id"])["cleanup"]["emailAddressesUpdated"] == 0
    assert call("emailAddresses.delete", made["id"])["cleanup"]["emailAddress"] == "a@shop.com"


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("emails.list", []),
        ("emails.retrieve", ["x"]),
        ("emails.send", [{"from": "a@shop.com", "to": "b@c.example", "subject": "x", "text": "x"}]),
        ("emails.reply", ["x", {"from": "a@shop.com", "text": "x"}]),
        ("mail.list", []),
        ("attachments.retrieve", ["a.txt", {"id": "x"}]),
    ],
)
def test_methods_for_mail_itself_are_out_of_scope(drive: Call, method: str, given: Any) -> None:
    problem = drive("drive_e2.mjs", "", method, given)["error"]
    assert (problem["status"], problem["body"]["code"]) == (404, "OUT_OF_SCOPE"), problem
