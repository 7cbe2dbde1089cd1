"""The pages about receiving: full pages, htmx updates, and who may see them."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models.people import Customer
from domains.models.domains import Domain
from domains.receiving.core import RulesFact
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_customer
from tests.messages import message_text
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified, rule_count, set_up_receiving

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def inbound_url(name: str, customer: Customer) -> str:
    return reverse("receipt_rules:domain", args=[make_verified(name, customer=customer).id])


# --- the Inbound tab -------------------------------------------------------------------------------------------------


def test_a_domain_without_addresses_says_so_and_offers_to_add_one(alice_client: Client, alices: Customer) -> None:
    page = alice_client.get(inbound_url("shop.com", alices)).text
    assert "No mail is received at shop.com yet." in page
    assert "Add address" in page


def test_an_unverified_domain_refuses_addresses_with_an_explanation(alice_client: Client, alices: Customer) -> None:
    domain = make_domain("shop.com", customer=alices, stage="ready", proven_at=None)
    url = reverse("receipt_rules:domain", args=[domain.id])
    page = alice_client.get(url).text
    assert "Ownership of shop.com isn&#x27;t verified yet" in page
    assert "Add address" not in page
    answer = alice_client.post(url, {"do": "address", "address-address": "billing"})
    assert answer.status_code == 422
    assert not Address.objects.exists()


@pytest.mark.parametrize("typed", ["billing", "Billing@SHOP.com", " billing@ "])
def test_an_added_address_is_shown_while_it_is_being_applied(
    alice_client: Client, alices: Customer, typed: str
) -> None:
    url = inbound_url("shop.com", alices)
    endpoint = make_endpoint(alices, name="A")
    form = {"do": "address", "address-address": typed, "address-endpoint": endpoint.id}
    answer = alice_client.post(url, form)
    assert answer["Location"] == url
    assert "Added billing@shop.com" in message_text(answer)
    swapped = alice_client.get(url, headers=HTMX).text
    assert "<html" not in swapped
    assert "billing@ isn&#x27;t receiving yet: SES rejects its mail; all other mail is rejected." in swapped
    assert "Applying" in swapped
    assert 'hx-trigger="every 3s' in swapped


def test_an_address_in_the_rules_is_live_and_polling_stops(
    alice_client: Client, alices: Customer, sandbox: Sandbox
) -> None:
    set_up_receiving()
    url = inbound_url("shop.com", alices)
    Domain.objects.update(mx_facts={"shop.com": "here"})
    alice_client.post(url, {"do": "address", "address-address": "billing"})
    auto_apply_services.work()
    page = alice_client.get(url).text
    assert rule_count("billing@shop.com") == 1
    assert "Live" in page
    assert "hx-trigger" not in page


def test_a_change_that_needs_an_operator_says_so(alice_client: Client, alices: Customer, sandbox: Sandbox) -> None:
    url = inbound_url("shop.com", alices)
    alice_client.post(url, {"do": "address", "address-address": "billing"})
    auto_apply_services.work()  # no rule set is active, and a customer's change creates none
    page = alice_client.get(url).text
    assert "Pending our team" in page
    assert "Inbound mail isn&#x27;t set up in this region yet" in page
    assert 'hx-trigger="every 30s' in page


def test_the_summary_describes_addresses_and_catch_all_with_their_endpoints(
    alice_client: Client, alices: Customer
) -> None:
    url = inbound_url("shop.com", alices)
    a, b = make_endpoint(alices, name="A"), make_endpoint(alices, name="B")
    alice_client.post(url, {"do": "address", "address-address": "billing", "address-endpoint": a.id})
    alice_client.post(url, {"do": "address", "address-address": "sales", "address-endpoint": a.id})
    alice_client.post(url, {"do": "everything", "everything-is_active": "on", "everything-endpoint": b.id})
    assert "go to A;" not in alice_client.get(url).text  # no rule contains them yet
    Address.objects.update(rules=RulesFact.CARRIED)
    CatchAll.objects.update(rules=RulesFact.CARRIED)
    assert "billing@ and sales@ go to A; all other mail goes to B." in alice_client.get(url).text
    alice_client.post(url, {"do": "everything", "everything-endpoint": b.id})
    assert not CatchAll.objects.get().is_active
    assert "all other mail is received until SES has turned the catch-all off." in alice_client.get(url).text
    CatchAll.objects.update(rules=RulesFact.WAITING)
    assert "all other mail is rejected." in alice_client.get(url).text


def test_the_subdomain_catch_all_is_switched_on_separately(alice_client: Client, alices: Customer) -> None:
    url = inbound_url("shop.com", alices)
    alice_client.post(url, {"do": "below", "below-is_active": "on"})
    assert CatchAll.objects.get().recipient == ".shop.com"
    assert "Mail to its subdomains isn&#x27;t received yet: SES rejects it." in alice_client.get(url).text
    CatchAll.objects.update(rules=RulesFact.CARRIED)
    assert "Mail to its subdomains is stored only (no endpoint)." in alice_client.get(url).text


def test_a_refused_input_is_shown_with_its_error(alice_client: Client, alices: Customer) -> None:
    url = inbound_url("shop.com", alices)
    answer = alice_client.post(url, {"do": "address", "address-address": "bill ing"})
    assert answer.status_code == 422
    assert "Use letters, digits" in answer.text
    assert 'value="bill ing"' in answer.text


def test_another_customers_endpoint_cannot_be_chosen(alice_client: Client, alices: Customer) -> None:
    url = inbound_url("shop.com", alices)
    bobs = make_endpoint(make_customer("Bob Ltd"))
    form = {"do": "address", "address-address": "billing", "address-endpoint": bobs.id}
    assert alice_client.post(url, form).status_code == 422
    assert not Address.objects.exists()


def test_an_address_is_disabled_changed_and_removed(alice_client: Client, alices: Customer) -> None:
    domain = make_verified("shop.com", customer=alices)
    address = make_address("billing@shop.com", domain)
    endpoint = make_endpoint(alices)
    url = reverse("receipt_rules:address", args=[address.id])
    assert alice_client.post(url, {"do": "off"}).status_code == 302
    address.refresh_from_db()
    assert not address.is_active
    alice_client.post(url, {"do": "save", "is_active": "on", "endpoint": endpoint.id})
    address.refresh_from_db()
    assert (address.is_active, address.endpoint) == (True, endpoint)
    assert "Remove billing@shop.com" in alice_client.get(url).text
    alice_client.post(url, {"do": "remove"})
    assert not Address.objects.exists()


def test_a_long_list_is_cut_and_the_address_list_shows_the_whole_domain(alice_client: Client, alices: Customer) -> None:
    domain = make_verified("shop.com", customer=alices)
    for number in range(101):
        make_address(f"a{number:03}@shop.com", domain, rules=RulesFact.CARRIED)
    make_address("other@elsewhere.com", make_verified("elsewhere.com", customer=alices))
    page = alice_client.get(reverse("receipt_rules:domain", args=[domain.id])).text
    assert "101 addresses are stored only (no endpoint); all other mail is rejected." in page
    assert "a099@shop.com" in page
    assert "a100@shop.com" not in page
    assert "1 more." in page
    everything = alice_client.get(reverse("receipt_rules:addresses"), {"domain": domain.id, "page": "3"}).text
    assert "a100@shop.com" in everything
    assert "elsewhere.com" not in everything


# --- addresses -------------------------------------------------------------------------------------------------------


def test_the_list_shows_the_customers_own_addresses_by_search_and_status(
    alice_client: Client, alices: Customer
) -> None:
    domain = make_verified("shop.com", customer=alices)
    make_address("billing@shop.com", domain, rules="carried")
    make_address("sales@shop.com", domain, is_active=False)
    make_address("bob@bobs.com", make_verified("bobs.com"))
    url = reverse("receipt_rules:addresses")
    page = alice_client.get(url).text
    assert "billing@shop.com" in page
    assert "sales@shop.com" in page
    assert "bobs.com" not in page
    swapped = alice_client.get(url + "?q=BILL", headers=HTMX).text
    assert "<html" not in swapped
    assert "sales@" not in swapped
    assert "billing@" not in alice_client.get(url + "?show=off").text
    assert "No address matches “nothing”" in alice_client.get(url + "?q=nothing").text


def test_an_empty_list_says_what_to_do(alice_client: Client) -> None:
    assert "No addresses yet" in alice_client.get(reverse("receipt_rules:addresses")).text


@pytest.mark.parametrize("many", [3, 40])
def test_the_lists_need_the_same_number_of_queries_for_many_rows(
    alice_client: Client, alices: Customer, many: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    domain = make_verified("shop.com", customer=alices)
    for number in range(many):
        to = {"type": "email", "config": {"address": f"a{number}@gmail.com"}} if number % 2 else {}
        make_address(f"a{number}@shop.com", domain, endpoint=make_endpoint(alices, **to), is_active=number % 3 > 0)
    inbound = reverse("receipt_rules:domain", args=[domain.id])
    for url, queries in (
        (reverse("receipt_rules:addresses"), 20),
        (reverse("receipt_rules:endpoints"), 14),
        (inbound, 40),
    ):
        alice_client.get(url)
        with django_assert_num_queries(queries):
            alice_client.get(url)


PASTED = "billing@shop.com, a\nBILLING@shop.com\n\nnonsense\nx@bobs.com\nsales@shop.com, nowhere\nsupport@shop.com"


def test_the_preview_shows_the_result_of_every_line_before_anything_is_added(
    alice_client: Client, alices: Customer
) -> None:
    make_verified("shop.com", customer=alices)
    make_verified("bobs.com")
    make_endpoint(alices, name="A")
    url = reverse("receipt_rules:add_many")
    page = alice_client.post(url, {"text": PASTED}).text
    assert not Address.objects.exists()
    for sentence in (
        "Add 2 addresses for Alice Ltd?",
        "billing@shop.com is already on an earlier line.",
        "That isn&#x27;t an email address.",
        "bobs.com isn&#x27;t one of Alice Ltd&#x27;s domains.",
        "Alice Ltd has no endpoint named “nowhere”.",
    ):
        assert sentence in page
    done = alice_client.post(url, {"text": PASTED, "confirm": "1"}).text
    assert "2 addresses added" in done
    assert {str(each): str(each.endpoint) for each in Address.objects.all()} == {
        "billing@shop.com": "A",
        "support@shop.com": "None",
    }


def test_refused_lines_are_listed_first_and_an_open_quote_hides_no_line(alice_client: Client, alices: Customer) -> None:
    make_verified("shop.com", customer=alices)
    pasted = 'ann@shop.com\n"bob@shop.com,x\ncy@shop.com\nno address\n'
    page = alice_client.post(reverse("receipt_rules:add_many"), {"text": pasted}).text
    assert "Add 2 addresses for" in page
    table = page[page.index("Result") :]
    shown = [table.index(name) for name in ("bob@shop.com", "no address", "ann@shop.com", "cy@shop.com")]
    assert shown == sorted(shown)


def test_a_csv_file_is_read_like_pasted_text(alice_client: Client, alices: Customer) -> None:
    make_verified("shop.com", customer=alices)
    url = reverse("receipt_rules:add_many")
    good = SimpleUploadedFile("a.csv", "address;endpoint\r\nbilling@shop.com;\r\n".encode("utf-8-sig"))
    assert "Add 1 address for" in alice_client.post(url, {"file": good}).text
    bad = alice_client.post(url, {"file": SimpleUploadedFile("a.csv", b"\xff\xfe\x00")})
    assert bad.status_code == 422
    assert "isn&#x27;t UTF-8 text" in bad.text
    assert "Enter at least one address" in alice_client.post(url, {}).text


def test_of_a_long_paste_only_the_lines_within_the_limit_are_read(
    alice_client: Client, alices: Customer, django_assert_max_num_queries: Any
) -> None:
    make_verified("shop.com", customer=alices)
    url = reverse("receipt_rules:add_many")
    few, many = ("\n".join(f"a{each}@n{each % 40}.shop.com" for each in range(number)) for number in (10, 2000))
    with CaptureQueriesContext(connection) as queries:
        alice_client.post(url, {"text": few})
    with django_assert_max_num_queries(len(queries)):
        page = alice_client.post(url, {"text": many}).text
    assert "Add 500 addresses for Alice Ltd?" in page
    assert "500 lines read." in page
    assert "1,500 more lines" in page
    assert "You can add up to 500 addresses at a time. Add this line and the rest separately." in page
    assert "a500@" not in page[page.index("Result") : page.index("Edit addresses")]


# --- endpoints -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "given", "config"),
    [
        ("webhook", {"url": "https://example.com/mail"}, {"url": "https://example.com/mail"}),
        ("email", {"address": "alice@home.com"}, {"address": "alice@home.com"}),
        ("email_group", {"addresses": "a@home.com\nb@home.com"}, {"addresses": ["a@home.com", "b@home.com"]}),
    ],
)
def test_an_endpoint_of_each_type_is_added_changed_and_removed(
    alice_client: Client, kind: str, given: dict[str, str], config: dict[str, object]
) -> None:
    form = {"name": "Support", "type": kind, **given}
    assert alice_client.post(reverse("receipt_rules:add_endpoint"), form).status_code == 302
    endpoint = Endpoint.objects.get()
    assert endpoint.config == config
    url = reverse("receipt_rules:endpoint", args=[endpoint.id])
    assert "Support" in alice_client.get(url).text
    assert alice_client.post(url, {"do": "save", "name": "Desk", "is_active": "", **given}).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.is_active, endpoint.config) == ("Desk", False, config)
    alice_client.post(url, {"do": "remove"})
    assert not Endpoint.objects.exists()


def test_a_webhook_url_without_https_is_refused_at_its_field(alice_client: Client, settings: Settings) -> None:
    settings.WEBHOOKS_MAY_BE_PRIVATE = False
    form = {"name": "Support", "type": "webhook", "url": "http://example.com"}
    answer = alice_client.post(reverse("receipt_rules:add_endpoint"), form)
    assert answer.status_code == 422
    assert "Enter an https:// URL" in answer.text
    assert not Endpoint.objects.exists()


def test_an_endpoint_in_use_is_not_removed_and_says_what_uses_it(alice_client: Client, alices: Customer) -> None:
    endpoint = make_endpoint(alices)
    make_address("billing@shop.com", make_verified("shop.com", customer=alices), endpoint=endpoint)
    url = reverse("receipt_rules:endpoint", args=[endpoint.id])
    assert "billing@shop.com" in alice_client.get(url).text
    answer = alice_client.post(url, {"do": "remove"})
    assert "is used by billing@shop.com" in message_text(answer)
    assert Endpoint.objects.exists()


def test_only_operators_see_and_change_the_ses_options(
    alice_client: Client, alices: Customer, olga_client: Client
) -> None:
    endpoint = make_endpoint(alices)
    url = reverse("receipt_rules:endpoint", args=[endpoint.id])
    form = {"do": "ses", "ses-s3_bucket": "her-bucket", "ses-tls_required": "yes"}
    assert "SES options" not in alice_client.get(url).text
    assert alice_client.post(url, form).status_code == 422
    assert olga_client.post(url, form).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.s3_bucket, endpoint.tls_required, endpoint.scan) == ("her-bucket", True, None)


@pytest.mark.parametrize("name", ["domain", "address", "endpoint"])
def test_another_customers_objects_are_404(alice_client: Client, name: str) -> None:
    domain = make_verified("bobs.com", customer=make_customer("Bob Ltd"))
    keys = {
        "domain": domain.id,
        "address": make_address("b@bobs.com", domain).id,
        "endpoint": make_endpoint(domain.customer).id,
    }
    url = reverse(f"receipt_rules:{name}", args=[keys[name]])
    for answer in (alice_client.get(url), alice_client.post(url, {"do": "remove"})):
        assert answer.status_code == 404
    assert Address.objects.exists()
    assert Endpoint.objects.exists()
