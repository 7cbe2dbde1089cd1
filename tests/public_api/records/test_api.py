"""What the published API says about records whose lookup fails, whose value is withheld, or which replace others."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models.people import Customer
from domains.models.domains import Domain
from domains.models.record_checks import RecordCheck
from domains.ownership import core as ownership_core
from domains.ownership.core import TOO_LATE
from inbound_admin.lib import aws
from public_api.authentication.api import next_steps
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, ok, refused, run_jobs_while_waiting
from tests.domains.factories import make_domain, make_zone, publish, set_identity_status
from tests.factories import make_customer, make_member

pytestmark = pytest.mark.django_db
ACTIONS = "/api/domain/verifications"


@pytest.fixture
def customer() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def alice(customer: Customer) -> Api:
    return api_of(make_member(customer))


@pytest.fixture
def shop(alice: Api, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Domain:
    """Published and verified, but not checked yet."""
    run_jobs_while_waiting(monkeypatch)
    domain = Domain.objects.get(pk=ok(alice.post("/api/v2/domains", {"domain": "shop.com"}), 201)["id"])
    make_zone(sandbox, domain)
    publish(sandbox, domain)
    set_identity_status("shop.com", ownership="Success", dkim="Success", mail_from="Success")
    return domain


def verify(alice: Api, domain: Domain) -> dict[str, Any]:
    Domain.objects.update(last_dns_check=None)
    return ok(alice.patch(f"/api/v2/domains/{domain.pk}/auth"))


def check_verification(alice: Api, domain: Domain) -> dict[str, Any]:
    Domain.objects.update(last_dns_check=None)
    return ok(alice.post(ACTIONS, {"action": "checkVerification", "domain": domain.name}))


def remove(sandbox: Sandbox, name: str, kind: str = "") -> None:
    for held in sandbox.control.records("shop.com"):
        if held.name == name and kind in ("", held.type):
            sandbox.control.remove_record("shop.com", held.id)


def record_named(body: dict[str, Any], name: str, kind: str) -> dict[str, Any]:
    (found,) = (each for each in body["dnsRecords"] if (each["name"], each["type"]) == (name, kind))
    return dict(found)


def required(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in body["dnsRecords"] if each["isRequired"]]


def test_a_failed_lookup_keeps_the_last_result_and_says_so(alice: Api, shop: Domain, sandbox: Sandbox) -> None:
    before = {each["name"] + each["type"]: each["lastChecked"] for each in verify(alice, shop)["dnsRecords"][:4]}
    sandbox.control.set_dns_fault("shop.com", "servfail")
    body = verify(alice, shop)
    for record in required(body):
        assert (record["state"], record["isVerified"]) == ("could_not_check", True)
        assert "We couldn't check this record" in record["error"]
        assert "It was last found on" in record["error"]
    after = {each["name"] + each["type"]: each["lastChecked"] for each in body["dnsRecords"][:4]}
    assert after == before
    assert len(body["nextSteps"]) == body["summary"]["requiredRecords"]
    assert not any("Publish" in step for step in body["nextSteps"])
    message = refused(
        alice.post(f"/api/v2/domains/{shop.pk}/mail-records", {"to": "dns@host.example"}), 422, "COULD_NOT_CHECK"
    )["error"]
    assert "All records are published" not in message
    assert "couldn't check" in message


def test_a_missing_record_stays_missing_while_its_lookup_fails(alice: Api, shop: Domain, sandbox: Sandbox) -> None:
    verify(alice, shop)
    lost = shop.records[1]
    remove(sandbox, lost.name)
    assert verify(alice, shop)["overallStatus"] == "pending"
    sandbox.control.set_dns_fault("shop.com", "servfail")
    body = verify(alice, shop)
    record = record_named(body, lost.name, "CNAME")
    assert (record["state"], record["isVerified"]) == ("could_not_check", False)
    assert "wasn't found" in record["error"]
    assert body["overallStatus"] == "pending"
    summary = body["summary"]
    assert summary["verifiedRequiredRecords"] == summary["requiredRecords"] - 1
    checked = check_verification(alice, shop)
    assert (checked["dnsVerified"], checked["allVerified"]) == (False, False)
    assert "couldn't check" in checked["error"]
    listed = ok(alice.get(f"/api/v2/domains/{shop.pk}/dns-records"))["records"]
    for records in (ok(alice.get(f"/api/v2/domains/{shop.pk}"))["dnsRecords"], listed):
        (stored,) = (each for each in records if each["name"] == lost.name)
        assert (stored["isVerified"], stored["state"]) == (False, "could_not_check")


def test_records_that_were_never_checked_are_not_to_be_published(alice: Api, shop: Domain, sandbox: Sandbox) -> None:
    sandbox.control.set_dns_fault("shop.com", "servfail")
    body = verify(alice, shop)
    assert {(each["state"], each["isVerified"]) for each in required(body)} == {("could_not_check", False)}
    assert "lastChecked" not in required(body)[0]
    assert len(body["nextSteps"]) == body["summary"]["requiredRecords"]
    assert not any("Publish" in step for step in body["nextSteps"])


def test_a_wrong_record_is_not_to_be_published_a_second_time(alice: Api, shop: Domain, sandbox: Sandbox) -> None:
    remove(sandbox, "bounce.shop.com", "TXT")
    sandbox.control.add_record("shop.com", "bounce.shop.com", "TXT", "v=spf1 include:_spf.google.com ~all")
    sandbox.control.add_zone("google.com")
    sandbox.control.add_record("google.com", "_spf.google.com", "TXT", "v=spf1 ip4:192.0.2.0/24 ~all")
    body = verify(alice, shop)
    record = record_named(body, "bounce.shop.com", "TXT")
    assert record["existing"] == ["v=spf1 include:_spf.google.com ~all"]
    (step,) = (step for step in body["nextSteps"] if "bounce.shop.com" in step)
    assert not step.startswith("Publish")
    assert "Replace it with the value shown" in step
    assert record["value"] in step


def test_a_required_record_without_an_offered_value_stays_in_every_list(
    alice: Api, customer: Customer, sandbox: Sandbox
) -> None:
    domain = make_domain(
        "nine.com", customer=customer, stage="ready", region="cn-north-1", ses_mail_from="bounce.nine.com"
    )
    body = ok(alice.get(f"/api/v2/domains/{domain.pk}"))
    (mx,) = (each for each in body["dnsRecords"] if (each["name"], each["recordType"]) == ("bounce.nine.com", "MX"))
    assert (mx["value"], mx["isRequired"], mx["isVerified"], mx["state"]) == ("", True, False, "not_checked")
    assert "We don't know the MAIL FROM host" in mx["withheld"]


def test_the_plain_spf_is_offered_at_a_broken_mail_from_name(alice: Api, shop: Domain, sandbox: Sandbox) -> None:
    remove(sandbox, "bounce.shop.com", "TXT")
    broken = "v=spf1 include:amazonses.com ~allv=spf1 include:_spf.google.com ~all"
    sandbox.control.add_record("shop.com", "bounce.shop.com", "TXT", broken)
    verify(alice, shop)
    body = verify(alice, shop)
    record = record_named(body, "bounce.shop.com", "TXT")
    assert (record["value"], record["isVerified"]) == ("v=spf1 include:amazonses.com ~all", False)
    assert record["existing"] == [broken]
    assert (body["summary"]["requiredRecords"], body["summary"]["verifiedRequiredRecords"]) == (5, 4)
    assert body["overallStatus"] == "pending"
    checked = check_verification(alice, shop)
    assert (checked["dnsVerified"], checked["allVerified"]) == (False, False)


def test_an_apex_spf_that_cannot_be_merged_stays_in_the_list_with_its_reason(
    alice: Api, shop: Domain, sandbox: Sandbox
) -> None:
    remove(sandbox, "shop.com", "TXT")
    for text in ("v=spf1 include:nothing.example.com mx ~all", "v=spf1 include:amazonses.com ~all"):
        sandbox.control.add_record("shop.com", "shop.com", "TXT", text)
    verify(alice, shop)
    record = record_named(verify(alice, shop), "shop.com", "TXT")
    assert (record["value"], record["isVerified"]) == ("", False)
    assert "nothing.example.com" in record["withheld"]
    assert "with the value shown" not in record["error"]


def test_an_mx_elsewhere_is_still_known_after_a_failed_lookup(alice: Api, customer: Customer) -> None:
    domain = make_domain("nine.com", customer=customer, stage="ready", mx_facts={"nine.com": "unknown"})
    known = {"state": "wrong", "found": ["10 mail.example.net"], "code": "dns.rival.mx", "sentence": "Elsewhere."}
    at = timezone.now()
    domain.record_checks.create(
        key="inbound-mx", state="could_not_check", checked_at=at, last_known=known | {"at": at.isoformat()}
    )
    assert ok(alice.get(f"/api/v2/domains/{domain.pk}"))["hasMxRecords"] is True
    assert ok(alice.get("/api/v2/domains"))["data"][0]["hasMxRecords"] is True


def test_next_steps_include_that_ses_rejects_mail(alice: Api, shop: Domain, sandbox: Sandbox) -> None:
    sandbox.control.add_record("shop.com", "shop.com", "MX", "10 inbound-smtp.eu-west-1.amazonaws.com")
    Domain.objects.filter(pk=shop.pk).update(receives=False)
    steps = verify(alice, shop)["nextSteps"]
    message = ok(alice.get(f"/api/v2/domains/{shop.pk}"))["receivingMessage"]
    assert "rejects" in message
    assert message in steps


def test_next_steps_name_the_call_that_restarts_verification(alice: Api, shop: Domain, sandbox: Sandbox) -> None:
    set_identity_status("shop.com", mail_from="Failed")
    body = verify(alice, shop)
    assert f"restart with POST /api/v2/domains/{shop.pk}/auth." in body["nextSteps"][-1]


def test_a_domain_that_does_not_exist_is_named_when_it_is_added(
    alice: Api, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_jobs_while_waiting(monkeypatch)
    body = ok(alice.post("/api/v2/domains", {"domain": "no-such-name.com"}), 201)
    assert "no-such-name.com doesn't exist on the public internet. Check the spelling." in body["message"]


def test_the_claim_record_that_could_not_be_checked_is_not_to_be_published(
    alice: Api, customer: Customer, sandbox: Sandbox
) -> None:
    sandbox.control.add_zone("claim.com")
    claim = make_domain("claim.com", customer=customer, stage="claim", claim_token="t0ken", claim_reason="rival")
    sandbox.control.set_dns_fault("claim.com", "servfail")
    body = ok(alice.patch(f"/api/v2/domains/{claim.pk}/auth"))
    (step,) = body["nextSteps"]
    assert "couldn't check" in step
    assert "Publish" not in step


def test_the_proof_of_a_claim_leaves_a_next_step(alice: Api, customer: Customer, sandbox: Sandbox) -> None:
    sandbox.control.add_zone("claim.com")
    claim = make_domain("claim.com", customer=customer, stage="claim", claim_token="t0ken", claim_reason="rival")
    challenge = ownership_core.challenge(claim.parsed, claim.claim_token)
    sandbox.control.add_record("claim.com", challenge.name, challenge.type, challenge.value)
    body = ok(alice.patch(f"/api/v2/domains/{claim.pk}/auth"))
    assert (body["overallStatus"], body["message"]) == (
        "pending",
        "Ownership is proven. The domain is being set up.",
    )
    step = body["nextSteps"][-1]
    assert step.startswith("claim.com is being set up in Amazon SES.")
    assert "Repeat this call in a moment" in step


def test_correct_records_that_ses_has_not_seen_leave_a_next_step(alice: Api, shop: Domain, sandbox: Sandbox) -> None:
    publish(sandbox, shop)
    set_identity_status("shop.com", ownership="Pending", dkim="Pending", mail_from="Pending")
    body = verify(alice, shop)
    assert body["overallStatus"] == "pending"
    assert body["summary"]["requiredRecords"] == body["summary"]["verifiedRequiredRecords"]
    (step,) = body["nextSteps"]
    assert "Amazon SES hasn't verified shop.com yet." in step


def test_a_step_with_another_value_for_another_place_names_no_second_value(shop: Domain) -> None:
    """At the domain itself the value has a prefix. Without it, it proves nothing."""
    record = next(each for each in shop.records if each.key == "identity")
    other = f"amazonses:{record.value}"
    sentence = f"The record wasn't found. Add a TXT record at shop.com itself: {other}"
    known = {"state": "wrong", "code": "dns.name.underscore", "sentence": sentence, "checked_at": timezone.now()}
    RecordCheck.objects.update_or_create(domain=shop, key="identity", defaults=known)
    step = next(each for each in next_steps(shop) if "_amazonses" in each)
    assert step.endswith(other)
    assert step.count(record.value) == 1


def test_a_check_ends_a_diagnosis_that_was_kept(alice: Api, shop: Domain, sandbox: Sandbox) -> None:
    lost = shop.records[1]
    remove(sandbox, lost.name)
    first = ok(alice.get(f"/api/v2/domains/{shop.pk}/diagnosis"))
    assert first["isRight"] is False
    assert ok(alice.get(f"/api/v2/domains/{shop.pk}/diagnosis"))["lookedAt"] == first["lookedAt"]
    publish(sandbox, shop)
    verify(alice, shop)
    again = ok(alice.get(f"/api/v2/domains/{shop.pk}/diagnosis"))
    assert again["lookedAt"] > first["lookedAt"]
    assert lost.name not in str(again["finding"])


def test_a_value_within_a_damaged_one_is_not_the_advice(shop: Domain) -> None:
    """Two SPF records became one: what was found begins with the right value."""
    record = next(each for each in shop.records if each.key == "mail-from-spf")
    found = f"{record.value}v=spf1 include:_spf.google.com ~all"
    for shown in (found, record.value + "; old"):
        known = {"state": "wrong", "code": "dns.value.damaged", "found": [shown], "checked_at": timezone.now()}
        known["sentence"] = f"It has the value “{shown}”. Replace it with the value shown."
        RecordCheck.objects.update_or_create(domain=shop, key=record.key, defaults=known)
        step = next(each for each in next_steps(shop) if f"TXT {record.name}" in each)
        assert step.endswith(f"The value is {record.value}.")


def test_a_claim_that_another_account_has_proven_is_not_to_be_published(
    alice: Api, customer: Customer, sandbox: Sandbox
) -> None:
    claim = make_domain(
        "claim.com", customer=customer, stage="claim", claim_token="t0ken", claim_reason="rival", stage_problem=TOO_LATE
    )
    make_domain("claim.com")
    for action in ("verifyDomain", "checkVerification"):
        assert ok(alice.post(ACTIONS, {"action": action, "domain": claim.name}))["error"] == TOO_LATE
    assert verify(alice, claim)["nextSteps"] == [TOO_LATE]
    assert ok(alice.post(f"/api/v2/domains/{claim.pk}/auth"), 201)["message"] == TOO_LATE


def test_an_identity_that_ses_lost_is_no_answer_once_ses_fails(alice: Api, shop: Domain, sandbox: Sandbox) -> None:
    verify(alice, shop)
    aws.client("sesv2").delete_email_identity(EmailIdentity="shop.com")
    assert verify(alice, shop)["sesStatus"]["identityStatus"] == "NotStarted"
    sandbox.control.add_fault("error", "GetEmailIdentity", times=None)
    Domain.objects.update(last_dns_check=None)
    refused(alice.patch(f"/api/v2/domains/{shop.pk}/auth"), 503, "AWS_UNREACHABLE")
    Domain.objects.update(last_dns_check=None)
    found = ok(alice.get(f"/api/v2/domains/{shop.pk}", check="true"))["verificationCheck"]
    assert (found["sesStatus"], found["isFullyVerified"]) == (None, None)
