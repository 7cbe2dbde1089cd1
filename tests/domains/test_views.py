"""The pages of domains, as a visit, as a swap, and for whom."""

import json
import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models.people import Customer
from domains.checking import services as checking_services
from domains.models.domains import Domain, Stage
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, publish, set_up_domain
from tests.factories import make_customer, make_member

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def alice_client(client: Client) -> Client:
    client.force_login(make_member(email="alice@alice.com"))
    return client


def own(client: Client) -> Customer:
    return Customer.objects.get(memberships__user=client.session["_auth_user_id"])


def test_the_list_of_nobody_yet_says_what_it_is_for(alice_client: Client) -> None:
    page = alice_client.get(reverse("domains:list"))
    assert "Add your first domain" in page.text


def test_a_domain_is_added_in_two_steps(alice_client: Client, sandbox: Sandbox) -> None:
    looked = alice_client.post(reverse("domains:add"), {"name": "https://Shop.Example.CO.UK/"})
    assert looked.status_code == 200
    assert "shop.example.co.uk" in looked.text
    assert not Domain.objects.exists()
    added = alice_client.post(reverse("domains:add"), {"name": "https://Shop.Example.CO.UK/", "confirm": "1"})
    assert added.status_code == 302
    assert Domain.objects.get().name == "shop.example.co.uk"
    waiting = alice_client.get(added["Location"])
    assert "Setting up in Amazon SES" in waiting.text


def test_the_records_are_shown_and_then_seen_verified(alice_client: Client, sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, customer=own(alice_client))
    page = alice_client.get(reverse("domains:detail", args=[domain.id]))
    for record in domain.records:
        assert record.value in page.text
    publish(sandbox, domain)
    sandbox.control.tick()
    swapped = alice_client.post(reverse("domains:check", args=[domain.id]), headers=HTMX)
    assert "<html" not in swapped.text
    assert "Ready to send. To receive mail for" in swapped.text
    assert 'hx-trigger="every' not in swapped.text


@pytest.mark.parametrize("name", ["detail", "check", "history", "settings", "new_keys", "start_again", "support"])
def test_another_customers_domain_does_not_exist_for_alice(alice_client: Client, name: str) -> None:
    bobs = make_domain(customer=make_customer("Bob Ltd"))
    url = reverse(f"domains:{name}", args=[bobs.id])
    for answer in (alice_client.get(url, follow=True), alice_client.post(url, {"do": "hold", "name": bobs.name})):
        assert answer.status_code in (404, 405)
    assert alice_client.post(url).status_code in (404, 405)


def names_in(page: str) -> list[str]:
    return re.findall(r'class="row-link">([^<]+)<', page)


@pytest.fixture
def three(alice_client: Client) -> None:
    hosts = {"a.com": "Hover", "b.com": "Hover", "c.com": "Cloudflare"}
    for name, state in (("b.com", "verified"), ("a.com", "wrong"), ("c.com", "waiting")):
        make_domain(name, customer=own(alice_client), state=state, provider=hosts[name])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["a.com", "b.com", "c.com"]),
        ("?sort=-name", ["c.com", "b.com", "a.com"]),
        ("?sort=state", ["b.com", "c.com", "a.com"]),
        ("?sort=nonsense", ["a.com", "b.com", "c.com"]),
        ("?q=https://B.com/", ["b.com"]),
        ("?q=b", ["b.com"]),
        ("?show=attention", ["a.com"]),
        ("?state=waiting", ["c.com"]),
        ("?provider=Hover", ["a.com", "b.com"]),
        ("?page=99", ["a.com", "b.com", "c.com"]),
        ("?q=%00", ["a.com", "b.com", "c.com"]),
    ],
)
def test_the_url_says_what_the_list_shows(alice_client: Client, three: None, query: str, expected: list[str]) -> None:
    assert names_in(alice_client.get(reverse("domains:list") + query).text) == expected


def test_a_filter_that_finds_nothing_says_so_and_how_to_clear_it(alice_client: Client, three: None) -> None:
    page = alice_client.get(reverse("domains:list") + "?q=foo").text
    assert "No domain matches “foo”" in page
    assert "Clear search" in page


def test_an_export_holds_what_the_filters_show_and_nobody_elses(alice_client: Client, three: None) -> None:
    make_domain("bobs.com")
    answer = alice_client.get(reverse("domains:export", args=["csv"]) + "?provider=Hover")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert [line.split(",")[1] for line in answer.text.splitlines()] == ["domain", "a.com", "b.com"]
    rows = json.loads(alice_client.get(reverse("domains:export", args=["json"])).text)
    assert [row["domain"] for row in rows] == ["a.com", "b.com", "c.com"]


@pytest.mark.parametrize("many", [3, 40])
def test_list_and_detail_take_the_same_queries_for_many_as_for_few(
    alice_client: Client, many: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    customer = own(alice_client)
    domains = [make_domain(customer=customer) for _ in range(many)]
    for url, queries in ((reverse("domains:list"), 13), (reverse("domains:detail", args=[domains[0].id]), 10)):
        alice_client.get(url)
        with django_assert_num_queries(queries):
            alice_client.get(url)


def test_too_soon_is_said_with_the_seconds_to_wait(alice_client: Client, sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, customer=own(alice_client))
    url = reverse("domains:check", args=[domain.id])
    assert alice_client.post(url, headers=HTMX).status_code == 200
    again = alice_client.post(url, headers=HTMX)
    assert again.status_code == 429
    assert 0 < int(again["Retry-After"]) <= 10
    assert again["HX-Retarget"] == "#problem"
    assert "You can check again in" in again.text


def test_settings_are_stored_and_refused_in_words(alice_client: Client, sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, customer=own(alice_client))
    url = reverse("domains:settings", args=[domain.id])
    form = {"mail_from_label": "return", "on_mx_failure": "UseDefaultValue", "dkim_signing": "on", "wants_dmarc": "on"}
    assert alice_client.post(url, form).status_code == 302
    domain.refresh_from_db()
    assert (domain.mail_from_label, domain.wants_apex_spf) == ("return", False)
    refused = alice_client.post(url, form | {"mail_from_label": "not a word"})
    assert refused.status_code == 422
    assert "letters, digits and hyphens" in refused.text


def test_a_claim_is_found_where_its_chip_says_it_waits(alice_client: Client) -> None:
    make_domain("claimed.com", customer=own(alice_client), stage=Stage.CLAIM)
    assert names_in(alice_client.get(reverse("domains:list") + "?state=waiting").text) == ["claimed.com"]
    assert names_in(alice_client.get(reverse("domains:list") + "?state=not_checked").text) == []


def test_what_is_held_up_on_its_way_needs_attention(alice_client: Client) -> None:
    make_domain("stuck.com", customer=own(alice_client), stage_problem="Amazon is not answering.")
    assert names_in(alice_client.get(reverse("domains:list") + "?show=attention").text) == ["stuck.com"]


@pytest.mark.parametrize(("asked", "expected"), [("yes", ["with.com"]), ("no", ["without.com"])])
def test_the_list_tells_domains_with_a_catch_all_apart(alice_client: Client, asked: str, expected: list[str]) -> None:
    make_domain("with.com", customer=own(alice_client), has_catch_all=True)
    make_domain("without.com", customer=own(alice_client))
    assert names_in(alice_client.get(reverse("domains:list") + f"?catch_all={asked}").text) == expected


def test_summaries_of_forged_mail_go_where_the_settings_say(alice_client: Client, sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=own(alice_client))
    form = {"mail_from_label": "bounce", "on_mx_failure": "UseDefaultValue", "dkim_signing": "on", "wants_dmarc": "on"}
    url = reverse("domains:settings", args=[domain.id])
    assert alice_client.post(url, form | {"dmarc_reports_to": "not an address"}).status_code == 422
    assert alice_client.post(url, form | {"dmarc_reports_to": "dmarc@shop.com"}).status_code == 302
    domain.refresh_from_db()
    assert "rua=mailto:dmarc@shop.com" in next(record.value for record in domain.records if record.key == "dmarc")


def test_the_delete_page_lists_what_to_remove_at_the_dns_host(alice_client: Client, sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=own(alice_client))
    url = reverse("operations:delete_domain", args=[domain.id])
    assert "stay published" not in alice_client.get(url).text
    publish(sandbox, domain)
    checking_services.check([domain], now=timezone.now())
    page = alice_client.get(url).text
    for record in domain.records:
        assert (record.name in page) == (record.key != "dmarc")
