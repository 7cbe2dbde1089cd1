"""The API of domains, with the sandbox's SES and DNS."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models.people import Customer
from audit.models import Change
from domains.checking import services as checking_services
from domains.models.domains import Domain, Stage
from domains.receiving.core import MxFact, RulesFact
from inbound_admin.lib.errors import Conflict
from public_api.domains import services
from receipt_rules.models.addresses import CatchAll
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, expire_waits, ok, refused, run_jobs_while_waiting
from tests.domains.factories import make_domain, make_zone, publish, set_identity_status
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def alice(customer: Customer) -> Api:
    return api_of(make_member(customer))


@pytest.fixture
def bob() -> Api:
    return api_of(make_member())


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    run_jobs_while_waiting(monkeypatch)


def add(alice: Api, name: str = "shop.com") -> dict[str, Any]:
    return ok(alice.post("/api/v2/domains", {"domain": name}), 201)


@pytest.mark.usefixtures("worker")
def test_a_new_domain_is_returned_with_its_records(alice: Api, sandbox: Sandbox) -> None:
    body = add(alice)
    assert (body["domain"], body["status"], body["canReceiveEmails"]) == ("shop.com", "pending", False)
    kinds = [(record["type"], record["isRequired"]) for record in body["dnsRecords"]]
    assert kinds.count(("CNAME", True)) == 3
    assert {"type", "name", "value", "description", "isRequired"} == set(body["dnsRecords"][0])
    (mx,) = (each for each in body["dnsRecords"] if (each["name"], each["type"]) == ("shop.com", "MX"))
    assert (mx["value"], mx["isRequired"]) == ("10 inbound-smtp.eu-west-1.amazonaws.com", False)
    assert "Publish it last" in mx["description"]
    assert (body["receiving"], body["sendOnly"]) == ("add_address", False)
    assert body["userId"] is not None
    assert "dnsConflict" not in body
    again = alice.post("/api/v2/domains", {"domain": "SHOP.com."})
    refused(again, 409, "DOMAIN_ALREADY_REGISTERED")


def test_the_response_says_which_records_are_pending_at_ses(
    alice: Api, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    expire_waits(monkeypatch)
    body = add(alice)
    assert [record for record in body["dnsRecords"] if record["type"] == "CNAME"] == []
    assert "hasn't finished yet" in body["message"]
    refused(alice.patch(f"/api/v2/domains/{body['id']}/auth"), 400, "AUTH_NOT_BEGUN")


@pytest.mark.usefixtures("worker")
def test_mail_received_elsewhere_is_a_dns_conflict_in_the_response(alice: Api, sandbox: Sandbox) -> None:
    sandbox.control.add_zone("shop.com")
    sandbox.control.add_record("shop.com", "shop.com", "MX", "1 mail.google.com")
    body = add(alice)
    assert body["dnsConflict"]["hasConflict"] is True
    assert "mail.google.com" in body["dnsConflict"]["message"]
    assert body["dnsConflict"]["suggestion"] == "in.shop.com"


@pytest.mark.usefixtures("worker")
def test_the_response_says_how_the_domain_differs_from_what_was_sent(alice: Api, sandbox: Sandbox) -> None:
    assert add(alice, "*.Shop.com")["message"].startswith("We removed the asterisk. shop.com covers its subdomains")


@pytest.mark.parametrize("name", ["", "shop", "co.uk", "10.0.0.1", "a b.com", "x" * 300 + ".com"])
def test_an_invalid_domain_is_400(alice: Api, sandbox: Sandbox, name: str) -> None:
    assert alice.post("/api/v2/domains", {"domain": name}).status_code == 400
    assert not Domain.objects.exists()


@pytest.mark.usefixtures("worker")
def test_verifying_checks_dns_and_ses_and_returns_the_next_steps(alice: Api, sandbox: Sandbox) -> None:
    body = add(alice)
    domain = Domain.objects.get(pk=body["id"])
    make_zone(sandbox, domain)
    first = ok(alice.patch(f"/api/v2/domains/{domain.pk}/auth"))
    assert (first["overallStatus"], first["summary"]["verifiedRequiredRecords"]) == ("pending", 0)
    assert len(first["nextSteps"]) == first["summary"]["requiredRecords"] == 6
    assert all(record["error"] for record in first["dnsRecords"] if record["isRequired"])
    assert refused(alice.patch(f"/api/v2/domains/{domain.pk}/auth"), 429, "RATE_LIMITED")
    publish(sandbox, domain)
    set_identity_status("shop.com", ownership="Success", dkim="Success", mail_from="Success")
    Domain.objects.update(last_dns_check=None)
    body = ok(alice.patch(f"/api/v2/domains/{domain.pk}/auth"))
    assert (body["overallStatus"], body["nextSteps"]) == ("verified", [])
    assert body["sesStatus"]["identityStatus"] == "Success"
    assert body["sesStatus"]["mailFromDomain"] == "bounce.shop.com"
    assert {"type", "name", "value", "priority"} <= set(next(r for r in body["dnsRecords"] if r["type"] == "MX"))
    row = ok(alice.get(f"/api/v2/domains/{domain.pk}"))
    assert (row["status"], row["canReceiveEmails"], row["hasMxRecords"]) == ("verified", False, False)
    assert row["receiving"] == "add_address"
    assert row["mailFromDomainStatus"] == "verified"
    assert all(each["isVerified"] for each in row["dnsRecords"] if each["isRequired"])


@pytest.mark.usefixtures("worker")
def test_a_domain_whose_check_fails_unexpectedly_holds_up_no_other_and_counts_as_unchecked(
    alice: Api, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("shop.com", "other.com"):
        make_zone(sandbox, Domain.objects.get(pk=add(alice, name)["id"]))
    Domain.objects.update(last_dns_check=None)
    check = checking_services.check

    def fail(domains: Sequence[Domain], **words: Any) -> None:
        if any(domain.name == "shop.com" for domain in domains):
            raise KeyError("unforeseen")
        check(domains, **words)

    monkeypatch.setattr(checking_services, "check", fail)
    ok(alice.get("/api/v2/domains", check="true"))
    checked = dict(Domain.objects.values_list("name", "last_dns_check"))
    assert checked["shop.com"] is None
    assert checked["other.com"] is not None


@pytest.mark.usefixtures("worker")
def test_a_check_that_fails_keeps_the_time_of_one_that_ended_meanwhile(
    alice: Api, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("shop.com", "other.com"):
        make_zone(sandbox, Domain.objects.get(pk=add(alice, name)["id"]))
    Domain.objects.update(last_dns_check=None)
    other = datetime(2030, 1, 1, tzinfo=UTC)

    def fail(domains: Sequence[Domain], **words: Any) -> None:
        Domain.objects.filter(name="shop.com").update(last_dns_check=other)
        raise KeyError("unforeseen")

    monkeypatch.setattr(checking_services, "check", fail)
    ok(alice.get("/api/v2/domains", check="true"))
    assert dict(Domain.objects.values_list("name", "last_dns_check")) == {"shop.com": other, "other.com": None}


def test_a_change_keeps_what_another_request_changed_meanwhile(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    expire_waits(monkeypatch)
    person, domain = make_member(customer), make_verified("shop.com", customer=customer)
    Domain.objects.filter(pk=domain.pk).update(wants_apex_spf=False)
    wanted = services.DomainChange(mail_from_domain="post", receive_dmarc_emails=True)
    services.change(domain=domain, wanted=wanted, actor=person)
    domain.refresh_from_db()
    assert (domain.mail_from_label, domain.dmarc_reports_to) == ("post", "dmarc@shop.com")
    assert not domain.wants_apex_spf
    Domain.objects.filter(pk=domain.pk).update(wants_dmarc=False, mail_from_label="")
    services.configure_mail_from(domain=domain, name="mail", actor=person)
    domain.refresh_from_db()
    assert (domain.mail_from_label, domain.wants_dmarc) == ("mail", False)


def test_of_two_calls_that_set_mail_from_at_once_the_second_is_refused(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    expire_waits(monkeypatch)
    person, domain = make_member(customer), make_verified("shop.com", customer=customer)
    Domain.objects.filter(pk=domain.pk).update(mail_from_label="")
    first, second = (Domain.objects.get(pk=domain.pk) for _ in range(2))
    services.configure_mail_from(domain=first, name="post", actor=person)
    with pytest.raises(Conflict, match=r"shop.com already uses post.shop.com\."):
        services.configure_mail_from(domain=second, name="mail", actor=person)
    assert Domain.objects.get(pk=domain.pk).mail_from_label == "post"


@pytest.mark.usefixtures("worker")
def test_a_failed_ses_call_gives_503_and_no_status(alice: Api, sandbox: Sandbox) -> None:
    domain = Domain.objects.get(pk=add(alice)["id"])
    make_zone(sandbox, domain)
    sandbox.control.add_fault("error", "GetEmailIdentity", times=None)
    body = refused(alice.patch(f"/api/v2/domains/{domain.pk}/auth"), 503, "AWS_UNREACHABLE")
    assert "DNS was checked, but SES wasn't" in body["error"]
    row = ok(alice.get("/api/v2/domains", check="true"))["data"][0]
    assert (row["verificationCheck"]["sesStatus"], row["verificationCheck"]["isFullyVerified"]) == (None, None)


@pytest.mark.usefixtures("worker")
def test_authentication_is_started_with_another_mail_from_domain(alice: Api, sandbox: Sandbox) -> None:
    domain_id = add(alice)["id"]
    body_sent = {"mailFromDomain": "post", "generateSpf": False, "generateDmarc": True}
    body = ok(alice.post(f"/api/v2/domains/{domain_id}/auth", body_sent), 201)
    assert (body["success"], body["mailFromDomain"], len(body["dkimTokens"])) == (True, "post.shop.com", 3)
    assert "post.shop.com" in {record["name"] for record in body["records"]}
    assert not [r for r in body["records"] if r["name"] == "shop.com" and r["type"] == "TXT"]
    without_body = alice.post(f"/api/v2/domains/{domain_id}/auth")
    assert ok(without_body, 201)["mailFromDomain"] == "post.shop.com"


@pytest.mark.usefixtures("worker")
def test_a_claim_returns_only_its_challenge(alice: Api, sandbox: Sandbox) -> None:
    make_verified("shop.com")
    body = add(alice, "eu.shop.com")
    assert [record["name"] for record in body["dnsRecords"]] == ["_inbound-admin-challenge.eu.shop.com"]
    assert "ownership" in body["message"]
    records = ok(alice.get(f"/api/v2/domains/{body['id']}/dns-records"))["records"]
    assert [record["recordType"] for record in records] == ["TXT"]


def test_the_list_counts_all_rows_that_match_the_filter(alice: Api, customer: Customer) -> None:
    for number in range(3):
        make_verified(f"v{number}.com", customer=customer)
    make_domain("new.com", customer=customer)
    make_domain("gone.com", customer=customer, stage=Stage.READY, identity_status="FAILED")
    make_domain("bobs.com")
    body = ok(alice.get("/api/v2/domains", limit=2))
    assert [row["domain"] for row in body["data"]] == ["gone.com", "new.com"]
    assert body["pagination"] == {"limit": 2, "offset": 0, "total": 5, "hasMore": True}
    assert body["meta"] == {
        "totalCount": 5,
        "verifiedCount": 3,
        "withCatchAllCount": 0,
        "statusBreakdown": {"verified": 3, "pending": 1, "failed": 1},
    }
    for status, names in (("verified", {"v0.com", "v1.com", "v2.com"}), ("failed", {"gone.com"})):
        assert {row["domain"] for row in ok(alice.get("/api/v2/domains", status=status))["data"]} == names
    assert ok(alice.get("/api/v2/domains", search="V1"))["pagination"]["total"] == 1
    assert ok(alice.get("/api/v2/domains", offset=99))["data"] == []
    assert ok(alice.get("/api/v2/domains", limit=101))["pagination"]["limit"] == 100
    assert ok(alice.get("/api/v2/domains", limit=0))["pagination"]["limit"] == 1
    assert ok(alice.get("/api/v2/domains", limit="", offset=""))["pagination"]["limit"] == 50
    assert ok(alice.get("/api/v2/domains", offset=-5))["pagination"]["offset"] == 0
    refused(alice.get("/api/v2/domains", limit="ten"), 400, "MALFORMED")


def test_a_verified_domain_reports_which_records_need_attention(alice: Api, customer: Customer) -> None:
    domain = make_verified("shop.com", customer=customer, state="wrong", summary="1 of 7 records needs fixing.")
    row = ok(alice.get("/api/v2/domains"))["data"][0]
    assert (row["status"], row["recordsStatus"], row["attention"]) == ("verified", "wrong", domain.headline)
    assert row["attention"] == "1 of 7 records needs fixing."
    Domain.objects.update(state="verified", summary="All records are correct.")
    row = ok(alice.get(f"/api/v2/domains/{domain.pk}"))
    assert (row["recordsStatus"], row["attention"]) == ("verified", None)
    Domain.objects.update(mx_facts={"shop.com": MxFact.HERE}, mail_rules={"shop.com": RulesFact.STOPPED})
    row = ok(alice.get(f"/api/v2/domains/{domain.pk}"))
    assert (row["recordsStatus"], row["attention"]) == ("verified", row["receivingMessage"])
    Domain.objects.update(stage="claim", verified_at=None)
    row = ok(alice.get(f"/api/v2/domains/{domain.pk}"))
    assert (row["status"], row["recordsStatus"]) == ("pending", "waiting")
    assert row["attention"]


def test_a_catch_all_is_turned_on_and_off_with_its_endpoint(alice: Api, customer: Customer) -> None:
    domain = make_verified("shop.com", customer=customer)
    desk = make_endpoint(customer, name="desk")
    body_sent = {"isCatchAllEnabled": True, "catchAllEndpointId": desk.pk}
    body = ok(alice.put(f"/api/v2/domains/{domain.pk}", body_sent))
    assert (body["isCatchAllEnabled"], body["catchAllEndpoint"]["name"]) == (True, "desk")
    assert "once inbound mail is set up" in body["warning"]
    row = ok(alice.get("/api/v2/domains", hasCatchAll="true"))["data"][0]
    assert (row["stats"]["hasCatchAll"], row["catchAllEndpointId"]) == (True, desk.pk)
    body = ok(alice.put(f"/api/v2/domains/{domain.pk}", {"isCatchAllEnabled": False, "catchAllEndpointId": None}))
    assert (body["isCatchAllEnabled"], body["catchAllEndpoint"]) == (False, None)


def test_settings_are_refused_before_the_domain_is_verified(alice: Api, customer: Customer) -> None:
    domain = make_domain("shop.com", customer=customer)
    body_sent = {"isCatchAllEnabled": True, "catchAllEndpointId": None}
    refused(alice.put(f"/api/v2/domains/{domain.pk}", body_sent), 400, "DOMAIN_NOT_VERIFIED")
    assert not CatchAll.objects.exists()


def test_another_customers_endpoint_is_refused(alice: Api, customer: Customer) -> None:
    domain = make_verified("shop.com", customer=customer)
    body_sent = {"isCatchAllEnabled": True, "catchAllEndpointId": make_endpoint().pk}
    refused(alice.put(f"/api/v2/domains/{domain.pk}", body_sent), 400, "ENDPOINT_MISSING")
    assert not CatchAll.objects.exists()


def test_dmarc_reports_and_a_mail_from_domain_are_stored(alice: Api, customer: Customer) -> None:
    domain = make_verified("shop.com", customer=customer, mail_from_label="", dmarc_reports_to="")
    body = ok(alice.put(f"/api/v2/domains/{domain.pk}", {"receiveDmarcEmails": True, "mailFromDomain": "m.shop.com"}))
    assert (body["receiveDmarcEmails"], body["mailFromDomain"]) == (True, "m.shop.com")
    domain.refresh_from_db()
    assert (domain.dmarc_reports_to, domain.mail_from_label) == ("dmarc@shop.com", "m")
    for same in (None, {}, {"mailFromDomain": "m"}, {"mailFromDomain": "m.shop.com"}):
        assert ok(alice.patch(f"/api/v2/domains/{domain.pk}", same))["mailFromDomain"] == "m.shop.com"
    refused(alice.patch(f"/api/v2/domains/{domain.pk}", {"mailFromDomain": "post"}), 409, "MAIL_FROM_SET")


@pytest.mark.usefixtures("worker")
def test_a_missing_mail_from_domain_is_set_up(alice: Api, sandbox: Sandbox) -> None:
    domain_id = add(alice)["id"]
    ok(alice.put(f"/api/v2/domains/{domain_id}", {"mailFromDomain": ""}), 400)
    Domain.objects.filter(pk=domain_id).update(mail_from_label="", ses_mail_from="")
    body = ok(alice.patch(f"/api/v2/domains/{domain_id}", {"mailFromDomain": "post"}))
    assert body["mailFromDomain"] == "post.shop.com"
    assert {record["type"] for record in body["additionalDnsRecords"]} == {"MX", "TXT"}


def test_another_customers_domain_is_404(bob: Api, customer: Customer) -> None:
    domain = make_verified("shop.com", customer=customer)
    for call in (
        bob.get(f"/api/v2/domains/{domain.pk}"),
        bob.put(f"/api/v2/domains/{domain.pk}", {"isCatchAllEnabled": True}),
        bob.delete(f"/api/v2/domains/{domain.pk}"),
        bob.get(f"/api/v2/domains/{domain.pk}/dns-records"),
        bob.post(f"/api/v2/domains/{domain.pk}/auth"),
    ):
        refused(call, 404, "NOT_FOUND")
    assert ok(bob.get("/api/v2/domains"))["data"] == []


def test_the_number_of_queries_does_not_depend_on_the_page_size(alice: Api, customer: Customer) -> None:
    desk = make_endpoint(customer)
    for number in range(60):
        domain = make_verified(f"d{number}.com", customer=customer)
        CatchAll.objects.create(domain=domain, endpoint=desk)
        make_address(f"a@d{number}.com", domain, endpoint=desk, rules="carried")
    for path in ("/api/v2/domains", "/api/v2/email-addresses", "/api/v2/endpoints"):
        counts = []
        ok(alice.get(path))  # the first call stores when the key was used
        for limit in (1, 60):
            with CaptureQueriesContext(connection) as queries:
                ok(alice.get(path, limit=limit))
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 14, path


@pytest.mark.usefixtures("worker")
def test_send_only_can_be_chosen_and_needs_an_mx_elsewhere(alice: Api, sandbox: Sandbox) -> None:
    body = ok(alice.post("/api/v2/domains", {"domain": "shop.com", "sendOnly": True}), 201)
    assert (body["sendOnly"], body["receiving"]) == (True, "send_only")
    path = f"/api/v2/domains/{body['id']}"
    ok(alice.put(path, {"sendOnly": False}))
    assert ok(alice.get(path))["receiving"] == "add_address"
    Domain.objects.update(mx_facts={"shop.com": "here"}, routes_unchecked=False)
    refused(alice.put(path, {"sendOnly": True}), 409, "MX_LEADS_HERE")


@pytest.mark.parametrize(
    "member",
    [{"sendOnly": True}, {"isCatchAllEnabled": False}, {"catchAllEndpointId": ""}, {"receiveDmarcEmails": True}],
)
def test_patch_refuses_what_only_put_changes(alice: Api, customer: Customer, member: dict[str, Any]) -> None:
    domain = make_verified("shop.com", customer=customer)
    path, before = f"/api/v2/domains/{domain.pk}", (domain.receives, domain.mail_from_label)
    said = refused(alice.patch(path, {**member, "mailFromDomain": "post"}), 400, "USE_PUT")
    assert next(iter(member)) in said["error"]
    assert "PUT" in said["error"]
    domain.refresh_from_db()
    assert (domain.receives, domain.mail_from_label) == before
    assert ok(alice.patch(path, dict.fromkeys(member)))["success"]


def test_a_change_is_applied_whole_or_not_at_all(alice: Api, customer: Customer) -> None:
    domain = make_verified("shop.com", customer=customer)
    asked = {"sendOnly": True, "catchAllEndpointId": make_endpoint().pk}
    refused(alice.put(f"/api/v2/domains/{domain.pk}", asked), 400, "SEND_ONLY")
    domain.refresh_from_db()
    assert domain.receives


def test_an_endpoint_names_nothing_of_a_domain_that_has_moved_to_another_customer(
    alice: Api, customer: Customer
) -> None:
    domain = make_verified("shop.com", customer=customer)
    desk = make_endpoint(customer, name="desk")
    address = make_address("a@shop.com", domain, endpoint=desk)
    CatchAll.objects.create(domain=domain, endpoint=desk)
    domain.customer = make_customer("Bob")
    domain.save()
    path = f"/api/v2/endpoints/{desk.pk}"
    body = ok(alice.get(path))
    assert (body["associatedEmails"], body["catchAllDomains"]) == ([], [])
    body = ok(alice.delete(path))
    assert (body["cleanup"]["emailAddresses"], body["cleanup"]["domains"]) == ([], [])
    address.refresh_from_db()
    assert (address.endpoint, CatchAll.objects.get().endpoint) == (None, None)
    assert not Change.objects.filter(customer_id=domain.customer_id).exists()
