"""The pages of the fake DNS host: zones and their records, as a visit, as a swap, and who can open them."""

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.request import urlopen

import pytest
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
from sandbox.local.plan import new_key
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, set_up_domain
from tests.factories import make_customer
from tests.messages import message_text
from tests.sandbox.zone_pages import HTMX, key, page_of, post, swap, values

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]


# Zones


def test_a_visit_creates_the_zone_of_each_domain(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    make_domain("shop.example.co.uk", customer=alice)
    page = alice_client.get(reverse("sandbox:zones"))
    assert "example.co.uk" in page.text
    assert sandbox.control.list_zones() == ("example.co.uk",)
    assert len(sandbox.control.nameservers("example.co.uk")) == 2


def test_the_list_shows_how_many_records_are_missing(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    domain = set_up_domain(sandbox, "alice.com", customer=alice)
    wanted = len(domain.records)
    assert f"{wanted} of {wanted}" in alice_client.get(reverse("sandbox:zones")).text
    post(alice_client, "alice.com", "publish_missing")
    assert f"none of {wanted}" in alice_client.get(reverse("sandbox:zones")).text


def test_a_user_without_domains_sees_that_there_are_no_zones(sandbox: Sandbox, alice_client: Client) -> None:
    assert "No zones yet" in alice_client.get(reverse("sandbox:zones")).text


def test_another_customers_zone_is_404(sandbox: Sandbox, alice_client: Client) -> None:
    bobs = set_up_domain(sandbox, "bob.com", customer=make_customer("Bob's"))
    assert "bob.com" not in alice_client.get(reverse("sandbox:zones")).text
    assert alice_client.get(reverse("sandbox:zone", args=["bob.com"])).status_code == 404
    refused = post(alice_client, "bob.com", "publish", key=key(bobs, "identity"))
    assert refused.status_code == 404
    assert not values(sandbox, "bob.com", "_amazonses.bob.com", "TXT")


def test_in_a_shared_zone_each_customer_sees_only_their_records(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    set_up_domain(sandbox, "shop.example.com", customer=alice)
    make_domain("secret.example.com", customer=make_customer("Bob's"), verification_token="bobs-token")
    page = alice_client.get(reverse("sandbox:zone", args=["example.com"]))
    assert "shop.example.com" in page.text
    assert "secret" not in page.text
    assert "bobs-token" not in page.text


def test_support_sees_all_zones(sandbox: Sandbox, sam_client: Client) -> None:
    set_up_domain(sandbox, "bob.com")
    assert "bob.com" in sam_client.get(reverse("sandbox:zones")).text
    assert sam_client.get(reverse("sandbox:zone", args=["bob.com"])).status_code == 200


def test_open_behaviour_of_aws_is_chosen_on_the_page(sandbox: Sandbox, alice_client: Client) -> None:
    url = reverse("sandbox:faults")
    assert "Accepted literally" in alice_client.get(url).text
    given = {"do": "believe", "hosted_zone": "no", "manual_cause": "", "star_recipient": "literal"}
    assert alice_client.post(url, given).status_code == 302
    now = sandbox.control.beliefs()
    assert (now["hosted_zone"], now["manual_cause"], now["star_recipient"]) == ("no", "", "literal")
    assert now["tenant_metrics"] == "pair"


def test_an_anonymous_visitor_is_redirected_to_the_sign_in(client: Client) -> None:
    for name, arguments in (("zones", []), ("zone", ["alice.com"]), ("faults", [])):
        response = client.get(reverse(f"sandbox:{name}", args=arguments))
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("page", ["zones", "zone"])
def test_the_number_of_queries_does_not_grow_with_the_domains(
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
    assert "MAIL FROM MX: published" in message_text(response)
    name = f"{domain.mail_from_label}.alice.com"
    assert values(sandbox, "alice.com", name, "MX") == ["10 feedback-smtp.eu-west-1.amazonses.com."]


def test_a_record_of_the_wrong_type_needs_fixing_and_blocks_no_other(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    domain = set_up_domain(sandbox, "alice.com", customer=alice)
    first = next(record for record in domain.records if record.type == "CNAME")
    sandbox.control.add_record("alice.com", first.name, "TXT", first.value)
    fix = 'aria-label="Fix DKIM record 1 of alice.com"'
    assert fix in page_of(alice_client, "alice.com")
    answer = message_text(post(alice_client, "alice.com", "publish_missing"))
    assert f"{len(domain.records) - 1} records published" in answer
    assert "another record is in the way" in answer
    assert "fixed and published" in message_text(post(alice_client, "alice.com", "publish", key=key(domain, first.key)))
    assert fix not in page_of(alice_client, "alice.com")
    assert values(sandbox, "alice.com", first.name, "TXT") == []


def test_one_press_publishes_all_records_and_the_domain_is_verified(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    domain = set_up_domain(sandbox, "shop.example.co.uk", customer=alice)
    response = post(alice_client, "example.co.uk", "publish_missing")
    assert f"{len(domain.records)} records published" in message_text(response)
    checking_services.check_now(domain=domain)
    domain.refresh_from_db()
    assert domain.state == "verified", domain.summary
    assert "No records are missing" in message_text(post(alice_client, "example.co.uk", "publish_missing"))


def test_a_host_with_domain_connect_is_offered_on_the_records_page(
    sandbox: Sandbox, alice: Customer, alice_client: Client, settings: Settings
) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=alice)
    assert "Support Domain Connect" not in page_of(alice_client, "shop.com")
    assert "set up here" in message_text(post(alice_client, "shop.com", "connect"))
    settings.DOMAIN_CONNECT_PROVIDER, settings.DOMAIN_CONNECT_KEY = "panel.example", new_key()
    assert "Support Domain Connect" in page_of(alice_client, "shop.com")
    assert "supports Domain Connect now" in message_text(post(alice_client, "shop.com", "connect"))
    post(alice_client, "shop.com", "connect")
    assert len(values(sandbox, "shop.com", "_domainconnect.shop.com", "TXT")) == 1
    assert "Support Domain Connect" not in page_of(alice_client, "shop.com")
    assert ProcrastinateJob.objects.filter(task_name="domains.discover", args__domain_id=domain.pk).exists()
    checking_services.check([domain], now=timezone.now())
    domain_connect_services.discover(domain_id=domain.pk)
    offered = alice_client.get(reverse("domains:detail", args=(domain.pk,))).text
    address = unescape(re.search(r'href="(http://[^"]*/_connect/supported[^"]*)"', offered)[1])  # type: ignore[index]  # it is there, or the test fails
    with urlopen(address, timeout=10) as answer:  # noqa: S310  # the sandbox's own address
        assert "Add to shop.com" in answer.read().decode()


def test_ses_checks_after_a_change_and_the_page_shows_the_result(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    domain = set_up_domain(sandbox, "alice.com", customer=alice)
    set_up_domain(sandbox, "bob.com")
    sandbox.control.publish_missing("bob.com", ())
    response = post(alice_client, "alice.com", "publish", key=key(domain, "identity"))
    assert "alice.com identity: Pending → Success" in message_text(response)
    assert "bob.com" not in message_text(response)


def test_the_challenge_of_a_claim_is_published_from_the_page(
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


def test_a_withheld_record_is_not_to_be_published(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    domain = set_up_domain(sandbox, "alice.com", customer=alice)
    Domain.objects.update(wants_apex_spf=True)
    domain.refresh_from_db()
    spf = next(record for record in domain.records if record.key == "apex-spf")
    sandbox.control.make_mistake("alice.com", panel.as_wanted(domain, spf), "spf.comma")
    checking_services.check([domain], now=timezone.now())
    domain.refresh_from_db()
    assert [record.key for record in domain.records if not record.value] == ["apex-spf"]
    assert alice_client.get(reverse("sandbox:zones")).status_code == 200
    page = alice_client.get(reverse("sandbox:zone", args=["alice.com"]))
    assert page.status_code == 200
    assert key(domain, "apex-spf") not in page.text
    assert post(alice_client, "alice.com", "publish_missing").status_code == 302


def test_two_domains_of_a_zone_keep_their_records_apart(
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


def test_a_swap_returns_only_the_part(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    domain = set_up_domain(sandbox, "alice.com", customer=alice)
    part = swap(alice_client, "alice.com", "publish", key=key(domain, "identity"))
    assert part.status_code == 200
    assert "<html" not in part.text
    assert "Ownership (TXT): published" in part.text
    assert f'id="row-{key(domain, "identity")}" tabindex="-1" autofocus' in part.text


# When there is no sandbox


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_an_unreachable_sandbox_is_reported(
    alice: Customer, alice_client: Client, settings: Settings, headers: dict[str, str]
) -> None:
    make_domain("alice.com", customer=alice)
    settings.AWS_ENDPOINT_URL = "http://127.0.0.1:9"
    for name, arguments in (("zones", []), ("zone", ["alice.com"]), ("faults", [])):
        response = alice_client.get(reverse(f"sandbox:{name}", args=arguments), headers=headers)
        assert response.status_code == 504
        assert response["X-Problem"] == "SANDBOX_SILENT"
        assert "The sandbox isn&#x27;t responding" in response.text


def test_without_the_sandbox_the_pages_are_404() -> None:
    script = "import django; django.setup(); from django.urls import resolve; resolve('/sandbox/')"
    environment = os.environ | {
        "SANDBOX": "0",
        "SECRET_KEY": "x" * 50,
        "DJANGO_SETTINGS_MODULE": "inbound_admin.settings",
    }
    made = subprocess.run(
        [sys.executable, "-c", script], check=False, cwd=ROOT, env=environment, text=True, capture_output=True
    )
    assert made.returncode != 0
    assert "Resolver404" in made.stderr
