"""The Sandbox pages: the pretend DNS host, as a visit, as a swap, and for whom."""

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models.people import Customer
from domains.checking import services as checking_services
from domains.domain_connect import services as domain_connect_services
from domains.models.domains import Domain, Stage
from domains.ownership.core import ClaimReason, challenge
from domains.ownership_claims import services as ownership_claims_services
from sandbox import panel
from sandbox.dns.mistaken import RECORD_MISTAKES
from sandbox.local.plan import new_key
from sandbox.process import Sandbox
from tests.domains.making import make_domain, set_up_domain
from tests.factories import make_customer, make_member, make_user
from tests.messages import said

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
Answer = Any  # what the test client answers has no public type
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def alice() -> Customer:
    return make_customer("Alice's")


@pytest.fixture
def alice_client(client: Client, alice: Customer) -> Client:
    client.force_login(make_member(alice, email="alice@alice.com"))
    return client


@pytest.fixture
def sam_client() -> Client:
    sam = make_user("sam@inbound-admin.example")
    sam.user_permissions.add(Permission.objects.get(codename="support_customer"))
    client = Client()
    client.force_login(sam)
    return client


def post(client: Client, zone: str, do: str, **fields: str) -> Answer:
    return client.post(reverse("sandbox:zone", args=[zone]), {"do": do, **fields})


def swap(client: Client, zone: str, do: str, **fields: str) -> Answer:
    return client.post(reverse("sandbox:zone", args=[zone]), {"do": do, **fields}, headers=HTMX)


def key(domain: Domain, record: str) -> str:
    return f"{record}.{domain.id}"


def values(sandbox: Sandbox, zone: str, name: str, kind: str) -> list[str]:
    return [it.value for it in sandbox.control.records(zone) if (it.name, it.type) == (name, kind)]


# Zones


def test_a_visit_opens_the_zone_of_each_domain(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    make_domain("shop.example.co.uk", customer=alice)
    page = alice_client.get(reverse("sandbox:zones"))
    assert "example.co.uk" in page.text
    assert sandbox.control.list_zones() == ("example.co.uk",)
    assert len(sandbox.control.nameservers("example.co.uk")) == 2


def test_the_list_says_how_much_is_missing(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    domain = set_up_domain(sandbox, "alice.com", customer=alice)
    wanted = len(domain.records)
    assert f"{wanted} of {wanted}" in alice_client.get(reverse("sandbox:zones")).text
    post(alice_client, "alice.com", "publish_missing")
    assert f"none of {wanted}" in alice_client.get(reverse("sandbox:zones")).text


def test_who_has_no_domain_is_told_what_a_zone_is(sandbox: Sandbox, alice_client: Client) -> None:
    assert "No zones yet" in alice_client.get(reverse("sandbox:zones")).text


def test_anothers_zone_is_not_found(sandbox: Sandbox, alice_client: Client) -> None:
    bobs = set_up_domain(sandbox, "bob.com", customer=make_customer("Bob's"))
    assert "bob.com" not in alice_client.get(reverse("sandbox:zones")).text
    assert alice_client.get(reverse("sandbox:zone", args=["bob.com"])).status_code == 404
    refused = post(alice_client, "bob.com", "publish", key=key(bobs, "identity"))
    assert refused.status_code == 404
    assert not values(sandbox, "bob.com", "_amazonses.bob.com", "TXT")


def test_of_a_shared_zone_each_sees_what_is_asked_of_them_alone(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    set_up_domain(sandbox, "shop.example.com", customer=alice)
    make_domain("secret.example.com", customer=make_customer("Bob's"), verification_token="bobs-token")
    page = alice_client.get(reverse("sandbox:zone", args=["example.com"]))
    assert "shop.example.com" in page.text
    assert "secret" not in page.text
    assert "bobs-token" not in page.text


def test_support_sees_the_zones_of_everybody(sandbox: Sandbox, sam_client: Client) -> None:
    set_up_domain(sandbox, "bob.com")
    assert "bob.com" in sam_client.get(reverse("sandbox:zones")).text
    assert sam_client.get(reverse("sandbox:zone", args=["bob.com"])).status_code == 200


def test_what_amazons_documents_leave_open_is_chosen_on_the_page(sandbox: Sandbox, alice_client: Client) -> None:
    url = reverse("sandbox:faults")
    assert "Accepted literally" in alice_client.get(url).text
    given = {"do": "believe", "hosted_zone": "no", "manual_cause": "", "star_recipient": "literal"}
    assert alice_client.post(url, given).status_code == 302
    now = sandbox.control.beliefs()
    assert (now["hosted_zone"], now["manual_cause"], now["star_recipient"]) == ("no", "", "literal")
    assert now["tenant_metrics"] == "pair"


def test_a_stranger_is_sent_to_the_sign_in(client: Client) -> None:
    for name, arguments in (("zones", []), ("zone", ["alice.com"]), ("faults", [])):
        response = client.get(reverse(f"sandbox:{name}", args=arguments))
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("page", ["zones", "zone"])
def test_the_database_is_asked_as_often_for_many_domains_as_for_one(
    sandbox: Sandbox,
    alice: Customer,
    alice_client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
    page: str,
) -> None:
    url = reverse("sandbox:zones") if page == "zones" else reverse("sandbox:zone", args=["alice.com"])
    make_domain("alice.com", customer=alice)
    with CaptureQueriesContext(connection) as for_one:
        alice_client.get(url)
    for number in range(5):
        make_domain(f"part{number}.alice.com", customer=alice)
    with django_assert_num_queries(len(for_one)):
        alice_client.get(url)


# Publishing


def test_records_are_published_one_by_one(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    domain = set_up_domain(sandbox, "alice.com", customer=alice)
    response = post(alice_client, "alice.com", "publish", key=key(domain, "mail-from-mx"))
    assert response.status_code == 302
    assert "MAIL FROM MX: published" in said(response)
    name = f"{domain.mail_from_label}.alice.com"
    assert values(sandbox, "alice.com", name, "MX") == ["10 feedback-smtp.eu-west-1.amazonses.com."]


def test_a_record_of_the_wrong_type_needs_fixing_and_stops_no_other(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    domain = set_up_domain(sandbox, "alice.com", customer=alice)
    first = next(record for record in domain.records if record.type == "CNAME")
    sandbox.control.add_record("alice.com", first.name, "TXT", first.value)
    fix = 'aria-label="Fix DKIM record 1 of alice.com"'
    assert fix in page_of(alice_client, "alice.com")
    answer = said(post(alice_client, "alice.com", "publish_missing"))
    assert f"{len(domain.records) - 1} records published" in answer
    assert "another record is in the way" in answer
    assert "fixed and published" in said(post(alice_client, "alice.com", "publish", key=key(domain, first.key)))
    assert fix not in page_of(alice_client, "alice.com")
    assert values(sandbox, "alice.com", first.name, "TXT") == []


def test_one_press_publishes_all_and_the_domain_is_seen_verified(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    domain = set_up_domain(sandbox, "shop.example.co.uk", customer=alice)
    response = post(alice_client, "example.co.uk", "publish_missing")
    assert f"{len(domain.records)} records published" in said(response)
    checking_services.check_now(domain=domain)
    domain.refresh_from_db()
    assert domain.state == "verified", domain.summary
    assert "No records are missing" in said(post(alice_client, "example.co.uk", "publish_missing"))


def test_a_dns_host_that_supports_domain_connect_is_offered_on_the_records_page(
    sandbox: Sandbox, alice: Customer, alice_client: Client, settings: Settings
) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=alice)
    assert "Support Domain Connect" not in page_of(alice_client, "shop.com")
    assert "set up here" in said(post(alice_client, "shop.com", "connect"))
    settings.DOMAIN_CONNECT_PROVIDER, settings.DOMAIN_CONNECT_KEY = "panel.example", new_key()
    assert "Support Domain Connect" in page_of(alice_client, "shop.com")
    assert "supports Domain Connect now" in said(post(alice_client, "shop.com", "connect"))
    post(alice_client, "shop.com", "connect")
    assert len(values(sandbox, "shop.com", "_domainconnect.shop.com", "TXT")) == 1
    assert "Support Domain Connect" not in page_of(alice_client, "shop.com")
    assert ProcrastinateJob.objects.filter(task_name="domains.discover", args__domain_id=domain.pk).exists()
    checking_services.check([domain], now=timezone.now())
    domain_connect_services.discover(domain_id=domain.pk)
    offered = alice_client.get(reverse("domains:detail", args=(domain.pk,))).text
    address = unescape(re.search(r'href="(http://[^"]*/_connect/supported[^"]*)"', offered)[1])  # type: ignore[index]  # it is there, or the test fails
    with urlopen(address, timeout=10) as answer:  # noqa: S310  # the sandbox's own
        assert "Add to shop.com" in answer.read().decode()


def page_of(client: Client, zone: str) -> str:
    return client.get(reverse("sandbox:zone", args=[zone])).text


def test_amazon_looks_after_a_change_and_the_page_says_what_it_saw(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    domain = set_up_domain(sandbox, "alice.com", customer=alice)
    set_up_domain(sandbox, "bob.com")
    sandbox.control.publish_missing("bob.com", ())
    response = post(alice_client, "alice.com", "publish", key=key(domain, "identity"))
    assert "alice.com identity: Pending → Success" in said(response)
    assert "bob.com" not in said(response)


def test_the_proof_of_a_claim_is_published_from_the_page(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    domain = make_domain("alice.com", customer=alice)
    ownership_claims_services.require_proof(domain, ClaimReason.RELATED)
    page = alice_client.get(reverse("sandbox:zone", args=["alice.com"]))
    assert "Ownership challenge" in page.text
    post(alice_client, "alice.com", "publish", key=key(domain, "challenge"))
    proof = challenge(domain.parsed, domain.claim_token)
    assert values(sandbox, "alice.com", proof.name, "TXT") == [proof.value]
    assert ownership_claims_services.check_claim(domain)
    domain.refresh_from_db()
    assert domain.stage == Stage.STARTING


def test_a_record_whose_value_is_withheld_is_not_asked_of_the_host(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    domain = set_up_domain(sandbox, "alice.com", customer=alice)
    spf = next(record for record in domain.records if record.key == "mail-from-spf")
    sandbox.control.make_mistake("alice.com", panel.as_wanted(domain, spf), "spf.comma")
    checking_services.check([domain], now=timezone.now())
    domain.refresh_from_db()
    assert [record.key for record in domain.records if not record.value] == ["mail-from-spf"]
    assert alice_client.get(reverse("sandbox:zones")).status_code == 200
    page = alice_client.get(reverse("sandbox:zone", args=["alice.com"]))
    assert page.status_code == 200
    assert key(domain, "mail-from-spf") not in page.text
    assert post(alice_client, "alice.com", "publish_missing").status_code == 302


def test_two_domains_of_one_zone_keep_their_records_apart(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    apex = set_up_domain(sandbox, "alice.com", customer=alice)
    shop = set_up_domain(sandbox, "shop.alice.com", customer=alice)
    post(alice_client, "alice.com", "mistake", key=key(apex, "identity"), code="value.mistyped")
    post(alice_client, "alice.com", "publish", key=key(shop, "identity"))
    wrong = values(sandbox, "alice.com", "_amazonses.alice.com", "TXT")
    assert wrong != [apex.verification_token]
    assert len(wrong) == 1
    assert values(sandbox, "alice.com", "_amazonses.shop.alice.com", "TXT") == [shop.verification_token]


def test_each_domain_links_back_to_its_records(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    domain = set_up_domain(sandbox, "alice.com", customer=alice)
    page = alice_client.get(reverse("sandbox:zone", args=["alice.com"]))
    assert reverse("domains:detail", args=[domain.id]) in page.text
    assert "every few seconds" in page.text


def test_a_swap_answers_with_the_part_alone(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    domain = set_up_domain(sandbox, "alice.com", customer=alice)
    part = swap(alice_client, "alice.com", "publish", key=key(domain, "identity"))
    assert part.status_code == 200
    assert "<html" not in part.text
    assert "Ownership (TXT): published" in part.text
    assert f'id="row-{key(domain, "identity")}" tabindex="-1" autofocus' in part.text


# Mistakes


def test_a_mistake_is_made_named_and_mended(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    domain = set_up_domain(sandbox, "shop.example.co.uk", customer=alice)
    post(alice_client, "example.co.uk", "publish_missing")
    name = f"{domain.dkim_tokens[0]}._domainkey.shop.example.co.uk"
    broken = swap(alice_client, "example.co.uk", "mistake", key=key(domain, "dkim-1"), code="name.doubled_zone")
    assert "Name doubled" in broken.text
    assert "shop.example.co.uk dkim: Success → TemporaryFailure" in broken.text.replace("&gt;", ">")
    assert not values(sandbox, "example.co.uk", name, "CNAME")
    assert values(sandbox, "example.co.uk", f"{name}.example.co.uk", "CNAME")
    mended = post(alice_client, "example.co.uk", "publish", key=key(domain, "dkim-1"))
    assert "fixed" in said(mended)
    assert values(sandbox, "example.co.uk", name, "CNAME")
    assert not values(sandbox, "example.co.uk", f"{name}.example.co.uk", "CNAME")


def test_every_mistake_of_the_menu_is_recognised_and_mended(sandbox: Sandbox, alice: Customer) -> None:
    domain = set_up_domain(sandbox, "shop.example.com", customer=alice)
    host, tried = sandbox.control, set()
    for row in panel.zone_page("example.com", [domain]).rows:
        for mistake in row.mistakes:
            host.make_mistake("example.com", row.as_wanted, mistake.code)
            broken = panel.zone_page("example.com", [domain]).row(row.key)
            assert broken.mistake is not None, (row.label, mistake.code)
            assert not broken.is_right
            host.publish("example.com", row.as_wanted)
            assert panel.zone_page("example.com", [domain]).row(row.key).is_right, (row.label, mistake.code)
            tried.add(mistake.code)
    assert tried == {mistake.code for mistake in RECORD_MISTAKES}


def test_the_same_record_of_a_domain_above_is_nobodys_mistake(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    domains = [set_up_domain(sandbox, name, customer=alice) for name in ("alice.com", "shop.alice.com")]
    for record in ("apex-spf", "dmarc", "mail-from-spf"):
        post(alice_client, "alice.com", "publish", key=key(domains[0], record))
    for row in panel.zone_page("alice.com", domains).rows:
        assert row.mistake is None, (row.label, row.mistake)


def test_a_mistake_that_does_not_fit_the_record_is_refused(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    domain = set_up_domain(sandbox, "alice.com", customer=alice)
    refused = post(alice_client, "alice.com", "mistake", key=key(domain, "identity"), code="value.null_mx")
    assert "Choose a mistake from the list" in said(refused)
    assert not values(sandbox, "alice.com", "alice.com", "MX")


@pytest.mark.parametrize("code", ["zone.servfail", "zone.silent", "zone.lame", "zone.bogus"])
def test_nameservers_are_broken_and_mended(
    sandbox: Sandbox, alice: Customer, alice_client: Client, settings: Settings, code: str
) -> None:
    make_domain("alice.com", customer=alice)
    alice_client.get(reverse("sandbox:zones"))
    post(alice_client, "alice.com", "break_zone", code=code)
    assert [fault.fault for fault in sandbox.control.dns_faults()] == [code.removeprefix("zone.")]
    page = alice_client.get(reverse("sandbox:zone", args=["alice.com"]))
    assert "on purpose" in page.text
    post(alice_client, "alice.com", "mend_zone")
    assert sandbox.control.dns_faults() == ()


def test_nameservers_disagree_until_they_are_mended(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    make_domain("alice.com", customer=alice, verification_token="token")
    alice_client.get(reverse("sandbox:zones"))
    refused = post(alice_client, "alice.com", "break_zone", code="zone.disagree")
    assert "Publish a record first" in said(refused)
    post(alice_client, "alice.com", "publish_missing")
    post(alice_client, "alice.com", "break_zone", code="zone.disagree")
    second = sandbox.control.nameservers("alice.com")[1]
    behind = sandbox.zones.view("alice.com", second)
    assert behind is not None
    assert behind.find("_amazonses.alice.com", "TXT").records == ()
    post(alice_client, "alice.com", "mend_zone")
    mended = sandbox.zones.view("alice.com", second)
    assert mended is not None
    assert mended.find("_amazonses.alice.com", "TXT").records


# By hand


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("", "alice.com"),
        ("@", "alice.com"),
        ("www", "www.alice.com"),
        ("www.alice.com", "www.alice.com.alice.com"),
        ("www.alice.com.", "www.alice.com"),
    ],
)
def test_a_name_is_taken_relative_to_the_zone_as_hosts_do(
    sandbox: Sandbox, alice: Customer, alice_client: Client, typed: str, name: str
) -> None:
    make_domain("alice.com", customer=alice)
    response = post(alice_client, "alice.com", "add", name=typed, type="TXT", ttl="300", value="hello")
    assert said(response).startswith(f"Added: {name} TXT hello")
    assert values(sandbox, "alice.com", name, "TXT") == ["hello"]


def test_the_priority_of_an_mx_is_a_field_of_its_own(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    make_domain("alice.com", customer=alice)
    fields = {"name": "@", "type": "MX", "ttl": "300", "value": "mx.alice.net"}
    without = post(alice_client, "alice.com", "add", **fields)
    assert without.status_code == 422
    assert "Enter a priority for the MX record" in without.text
    post(alice_client, "alice.com", "add", **fields, priority="20")
    assert values(sandbox, "alice.com", "alice.com", "MX") == ["20 mx.alice.net."]


def test_what_the_host_refuses_is_said_in_its_words_and_stays_in_the_form(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    make_domain("alice.com", customer=alice)
    typed = {"name": "@", "type": "A", "ttl": "300", "value": "nowhere"}
    for refused, status in ((post, 422), (swap, 200)):
        answer = refused(alice_client, "alice.com", "add", **typed)
        assert answer.status_code == status  # htmx swaps no 422
        assert "valid A value" in answer.text
        assert 'value="nowhere"' in answer.text
    assert values(sandbox, "alice.com", "alice.com", "A") == []


def test_a_record_is_edited_in_place_and_removed(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    make_domain("alice.com", customer=alice)
    post(alice_client, "alice.com", "add", name="www", type="A", ttl="300", value="192.0.2.1")
    number = next(it.id for it in sandbox.control.records("alice.com") if it.type == "A")
    fields = {"id": number, "name": "www", "type": "A", "ttl": "60"}
    post(alice_client, "alice.com", "edit", **fields, value="192.0.2.2")
    assert values(sandbox, "alice.com", "www.alice.com", "A") == ["192.0.2.2"]
    wrong = post(alice_client, "alice.com", "edit", **(fields | {"ttl": "soon"}), value="192.0.2.3")
    assert wrong.status_code == 422
    assert f'id="record-{number}" open' in wrong.text
    post(alice_client, "alice.com", "remove", id=number)
    assert values(sandbox, "alice.com", "www.alice.com", "A") == []
    assert "no longer in the zone" in said(post(alice_client, "alice.com", "remove", id=number))


# When there is no sandbox


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_silent_sandbox_is_explained(
    alice: Customer, alice_client: Client, settings: Settings, headers: dict[str, str]
) -> None:
    make_domain("alice.com", customer=alice)
    settings.AWS_ENDPOINT_URL = "http://127.0.0.1:9"
    for name, arguments in (("zones", []), ("zone", ["alice.com"]), ("faults", [])):
        response = alice_client.get(reverse(f"sandbox:{name}", args=arguments), headers=headers)
        assert response.status_code == 504
        assert response["X-Problem"] == "SANDBOX_SILENT"
        assert "The sandbox isn&#x27;t responding" in response.text


def test_without_the_sandbox_the_pages_do_not_exist() -> None:
    asked = "import django; django.setup(); from django.urls import resolve; resolve('/sandbox/')"
    environment = os.environ | {
        "SANDBOX": "0",
        "SECRET_KEY": "x" * 50,
        "DJANGO_SETTINGS_MODULE": "inbound_admin.settings",
    }
    made = subprocess.run(
        [sys.executable, "-c", asked], check=False, cwd=ROOT, env=environment, text=True, capture_output=True
    )
    assert made.returncode != 0
    assert "Resolver404" in made.stderr


def test_a_policy_is_hosted_for_a_domain_of_the_zone_alone(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=alice)
    other = set_up_domain(sandbox, "other.com")
    swap(alice_client, "shop.com", "host_policy", domain=domain.id, policy="enforce", fault="expired")
    (site,) = sandbox.control.policies().values()
    assert ("mode: enforce" in site["policy"], site["fault"]) == (True, "expired")
    for wrong in ({"domain": other.id}, {"policy": "no"}, {"fault": "no"}):
        given = {"domain": domain.id, "policy": "enforce", "fault": ""} | wrong
        assert "Choose a domain" in swap(alice_client, "shop.com", "host_policy", **given).content.decode()
    swap(alice_client, "shop.com", "host_policy", domain=domain.id, policy="", fault="")
    assert sandbox.control.policies() == {}


def test_a_name_below_that_takes_mail_does_not_break_the_page(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=alice)
    Domain.objects.filter(pk=domain.pk).update(
        mail_rules={"shop.com": "carried", "*.shop.com": "carried"},
        identity_status="SUCCESS",
        proven_at=domain.created_at,
    )
    page = alice_client.get(reverse("sandbox:zone", args=["shop.com"])).content.decode()
    assert "Inbound MX of *.shop.com" in page
