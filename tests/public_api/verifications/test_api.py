"""The older families: v1.1 with its envelope, /api/inbound, /api/domain/verifications."""

from typing import Any

import pytest

from accounts.models.people import Customer
from domains.models.domains import Domain, Stage
from receipt_rules.models.addresses import Address, CatchAll
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, ok, refused, run_jobs_while_waiting
from tests.domains.factories import make_domain, make_zone, publish, set_identity_status
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_endpoint, make_operator, make_verified

pytestmark = pytest.mark.django_db
ACTIONS = "/api/domain/verifications"


@pytest.fixture
def customer() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def alice(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> Api:
    run_jobs_while_waiting(monkeypatch)
    return api_of(make_member(customer))


@pytest.fixture
def bob() -> Api:
    return api_of(make_member())


def act(alice: Api, action: str, domain: str = "shop.com", **body_sent: Any) -> dict[str, Any]:
    body = ok(alice.post(ACTIONS, {"action": action, "domain": domain, **body_sent}))
    assert body["success"] is True
    assert body["timestamp"].endswith("Z")
    return body


# --- v1.1 ----------------------------------------------------------------------------------------------------------
def test_the_catch_all_of_v1_1_is_turned_on_and_off(alice: Api, customer: Customer) -> None:
    domain, desk = make_verified("shop.com", customer=customer), make_endpoint(customer)
    path = f"/api/v1.1/domains/{domain.pk}/catch-all"
    assert ok(alice.get(path))["data"]["hasCatchAll"] is False
    body = ok(alice.put(path, {"endpointId": desk.pk}))
    assert (body["success"], body["data"]["hasCatchAll"], body["data"]["endpoint"]["id"]) == (True, True, desk.pk)
    assert body["data"]["domainName"] == "shop.com"
    assert "once inbound mail is set up" in body["data"]["warning"]
    assert ok(alice.delete(path))["data"] | {"warning": ""} == {
        "domainId": domain.pk,
        "domainName": "shop.com",
        "hasCatchAll": False,
        "isCatchAllEnabled": False,
        "catchAllEndpointId": None,
        "endpoint": None,
        "receiptRuleName": None,
        "warning": "",
    }
    assert not CatchAll.objects.filter(is_active=True).exists()


def test_domains_and_addresses_of_v1_1_are_managed(alice: Api, customer: Customer) -> None:
    domain = make_verified("shop.com", customer=customer)
    make_domain("new.com", customer=customer)
    body = ok(alice.get("/api/v1.1/domains", status="verified"))
    assert ([row["domain"] for row in body["data"]], body["meta"]["totalCount"]) == (["shop.com"], 1)
    body = ok(alice.post("/api/v1.1/email-addresses", {"address": "a@shop.com", "domainId": domain.pk}), 201)
    assert (body["success"], body["data"]["routing"]["type"]) == (True, "none")
    path = f"/api/v1.1/email-addresses/{body['data']['id']}"
    refused(
        alice.post("/api/v1.1/email-addresses", {"address": "a@shop.com", "domainId": domain.pk}),
        409,
        "ADDRESS_EXISTS",
    )
    assert ok(alice.get("/api/v1.1/email-addresses", active="true"))["pagination"]["total"] == 1
    assert ok(alice.put(path, {"isActive": False}))["data"]["isActive"] is False
    assert ok(alice.get(path))["data"]["address"] == "a@shop.com"
    assert ok(alice.delete(path))["success"] is True
    refused(alice.get(path), 404, "NOT_FOUND")


# --- /api/inbound --------------------------------------------------------------------------------------------------
def test_verification_of_an_existing_domain_is_started(alice: Api, bob: Api, sandbox: Sandbox) -> None:
    ok(alice.post("/api/v2/domains", {"domain": "shop.com"}), 201)
    body = ok(alice.post("/api/inbound/verify-domain", {"domain": "shop.com"}))
    assert (body["status"], body["canProceed"], body["sesStatus"]) == ("pending", True, "Pending")
    assert body["verificationToken"]
    assert len(body["dnsRecords"]) >= 7
    refused(bob.post("/api/inbound/verify-domain", {"domain": "shop.com"}), 404, "NOT_FOUND")


def test_addresses_are_configured_all_or_none(alice: Api, customer: Customer) -> None:
    domain = make_verified("shop.com", customer=customer)
    make_address("a@shop.com", domain, is_active=False)
    path = "/api/inbound/configure-email"
    body_sent = {"domain": "shop.com", "emailAddresses": ["a@shop.com", "b@shop.com", "c@else.com", "nonsense"]}
    body = refused(alice.post(path, body_sent), 400, "MALFORMED")
    assert body["details"]["invalidEmails"] == ["c@else.com", "nonsense"]
    assert not Address.objects.filter(is_active=True).exists()
    body = ok(alice.post(path, body_sent | {"emailAddresses": ["a@shop.com", "b@shop.com"]}))
    assert [row["address"] for row in body["emailAddresses"]] == ["a@shop.com", "b@shop.com"]
    assert body["receiptRule"] == {"name": None, "status": "pending"}
    assert (body["lambdaFunction"], body["s3Bucket"]) == (None, None)
    make_domain("new.com", customer=customer)
    answer = alice.post(path, {"domain": "new.com", "emailAddresses": ["a@new.com"]})
    refused(answer, 400, "DOMAIN_NOT_VERIFIED")


def test_staff_see_the_function_and_the_bucket(customer: Customer) -> None:
    make_verified("shop.com", customer=customer)
    olga = api_of(make_operator(), "read", "write", "staff")
    body = ok(olga.post("/api/inbound/configure-email", {"domain": "shop.com", "emailAddresses": ["a@shop.com"]}))
    assert (body["lambdaFunction"], body["s3Bucket"]) == ("inbound-mail-handler", "inbound-mail")


# --- /api/domain/verifications -------------------------------------------------------------------------------------
def test_a_domain_can_be_used_unless_records_conflict(alice: Api, sandbox: Sandbox) -> None:
    sandbox.control.add_zone("shop.com")
    body = act(alice, "canDomainBeUsed")
    assert (body["canBeUsed"], body["canReceiveEmails"], body["hasMxRecords"]) == (True, True, False)
    sandbox.control.add_record("shop.com", "shop.com", "MX", "1 mail.google.com")
    body = act(alice, "canDomainBeUsed")
    assert (body["canBeUsed"], body["hasConflictingRecords"]) == (False, True)
    assert body["conflictingRecords"] == [{"type": "MX", "name": "shop.com", "value": "1 mail.google.com"}]
    make_verified("bobs.com")
    body = act(alice, "canDomainBeUsed", "bobs.com")
    assert (body["canBeUsed"], "already in use" in body["error"]) == (False, True)


def test_whether_a_name_can_be_used_does_not_reveal_its_customer(
    alice: Api, customer: Customer, sandbox: Sandbox
) -> None:
    for name in ("mine.com", "bobs.com", "squatted.com"):
        sandbox.control.add_zone(name)
    make_verified("mine.com", customer=customer)
    make_verified("bobs.com")
    make_verified("squatted.com", verified_at=None, proven_at=None)
    mine, bobs = (act(alice, "canDomainBeUsed", name) for name in ("mine.com", "bobs.com"))
    assert "mine.com is already in your list." in mine["error"]
    assert bobs["error"] == "This domain is already in use. If you own it, contact support."
    assert act(alice, "canDomainBeUsed", "squatted.com")["canBeUsed"]


def test_a_failed_lookup_is_503(alice: Api, sandbox: Sandbox) -> None:
    sandbox.control.add_zone("shop.com")
    sandbox.control.set_dns_fault("shop.com", "servfail")
    refused(alice.post(ACTIONS, {"action": "canDomainBeUsed", "domain": "shop.com"}), 503, "DNS_UNREACHABLE")


def test_all_actions_from_adding_to_deleting_work(alice: Api, sandbox: Sandbox) -> None:
    added = act(alice, "addDomain")
    assert (added["status"], added["canProceed"]) == ("pending", True)
    domain = Domain.objects.get(pk=added["domainId"])
    assert act(alice, "verifyDomain")["verificationToken"] == domain.verification_token
    make_zone(sandbox, domain)
    first = act(alice, "checkVerification", domainId=domain.pk)
    assert (first["sesVerified"], first["dnsVerified"], first["allVerified"]) == (False, False, False)
    assert all("actualValues" in record for record in first["dnsRecords"])
    publish(sandbox, domain)
    set_identity_status("shop.com", ownership="Success", dkim="Success", mail_from="Success")
    Domain.objects.update(last_dns_check=None)
    checked = act(alice, "checkVerification")
    assert (checked["sesVerified"], checked["dnsVerified"], checked["allVerified"]) == (True, True, True)
    make_address("a@shop.com", domain)
    body = act(alice, "getDomain", refreshProvider=True)
    assert body["domain"]["status"] == "verified"
    assert body["stats"] == {
        "totalEmailAddresses": 1,
        "activeEmailAddresses": 1,
        "configuredEmailAddresses": 0,
        "totalEmailsLast24h": 0,
    }
    other = alice.post(ACTIONS, {"action": "getDomain", "domain": "else.com", "domainId": domain.pk})
    refused(other, 400, "OTHER_DOMAIN")
    deleted = act(alice, "deleteDomain")
    assert (deleted["domainId"], "is being deleted" in deleted["message"]) == (domain.pk, True)
    domain.refresh_from_db()
    assert domain.stage == Stage.DELETING


@pytest.mark.parametrize("action", ["verifyDomain", "checkVerification", "getDomain", "deleteDomain"])
def test_another_customers_domain_is_404_for_every_action(
    alice: Api, bob: Api, customer: Customer, action: str
) -> None:
    domain = make_verified("shop.com", customer=customer)
    for body_sent in ({"domain": "shop.com"}, {"domain": "shop.com", "domainId": domain.pk}):
        refused(bob.post(ACTIONS, {"action": action, **body_sent}), 404, "NOT_FOUND")
    assert Domain.objects.filter(pk=domain.pk).exists()


def test_a_name_that_several_customers_only_claim_needs_an_id() -> None:
    """Staff who name it would act on one of them by chance."""
    claims = [make_domain("shop.com", stage=Stage.CLAIM) for _ in range(2)]
    olga = api_of(make_operator(), "read", "write", "staff")
    refused(olga.post(ACTIONS, {"action": "deleteDomain", "domain": "shop.com"}), 400, "DOMAIN_UNCLEAR")
    assert Domain.objects.filter(pk__in=[each.pk for each in claims]).count() == 2
    held = make_verified("shop.com")
    assert ok(olga.post(ACTIONS, {"action": "getDomain", "domain": "shop.com"}))["domain"]["id"] == held.pk
