"""A domain verified by DKIM alone counts as verified and gets addresses by page and API, without a TXT record. It
is not known whether SES's v1 API returns a TXT token for such an identity, so each flow is tested both ways.
"""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from accounts.roles import Role
from domains.adoption import services as adoption_services
from domains.adoption.services import AdoptionRequest
from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.models.domains import Domain
from domains.records.core import VERIFIED_BY_DKIM
from inbound_admin.lib import aws
from receipt_rules.models.addresses import Address
from sandbox.process import Sandbox
from tests.api_client import api_of, ok
from tests.domains.factories import make_zone, records_to_publish, set_identity_status, set_up_domain
from tests.factories import make_customer, make_member, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["no", "yes"], autouse=True)
def txt_token_belief(request: pytest.FixtureRequest, sandbox: Sandbox) -> str:
    sandbox.control.set_beliefs(dkim_only_txt=request.param)
    return str(request.param)


def publish_keys(sandbox: Sandbox, domain: Domain) -> None:
    """Publish all records except the ownership record."""
    records = [record for record in records_to_publish(domain) if record.key != "identity" and record.value]
    sandbox.control.publish_missing(make_zone(sandbox, domain), records)
    sandbox.control.tick()


def adopt(sandbox: Sandbox) -> Domain:
    with aws.calling("sesv2", "create") as client:
        client.create_email_identity(EmailIdentity="shop.com")
    customer = make_customer("Alice Ltd")
    adoption = AdoptionRequest(customer, make_staff(Role.OPERATOR), "Contract 12")
    (outcome,) = adoption_services.adopt(names=["shop.com"], request=adoption)
    return Domain.objects.get(pk=outcome.domain_id)


@pytest.mark.parametrize("is_adopted", [True, False], ids=["adopted", "new"])
def test_dkim_alone_verifies_a_domain_for_pages_and_every_api(
    sandbox: Sandbox, client: Client, txt_token_belief: str, is_adopted: bool
) -> None:
    domain = adopt(sandbox) if is_adopted else set_up_domain(sandbox, "shop.com", customer=make_customer("Alice Ltd"))
    member = make_member(domain.customer)
    publish_keys(sandbox, domain)
    checking_services.check_now(domain=domain)
    domain = Domain.objects.get(pk=domain.pk)
    assert (domain.state, domain.known_state) == (State.VERIFIED, State.VERIFIED)
    has_txt = txt_token_belief == "yes" or not is_adopted
    assert [(r.need, r.note) for r in domain.records if r.key == "identity"] == [
        ("optional", VERIFIED_BY_DKIM)
    ] * has_txt
    client.force_login(member)
    page = client.get(reverse("domains:detail", args=[domain.pk])).text
    assert (escape(VERIFIED_BY_DKIM) in page) is has_txt
    assert "SES has verified the domain by its DKIM records." in page
    assert "_amazonses" not in client.get(reverse("domains:detail", args=[domain.pk]), {"show": "todo"}).text
    inbound = reverse("receipt_rules:domain", args=[domain.pk])
    assert "Add address" in client.get(inbound).text
    assert client.post(inbound, {"do": "address", "address-address": "page"})["Location"] == inbound
    assert "page@shop.com" in client.get(inbound).text
    api = api_of(member)
    assert ok(api.get(f"/api/v2/domains/{domain.pk}"))["status"] == "verified"
    assert [each["status"] for each in ok(api.get("/api/v1.1/domains?status=verified"))["data"]] == ["verified"]
    seen = ok(api.post("/api/v2/email-addresses", {"address": "a@shop.com", "domainId": domain.pk}), 201)
    assert seen["domain"]["status"] == "verified"
    ok(api.post("/api/v1.1/email-addresses", {"address": "b@shop.com", "domainId": domain.pk}), 201)
    ok(api.post("/api/inbound/configure-email", {"domain": "shop.com", "emailAddresses": ["c@shop.com"]}))
    addresses = sorted(Address.objects.values_list("address", flat=True))
    assert addresses == ["a@shop.com", "b@shop.com", "c@shop.com", "page@shop.com"]


def test_the_ownership_record_alone_verifies_for_the_api(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=make_customer("Alice Ltd"))
    sandbox.control.publish_missing(
        make_zone(sandbox, domain), [r for r in records_to_publish(domain) if r.key == "identity"]
    )
    sandbox.control.tick()
    checking_services.check_now(domain=domain)
    api = api_of(make_member(domain.customer))
    body = ok(api.get(f"/api/v2/domains/{domain.pk}"))
    assert body["status"] == "verified"
    assert [r["isRequired"] for r in body["dnsRecords"] if r["name"] == "_amazonses.shop.com"] == [True]
    assert ok(api.get("/api/v2/domains?status=verified"))["meta"]["verifiedCount"] == 1
    assert ok(api.get("/api/v2/domains?status=pending"))["data"] == []


@pytest.mark.parametrize(("identity", "status"), [("Pending", "pending"), ("Failed", "failed")])
def test_a_domain_that_ses_has_not_verified_is_not_verified(sandbox: Sandbox, identity: str, status: str) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=make_customer("Alice Ltd"))
    publish_keys(sandbox, domain)
    checking_services.check_now(domain=domain)
    set_identity_status("shop.com", ownership=identity, dkim=identity)
    Domain.objects.update(last_dns_check=None)
    checking_services.check_now(domain=Domain.objects.get(pk=domain.pk))
    api = api_of(make_member(domain.customer))
    assert ok(api.get(f"/api/v2/domains/{domain.pk}"))["status"] == status
    assert len(ok(api.get(f"/api/v2/domains?status={status}"))["data"]) == 1
